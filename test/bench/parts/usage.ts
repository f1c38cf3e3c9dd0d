import { join } from "node:path";
import { dropHome, newHome, stateDir } from "../../wire/gateway-process.ts";
import { fillUsage } from "../fill.ts";
import { costOf } from "../measure.ts";
import type { Part } from "../subject.ts";

const ROWS = 1_000_000;
/** The longest time of one question. */
const BUDGET_MS = 300;

const QUESTIONS: readonly (readonly [string, string, object])[] = [
  ["usage.cost", "usage.cost", { days: 90 }],
  ["usage.report by model and day", "usage.report", { days: 90, by: ["provider", "model"], byDay: true }],
  ["usage.report by person and cause", "usage.report", { days: 90, by: ["agent", "channel", "sender", "cause"] }],
  ["sessions.usage", "sessions.usage", { range: "90d" }],
  ["sessions.usage of the page (1,000 sessions)", "sessions.usage", { range: "90d", limit: 1_000 }],
  ["sessions.usage in a zone", "sessions.usage", { range: "90d", limit: 1_000, mode: "specific", timeZone: "America/New_York" }],
  ["sessions.usage of an agent", "sessions.usage", { range: "90d", agentId: "agent-1" }],
  ["usage.calls", "usage.calls", { limit: 1_000 }],
];

export const usage: Part = {
  name: "usage",
  about: "Questions about 90 days of 1,000,000 requests to models, in 5,000 sessions of 500 people.",
  onRequest: true,
  maxRuns: 1,
  async measure(subject) {
    const home = newHome();
    try {
      await (await subject.start(home, subject.config())).kill();
      await fillUsage(join(stateDir(home), "gateway"), ROWS);
      const gateway = await subject.start(home, subject.config());
      try {
        const client = await gateway.connect({ scopes: ["operator.read"] });
        for (const [what, method, params] of QUESTIONS) {
          await client.request(method, params);
          const { own } = await costOf(gateway.pid, async () => void (await client.request(method, params)));
          subject.record(what, "ms CPU", own, BUDGET_MS);
        }
        client.close();
      } finally {
        await gateway.kill();
      }
    } finally {
      dropHome(home);
    }
  },
};
