import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { NO_GRANT } from "./grant.ts";
import { nextStep, type Lane, type Waiting } from "./lane.ts";

const collected = (id: string, quietUntil: number): Waiting => ({
  runId: asId(id),
  mode: "collect",
  kind: "message",
  quietUntil,
  grant: NO_GRANT,
});
const lane = (...waiting: Waiting[]): Lane => ({ key: asId("agent:main:main"), waiting, active: null });

test("collected messages wait until the newest of them is old enough, and are taken together then", () => {
  const both = lane(collected("a", 100), collected("b", 250));
  assert.deepEqual(nextStep(both, 120), { do: "wait", untilMs: 250 });
  const step = nextStep(both, 250);
  assert.deepEqual(step.do === "start" && step.take.map((each) => each.runId), ["a", "b"]);
});

test("what comes behind the collected messages does not keep them waiting", () => {
  const followup: Waiting = { runId: asId("c"), mode: "followup", kind: "message", quietUntil: 0, grant: NO_GRANT };
  const step = nextStep(lane(collected("a", 100), followup, collected("d", 900)), 100);
  assert.deepEqual(step.do === "start" && step.take.map((each) => each.runId), ["a"]);
});

test("somebody who never pauses is answered all the same", () => {
  const many = Array.from({ length: LIMITS.laneBatchMessages }, (_, n) => collected(`m${n}`, 1_000 + n));
  assert.equal(nextStep(lane(...many.slice(1)), 0).do, "wait");
  assert.equal(nextStep(lane(...many), 0).do, "start");
});
