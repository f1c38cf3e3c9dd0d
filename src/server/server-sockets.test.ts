// Group: wire
import assert from "node:assert/strict";
import { connect as tcp, type Socket } from "node:net";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { MetricsProbe } from "../../test/metrics-probe.ts";
import { BEARER, connect, http, startServerBench, TOKEN, type ServerBench } from "../../test/server-bench.ts";
import type { OpenAiBackend } from "./openai-backend.ts";

const SOCKETS = "gateway_server_sockets";
const upgradeOf = (path: string, more = ""): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;

/** A peer that keeps its side open whatever happens to the other one. */
function stubborn(port: number, text: string): Socket {
  const socket = tcp({ port, host: "127.0.0.1", allowHalfOpen: true }, () => socket.write(text));
  socket.on("error", () => {});
  return socket;
}

const heard = (socket: Socket): Promise<string> =>
  new Promise((resolve) => socket.once("data", (data: Buffer) => resolve(data.toString())));

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

async function rigged(
  deps: Parameters<typeof startServerBench>[0] = {},
): Promise<{ room: ServerBench; clock: FakeClock; metrics: MetricsProbe }> {
  const clock = new FakeClock();
  const metrics = new MetricsProbe();
  const room = await startServerBench({ ...deps, clock, deps: { ...deps.deps, metrics } });
  return { room, clock, metrics };
}

/** TCP sockets of this process, both ends of each connection. */
const handles = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;

test("320 refused upgrades whose peers never close are all destroyed, and a holder of the token gets in meanwhile", async () => {
  const { room, clock, metrics } = await rigged();
  const before = handles();
  const peers: Socket[] = [];
  const refused = [
    upgradeOf("/nowhere"),
    upgradeOf("/", "Origin: null\r\nX-Forwarded-For: 1.2.3.4\r\n"),
    "CONNECT a:1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "nonsense\r\n\r\n",
  ];
  for (let round = 0; round < 8; round++) {
    const some = Array.from({ length: 40 }, (_, i) => stubborn(room.port, refused[i % refused.length]!));
    await Promise.all(some.map(heard));
    peers.push(...some);
    assert.ok(metrics.sampled(SOCKETS) <= LIMITS.closingSockets + 40, "those that wait to be destroyed are bounded");
  }
  assert.ok(metrics.sampled(SOCKETS, "closing") > 0);
  const good = await connect(room);
  assert.equal((await good.call("health")).ok, true);
  clock.advance(LIMITS.socketCloseMs);
  await until(() => metrics.sampled(SOCKETS) === 1);
  await until(() => handles() <= before + peers.length + 2);
  assert.equal(metrics.sampled(SOCKETS, "client"), 1);
  assert.equal((await good.call("health")).ok, true);
  for (const peer of peers) peer.destroy();
  good.close();
  await room.stop();
});

const CLOSE_FRAME = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
const PING_FRAME = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);

const stays: [string, (room: ServerBench) => Promise<Socket>, number][] = [
  ["sent nothing", async (room) => stubborn(room.port, ""), LIMITS.httpHeadMs + 1_000],
  ["sent half a head", async (room) => stubborn(room.port, "GET / HTTP/1.1\r\nHost:"), LIMITS.httpHeadMs + 1_000],
  [
    "keeps its connection after an answer",
    async (room) => {
      const socket = stubborn(room.port, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      await heard(socket);
      return socket;
    },
    LIMITS.httpHeadMs + 1_000,
  ],
  [
    "does not answer the challenge",
    async (room) => {
      const socket = stubborn(room.port, upgradeOf("/"));
      await heard(socket);
      return socket;
    },
    LIMITS.handshakeMs + 1_000,
  ],
  [
    "said goodbye and stays",
    async (room) => {
      const socket = stubborn(room.port, upgradeOf("/"));
      await heard(socket);
      socket.write(CLOSE_FRAME);
      return socket;
    },
    0,
  ],
  [
    "broke the protocol and stays",
    async (room) => {
      const socket = stubborn(room.port, upgradeOf("/"));
      await heard(socket);
      socket.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0]));
      return socket;
    },
    0,
  ],
  [
    "ended its half and stays",
    async (room) => {
      const socket = stubborn(room.port, upgradeOf("/"));
      await heard(socket);
      socket.write(PING_FRAME);
      socket.end();
      return socket;
    },
    0,
  ],
  [
    "keeps sending a body that is not read",
    async (room) => {
      const socket = stubborn(room.port, "POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\nx");
      await heard(socket);
      return socket;
    },
    0,
  ],
];

for (const [title, open, deadlineMs] of stays) {
  test(`a peer that ${title} is destroyed after its deadline`, async () => {
    const { room, clock, metrics } = await rigged();
    const peer = await open(room);
    if (deadlineMs === 0) await until(() => metrics.sampled(SOCKETS, "pre-auth") === 0);
    else await until(() => metrics.sampled(SOCKETS, "pre-auth") === 1);
    // A step at a time: one deadline may begin where another ends.
    for (let passedMs = 0; passedMs < deadlineMs; passedMs += 1_000) clock.advance(1_000);
    if (deadlineMs > 0) await until(() => metrics.sampled(SOCKETS, "pre-auth") === 0);
    clock.advance(LIMITS.socketCloseMs);
    await until(() => metrics.sampled(SOCKETS) === 0);
    peer.destroy();
    await room.stop();
  });
}

test("a member whose credential ends is destroyed even when it does not close", async () => {
  const { room, clock, metrics } = await rigged();
  const { row, token } = await room.auth.tokens.create(
    { name: "n", scopes: ["operator.read"] },
    { scopes: new Set(["operator.admin"]), name: "t" },
  );
  const member = await connect(room, { auth: { token: token.reveal() } });
  member.ws.pause();
  await room.auth.tokens.revoke(row.id);
  assert.equal(metrics.sampled(SOCKETS, "closing"), 1);
  clock.advance(LIMITS.socketCloseMs);
  await until(() => metrics.sampled(SOCKETS) === 0);
  member.ws.resume();
  assert.equal((await member.end()).code, 4001);
  await room.stop();
});

const ask = (text: string): string => {
  const body = JSON.stringify({ model: "openclaw", stream: true, messages: [{ role: "user", content: text }] });
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

test("a stream whose client does not read ends after its deadline, and one that is only quiet goes on", async () => {
  const gate = Promise.withResolvers<void>();
  let sent = 0;
  const openai: OpenAiBackend = {
    routes: { chatCompletions: true, responses: false },
    agents: () => ["main"],
    async *run(run) {
      while (run.messages[0]!.text === "flood" && !run.signal.aborted) {
        sent++;
        yield { type: "delta", text: "x".repeat(1_000_000) };
      }
      await gate.promise;
      yield { type: "final", text: "", usage: { inputTokens: 0, outputTokens: 0 }, finishReason: "stop" };
    },
  };
  const { room, clock, metrics } = await rigged({ deps: { openai } });
  const deaf = stubborn(room.port, ask("flood"));
  const quiet = stubborn(room.port, ask("quiet"));
  await heard(quiet);
  // The client reads nothing, so in the end the gateway cannot send.
  await until(() => sent > 0 && metrics.sampled(SOCKETS, "exchange") === 2);
  let last = -1;
  while (last !== sent) {
    last = sent;
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let passedMs = 0; passedMs <= LIMITS.unreadAnswerMs * 2; passedMs += LIMITS.unreadAnswerMs / 4)
    clock.advance(LIMITS.unreadAnswerMs / 4);
  await until(() => metrics.sampled(SOCKETS, "exchange") === 1);
  assert.equal(metrics.counted("gateway_server_sockets_destroyed_total", { reason: "stalled" }), 1);
  gate.resolve();
  assert.match(await heard(quiet), /chat\.completion\.chunk|DONE/);
  for (const socket of [deaf, quiet]) socket.destroy();
  await room.stop();
});

test("pipelined requests: the answer to one does not make a running one idle", async () => {
  const gate = Promise.withResolvers<void>();
  const openai: OpenAiBackend = {
    routes: { chatCompletions: true, responses: false },
    agents: () => ["main"],
    async *run() {
      await gate.promise;
      yield { type: "final", text: "done", usage: { inputTokens: 0, outputTokens: 0 }, finishReason: "stop" };
    },
  };
  const { room, clock, metrics } = await rigged({ deps: { openai } });
  const body = JSON.stringify({ model: "openclaw", messages: [{ role: "user", content: "x" }] });
  const head = `Host: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\n`;
  const socket = stubborn(
    room.port,
    `GET /metrics HTTP/1.1\r\n${head}\r\nPOST /v1/chat/completions HTTP/1.1\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  await heard(socket);
  await until(() => metrics.sampled(SOCKETS, "exchange") === 1);
  for (let passedMs = 0; passedMs < LIMITS.httpHeadMs * 2; passedMs += 1_000) clock.advance(1_000);
  gate.resolve();
  assert.match(await heard(socket), /chat\.completion/);
  socket.destroy();
  await room.stop();
});

test("an upgrade behind a request that is not answered yet is refused", async () => {
  const gate = Promise.withResolvers<void>();
  const hook = async () => {
    await gate.promise;
    return { status: 200 };
  };
  const { room } = await rigged({ deps: { receiveWebhook: hook } });
  const socket = stubborn(room.port, `POST /channels/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n${upgradeOf("/")}`);
  const answer = await heard(socket);
  gate.resolve();
  assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*bad_upgrade/);
  socket.destroy();
  await room.stop();
});

for (const [title, frames] of [
  ["17 pings", Buffer.concat(Array.from({ length: LIMITS.preAuthFrames + 1 }, () => PING_FRAME))],
  ["a frame that is none", Buffer.from([0xff, 0x80, 0, 0, 0, 0])],
  ["a farewell", CLOSE_FRAME],
] as const)
  test(`an upgrade with ${title} right behind it, in one piece, is handled like any other`, async () => {
    const { room, clock, metrics } = await rigged();
    const socket = tcp({ port: room.port, host: "127.0.0.1", allowHalfOpen: true }, () =>
      socket.write(Buffer.concat([Buffer.from(upgradeOf("/")), frames])),
    );
    socket.on("error", () => {});
    assert.match(await heard(socket), /^HTTP\/1\.1 101 /);
    await until(() => metrics.sampled(SOCKETS, "closing") === 1);
    clock.advance(LIMITS.socketCloseMs);
    await until(() => metrics.sampled(SOCKETS) === 0);
    assert.equal(metrics.sampled("gateway_server_preauth_connections"), 0);
    socket.destroy();
    await room.stop();
  });

for (const hosts of [["127.0.0.1", "evil.example"], ["evil.example", "127.0.0.1"], ["127.0.0.1", "127.0.0.1"], []])
  test(`a request with ${hosts.length === 0 ? "no Host" : `the Hosts ${hosts.join(" and ")}`} is refused, and an upgrade as well`, async () => {
    const { room } = await rigged();
    const lines = hosts.map((host) => `Host: ${host}\r\n`).join("");
    for (const text of [`GET /healthz HTTP/1.1\r\n${lines}\r\n`, upgradeOf("/").replace("Host: 127.0.0.1\r\n", lines)]) {
      const socket = stubborn(room.port, text);
      assert.match(await heard(socket), /^HTTP\/1\.1 400 /);
      socket.destroy();
    }
    assert.equal((await http(room.port, "/healthz", { headers: BEARER })).status, 200);
    await room.stop();
  });
