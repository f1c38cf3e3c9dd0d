// Group: wire
import assert from "node:assert/strict";
import { connect as tcp, type Socket } from "node:net";
import { test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { MetricsProbe } from "../../test/metrics-probe.ts";
import { BEARER, connect, http, startServerBench, TOKEN } from "../../test/server-bench.ts";
import { ByteBudget, BudgetShare } from "./budget.ts";
import type { OpenAiBackend } from "./openai-backend.ts";

const HELD = "gateway_server_held_request_bytes";
const MIB = 1_048_576;

type Peer = { socket: Socket; text: () => string; ended: Promise<void> };

function peer(port: number, from: string, ...writes: (string | Buffer)[]): Peer {
  let text = "";
  const socket = tcp({ port, host: "127.0.0.1", localAddress: from }, () => {
    for (const data of writes) socket.write(data);
  });
  socket.on("data", (data: Buffer) => (text += data.toString()));
  socket.on("error", () => {});
  return { socket, text: () => text, ended: new Promise((resolve) => socket.once("close", () => resolve())) };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

const push = (path: string, length: number, more = ""): string =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${length}\r\n${more}\r\n`;

async function pushRoom() {
  const metrics = new MetricsProbe();
  const taken: number[] = [];
  const room = await startServerBench({
    deps: {
      metrics,
      receiveWebhook: async (_channel, _account, request) => {
        taken.push(request.body.length);
        return { status: 200 };
      },
      missingWebhookHeader: (channel, account, headers) => {
        if (channel === "none") throw new GatewayError("NOT_FOUND", "no such account");
        if (account === "away") throw new GatewayError("UNAVAILABLE", "not running", { retryAfterMs: 5_000 });
        return headers["x-sign"] ? null : "x-sign";
      },
    },
  });
  return { room, metrics, taken };
}

test("a push without an account, or without the header of its signature, is refused before its body, and the connection closes", async () => {
  const { room, metrics, taken } = await pushRoom();
  for (const [path, more, status] of [
    ["/channels/none/none", "X-Sign: s\r\n", 404],
    ["/channels/webhook/away", "X-Sign: s\r\n", 503],
    ["/channels/webhook", "", 401],
    ["/channels/webhook", "Transfer-Encoding: chunked\r\n", 401],
  ] as const) {
    const head = more.startsWith("Transfer") ? `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n` : push(path, MIB, more);
    const caller = peer(room.port, "127.0.0.1", head);
    await caller.ended;
    assert.match(caller.text(), new RegExp(`^HTTP/1\\.1 ${status} `), path);
    assert.match(caller.text(), /connection: close/i);
  }
  assert.equal(metrics.sampled(HELD, "no"), 0);
  assert.deepEqual(taken, []);
  await room.stop();
});

test("bodies without a credential hold a bounded number of bytes, in total and of one peer, and further ones are asked to retry", async () => {
  const { room, metrics } = await pushRoom();
  const body = Buffer.alloc(MIB - 1, "x");
  const callers: Peer[] = [];
  for (let each = 1; each <= 8; each++)
    for (let i = 0; i < 12; i++)
      callers.push(peer(room.port, `127.0.0.${each + 1}`, push("/channels/webhook", MIB, "X-Sign: s\r\n"), body));
  let most = 0;
  const refused = (): Peer[] => callers.filter((caller) => caller.socket.destroyed);
  await until(() => {
    most = Math.max(most, metrics.sampled(HELD, "no"));
    return refused().length >= callers.length - LIMITS.preAuthBodyBytes / (MIB - 1) - 1;
  });
  assert.ok(most <= LIMITS.preAuthBodyBytes && most > LIMITS.preAuthBodyBytes / 2, String(most));
  const good = await connect(room);
  assert.equal((await good.call("health")).ok, true);
  assert.equal((await http(room.port, "/metrics", { headers: BEARER })).status, 200);
  for (const caller of callers) caller.socket.destroy();
  await until(() => metrics.sampled(HELD, "no") === 0);
  assert.equal((await http(room.port, "/channels/webhook", { method: "POST", body: "{}", headers: { "x-sign": "s" } })).status, 200);
  good.close();
  await room.stop();
});

test("one peer cannot take the whole budget", async () => {
  const { room, metrics } = await pushRoom();
  const body = Buffer.alloc(MIB - 1, "x");
  const count = LIMITS.preAuthBodyBytes / MIB + 4;
  const callers = Array.from({ length: count }, () => peer(room.port, "127.0.0.9", push("/channels/webhook", MIB, "X-Sign: s\r\n"), body));
  const refused = (): number => callers.filter((caller) => caller.socket.destroyed).length;
  await until(() => refused() + Math.ceil(metrics.sampled(HELD, "no") / MIB) >= count && refused() > 0);
  assert.ok(metrics.sampled(HELD, "no") <= LIMITS.preAuthBodyBytesPerPeer);
  const other = peer(room.port, "127.0.0.8", push("/channels/webhook", 2, "X-Sign: s\r\nConnection: close\r\n"), "{}");
  await other.ended;
  assert.match(other.text(), /^HTTP\/1\.1 200 /);
  for (const caller of callers) caller.socket.destroy();
  await room.stop();
});

test("a body that comes too slowly is answered, and its connection is closed", async (t) => {
  const { room, taken } = await pushRoom();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const slow = peer(room.port, "127.0.0.1", push("/channels/webhook", 9, "X-Sign: s\r\n"), "{");
  await until(() => {
    t.mock.timers.tick(LIMITS.httpBodyMs);
    return slow.text() !== "";
  });
  await slow.ended;
  assert.match(slow.text(), /^HTTP\/1\.1 400 [\s\S]*connection: close[\s\S]*too slowly/i);
  assert.deepEqual(taken, []);
  t.mock.timers.reset();
  await room.stop();
});

test("completion bodies of one credential, and of all together, are bounded, and are freed", async () => {
  const metrics = new MetricsProbe();
  const gate = Promise.withResolvers<void>();
  const openai: OpenAiBackend = {
    routes: { chatCompletions: true, responses: false },
    agents: () => ["main"],
    async *run() {
      await gate.promise;
      yield { type: "final", text: "", usage: { inputTokens: 0, outputTokens: 0 }, finishReason: "stop" };
    },
  };
  const room = await startServerBench({ deps: { metrics, openai } });
  const body = Buffer.from(
    JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "x" }], metadata: { pad: "y".repeat(24_000_000) } }),
  );
  const post = `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n`;
  const callers: Peer[] = [];
  for (let i = 0; i < 7; i++) {
    callers.push(peer(room.port, "127.0.0.1", post, body));
    const before = metrics.sampled(HELD, "yes");
    await until(() => metrics.sampled(HELD, "yes") >= before + body.length || callers.some((caller) => caller.text() !== ""));
  }
  await until(() => callers.some((caller) => caller.text() !== ""));
  assert.ok(metrics.sampled(HELD, "yes") <= LIMITS.heldRequestBytesPerCredential);
  assert.match(callers.map((caller) => caller.text()).join(""), /^HTTP\/1\.1 503 [\s\S]*retry-after/i);
  gate.resolve();
  for (const caller of callers) caller.socket.destroy();
  await until(() => metrics.sampled(HELD, "yes") === 0);
  await room.stop();
});

test("a budget is kept by key and in total, and never gives back more than was taken", () => {
  const budget = new ByteBudget(10, 6);
  const [a, b] = [new BudgetShare(budget, "a"), new BudgetShare(budget, "b")];
  assert.ok(a.reserve(6));
  assert.equal(a.reserve(1), false, "of one key");
  assert.ok(b.reserve(4));
  assert.equal(b.reserve(1), false, "in total");
  a.release();
  a.release();
  b.release(100);
  assert.equal(budget.held, 0);
});
