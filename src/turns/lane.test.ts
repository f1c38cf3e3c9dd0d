import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { NO_GRANT } from "./grant.ts";
import { nextAction, type Lane, type QueuedMessage } from "./lane.ts";

const slotNeed = { model: null, kind: "direct" as const };
const collected = (id: string, quietUntil: number): QueuedMessage => ({
  runId: asId(id),
  mode: "collect",
  kind: "message",
  debounceUntil: quietUntil,
  grant: NO_GRANT,
  slotNeed,
  givesWay: false,
  isClosed: false,
});
const lane = (...waiting: QueuedMessage[]): Lane => ({ key: asId("agent:main:main"), queue: waiting, active: null });

test("collected messages wait until the newest of them is old enough, and are taken together then", () => {
  const both = lane(collected("a", 100), collected("b", 250));
  assert.deepEqual(nextAction(both, 120), { do: "wait", untilMs: 250 });
  const step = nextAction(both, 250);
  assert.deepEqual(step.do === "start" && step.take.map((each) => each.runId), ["a", "b"]);
});

test("what comes behind the collected messages does not keep them waiting", () => {
  const followup: QueuedMessage = {
    runId: asId("c"),
    mode: "followup",
    kind: "message",
    debounceUntil: 0,
    grant: NO_GRANT,
    slotNeed,
    givesWay: false,
    isClosed: false,
  };
  const step = nextAction(lane(collected("a", 100), followup, collected("d", 900)), 100);
  assert.deepEqual(step.do === "start" && step.take.map((each) => each.runId), ["a"]);
});

test("someone who never pauses is still answered", () => {
  const many = Array.from({ length: LIMITS.laneBatchMessages }, (_, n) => collected(`m${n}`, 1_000 + n));
  assert.equal(nextAction(lane(...many.slice(1)), 0).do, "wait");
  assert.equal(nextAction(lane(...many), 0).do, "start");
});
