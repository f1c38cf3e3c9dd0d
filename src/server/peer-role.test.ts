// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerGate } from "../auth/peer-gate.ts";
import type { MethodTable } from "../protocol/method.ts";
import { connect, makeDevice, startServerBench, tryConnect, type ConnectOverrides } from "../../test/server-bench.ts";

const METHODS: MethodTable = { "peer.hello": { scope: "peer", run: ({ nonce }) => ({ nonce }) } };
const device = makeDevice();
const AS_PEER: ConnectOverrides = { role: "peer", device, auth: { token: "to:this" }, scopes: ["operator.admin"] };

/** Lets in one key, as the link `home`. */
function gate() {
  const state = { isLinked: true };
  const peers: PeerGate = {
    admit: ({ keyId, token }) =>
      Promise.resolve(
        keyId === device.id && token === "to:this" ? { name: "home" } : { refused: { kind: "unknown" as const, fingerprint: "1a2b" } },
      ),
    isLinked: () => state.isLinked,
  };
  return { state, peers };
}

test("another gateway holds no scope, whatever it asks for, and calls the methods of its role only", async () => {
  const room = await startServerBench({ methods: METHODS, peers: gate().peers });
  const { raw, answer } = await tryConnect(room, AS_PEER);
  assert.equal(answer.ok, true);
  const hello = answer.payload as { auth: { role: string; scopes: string[] }; features: { methods: string[] }; snapshot: object };
  assert.deepEqual([hello.auth.role, hello.auth.scopes], ["peer", []]);
  assert.deepEqual(hello.features.methods, ["peer.ack", "peer.hello", "peer.push"]);
  assert.deepEqual(hello.snapshot, { presence: [], health: {}, stateVersion: { presence: 0, health: 0 }, uptimeMs: 0 });
  const health = await raw.call("health");
  assert.equal(health.error?.message, "unauthorized role: peer");
  assert.deepEqual((await raw.call("peer.hello", { nonce: "n" })).payload, { nonce: "n" });

  const operator = await connect(room, { scopes: ["operator.admin"] });
  const refused = await operator.call("peer.hello", { nonce: "n" });
  assert.equal(refused.error?.message, "unauthorized role: operator");
  await room.stop();
});

test("another gateway hears nothing of what happens here but the tick", async () => {
  const room = await startServerBench({ methods: METHODS, peers: gate().peers });
  const peer = await connect(room, AS_PEER);
  room.server.hub.publish("presence", {}, {});
  room.server.hub.publish("secret", {}, {});
  room.server.hub.publish("tick", { ts: 1 }, {});
  await peer.next((frame) => frame.event === "tick");
  const events = peer.frames.flatMap(({ event }) => event ?? []);
  assert.deepEqual(events, ["connect.challenge", "tick"]);
  await room.stop();
});

test("a key of no link, a page and a gateway without links let no other gateway in", async () => {
  const room = await startServerBench({ methods: METHODS, peers: gate().peers });
  const unpaired = await tryConnect(room, { ...AS_PEER, device: makeDevice() });
  assert.equal(unpaired.answer.error?.details?.["code"], "PEER_NOT_LINKED");
  const { device: _, ...withoutKey } = AS_PEER;
  assert.equal((await tryConnect(room, withoutKey)).answer.error?.details?.["code"], "DEVICE_IDENTITY_REQUIRED");
  const forged = await tryConnect(room, {
    ...AS_PEER,
    tamper: (params) => ((params["device"] as { signature: string }).signature = Buffer.alloc(64).toString("base64url")),
  });
  assert.equal(forged.answer.error?.details?.["code"], "DEVICE_AUTH_SIGNATURE_INVALID");
  await room.stop();

  const alone = await startServerBench();
  assert.equal((await tryConnect(alone, AS_PEER)).answer.error?.message, "invalid role");
  await alone.stop();
});

test("a link that is revoked ends its running connection", async () => {
  const { state, peers } = gate();
  const room = await startServerBench({ methods: METHODS, peers });
  const peer = await connect(room, AS_PEER);
  state.isLinked = false;
  room.server.closeRevoked();
  assert.equal((await peer.end()).code, 4001);
  await room.stop();
});
