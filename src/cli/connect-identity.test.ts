import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { callCli, SAMPLE_ARGS } from "../../test/cli-call.ts";
import { startStoreHolder } from "../../test/fakes/gateway-process.ts";
import { startServerBench, TOKEN } from "../../test/server-bench.ts";
import { Secret } from "../core/secret.ts";
import { commandName } from "./command.ts";
import { COMMANDS } from "./command-table.ts";

// A program of someone else that listens on the gateway's port: it speaks the protocol as far as the first frame of a client.
const frames: string[] = [];
const squatter = new WebSocketServer({ host: "127.0.0.1", port: 0 });
squatter.on("connection", (socket) => {
  socket.on("message", (data: Buffer) => frames.push(data.toString()));
  socket.on("error", () => {});
  socket.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: Date.now() } }));
});
await once(squatter, "listening");
const { port } = squatter.address() as AddressInfo;
const url = `ws://127.0.0.1:${port}`;

const home = mkdtempSync(join(tmpdir(), "openclaw-squatter-"));
after(() => {
  squatter.close();
  for (const client of squatter.clients) client.terminate();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(() => void frames.splice(0));

type OwnerNote = { pid?: number; port: number; url: string; startedAt: number; identityKey?: string };

let count = 0;
/** `owner` without a pid: the gateway of this state directory runs. */
function makeState(owner: OwnerNote | null, config: Record<string, unknown> = {}): string {
  const state = join(home, `state-${count++}`);
  mkdirSync(join(state, "gateway"), { recursive: true, mode: 0o700 });
  writeFileSync(join(state, "gateway/token"), TOKEN, { mode: 0o600 });
  writeFileSync(
    join(state, "openclaw.json"),
    JSON.stringify({ gateway: { port }, channels: { irc: { host: "h", nick: "n" } }, ...config }),
  );
  if (owner !== null)
    writeFileSync(join(state, "gateway/owner.json"), JSON.stringify({ pid: owner.pid ?? startStoreHolder(state), ...owner }));
  return state;
}

/** A pid that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid!;
}

const live: OwnerNote = { port, url, startedAt: 1 };
const OWNERS: readonly [name: string, owner: OwnerNote | null][] = [
  ["without a gateway", null],
  ["after a crash of the gateway", { ...live, pid: await deadPid(), identityKey: "key" }],
  ["with a gateway elsewhere that holds another key", { ...live, identityKey: "key" }],
  ["with a gateway that wrote no key", live],
];

for (const command of COMMANDS.filter((each) => each.usesGateway)) {
  const words = [...command.path, ...(SAMPLE_ARGS[commandName(command)] ?? [])];
  test(`openclaw ${commandName(command)} sends nothing to another program on the port`, async () => {
    for (const [name, owner] of OWNERS) {
      const stop = new AbortController();
      const call = await callCli(makeState(owner), words, { signal: stop.signal });
      assert.deepEqual(frames, [], name);
      assert.ok(!`${call.out}${call.err}`.includes(TOKEN), name);
    }
  });
}

const CREDENTIALS: readonly [name: string, words: readonly string[], env: Record<string, string>, config: Record<string, unknown>][] = [
  ["the configured token", [], {}, { gateway: { port, auth: { token: TOKEN } } }],
  ["the configured password", [], {}, { gateway: { port, auth: { mode: "password", password: TOKEN } } }],
  ["OPENCLAW_GATEWAY_TOKEN", [], { OPENCLAW_GATEWAY_TOKEN: TOKEN }, {}],
  ["--token", ["--token", TOKEN], {}, {}],
];
for (const [name, words, env, config] of CREDENTIALS) {
  test(`${name} stays here when the address was not named`, async () => {
    const { code, err } = await callCli(makeState(null, config), ["health", ...words], { env });
    assert.deepEqual(frames, []);
    assert.equal(code, 69);
    assert.match(
      err,
      /is not the gateway of .*\n {2}Why: no gateway of this state directory is running, .*No credential and no message was sent\.\n {2}Fix: .*--url/,
    );
  });
}

test("the token of this machine stays here when its own address is named and another program listens there", async () => {
  const { code } = await callCli(makeState({ ...live, identityKey: "key" }), ["health", "--url", url]);
  assert.equal(code, 69);
  assert.deepEqual(frames, []);
});

test("a credential and an address that were both named are used as they are", async () => {
  const stop = new AbortController();
  const call = callCli(makeState(null), ["health", "--url", url, "--token", "of-that-gateway"], { signal: stop.signal });
  await once(squatter, "connection");
  for (const client of squatter.clients) await once(client, "message");
  stop.abort();
  await call;
  assert.match(frames[0]!, /of-that-gateway/);
});

test("the proof of the real gateway is of no use to a program that passes it on", async () => {
  const key = new Secret("the-real-key");
  const room = await startServerBench({ deps: { identityKey: key } });
  const relay = new WebSocketServer({ noServer: true });
  const { createServer } = await import("node:http");
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    const real = new WebSocket(room.url, { headers: { "x-openclaw-identity-nonce": request.headers["x-openclaw-identity-nonce"] } });
    real.once("upgrade", ({ headers }) => {
      relay.once("headers", (lines: string[]) => void lines.push(`x-openclaw-identity-proof: ${headers["x-openclaw-identity-proof"]}`));
      relay.handleUpgrade(request, socket, head, (client) => {
        client.on("message", (data: Buffer) => frames.push(data.toString()));
        client.send(JSON.stringify({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: Date.now() } }));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = (server.address() as AddressInfo).port;
  const state = makeState({ ...live, port: at, url: `ws://127.0.0.1:${at}`, identityKey: key.reveal() });
  const { code } = await callCli(state, ["health"]);
  assert.equal(code, 69);
  assert.deepEqual(frames, []);
  const direct = makeState({ ...live, port: room.port, url: room.url, identityKey: key.reveal() });
  assert.equal((await callCli(direct, ["health"])).code, 0, "the gateway itself is believed");
  relay.close();
  server.closeAllConnections();
  server.close();
  await room.stop();
});
