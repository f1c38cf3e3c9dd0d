import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";
import { GatewayError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { startServerBench, TOKEN } from "../../test/server-bench.ts";
import { openClient, type ProtocolClientOptions, type ServerEvent } from "./client.ts";
import { createDevice, toDevice } from "./device.ts";
import { ClientError, type ClientErrorKind } from "./errors.ts";
import { keepConnected } from "./reconnect.ts";

const credentials = { token: new Secret(TOKEN) };

const room = await startServerBench({
  methods: {
    "sessions.list": { scope: "operator.read", run: () => ({ sessions: [] }) },
    agent: {
      scope: "operator.write",
      run: async (_, caller) => {
        caller.accept({ runId: "r1", status: "accepted" });
        return { runId: "r1", status: "ok" };
      },
    },
    wake: {
      scope: "operator.write",
      run: () => {
        throw new GatewayError("UNAVAILABLE", "the lane is full", { retryAfterMs: 250, details: { code: "LANE_FULL" } });
      },
    },
    "last-heartbeat": { scope: "operator.read", run: () => new Promise(() => {}) },
  },
});
after(() => room.stop());

const open = (options: Partial<ProtocolClientOptions> = {}) =>
  openClient({ url: room.url, credentials, scopes: ["operator.read", "operator.write"], ...options });

async function failure(work: Promise<unknown>): Promise<ClientError> {
  const err = await work.then(
    () => assert.fail("it did not fail"),
    (thrown: unknown) => thrown,
  );
  assert.ok(err instanceof ClientError, String(err));
  return err;
}

test("a client with the shared token gets what it asked for and can call", async () => {
  const client = await open();
  assert.equal(client.hello.protocol, 4);
  assert.deepEqual(client.hello.auth.scopes.toSorted(), ["operator.read", "operator.write"]);
  assert.ok(client.serves("health"));
  assert.deepEqual(await client.request("sessions.list"), { sessions: [] });
  await client.close();
});

test("a two-stage call tells the first answer and resolves with the second", async () => {
  const client = await open();
  const accepted: unknown[] = [];
  const answer = await client.request(
    "agent",
    { message: "hi", idempotencyKey: "k1" },
    { onAccepted: (payload) => accepted.push(payload) },
  );
  assert.deepEqual(accepted, [{ runId: "r1", status: "accepted" }]);
  assert.deepEqual(answer, { runId: "r1", status: "ok" });
  await client.close();
});

test("a refused request carries the gateway's code, details and delay", async () => {
  const client = await open();
  const err = await failure(client.request("wake", { mode: "now", text: "up" }));
  assert.equal(err.kind, "request");
  assert.equal(err.code, "UNAVAILABLE");
  assert.equal(err.reason, "LANE_FULL");
  assert.equal(err.retryAfterMs, 250);
  await client.close();
});

test("a request without an answer ends at its deadline, and the connection goes on", async () => {
  const client = await open();
  const err = await failure(client.request("last-heartbeat", {}, { timeoutMs: 20 }));
  assert.equal(err.kind, "timeout");
  assert.deepEqual(await client.request("sessions.list"), { sessions: [] });
  await client.close();
});

test("closing rejects what still waits", async () => {
  const client = await open();
  const waiting = failure(client.request("last-heartbeat"));
  await client.close();
  assert.equal((await waiting).kind, "closed");
  assert.equal((await failure(client.request("sessions.list"))).kind, "closed");
});

test("an aborted request ends at once", async () => {
  const client = await open();
  const abort = new AbortController();
  const waiting = failure(client.request("last-heartbeat", {}, { signal: abort.signal }));
  abort.abort();
  assert.equal((await waiting).kind, "closed");
  await client.close();
});

test("a wrong token is an auth failure with the gateway's own reason", async () => {
  const err = await failure(open({ credentials: { token: new Secret("wrong") } }));
  assert.equal(err.kind, "auth");
  assert.equal(err.reason, "AUTH_TOKEN_MISMATCH");
});

test("a device proves itself, is paired, and comes back with the token that it was given", async () => {
  const device = createDevice();
  const first = await open({ device });
  const issued = first.hello.auth.deviceToken;
  assert.ok(issued, "no device token was issued");
  await first.close();
  const again = await open({ device: toDevice(device.privateKey), credentials: { token: new Secret(issued) } });
  assert.equal(again.hello.auth.method, "device-token");
  await again.close();
});

test("a port where nothing listens is unreachable, with the cause", async () => {
  const server = await scripted(() => {});
  await server.stop();
  const err = await failure(openClient({ url: server.url }));
  assert.equal(err.kind, "unreachable");
  assert.equal(err.message, "nothing listens there");
});

test("a pinned certificate is never given up for an address without one, and nothing is sent there", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  let connections = 0;
  server.on("connection", () => connections++);
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { message } = await failure(open({ url, tlsFingerprint: "ab".repeat(32) }));
  assert.match(message, /only a wss:\/\/ address shows one; nothing was sent/);
  assert.equal(connections, 0);
});

test("a URL that is none is unreachable, not a crash", async () => {
  assert.equal((await failure(openClient({ url: "http//x" }))).kind, "unreachable");
});

/** A server that runs `onSocket`, for behavior that a correct gateway never shows. */
async function scripted(onSocket: (socket: WebSocket) => void): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", onSocket);
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    for (const socket of server.clients) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `ws://127.0.0.1:${port}`, stop };
}

const CHALLENGE = JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } });
const HELLO = {
  type: "hello-ok",
  protocol: 4,
  server: { version: "1", connId: "c" },
  features: { methods: ["health"], events: [] },
  snapshot: { uptimeMs: 1 },
  auth: { role: "operator", scopes: [] },
  policy: { maxPayload: 1, tickIntervalMs: 30_000 },
};
const answer = (data: unknown, body: object): string =>
  JSON.stringify({ type: "res", id: (JSON.parse(String(data)) as { id: string }).id, ...body });

const KINDS: readonly [string, (socket: WebSocket) => void, ClientErrorKind][] = [
  ["silence", () => {}, "timeout"],
  ["a close before the challenge", (socket) => socket.close(1000), "unreachable"],
  ["a close with 1013", (socket) => socket.close(1013, "gateway starting"), "starting"],
  ["text that is not JSON", (socket) => socket.send("hello"), "handshake"],
  ["JSON that is not a frame", (socket) => socket.send("[1]"), "handshake"],
  ...(
    [
      [{ code: "INVALID_REQUEST", message: "protocol mismatch", details: { code: "PROTOCOL_MISMATCH" } }, "handshake"],
      [{ code: "NOT_PAIRED", message: "pairing required", details: { code: "PAIRING_REQUIRED", requestId: "q" } }, "pairing"],
      [{ code: "NOT_PAIRED", message: "device identity required", details: { code: "DEVICE_IDENTITY_REQUIRED" } }, "auth"],
      [{ code: "INVALID_REQUEST", message: "rate limited", details: { code: "AUTH_RATE_LIMITED" }, retryAfterMs: 9_000 }, "auth"],
      [{ code: "UNAVAILABLE", message: "gateway starting", retryable: true, retryAfterMs: 500 }, "starting"],
    ] as const
  ).map(([error, kind]): [string, (socket: WebSocket) => void, ClientErrorKind] => [
    "details" in error ? error.details.code : error.message,
    (socket) => {
      socket.send(CHALLENGE);
      socket.on("message", (data) => socket.send(answer(data, { ok: false, error })));
    },
    kind,
  ]),
];

for (const [what, script, kind] of KINDS) {
  test(`${what} instead of hello-ok is reported as ${kind}`, async () => {
    const server = await scripted(script);
    const err = await failure(openClient({ url: server.url, connectTimeoutMs: 300 }));
    assert.equal(err.kind, kind, err.message);
    await server.stop();
  });
}

test("events reach every listener until it leaves", async () => {
  const server = await scripted((socket) => {
    socket.send(CHALLENGE);
    socket.on("message", (data) => {
      const { method } = JSON.parse(String(data)) as { method: string };
      socket.send(answer(data, { ok: true, payload: method === "connect" ? HELLO : {} }));
      if (method !== "connect") socket.send(JSON.stringify({ type: "event", event: "tick", payload: { ts: 1 }, seq: 1 }));
    });
  });
  const client = await openClient({ url: server.url });
  const seen: ServerEvent[] = [];
  const next = (): Promise<ServerEvent> => new Promise((resolve) => client.on(resolve));
  const leave = client.on((event) => seen.push(event));
  let tick = next();
  await client.request("health");
  await tick;
  leave();
  tick = next();
  await client.request("health");
  await tick;
  assert.deepEqual(seen, [{ type: "event", event: "tick", payload: { ts: 1 }, seq: 1 }]);
  await client.close();
  await server.stop();
});

test("a kept connection comes back after each loss until it is ended", async () => {
  const abort = new AbortController();
  let opened = 0;
  const downs: string[] = [];
  const kept = keepConnected(
    { url: room.url, credentials, scopes: ["operator.read"] },
    {
      onConnected: (client) => {
        opened++;
        if (opened === 3) abort.abort();
        else void client.close();
      },
      onDisconnected: (err) => downs.push(err.kind),
    },
    abort.signal,
  );
  await kept;
  assert.equal(opened, 3);
  assert.deepEqual(downs, ["closed", "closed"]);
});

test("a kept connection gives up where another try cannot help", async () => {
  const never = new AbortController();
  const events = { onConnected: () => assert.fail("it got in"), onDisconnected: () => assert.fail("it tries again") };
  const err = await failure(keepConnected({ url: room.url, credentials: { token: new Secret("wrong") } }, events, never.signal));
  assert.equal(err.kind, "auth");
});
