import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { abortable, backoffDelay, deadlineAfter, sleep, untilAborted, withTimeout, type BackoffPolicy } from "./async.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;
const late = (): Error => new Error("too late");
const never = new Promise<never>(() => {});

test("sleep resolves after the delay and removes its listener", async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const slept = sleep(clock, 100, signal);
  assert.deepEqual(clock.pending(), [100]);
  clock.jump(1_000_000);
  assert.deepEqual(clock.pending(), [100], "setting the wall clock ends no wait");
  clock.advance(100);
  await slept;
  assert.equal(listeners(signal), 0);
});

test("sleep resolves when the signal aborts and cancels its timer", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const slept = sleep(clock, 100, abort.signal);
  abort.abort();
  await slept;
  await sleep(clock, 100, abort.signal);
  assert.deepEqual(clock.pending(), []);
});

test("untilAborted resolves with the abort, also with an earlier one", async () => {
  const abort = new AbortController();
  const aborted = untilAborted(abort.signal);
  abort.abort();
  await aborted;
  await untilAborted(abort.signal);
});

test("abortable settles with the promise or with the abort, and leaves no listener", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(1), signal), 1);
  await assert.rejects(abortable(Promise.reject(new Error("failed")), signal), /failed/);
  assert.equal(listeners(signal), 0);
  const abort = new AbortController();
  const waiting = abortable(never, abort.signal);
  abort.abort(new Error("stopped"));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(abortable(Promise.resolve(1), abort.signal), /stopped/);
});

test("withTimeout settles with the promise and cancels the timer, or rejects at the deadline", async () => {
  const clock = new FakeClock();
  assert.equal(await withTimeout(clock, 100, Promise.resolve(1), late), 1);
  await assert.rejects(withTimeout(clock, 100, Promise.reject(new Error("failed")), late), /failed/);
  assert.deepEqual(clock.pending(), []);
  const waiting = withTimeout(clock, 100, never, late);
  clock.advance(100);
  await assert.rejects(waiting, /too late/);
});

test("a deadline is measured on the monotonic clock", () => {
  const clock = new FakeClock();
  const deadline = deadlineAfter(clock, 100);
  clock.jump(1_000);
  assert.deepEqual([deadline.remainingMs(), deadline.isExpired()], [100, false]);
  clock.advance(99);
  assert.deepEqual([deadline.remainingMs(), deadline.isExpired()], [1, false]);
  clock.advance(50);
  assert.deepEqual([deadline.remainingMs(), deadline.isExpired()], [0, true]);
});

test("the back-off doubles up to its limit, and only the jitter is random", () => {
  const plain: BackoffPolicy = { minMs: 100, maxMs: 1_000 };
  const cases: [BackoffPolicy, number, number, number][] = [
    [plain, 0, 0.9, 100],
    [plain, 1, 0, 200],
    [plain, 3, 0, 800],
    [plain, 4, 0, 1_000],
    [plain, 1e9, 0, 1_000],
    [plain, -1, 0, 100],
    [{ ...plain, jitter: 0.5 }, 1, 0, 100],
    [{ ...plain, jitter: 0.5 }, 1, 1, 200],
    [{ ...plain, jitter: 0.25 }, 4, 0, 750],
    [{ ...plain, jitter: 1 }, 0, 0, 0],
  ];
  for (const [policy, failures, random, delay] of cases)
    assert.equal(backoffDelay(policy, failures, random), delay, JSON.stringify([policy, failures]));
});
