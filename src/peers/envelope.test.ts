import assert from "node:assert/strict";
import { test } from "node:test";
import { createDevice } from "../client/device.ts";
import { seal, toAck, toEnvelope, unseal, type RequestEnvelope } from "./envelope.ts";
import { keyIdOf, PairingCodes, pairingToken, parseCode } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";

const home = createDevice();
const office = createDevice();
const request: RequestEnvelope = {
  v: 1,
  from: home.id,
  to: office.id,
  kind: "request",
  id: "request-0001",
  sentAt: 1,
  expiresAt: 2,
  path: [home.id],
  maxHops: 3,
  agent: "main",
  channel: "webchat",
  conversation: "0123abcd",
  isNew: false,
  text: "hello",
};
const parties = { publicKey: home.publicKey, from: home.id, to: office.id };

test("a packet is readable with the key of its sender, for the gateway that it is meant for", () => {
  const packet = seal(home, request);
  assert.deepEqual(toEnvelope(unseal(packet, parties)!), request);
  assert.equal(unseal(packet, { ...parties, publicKey: office.publicKey }), null);
  assert.equal(unseal(packet, { ...parties, to: home.id }), null);
  assert.equal(unseal(packet, { ...parties, from: office.id }), null);
});

test("a packet that was changed on its way is not accepted", () => {
  const packet = seal(home, request);
  assert.equal(unseal({ ...packet, body: packet.body.replace("hello", "hullo") }, parties), null);
  assert.equal(unseal({ ...packet, signature: seal(office, request).signature }, parties), null);
  for (const broken of [null, {}, { body: packet.body }, { body: 1, signature: 2 }, { ...packet, signature: "" }])
    assert.equal(unseal(broken, parties), null);
});

test("an envelope without a field, or with names that cannot be ones, is not accepted", () => {
  for (const wrong of [
    { agent: "Main" },
    { agent: "a:b" },
    { channel: "x y" },
    { conversation: "a:b" },
    { conversation: "" },
    { text: "" },
    { path: [] },
    { path: Array.from({ length: PEER_LIMITS.pathLength + 1 }, () => "k") },
    { expiresAt: "soon" },
    { id: "../etc" },
    { kind: "command" },
  ])
    assert.equal(toEnvelope({ ...request, ...wrong }), null, JSON.stringify(wrong));
});

test("an acknowledgement counts for its own message only", () => {
  const ack = { v: 1, from: office.id, to: home.id, kind: "ack", id: "request-0001", status: "stored", reason: null } as const;
  assert.equal(toAck(ack, "request-0001")?.status, "stored");
  assert.equal(toAck(ack, "request-0002"), null);
  assert.equal(toAck({ ...ack, status: "maybe" }, "request-0001"), null);
});

test("a pairing code works once, for its time, and its proof for one key only", () => {
  let now = 0;
  const codes = new PairingCodes(() => now);
  const { code } = codes.make("home", office.id);
  const parsed = parseCode(code.reveal())!;
  assert.equal(parsed.keyId, office.id);
  assert.equal(office.id, keyIdOf(office.publicKey));
  const token = pairingToken(parsed, home.id);
  assert.ok(!token.includes(parsed.secret.toString("base64url")));
  assert.equal(codes.take(token, createDevice().id, office.id), null);
  assert.equal(codes.take(token, home.id, office.id), "home");
  assert.equal(codes.take(token, home.id, office.id), null);

  const late = parseCode(codes.make("home", office.id).code.reveal())!;
  now += PEER_LIMITS.codeMs;
  assert.equal(codes.take(pairingToken(late, home.id), home.id, office.id), null);
  assert.equal(parseCode("ocp_short"), null);
});
