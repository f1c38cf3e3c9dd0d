// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type ConnId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { connect, startServerBench, type Frame, type RawClient } from "../../test/server-bench.ts";

const connOf = (raw: RawClient): ConnId => {
  const hello = raw.frames.find((frame) => frame.payload?.["type"] === "hello-ok")!;
  return asId<ConnId>(String((hello.payload!["server"] as { connId: string }).connId));
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const seqs = (frames: readonly Frame[]): number[] => frames.flatMap((frame) => (frame.seq === undefined ? [] : [frame.seq]));

const names = (raw: RawClient): string[] =>
  raw.frames.flatMap((frame) => (frame.event && !["connect.challenge", "health", "presence"].includes(frame.event) ? [frame.event] : []));

test("a client gets its events once, filtered by scope, topic and capability, numbered without a gap", async () => {
  const room = await startServerBench();
  const { hub } = room.server;
  const reader = await connect(room, { params: { caps: ["tool-events"] } });
  const pairing = await connect(room, { scopes: ["operator.pairing"] });
  hub.watch(connOf(reader), "session:a");
  hub.watch(connOf(reader), "sessions");
  hub.publish("one", { n: 1 }, { scope: "operator.read", topics: ["session:a", "sessions"] });
  hub.publish("two", { n: 2 }, { scope: "operator.read", topics: ["session:b"] });
  hub.publish("three", { text: "ü".repeat(2_000) }, { scope: "operator.read", cap: "tool-events" });
  hub.publish("four", {}, { scope: "operator.pairing" });
  hub.publish("five", {}, { except: connOf(reader) });
  hub.send(connOf(reader), "private", { n: 6 });
  hub.unwatch(connOf(reader), "sessions");
  hub.publish("seven", {}, { topics: ["sessions"] });
  hub.publish("last", {}, {});
  await Promise.all([reader, pairing].map((raw) => raw.next((frame) => frame.event === "last")));
  assert.deepEqual(names(reader), ["one", "three", "private", "last"]);
  assert.deepEqual(names(pairing), ["four", "five", "last"]);
  for (const raw of [reader, pairing]) {
    const numbers = seqs(raw.frames);
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, i) => i + 1),
    );
  }
  const first = reader.frames.find((frame) => frame.seq === 1)!;
  assert.equal(first.event, "health");
  assert.deepEqual(first["stateVersion"], { presence: 0, health: 0 });
  assert.equal(hub.peers().length, 2);
  await room.stop();
});

test("a client that does not read loses droppable events first, sees no gap, and is cut at the limit", async () => {
  const room = await startServerBench();
  const { hub } = room.server;
  const slow = await connect(room);
  const good = await connect(room);
  slow.ws.pause();
  const payload = { text: "x".repeat(1_000_000) };
  // The system takes some megabytes before anything waits here.
  for (let i = 0; i < 45; i++) {
    hub.publish("chat.metadata.changed", payload, {});
    await turn();
  }
  // The one that reads has to be done with them: on a busy machine it is behind as well, and would lose droppable events too.
  for (let i = 0; i < 45; i++) await good.next((frame) => frame.event === "chat.metadata.changed");
  for (let i = 0; i < 20; i++) {
    hub.publish("tick", { ts: i }, { droppable: true });
    await turn();
  }
  hub.publish("last", {}, {});
  slow.ws.resume();
  await slow.next((frame) => frame.event === "last");
  const numbers = seqs(slow.frames);
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => i + 1),
  );
  assert.ok(slow.frames.filter((frame) => frame.event === "tick").length < 20, "droppable events were dropped");
  await good.next((frame) => frame.event === "last");
  assert.equal(good.frames.filter((frame) => frame.event === "tick").length, 20);

  slow.ws.pause();
  for (let i = 0; i < (LIMITS.clientBufferBytes / 1_000_000) * 2 && hub.peers().length === 2; i++) {
    hub.publish("chat.metadata.changed", payload, {});
    await turn();
  }
  assert.equal(hub.peers().length, 1, "the slow client was cut, the other one stays");
  assert.equal((await good.call("health")).ok, true);
  await room.stop();
});

test("stopping tells every client and closes every socket", async () => {
  const room = await startServerBench();
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(room)));
  await room.server.stop("update", 2_000);
  for (const client of clients) {
    assert.deepEqual(await client.end(), { code: 1012, reason: "service restart" });
    const last = client.frames.findLast((frame) => frame.event === "shutdown")!;
    assert.deepEqual(last.payload, { reason: "update", restartExpectedMs: 2_000 });
  }
  await room.stop();
});

test("clients with the same sequence number get one frame, and keep the order when it is sent at once", async () => {
  const room = await startServerBench();
  const { hub } = room.server;
  const clients = await Promise.all([connect(room), connect(room), connect(room)]);
  hub.watch(connOf(clients[0]!), "sessions");
  hub.publish("before", {}, { topics: ["sessions"] });
  hub.publish("tick", { ts: 1 }, { droppable: true, alone: true });
  await turn();
  hub.publish("tick", { ts: 2 }, { droppable: true, alone: true });
  hub.publish("last", {}, {});
  await Promise.all(clients.map((raw) => raw.next((frame) => frame.event === "last")));
  for (const [index, raw] of clients.entries()) {
    const before = index === 0 ? ["before"] : [];
    assert.deepEqual(names(raw), [...before, "tick", "tick", "last"]);
    const numbers = seqs(raw.frames);
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, i) => i + 1),
    );
  }
  await room.stop();
});
