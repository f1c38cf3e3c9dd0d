import assert from "node:assert/strict";
import { test } from "node:test";
import { proves, type Ability } from "./proves.ts";
import { cellOf, declared, scenariosOf, toTable, unproven, type Played } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { loadChannel } from "../../src/channels/registry.ts";

const irc = (await loadChannel("irc" as never))!;
const abilities = { ...irc.abilities, edit: true, typing: true, events: ["interaction"] as const };
const played = (verdicts: Played["verdicts"]): Played => ({ id: "x", label: "X", abilities: irc.abilities, verdicts });

const named = (list: readonly Ability[], more: object = {}) => ({ name: proves(list, "a test"), passed: true, ...more });

test("the numbers of scenarios are read from the names of tests", () => {
  assert.deepEqual(scenariosOf("scenario 3: a stranger"), [3]);
  assert.deepEqual(scenariosOf("scenarios 12 and 16: again"), [12, 16]);
  assert.deepEqual(scenariosOf("refused (scenario 22)"), [22]);
  assert.deepEqual(scenariosOf("3 messages"), []);
});

test("an ability that is declared and that no passed test says it proves is a failure, whatever the tests are called", () => {
  assert.deepEqual(declared(abilities), ["edit", "typing", "event press"]);
  assert.deepEqual(unproven(abilities, [named(["edit"])]), ["typing", "event press"]);
  assert.deepEqual(unproven(abilities, [named(["typing"], { passed: false }), named(["edit", "event press"])]), ["typing"]);
  assert.deepEqual(unproven(abilities, [named(["edit", "typing", "event press"], { skipped: "no server" })]), declared(abilities));
  assert.deepEqual(unproven(abilities, [{ name: "edit, typing, event press: a press is an edit", passed: true }]), declared(abilities));
});

test("why something was not played is told under the table", () => {
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
