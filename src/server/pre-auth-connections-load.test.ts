// Group: wire
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as tcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { Secret } from "../core/secret.ts";
import { BEARER, connect, http, makeDevice, startServerBench, TOKEN, tryConnect } from "../../test/server-bench.ts";

const UPGRADE =
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

function open(port: number, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = tcp(port, "127.0.0.1", () => {
      socket.write(text);
      resolve(socket);
    });
    socket.on("error", () => resolve(socket));
    socket.on("data", () => {});
  });
}

for (const [title, text] of [
  ["silent WebSockets", UPGRADE],
  ["half-sent HTTP heads", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"],
  ["connections that send nothing", ""],
] as const) {
  test(`500 ${title} keep no client out`, async () => {
    const room = await startServerBench();
    const sockets = await Promise.all(Array.from({ length: 500 }, () => open(room.port, text)));
    for (let i = 0; i < 10; i++) {
      const good = await connect(room);
      assert.equal((await good.call("health")).ok, true);
      assert.equal((await http(room.port, "/healthz")).status, 200);
      good.close();
    }
    for (const socket of sockets) socket.destroy();
    await room.stop();
  });
}

test("a proven client is never dropped for newcomers", async () => {
  const room = await startServerBench();
  const good = await connect(room);
  const sockets = await Promise.all(Array.from({ length: LIMITS.preAuthConnectionsPerPeer * 2 }, () => open(room.port, UPGRADE)));
  assert.equal((await good.call("health")).ok, true);
  for (const socket of sockets) socket.destroy();
  await room.stop();
});

test("200 wrong tokens, 50 at a time, are all answered, and a good client gets in between them", async () => {
  const room = await startServerBench();
  let tried = 0;
  const codes = new Map<string, number>();
  const attacker = async (): Promise<void> => {
    while (tried++ < 200) {
      const { raw, answer } = await tryConnect(room, { auth: { token: `wrong-${tried}` } });
      const code = String(answer.error!.details!["code"]);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      raw.close();
    }
  };
  const attack = Promise.all(Array.from({ length: 50 }, attacker));
  for (let i = 0; i < 10; i++) {
    const good = await connect(room);
    assert.equal((await good.call("health")).ok, true);
    good.close();
  }
  await attack;
  assert.deepEqual([...codes], [["AUTH_TOKEN_MISMATCH", 200]]);
  await room.stop();
});

test("guessing is stopped on every surface at once and after a restart; what cannot be guessed is still checked", async () => {
  const dir = mkdtempSync(join(tmpdir(), "limiter-"));
  const settings = { token: new Secret("short") };
  let room = await startServerBench({ dir, settings });
  const paired = makeDevice();
  const first = await tryConnect(room, { device: paired, auth: { token: "short" } });
  const deviceToken = String((first.answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]);
  const service = await room.auth.tokens.create(
    { name: "ci", scopes: ["operator.read"] },
    { scopes: new Set(["operator.admin"]), name: "test" },
  );
  // Half of the failures on each surface, and with fields that must not switch the counting off.
  for (let i = 0; i < LIMITS.signInFailures / 2; i++) {
    assert.equal((await http(room.port, "/metrics", { headers: { authorization: "Bearer nope" } })).status, 401);
    const { answer } = await tryConnect(room, { auth: { token: "nope", deviceToken: "bogus", password: "bogus" } });
    assert.equal(answer.error!.details!["code"], "AUTH_TOKEN_MISMATCH");
  }
  for (let round = 0; round < 2; round++) {
    const locked = await tryConnect(room, { auth: { token: "short" } });
    assert.equal(locked.answer.error!.details!["code"], "AUTH_RATE_LIMITED", "the right guess is refused unchecked");
    assert.ok(locked.answer.error!.retryAfterMs! > 0);
    assert.equal((await locked.raw.end()).code, 1008);
    assert.equal((await http(room.port, "/metrics", { headers: { authorization: "Bearer short" } })).status, 429);
    assert.equal((await tryConnect(room, { auth: { token: deviceToken }, device: paired })).answer.ok, true);
    assert.equal((await tryConnect(room, { auth: { token: service.token.reveal() } })).answer.ok, true);
    const { code } = await room.auth.links.createForOwner();
    assert.equal((await tryConnect(room, { auth: { bootstrapToken: code.reveal() }, device: makeDevice() })).answer.ok, true);
    await room.stop();
    if (round === 0) room = await startServerBench({ dir, settings });
  }
  rmSync(dir, { recursive: true, force: true });
});

test("a generated token is checked however often someone failed", async () => {
  const room = await startServerBench();
  for (let i = 0; i < LIMITS.signInFailures * 2; i++) await tryConnect(room, { auth: { token: "nope" } });
  assert.equal((await tryConnect(room, { auth: { token: TOKEN } })).answer.ok, true);
  assert.equal((await http(room.port, "/metrics", { headers: BEARER })).status, 200);
  await room.stop();
});
