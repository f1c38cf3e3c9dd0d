import type { ChannelCapabilities } from "../../src/channels/channel.ts";
import { CAPABILITIES, coveredBy, type CapabilityName } from "./coverage.ts";
import type { Scenario } from "./scenarios.ts";

/** One test that was played. `skipped`: why it was not. */
export type TestResult = { name: string; passed: boolean; skipped?: string };
export type ChannelReport = { id: string; label: string; capabilities: ChannelCapabilities; results: readonly TestResult[] };

/** The abilities that a channel declares, in the words of the report. */
export function declaredCapabilities(abilities: ChannelCapabilities): CapabilityName[] {
  const { media, events, ...flags } = abilities;
  const has: Readonly<Record<string, unknown>> = { ...flags, "media in": media.in, "media out": media.out };
  return CAPABILITIES.filter((name) => has[name] === true || events.some((event) => name === `event ${event}`));
}

/** Abilities that no passed test of the channel says it proves. */
export function uncoveredCapabilities(abilities: ChannelCapabilities, verdicts: readonly TestResult[]): CapabilityName[] {
  const proven = new Set(verdicts.filter((each) => each.passed && each.skipped === undefined).flatMap(({ name }) => coveredBy(name)));
  return declaredCapabilities(abilities).filter((name) => !proven.has(name));
}

/** Numbers of the scenarios that a test's name claims to play. */
export function scenarioResults(name: string): number[] {
  const list = /\bscenarios? ((?:\d+(?:, | and )?)+)/.exec(name)?.[1] ?? "";
  return (list.match(/\d+/g) ?? []).map(Number);
}

/** How one scenario went: passed, failed, does not apply here, or is not played by a test of its own. */
export function cellOf(played: ChannelReport, scenario: Scenario): "✓" | "✗" | "n/a" | "·" {
  const mine = played.results.filter((each) => scenarioResults(each.name).includes(scenario.number));
  if (mine.some((each) => !each.passed)) return "✗";
  if (mine.some((each) => each.skipped === undefined)) return "✓";
  return mine.length > 0 || !scenario.applies(played.capabilities) ? "n/a" : "·";
}

/** Why scenarios that apply to a channel were not played there: number, channels, reason. */
function reasons(channels: readonly ChannelReport[], scenarios: readonly Scenario[]): string[] {
  return scenarios.flatMap((scenario) => {
    const mine = channels
      .filter((each) => cellOf(each, scenario) === "n/a")
      .flatMap(({ label, results: verdicts }) => {
        const skipped = verdicts.find(
          (each) => scenarioResults(each.name).includes(scenario.number) && each.skipped !== undefined,
        )?.skipped;
        return skipped === undefined || skipped === "" ? [] : [{ label, skipped }];
      });
    return [...Map.groupBy(mine, ({ skipped }) => skipped)].map(
      ([why, those]) => `- ${scenario.number}, ${those.map(({ label }) => label).join(", ")}: ${why}`,
    );
  });
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The page of the results, in Markdown. */
export function toTable(channels: readonly ChannelReport[], scenarios: readonly Scenario[]): string {
  const rule = row(["---", ...channels.map(() => "---")]);
  const skipped = reasons(channels, scenarios);
  return [
    "# Channel support matrix",
    "",
    "Generated from test results by `npm run channel-kit -- --write`; do not edit.",
    "",
    row(["", ...channels.map(({ id, label }) => (id === "webchat" ? label : `[${label}](${id}.md)`))]),
    rule,
    row([
      "tests passed",
      ...channels.map(({ results: verdicts }) => String(verdicts.filter((each) => each.passed && !each.skipped).length)),
    ]),
    ...CAPABILITIES.map((name) =>
      row([name, ...channels.map((each) => (declaredCapabilities(each.capabilities).includes(name) ? "yes" : "no"))]),
    ),
    row([
      "repeated send",
      ...channels.map((each) => ({ key: "deduplicated", lookup: "looked up", none: "reported as unknown" })[each.capabilities.idempotency]),
    ]),
    row([
      "acknowledgement of events",
      ...channels.map((each) => ({ cursor: "by cursor", event: "one by one", session: "by session", none: "none" })[each.capabilities.ack]),
    ]),
    "",
    "## Scenarios",
    "",
    "✓ passed; ✗ failed; n/a: not applicable; ·: not covered by a dedicated test.",
    "",
    row(["", ...channels.map(({ label }) => label)]),
    rule,
    ...scenarios.map((scenario) => row([`${scenario.number}. ${scenario.name}`, ...channels.map((each) => cellOf(each, scenario))])),
    row([
      "random kills",
      ...channels.map((each) => (each.results.some((one) => /random kills/.test(one.name) && one.passed && !one.skipped) ? "✓" : "·")),
    ]),
    ...(skipped.length > 0 ? ["", "Not applicable:", "", ...skipped] : []),
  ].join("\n");
}
