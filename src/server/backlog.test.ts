// Group: wire
import assert from "node:assert/strict";
import { connect as tcp } from "node:net";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson } from "../protocol/frames.ts";
import { MetricsProbe } from "../../test/metrics-probe.ts";
import { connect, startServerBench } from "../../test/server-bench.ts";
import { Backlog, type BacklogClient } from "./backlog.ts";

const MIB = 1_048_576;

function reader(backlog: Backlog) {
  const one: BacklogClient & { waitingBytes: number; ended: boolean } = {
    waitingBytes: 0,
    ended: false,
    destroy: () => {
      one.ended = true;
      one.waitingBytes = 0;
    },
  };
  return { one, write: (bytes: number) => ((one.waitingBytes += bytes), backlog.update(one)) };
}

test("when all readers together hold too much, the one with the most ends first, and only as many as needed", () => {
  const metrics = new MetricsProbe();
  const backlog = new Backlog(metrics);
  const readers = Array.from({ length: 8 }, () => reader(backlog));
  for (const [index, each] of readers.entries()) each.write((30 + index) * MIB);
  assert.deepEqual(
    readers.map(({ one }) => one.ended),
    [false, false, false, false, false, false, false, true],
    "sum 268 MiB",
  );
  assert.equal(metrics.sampled("gateway_server_unread_bytes"), (30 + 31 + 32 + 33 + 34 + 35 + 36) * MIB);
  assert.equal(metrics.counted("gateway_server_slow_clients_ended_total", { limit: "total" }), 1);
});

test("what was read meanwhile, and who has gone, counts no more", () => {
  const metrics = new MetricsProbe();
  const backlog = new Backlog(metrics);
  const [slow, quick, gone] = [reader(backlog), reader(backlog), reader(backlog)];
  for (let i = 0; i < 50; i++) {
    quick.write(40 * MIB);
    quick.one.waitingBytes = 0;
    gone.write(10 * MIB);
    backlog.forget(gone.one);
    gone.one.waitingBytes = 0;
  }
  slow.write(200 * MIB);
  assert.deepEqual([slow.one.ended, quick.one.ended], [false, false]);
  quick.write(LIMITS.unreadBytes);
  assert.deepEqual([slow.one.ended, quick.one.ended], [false, true]);
});

test("requests of a client that does not read its answers are not read, and run when it has read", async () => {
  let ran = 0;
  const answer = EncodedJson.from(JSON.stringify({ text: "x".repeat(500_000) }));
  const metrics = new MetricsProbe();
  const room = await startServerBench({
    deps: { metrics },
    methods: {
      status: {
        scope: "operator.read",
        run: () => {
          ran++;
          return answer;
        },
      },
    },
  });
  const deaf = await connect(room);
  const good = await connect(room);
  deaf.ws.pause();
  const total = 60;
  for (let i = 0; i < total; i++) deaf.send({ type: "req", id: `q${i}`, method: "status", params: {} });
  let before = -1;
  for (const settled = (): boolean => before === ran && ran > 0; !settled();) {
    before = ran;
    for (let i = 0; i < 20; i++) assert.equal((await good.call("health")).ok, true);
  }
  // What the kernel's buffers take is not known; what waits here is one answer above the mark at most.
  assert.ok(ran < total / 2, `${ran} ran`);
  assert.ok(metrics.sampled("gateway_server_unread_bytes") <= LIMITS.pausedReadingBytes + 2 * 500_100);
  deaf.ws.resume();
  for (let i = 0; i < total; i++) await deaf.next((frame) => frame.type === "res");
  assert.equal(ran, total);
  deaf.close();
  good.close();
  await room.stop();
});

test("an HTTP answer that is not read counts as well, and is freed with its connection", async () => {
  const metrics = new MetricsProbe();
  const room = await startServerBench({ deps: { metrics, metricsText: () => "x".repeat(20 * MIB) } });
  const { token } = await room.auth.tokens.create(
    { name: "n", scopes: ["operator.read"] },
    { scopes: new Set(["operator.admin"]), name: "t" },
  );
  const socket = tcp(room.port, "127.0.0.1", () =>
    socket.write(`GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token.reveal()}\r\n\r\n`),
  );
  socket.pause();
  const waiting = (): number => metrics.sampled("gateway_server_unread_bytes");
  while (waiting() < 10 * MIB) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  while (waiting() > 0) await new Promise((resolve) => setImmediate(resolve));
  await room.stop();
});
