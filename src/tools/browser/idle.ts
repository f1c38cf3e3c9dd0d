import type { DriverAnswer, DriverProblem } from "./records.ts";

/** Actions that start the browser when it does not run; others need what only a running one has. */
export const STARTING_ACTIONS: ReadonlySet<string> = new Set(["doctor", "start", "open", "navigate"]);

export const NO_TAB: DriverProblem = { code: "no_tab", message: "This conversation has no open tab. Open one with action open." };

/** What an action that starts nothing gives while the browser does not run. Pure. */
export function answerIdle(action: string): { answer: DriverAnswer } | { problem: DriverProblem } {
  if (action === "tabs") return { answer: { text: "No tab is open.", data: [] } };
  if (action === "stop") return { answer: { text: "The browser was not running." } };
  if (action !== "status") return { problem: NO_TAB };
  return {
    answer: {
      text: "The browser is not running; the first call that needs it starts it.",
      data: { running: false, version: null, tabs: 0 },
    },
  };
}
