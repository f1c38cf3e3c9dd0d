import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { LIMITS } from "../core/limits.ts";
import { LogRate } from "./log-rate.ts";
import { openLog } from "./log.ts";

const WINDOW = LIMITS.logKindWindowMs;

test("a message that comes too often is suppressed, and its count is due after the window", () => {
  const rate = new LogRate();
  const written = Array.from({ length: LIMITS.logKindLines + 50 }, () => rate.admit("hot", 100, 0)).filter(Boolean).length;
  assert.equal(written, LIMITS.logKindLines);
  assert.equal(rate.admit("other", 100, 0), true, "other messages are not affected");
  assert.deepEqual(rate.takeDue(WINDOW - 1), []);
  assert.deepEqual(rate.takeDue(WINDOW), [{ message: "hot", lines: 50 }]);
  assert.deepEqual(rate.takeDue(WINDOW), [], "each count is returned once");
  assert.equal(rate.admit("hot", 100, WINDOW), true);
  assert.equal(rate.total, 50);
});

test("few long lines are limited by their bytes", () => {
  const rate = new LogRate();
  const size = LIMITS.logKindBytes / 4;
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => rate.admit("long", size, 0)),
    [true, true, true, true, false],
  );
});

test("made-up messages beyond the limit share one budget", () => {
  const rate = new LogRate();
  for (let n = 0; n < LIMITS.logKinds; n++) rate.admit(`message ${n}`, 10, 0);
  const written = Array.from({ length: LIMITS.logKindLines + 7 }, (_, n) => rate.admit(`new ${n}`, 10, 0)).filter(Boolean).length;
  assert.equal(written, LIMITS.logKindLines);
});

test("a hot loop of errors stays within its budget, and the log says how much is missing", async () => {
  const clock = new FakeClock();
  const log = openLog({ dir: null, level: "info", clock });
  const lines: Record<string, unknown>[] = [];
  log.onLine((line) => void lines.push(JSON.parse(line) as Record<string, unknown>));
  const seconds = 600;
  for (let second = 0; second < seconds; second++) {
    for (let n = 0; n < 40; n++) log.error("the same failure", { n });
    clock.advance(1_000);
  }
  const written = lines.filter(({ message }) => message === "the same failure").length;
  assert.equal(written, ((seconds * 1_000) / WINDOW) * LIMITS.logKindLines);
  assert.equal(lines.filter(({ message }) => message === "log lines were suppressed").length, (seconds * 1_000) / WINDOW - 1);
  const before = log.suppressedLines();
  assert.equal(before, seconds * 40 - written);
  for (let n = 0; n < 5_000; n++) log.error("the same failure", { n });
  assert.equal(log.suppressedLines() - before, 5_000 - LIMITS.logKindLines);
  await log.close();
  const last = lines.at(-1)!;
  assert.deepEqual(
    [last["message"], last["kind"], last["lines"]],
    ["log lines were suppressed", "the same failure", 5_000 - LIMITS.logKindLines],
  );
});

test("a line about a run names its trace", () => {
  const log = openLog({ dir: null, level: "info" });
  const lines: Record<string, unknown>[] = [];
  log.onLine((line) => void lines.push(JSON.parse(line) as Record<string, unknown>));
  log.setTraceOf((runId) => `trace of ${runId}`);
  log.child({ runId: "r1" }).warn("a turn failed");
  log.warn("something else");
  assert.deepEqual(
    lines.map((line) => line["traceId"]),
    ["trace of r1", undefined],
  );
});
