import assert from "node:assert/strict";
import { test } from "node:test";
import { cellOf, declared, scenariosOf, unproven, type Played } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";
import { loadChannel } from "../../src/channels/registry.ts";

const irc = (await loadChannel("irc" as never))!;
const abilities = { ...irc.abilities, edit: true, typing: true, events: ["press"] as const };
const played = (verdicts: Played["verdicts"]): Played => ({ id: "x", label: "X", abilities: irc.abilities, verdicts });

test("the numbers of scenarios are read from the names of tests", () => {
  assert.deepEqual(scenariosOf("scenario 3: a stranger"), [3]);
  assert.deepEqual(scenariosOf("scenarios 12 and 16: again"), [12, 16]);
  assert.deepEqual(scenariosOf("refused (scenario 22)"), [22]);
  assert.deepEqual(scenariosOf("3 messages"), []);
});

test("an ability that is declared and not proven is a failure", () => {
  assert.deepEqual(declared(abilities), ["edit", "typing", "event press"]);
  assert.deepEqual(unproven(abilities, [{ name: "an edit", passed: true }]), ["typing", "event press"]);
  assert.deepEqual(
    unproven(abilities, [
      { name: "typing", passed: false },
      { name: "a press, an edit", passed: true },
    ]),
    ["typing"],
  );
  assert.deepEqual(unproven(abilities, [{ name: "typing, edits, presses", passed: true, skipped: "no server" }]), [
    "edit",
    "typing",
    "event press",
  ]);
});

test("a scenario is passed only when it was played", () => {
  const three = SCENARIOS.find((each) => each.number === 3)!;
  assert.equal(cellOf(played([]), three), "·");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: true }]), three), "✓");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: false }]), three), "✗");
  assert.equal(cellOf(played([{ name: "scenario 3: x", passed: true, skipped: "no server" }]), three), "n/a");
});
