import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { LIMITS } from "../core/limits.ts";
import { ServedEventQueue } from "./mcp-serve-events.ts";

const never = new AbortController().signal;
const cursors = (events: readonly { cursor: number }[]): number[] => events.map(({ cursor }) => cursor);

function openQueue(count = 0): { clock: FakeClock; queue: ServedEventQueue; add: (sessionKey?: string) => void } {
  const clock = new FakeClock();
  const queue = new ServedEventQueue(clock);
  const add = (sessionKey = "a"): void => queue.add("message", sessionKey, { sessionKey, text: "hi" }, { any: "thing" });
  for (let at = 0; at < count; at += 1) add();
  return { clock, queue, add };
}

test("events have a cursor, and are read after one, up to a limit, of one conversation", () => {
  const { queue, add } = openQueue();
  assert.deepEqual(queue.poll({}, 10), { events: [], next_cursor: 0 });
  add("a");
  add("b");
  add("a");
  const { events, next_cursor: next } = queue.poll({ after: 1 }, 10);
  assert.deepEqual(events[0], { cursor: 2, type: "message", sessionKey: "b", text: "hi", raw: { any: "thing" } });
  assert.deepEqual([cursors(events), next], [[2, 3], 3]);
  assert.deepEqual(queue.poll({}, 2).next_cursor, 2);
  assert.deepEqual(cursors(queue.poll({ sessionKey: "a" }, 10).events), [1, 3]);
  assert.deepEqual(queue.poll({ after: 3 }, 10), { events: [], next_cursor: 3 });
  assert.deepEqual(queue.poll({ after: 900 }, 10), { events: [], next_cursor: 900 });
});

test("the oldest events are dropped, and who asks for them learns of the gap", () => {
  const { queue } = openQueue(LIMITS.mcpServeEvents + 5);
  const gap = { requested_after_cursor: 2, oldest_available_cursor: 6 };
  assert.deepEqual(queue.poll({ after: 2 }, 1).gap, gap);
  assert.equal(queue.poll({ after: 5 }, 1).gap, undefined);
  assert.deepEqual(cursors(queue.poll({}, 1).events), [6]);
  const large = openQueue();
  for (let at = 0; at < 5; at += 1) large.queue.add("message", "a", { text: "x".repeat(LIMITS.mcpServeEventChars / 4) }, null);
  assert.deepEqual(cursors(large.queue.poll({}, 10).events), [3, 4, 5]);
});

test("events that were missed are a gap, and the next cursor leads past it", async () => {
  const { queue, add } = openQueue(2);
  queue.skip();
  const gap = { requested_after_cursor: 2, oldest_available_cursor: 4 };
  assert.deepEqual(queue.poll({ after: 2 }, 10), { events: [], next_cursor: 3, gap });
  assert.deepEqual(await queue.wait({ after: 2 }, 1_000, never), { event: null, gap });
  assert.deepEqual(queue.poll({ after: 3 }, 10), { events: [], next_cursor: 3 });
  add();
  assert.deepEqual(cursors(queue.poll({ after: 3 }, 10).events), [4]);
});

test("a wait ends with the next event of its conversation, with its time, or when it is cancelled", async () => {
  const { clock, queue, add } = openQueue(1);
  assert.equal((await queue.wait({}, 1_000, never)).event?.cursor, 1);
  const next = queue.wait({ after: 1, sessionKey: "b" }, 1_000, never);
  add("a");
  add("b");
  assert.equal((await next).event?.cursor, 3);
  const late = queue.wait({ after: 3 }, 1_000, never);
  await clock.advanceSettled(1_000);
  assert.deepEqual(await late, { event: null });
  const leave = new AbortController();
  const cancelled = queue.wait({ after: 3 }, 1_000, leave.signal);
  leave.abort();
  assert.deepEqual(await cancelled, { event: null });
  assert.deepEqual(clock.pending(), [], "no timer is left");
});
