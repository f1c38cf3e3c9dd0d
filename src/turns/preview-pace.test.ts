import assert from "node:assert/strict";
import { test } from "node:test";
import type { SendResult } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { ALL_CAPABILITIES, chatTarget, FakeChat } from "../../test/fakes/chat-bench.ts";
import { openTurnBench } from "../../test/fakes/turn-bench.ts";
import { Preview } from "./preview.ts";

/** Time that only the test moves. */
class Hand implements Clock {
  #now = 1_000_000;
  #timers: { at: number; fn: () => void }[] = [];

  monotonic(): number {
    return this.now();
  }
  now(): number {
    return this.#now;
  }

  after(delayMs: number, fn: () => void): () => void {
    const timer = { at: this.#now + delayMs, fn };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  /** Lets time pass, and everything that follows from it. */
  async pass(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#timers.filter((each) => each.at <= this.#now);
    this.#timers = this.#timers.filter((each) => each.at > this.#now);
    for (const { fn } of due) fn();
    await this.rest();
  }

  /** Commits take a turn of the event loop each; a preview makes two of them. */
  async rest(): Promise<void> {
    for (let n = 0; n < 12; n++) await new Promise((resolve) => setImmediate(resolve));
  }
}

function open(slowed: SendResult[] = []) {
  const bench = openTurnBench();
  const chat = new FakeChat();
  const clock = new Hand();
  const target = chatTarget();
  const busy = { now: false };
  const preview = new Preview(
    {
      store: bench.store,
      outbox: bench.outbox,
      clock,
      log: silentLog,
      link: () => chat.link,
      directory: { capabilities: () => ALL_CAPABILITIES },
      pauses: { isPaused: () => false, applyRateLimit: (_target, result) => slowed.push(result) },
      delivery: { isIdle: () => !busy.now },
      crashPoint: () => {},
    },
    "r1",
    (text) => ({ text, target }),
  );
  return { bench, chat, clock, preview, busy };
}

const LONG = "these are more than twenty-four characters";

test("few characters wait for a second, many do not", async () => {
  const short = open();
  short.preview.show("hm");
  await short.clock.pass(900);
  assert.deepEqual(short.chat.calls, []);
  await short.clock.pass(100);
  assert.deepEqual(short.chat.calls, ["send hm"]);
  short.bench.close();
  const long = open();
  long.preview.show("hm");
  long.preview.show(LONG);
  await long.clock.rest();
  assert.deepEqual(long.chat.calls, [`send ${LONG}`]);
  long.bench.close();
});

test("edits come at most every second, with the newest text only", async () => {
  const { bench, chat, clock, preview } = open();
  preview.show(LONG);
  await clock.rest();
  for (const more of [" a", " ab", " abc"]) preview.show(LONG + more);
  await clock.rest();
  assert.equal(chat.calls.length, 1);
  await clock.pass(1_000);
  assert.deepEqual(chat.calls.slice(1), [`edit m1 ${LONG} abc`]);
  await clock.pass(5_000);
  assert.equal(chat.calls.length, 2);
  preview.show(`${LONG} abcd`);
  await clock.rest();
  assert.equal(chat.calls.length, 3);
  preview.stop();
  preview.show(`${LONG} abcde`);
  await clock.pass(5_000);
  assert.equal(chat.calls.length, 3);
  bench.close();
});

test("each time that the platform asks to slow down, edits become rarer", async () => {
  const slowed: SendResult[] = [];
  const { bench, chat, clock, preview } = open(slowed);
  preview.show(LONG);
  await clock.rest();
  const slower: SendResult = { state: "refused", retryable: true, retryAfterMs: 10, reason: "slow down" };
  chat.next.edit.push(() => slower);
  await clock.pass(1_000);
  preview.show(`${LONG} a`);
  await clock.rest();
  assert.deepEqual(slowed, [slower]);
  preview.show(`${LONG} ab`);
  await clock.pass(1_900);
  assert.equal(chat.calls.length, 2);
  await clock.pass(100);
  assert.deepEqual(chat.calls.slice(2), [`edit m1 ${LONG} ab`]);
  bench.close();
});

test("a preview does not overtake what waits in its conversation", async () => {
  const { bench, chat, clock, preview, busy } = open();
  busy.now = true;
  preview.show(LONG);
  await clock.pass(3_000);
  assert.deepEqual(chat.calls, []);
  busy.now = false;
  await clock.pass(1_000);
  assert.deepEqual(chat.calls, [`send ${LONG}`]);
  bench.close();
});
