import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GatewayClient } from "@openclaw/gateway-client";
import { Secret } from "../core/secret.ts";
import {
  connect,
  makeDevice,
  RawClient,
  startServerBench,
  TOKEN,
  tryConnect,
  type ConnectOverrides,
  type ServerBench,
} from "../../test/server-bench.ts";

type Row = {
  title: string;
  overrides?: ConnectOverrides;
  headers?: Record<string, string>;
  code: string;
  detail?: string;
  reason?: string;
  message: RegExp;
  close: number;
  closeReason: RegExp;
};

const device = makeDevice();
const other = makeDevice();

const signedBy = (change: (proof: Record<string, unknown>) => void): ConnectOverrides => ({
  device,
  tamper: (params) => change(params["device"] as Record<string, unknown>),
});

/** Every way to be refused on a gateway with a token: answer, details, close code and reason. */
const ROWS: readonly Row[] = [
  {
    title: "no credential and no device",
    overrides: { auth: {} },
    code: "NOT_PAIRED",
    detail: "DEVICE_IDENTITY_REQUIRED",
    message: /^device identity required$/,
    close: 1008,
    closeReason: /^device identity required$/,
  },
  {
    title: "a wrong token",
    overrides: { auth: { token: "wrong" } },
    code: "INVALID_REQUEST",
    detail: "AUTH_TOKEN_MISMATCH",
    message: /^unauthorized: gateway token mismatch$/,
    close: 1008,
    closeReason: /^unauthorized: gateway token mismatch$/,
  },
  {
    title: "a password on a token gateway",
    overrides: { auth: { password: TOKEN } },
    code: "INVALID_REQUEST",
    detail: "AUTH_TOKEN_MISMATCH",
    message: /token mismatch/,
    close: 1008,
    closeReason: /token mismatch/,
  },
  {
    title: "a device without a token",
    overrides: { auth: {}, device },
    code: "INVALID_REQUEST",
    detail: "AUTH_TOKEN_MISSING",
    message: /^unauthorized: gateway token missing$/,
    close: 1008,
    closeReason: /token missing/,
  },
  {
    title: "an unknown device token",
    overrides: { auth: { token: "ocd_0000000000000000000000000000000000000000000" }, device },
    code: "INVALID_REQUEST",
    detail: "AUTH_DEVICE_TOKEN_MISMATCH",
    message: /device token mismatch/,
    close: 1008,
    closeReason: /device token mismatch/,
  },
  {
    title: "an unknown sign-in link",
    overrides: { auth: { bootstrapToken: "ocl_0000000000000000000000" }, device },
    code: "INVALID_REQUEST",
    detail: "AUTH_BOOTSTRAP_TOKEN_INVALID",
    message: /sign-in link/,
    close: 1008,
    closeReason: /sign-in link/,
  },
  {
    title: "an unknown client id",
    overrides: { client: { id: "my-app" } },
    code: "INVALID_REQUEST",
    message: /^invalid connect params: at \/client\/id: must be equal to one of the allowed values$/,
    close: 1008,
    closeReason: /at \/client\/id/,
  },
  {
    title: "an unknown property",
    overrides: { params: { zzz: 1 } },
    code: "INVALID_REQUEST",
    message: /^invalid connect params: at root: unexpected property 'zzz'$/,
    close: 1008,
    closeReason: /unexpected property 'zzz'/,
  },
  {
    title: "an unknown role",
    overrides: { role: "boss" },
    code: "INVALID_REQUEST",
    message: /^invalid role$/,
    close: 1008,
    closeReason: /^invalid role$/,
  },
  {
    title: "an old protocol",
    overrides: { params: { minProtocol: 3, maxProtocol: 3 } },
    code: "INVALID_REQUEST",
    detail: "PROTOCOL_MISMATCH",
    message: /^protocol mismatch$/,
    close: 1002,
    closeReason: /^protocol mismatch$/,
  },
  {
    title: "a page from elsewhere",
    headers: { origin: "http://evil.example" },
    code: "INVALID_REQUEST",
    detail: "CONTROL_UI_ORIGIN_NOT_ALLOWED",
    reason: "origin not allowed",
    message: /^origin not allowed/,
    close: 1008,
    closeReason: /^origin not allowed/,
  },
  {
    title: "a browser client without an origin",
    overrides: { client: { id: "openclaw-control-ui", mode: "webchat" } },
    code: "INVALID_REQUEST",
    detail: "CONTROL_UI_ORIGIN_NOT_ALLOWED",
    reason: "origin missing or invalid",
    message: /^origin not allowed/,
    close: 1008,
    closeReason: /^origin not allowed/,
  },
  {
    title: "a node without a device",
    overrides: { role: "node", client: { id: "node-host", mode: "node" }, scopes: [] },
    code: "NOT_PAIRED",
    detail: "DEVICE_IDENTITY_REQUIRED",
    message: /device identity required/,
    close: 1008,
    closeReason: /device identity required/,
  },
  {
    title: "a signature that is 20 minutes old",
    overrides: signedBy((proof) => (proof["signedAt"] = Number(proof["signedAt"]) - 1_200_000)),
    code: "INVALID_REQUEST",
    detail: "DEVICE_AUTH_SIGNATURE_EXPIRED",
    reason: "device-signature-stale",
    message: /^device signature expired$/,
    close: 1008,
    closeReason: /^device signature expired$/,
  },
  {
    title: "the nonce of another challenge",
    overrides: signedBy((proof) => (proof["nonce"] = "zzz")),
    code: "INVALID_REQUEST",
    detail: "DEVICE_AUTH_NONCE_MISMATCH",
    reason: "device-nonce-mismatch",
    message: /^device nonce mismatch$/,
    close: 1008,
    closeReason: /^device nonce mismatch$/,
  },
  {
    title: "a signature over something else",
    overrides: { device, tamper: (params) => (params["scopes"] = ["operator.admin"]) },
    code: "INVALID_REQUEST",
    detail: "DEVICE_AUTH_SIGNATURE_INVALID",
    reason: "device-signature",
    message: /^device signature invalid$/,
    close: 1008,
    closeReason: /^device signature invalid$/,
  },
  {
    title: "the id of another device",
    overrides: signedBy((proof) => (proof["id"] = other.id)),
    code: "INVALID_REQUEST",
    detail: "DEVICE_AUTH_DEVICE_ID_MISMATCH",
    reason: "device-id-mismatch",
    message: /^device identity mismatch$/,
    close: 1008,
    closeReason: /^device identity mismatch$/,
  },
  {
    title: "a key that is none",
    overrides: signedBy((proof) => (proof["publicKey"] = "AAAA")),
    code: "INVALID_REQUEST",
    detail: "DEVICE_AUTH_PUBLIC_KEY_INVALID",
    reason: "device-public-key",
    message: /public key invalid/,
    close: 1008,
    closeReason: /public key invalid/,
  },
];

describe("who is refused at the handshake", () => {
  let room: ServerBench;
  before(async () => (room = await startServerBench()));
  after(() => room.stop());

  for (const row of ROWS) {
    test(`${row.title} is answered with its code and reason`, async () => {
      const { raw, answer } = await tryConnect(room, row.overrides, row.headers);
      assert.equal(answer.ok, false);
      assert.equal(answer.error!.code, row.code);
      assert.match(answer.error!.message, row.message);
      assert.equal(answer.error!.details?.["code"], row.detail);
      if (row.reason) assert.equal(answer.error!.details!["reason"], row.reason);
      const { code, reason } = await raw.end();
      assert.equal(code, row.close);
      assert.match(reason, row.closeReason);
    });
  }

  test("a first frame that is another method is answered", async () => {
    const raw = new RawClient(room.url);
    await raw.next();
    const answer = await raw.call("health");
    assert.equal(answer.error!.message, "invalid handshake: first request must be connect");
    assert.deepEqual(await raw.end(), { code: 1008, reason: "invalid handshake: first request must be connect" });
  });

  const silent: [string, string | Buffer, number, RegExp][] = [
    ["JSON that is not a request", '{"hello":1}', 1008, /^invalid request frame$/],
    ["text that is not JSON", "not json", 1008, /^invalid request frame$/],
    ["an empty message", "", 1008, /^invalid request frame$/],
    ["a binary frame", Buffer.from("{}"), 1003, /binary/],
    ["more than 64 KiB", JSON.stringify({ type: "req", id: "1", method: "connect", params: "x".repeat(70_000) }), 1009, /too large/],
  ];
  for (const [title, frame, code, reason] of silent) {
    test(`${title} before connect closes the socket with a reason`, async () => {
      const raw = new RawClient(room.url);
      await raw.next();
      raw.send(frame);
      const end = await raw.end();
      assert.equal(end.code, code);
      assert.match(end.reason, reason);
      assert.equal(raw.frames.length, 1);
    });
  }

  test("a flood of frames before connect is cut", async () => {
    const raw = new RawClient(room.url);
    await raw.next();
    for (let i = 0; i < 40; i++) raw.ws.ping();
    assert.deepEqual(await raw.end(), { code: 1008, reason: "too many frames before the handshake ended" });
  });

  for (const [phase, reason] of [
    ["starting", "startup-sidecars"],
    ["stopping", "gateway-restarting"],
  ] as const) {
    test(`while the gateway is ${phase} a client is asked to come back`, async () => {
      room.phase.value = phase;
      try {
        const { raw, answer } = await tryConnect(room);
        assert.equal(answer.error!.code, "UNAVAILABLE");
        assert.equal(answer.error!.retryable, true);
        assert.ok(answer.error!.retryAfterMs! > 0);
        assert.equal(answer.error!.details!["reason"], reason);
        assert.equal((await raw.end()).code, 1013);
      } finally {
        room.phase.value = "serving";
      }
    });
  }
});

describe("who comes in", () => {
  let room: ServerBench;
  before(async () => (room = await startServerBench()));
  after(() => room.stop());

  for (const version of [2, 3] as const) {
    test(`a device with a version ${version} signature and the token is paired and gets its own token`, async () => {
      const mine = makeDevice();
      const { raw, answer } = await tryConnect(room, { device: mine, version, scopes: ["operator.write"] });
      const auth = answer.payload!["auth"] as Record<string, unknown>;
      assert.equal(auth["method"], "token");
      assert.match(String(auth["deviceToken"]), /^ocd_/);
      raw.close();
      const again = await tryConnect(room, {
        device: mine,
        version,
        auth: { token: String(auth["deviceToken"]) },
        scopes: ["operator.admin", "operator.read"],
      });
      const second = again.answer.payload!["auth"] as Record<string, unknown>;
      assert.equal(second["method"], "device-token");
      assert.deepEqual(second["scopes"], ["operator.read"], "a device token gives what was approved, whatever is asked for");
    });
  }

  for (const [range, ok] of [
    [{ minProtocol: 3, maxProtocol: 5 }, true],
    [{ minProtocol: 4, maxProtocol: 4 }, true],
    [{ minProtocol: 5, maxProtocol: 6 }, false],
    [{ minProtocol: 1, maxProtocol: 3 }, false],
  ] as const) {
    test(`protocol ${range.minProtocol} to ${range.maxProtocol} is ${ok ? "accepted" : "refused"}`, async () => {
      const { answer } = await tryConnect(room, { params: range });
      assert.equal(answer.ok, ok);
      if (ok) assert.equal(answer.payload!["protocol"], 4);
    });
  }

  test("a probe may speak the protocol before", async () => {
    const { answer } = await tryConnect(room, {
      params: { minProtocol: 3, maxProtocol: 3 },
      client: { id: "openclaw-probe", mode: "probe" },
    });
    assert.equal(answer.ok, true);
  });

  test("unknown scopes are neither granted nor echoed", async () => {
    const { answer } = await tryConnect(room, { scopes: ["operator.read", "operator.root", "__proto__"] });
    assert.deepEqual((answer.payload!["auth"] as Record<string, unknown>)["scopes"], ["operator.read"]);
  });

  test("a scopes header narrows and never widens", async () => {
    const wide = await tryConnect(room, { scopes: ["operator.read"] }, { "x-openclaw-scopes": "operator.admin" });
    assert.deepEqual((wide.answer.payload!["auth"] as Record<string, unknown>)["scopes"], []);
    const narrow = await tryConnect(room, { scopes: ["operator.admin"] }, { "x-openclaw-scopes": "operator.read" });
    assert.deepEqual((narrow.answer.payload!["auth"] as Record<string, unknown>)["scopes"], ["operator.read"]);
  });

  test("a one-time link pairs one device with its own scopes, once", async () => {
    const { code } = await room.auth.links.create(
      { role: "operator", scopes: ["operator.write"] },
      { scopes: ["operator.admin"], name: "test" },
    );
    const bare = await tryConnect(room, { auth: { bootstrapToken: code.reveal() } });
    assert.equal(bare.answer.error!.details!["code"], "DEVICE_IDENTITY_REQUIRED");
    const mine = makeDevice();
    const first = await tryConnect(room, {
      auth: { bootstrapToken: code.reveal() },
      device: mine,
      scopes: ["operator.admin", "operator.write"],
    });
    const auth = first.answer.payload!["auth"] as Record<string, unknown>;
    assert.deepEqual(auth["scopes"], ["operator.write"]);
    assert.match(String(auth["deviceToken"]), /^ocd_/);
    const second = await tryConnect(room, { auth: { bootstrapToken: code.reveal() }, device: makeDevice() });
    assert.equal(second.answer.error!.details!["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID");
    const node = await room.auth.links.create(
      { role: "operator", scopes: ["operator.read"] },
      { scopes: ["operator.admin"], name: "test" },
    );
    const wrongRole = await tryConnect(room, {
      auth: { bootstrapToken: node.code.reveal() },
      device: makeDevice(),
      role: "node",
      scopes: [],
      client: { id: "node-host", mode: "node" },
    });
    assert.equal(wrongRole.answer.error!.details!["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID");
  });

  test("of two devices that race for one link exactly one gets in", async () => {
    const { code } = await room.auth.links.createForOwner();
    const tries = await Promise.all(
      [1, 2, 3, 4].map(() => tryConnect(room, { auth: { bootstrapToken: code.reveal() }, device: makeDevice() })),
    );
    assert.equal(tries.filter(({ answer }) => answer.ok).length, 1);
  });

  test("the official client connects, and calls", async () => {
    const { promise: connected, resolve: onHelloOk } = Promise.withResolvers<unknown>();
    const client = new GatewayClient({
      url: room.url,
      token: TOKEN,
      scopes: ["operator.read"],
      mode: "backend",
      clientName: "gateway-client",
      clientVersion: "1.0.0",
      deviceIdentity: null,
      onHelloOk,
    });
    client.start();
    const hello = await connected;
    assert.deepEqual((hello as { auth: { scopes: string[] } }).auth.scopes, ["operator.read"]);
    assert.equal(((await client.request("health", {})) as { ok: boolean }).ok, true);
    await assert.rejects(() => client.request("nope", {}), /unknown method: nope/);
    client.stop();
  });
});

test("without pairing by the shared secret a device waits for approval, keeps its request, and then comes in", async () => {
  const room = await startServerBench({ settings: { pairWithSharedSecret: false } });
  const mine = makeDevice();
  const ask = () => tryConnect(room, { device: mine, scopes: ["operator.read", "operator.write"] });
  const { raw, answer } = await ask();
  const details = answer.error!.details!;
  assert.equal(answer.error!.code, "NOT_PAIRED");
  assert.equal(details["code"], "PAIRING_REQUIRED");
  assert.equal(details["reason"], "not-paired");
  assert.deepEqual(details["requestedScopes"], ["operator.read", "operator.write"]);
  assert.equal(details["deviceId"], mine.id);
  assert.ok((await raw.end()).reason.endsWith(`(requestId: ${String(details["requestId"])})`));
  assert.equal((await ask()).answer.error!.details!["requestId"], details["requestId"]);
  await room.auth.devices.approve(String(details["requestId"]), { scopes: new Set(["operator.admin"]), device: null });
  const approved = await ask();
  assert.match(String((approved.answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]), /^ocd_/);
  const more = await tryConnect(room, { device: mine, scopes: ["operator.admin"] });
  assert.equal(more.answer.error!.details!["reason"], "scope-upgrade");
  await room.stop();
});

test("a password gateway takes the password, also from a page that fills both fields", async () => {
  const room = await startServerBench({ settings: { mode: "password", token: null, password: new Secret("correct horse") } });
  assert.equal((await tryConnect(room, { auth: { password: "correct horse" } })).answer.ok, true);
  assert.equal((await tryConnect(room, { auth: { token: "correct horse", password: "correct horse" } })).answer.ok, true);
  const wrong = await tryConnect(room, { auth: { password: "wrong" } });
  assert.equal(wrong.answer.error!.details!["code"], "AUTH_PASSWORD_MISMATCH");
  const missing = await tryConnect(room, { auth: {}, device: makeDevice() });
  assert.equal(missing.answer.error!.details!["code"], "AUTH_PASSWORD_MISSING");
  await room.stop();
});

test("rotation, revocation, removal and a changed token close the sockets at once", async () => {
  const room = await startServerBench();
  const admin = { scopes: new Set(["operator.admin"]), device: null };
  for (const end of [
    (id: string) => room.auth.devices.rotate(id, "operator", undefined, admin),
    (id: string) => room.auth.devices.revoke(id, "operator", admin),
    (id: string) => room.auth.devices.remove(id, admin),
  ]) {
    const mine = makeDevice();
    const { raw, answer } = await tryConnect(room, { device: mine });
    const token = String((answer.payload!["auth"] as Record<string, unknown>)["deviceToken"]);
    await end(mine.id);
    assert.equal((await raw.end()).code, 4001);
    const again = await tryConnect(room, { device: mine, auth: { deviceToken: token } });
    assert.equal(again.answer.error!.details!["code"], "AUTH_DEVICE_TOKEN_MISMATCH");
  }
  const { token } = await room.auth.tokens.create(
    { name: "ci", scopes: ["operator.read"] },
    { scopes: new Set(["operator.admin"]), name: "test" },
  );
  const service = await connect(room, { auth: { token: token.reveal() } });
  await room.auth.tokens.revoke(room.auth.tokens.list()[0]!.id);
  assert.equal((await service.end()).code, 4001);
  const shared = await connect(room);
  room.auth.configure({ ...room.auth.settings, token: new Secret("another") });
  assert.equal((await shared.end()).code, 4001);
  assert.equal((await tryConnect(room)).answer.error!.details!["code"], "AUTH_TOKEN_MISMATCH");
  await room.stop();
});
