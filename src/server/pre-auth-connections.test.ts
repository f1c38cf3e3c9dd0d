import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { PreAuthPool, type PreAuthConnection } from "./pre-auth-connections.ts";

function openPool() {
  const clock = new FakeClock();
  const dropped: string[] = [];
  const pool = new PreAuthPool(clock, () => {});
  const add = (name: string, peer: string, deadlineMs = 10_000): PreAuthConnection => {
    const connection: PreAuthConnection = { peer, deadlineMs, awaitingAnswer: false, drop: (why) => dropped.push(`${name} ${why}`) };
    pool.add(connection);
    return connection;
  };
  return { clock, dropped, pool, add };
}

test("one peer has LIMITS.preAuthConnectionsPerPeer places: its oldest is dropped for its newest, and no other", () => {
  const { dropped, pool, add } = openPool();
  add("other", "b");
  for (let i = 0; i <= LIMITS.preAuthConnectionsPerPeer; i++) add(`a${i}`, "a");
  assert.deepEqual(dropped, ["a0 evicted"]);
  assert.equal(pool.size, LIMITS.preAuthConnectionsPerPeer + 1);
});

test("all peers together have LIMITS.preAuthConnections places: the oldest is dropped for the newest", () => {
  const { dropped, pool, add } = openPool();
  for (let i = 0; i <= LIMITS.preAuthConnections; i++) add(`s${i}`, `peer${i}`);
  assert.deepEqual(dropped, ["s0 evicted"]);
  assert.equal(pool.size, LIMITS.preAuthConnections);
});

test("one that waits for our answer goes last, but it goes", () => {
  const { dropped, pool, add } = openPool();
  const busy = Array.from({ length: LIMITS.preAuthConnectionsPerPeer - 1 }, (_, i) => add(`busy${i}`, "a"));
  for (const each of busy) pool.markAwaitingAnswer(each);
  add("silent", "a");
  add("next", "a");
  assert.deepEqual(dropped, ["silent evicted"]);
  add("last", "a");
  pool.markAwaitingAnswer(add("answered", "a"));
  assert.deepEqual(dropped, ["silent evicted", "next evicted", "last evicted"]);
  add("newcomer", "a");
  assert.deepEqual(dropped.at(-1), "busy0 evicted");
});

test("every one has a deadline, also while it waits for our answer; a clock that is set changes none", () => {
  const { clock, dropped, pool, add } = openPool();
  add("silent", "a", 5_000);
  const busy = add("busy", "b", 5_000);
  pool.markAwaitingAnswer(busy);
  clock.jump(-3_600_000);
  clock.advance(4_000);
  assert.deepEqual(dropped, []);
  clock.advance(2_000);
  assert.deepEqual(dropped, ["silent timeout"]);
  clock.jump(7_200_000);
  clock.advance(LIMITS.preAuthAnswerMs - 8_000);
  assert.deepEqual(dropped, ["silent timeout"]);
  clock.advance(4_000);
  assert.deepEqual(dropped, ["silent timeout", "busy timeout"]);
  assert.deepEqual([pool.size, clock.pending()], [0, []]);
});
