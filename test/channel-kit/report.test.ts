import assert from "node:assert/strict";
import { test } from "node:test";
import { covers, type CapabilityName } from "./coverage.ts";
import { cellOf, declaredCapabilities, scenarioResults, toTable, uncoveredCapabilities, type ChannelReport } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { loadChannel } from "../../src/channels/registry.ts";

const irc = (await loadChannel("irc" as never))!;
const abilities = { ...irc.capabilities, edit: true, typing: true, events: ["interaction"] as const };
const played = (verdicts: ChannelReport["results"]): ChannelReport => ({
  id: "x",
  label: "X",
  capabilities: irc.capabilities,
  results: verdicts,
});

const named = (list: readonly CapabilityName[], more: object = {}) => ({ name: covers(list, "a test"), passed: true, ...more });

test("the numbers of scenarios are read from the names of tests", () => {
  assert.deepEqual(scenarioResults("scenario 3: an unknown sender"), [3]);
  assert.deepEqual(scenarioResults("scenarios 12 and 16: again"), [12, 16]);
  assert.deepEqual(scenarioResults("refused (scenario 22)"), [22]);
  assert.deepEqual(scenarioResults("3 messages"), []);
});

test("an ability that is declared and that no passed test says it proves is a failure, whatever the tests are called", () => {
  assert.deepEqual(declaredCapabilities(abilities), ["edit", "typing", "event interaction"]);
  assert.deepEqual(uncoveredCapabilities(abilities, [named(["edit"])]), ["typing", "event interaction"]);
  assert.deepEqual(uncoveredCapabilities(abilities, [named(["typing"], { passed: false }), named(["edit", "event interaction"])]), [
    "typing",
  ]);
  assert.deepEqual(
    uncoveredCapabilities(abilities, [named(["edit", "typing", "event interaction"], { skipped: "no server" })]),
    declaredCapabilities(abilities),
  );
  assert.deepEqual(
    uncoveredCapabilities(abilities, [{ name: "edit, typing, event interaction: a press is an edit", passed: true }]),
    declaredCapabilities(abilities),
  );
});

test("the reasons of skipped scenarios follow below the table", () => {
  const thirtyOne = [{ name: "scenario 31: preview", passed: true, skipped: "there are no previews" }];
  const table = toTable([played(thirtyOne), { ...played(thirtyOne), label: "Y" }], SCENARIOS);
  assert.match(table, /\n- 31, X, Y: there are no previews\n?/);
});

test("a scenario is passed only when it was played", () => {
  const three = SCENARIOS.find((each) => each.number === 3)!;
  assert.equal(cellOf(played([]), three), "·");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: true }]), three), "✓");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: false }]), three), "✗");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: true, skipped: "no server" }]), three), "n/a");
});
