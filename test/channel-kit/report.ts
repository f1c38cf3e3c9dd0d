import type { Abilities } from "../../src/channels/channel.ts";
import type { Scenario } from "./scenarios.ts";

/** One test that was played. `skipped`: why it was not. */
export type Verdict = { name: string; passed: boolean; skipped?: string };
export type Played = { id: string; label: string; abilities: Abilities; verdicts: readonly Verdict[] };

/** What the name of a test says when it proves an ability. */
const PROOFS: Readonly<Record<string, RegExp>> = {
  edit: /edit|preview/i,
  typing: /typing/i,
  reactions: /react/i,
  "media in": /file|picture|photo|media|attach|download/i,
  "media out": /file|picture|photo|media|attach|upload/i,
  buttons: /button|press/i,
  commands: /command/i,
  polls: /poll/i,
  "event edit": /edit/i,
  "event delete": /delet|remov/i,
  "event reaction": /react/i,
  "event press": /press|button/i,
  "event move": /move|migrat|supergroup/i,
};

/** The abilities that a channel declares, in the words of the report. */
export function declared(abilities: Abilities): string[] {
  const flags = { ...abilities, "media in": abilities.media.in, "media out": abilities.media.out } as Record<string, unknown>;
  const named = Object.keys(PROOFS).filter((name) => flags[name] === true);
  return [...named, ...abilities.events.map((event) => `event ${event}`)];
}

/** Abilities that no passed test of the channel is about. */
export function unproven(abilities: Abilities, verdicts: readonly Verdict[]): string[] {
  const proven = verdicts.filter((each) => each.passed && each.skipped === undefined);
  return declared(abilities).filter((name) => !proven.some((each) => PROOFS[name]!.test(each.name)));
}

/** Numbers of the scenarios that a test's name claims to play. */
export function scenariosOf(name: string): number[] {
  const list = /\bscenarios? ((?:\d+(?:, | and )?)+)/.exec(name)?.[1] ?? "";
  return (list.match(/\d+/g) ?? []).map(Number);
}

/** How one scenario went: passed, failed, does not apply here, or is not played by a test of its own. */
export function cellOf(played: Played, scenario: Scenario): "✓" | "✗" | "n/a" | "·" {
  const mine = played.verdicts.filter((each) => scenariosOf(each.name).includes(scenario.number));
  if (mine.some((each) => !each.passed)) return "✗";
  if (mine.some((each) => each.skipped === undefined)) return "✓";
  return mine.length > 0 || !scenario.applies(played.abilities) ? "n/a" : "·";
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The page of the results, in Markdown. */
export function toTable(channels: readonly Played[], scenarios: readonly Scenario[]): string {
  const rule = row(["---", ...channels.map(() => "---")]);
  const abilities = Object.keys(PROOFS);
  return [
    "# Channels, and what each of them stands",
    "",
    "Made by `npm run channel-kit -- --write` from the results of the tests; do not edit.",
    "",
    row(["", ...channels.map(({ id, label }) => `[${label}](${id}.md)`)]),
    rule,
    row(["tests passed", ...channels.map(({ verdicts }) => String(verdicts.filter((each) => each.passed && !each.skipped).length))]),
    ...abilities.map((name) => row([name, ...channels.map((each) => (declared(each.abilities).includes(name) ? "yes" : "no"))])),
    row([
      "a repeated send",
      ...channels.map((each) => ({ key: "is recognised", lookup: "is looked up", none: "is reported" })[each.abilities.idempotency]),
    ]),
    row([
      "an event is confirmed",
      ...channels.map(
        (each) => ({ cursor: "by a cursor", event: "one by one", session: "by the session", none: "not at all" })[each.abilities.ack],
      ),
    ]),
    "",
    "## Scenarios",
    "",
    "✓ passed; ✗ failed; n/a: means nothing on this platform; ·: has no test of its own under this number.",
    "",
    row(["", ...channels.map(({ label }) => label)]),
    rule,
    ...scenarios.map((scenario) => row([`${scenario.number}. ${scenario.name}`, ...channels.map((each) => cellOf(each, scenario))])),
    row([
      "random kills",
      ...channels.map((each) => (each.verdicts.some((one) => /random kills/.test(one.name) && one.passed && !one.skipped) ? "✓" : "·")),
    ]),
  ].join("\n");
}
