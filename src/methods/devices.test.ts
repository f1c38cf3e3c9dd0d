import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openAuth } from "../auth/open.ts";
import { systemClock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type ConnId, type DeviceId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import type { Peer } from "../protocol/hub.ts";
import type { Caller } from "../protocol/method.ts";
import { openStore } from "../store/open.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { toDeviceRequestRow } from "./device-rows.ts";
import { devicesMethods } from "./devices.ts";

const root = mkdtempSync(join(tmpdir(), "devices-methods-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const id = (letter: string): DeviceId => asId<DeviceId>(letter.repeat(64));
const caller = (scopes: readonly string[], device: DeviceId | null = null): Caller => ({
  conn: asId<ConnId>("c1"),
  role: "operator",
  scopes: new Set(scopes),
  client: { id: "cli", mode: "cli", version: "1" },
  caps: new Set(),
  device,
  signal: new AbortController().signal,
  accept: () => {},
});
const ADMIN = caller(["operator.admin"]);

function rig() {
  const store = openStore({ dir: join(root, String(made++)), log: silentLog });
  const ended: unknown[] = [];
  const auth = openAuth({
    store,
    clock: systemClock,
    log: silentLog,
    settings: {
      mode: "token",
      token: new Secret("x".repeat(40)),
      password: null,
      proxy: null,
      trustedProxies: [],
      pairWithSharedSecret: true,
    },
    requested: () => {},
    resolved: () => {},
    onRevoked: (what) => ended.push(what),
  });
  const peers: Peer[] = [];
  const methods = devicesMethods({
    officialMount: () => null,
    auth,
    hub: { peers: () => peers },
    address: () => ({ url: "http://127.0.0.1:18789", source: "gateway.bind" }),
    deviceAddress: () => ({ url: "http://127.0.0.1:18789", source: "gateway.bind" }),
  });
  const ask = (letter: string, scopes: readonly string[], role: "operator" | "node" = "operator") =>
    auth.devices.request(
      {
        id: id(letter),
        publicKey: "key",
        facts: { displayName: "Phone", platform: null, deviceFamily: null, clientId: "ios", clientMode: "app", remote: null },
        origin: null,
      },
      { role, scopes, reason: "not-paired" },
    );
  return { store, auth, ended, peers, methods, ask, close: () => store.close() };
}

const forbidden = (err: unknown): boolean => err instanceof GatewayError && err.code === "FORBIDDEN";

test("a request is listed, approved by one who holds its scopes, and shown as connected when it is", async () => {
  const r = rig();
  const request = await r.ask("a", ["operator.read", "operator.write"]);
  assertMatchesResultSchema("DevicePairRequestedEvent", toDeviceRequestRow(request));
  assert.equal((r.methods["device.pair.list"].run()["pending"] as unknown[]).length, 1);
  const approve = r.methods["device.pair.approve"].run;
  await assert.rejects(() => approve({ requestId: request.requestId }, caller(["operator.pairing"])), forbidden);
  const { device } = await approve({ requestId: request.requestId }, ADMIN);
  assert.deepEqual([device["deviceId"], device["approvedVia"], device["connected"]], [id("a"), "owner", false]);
  r.peers.push({
    conn: asId<ConnId>("c9"),
    role: "operator",
    scopes: new Set(),
    client: { id: "ios", mode: "app", version: "1" },
    device: id("a"),
    credential: id("a"),
    connectedAt: 1,
    remote: "",
  });
  const [paired] = r.methods["device.pair.list"].run()["paired"] as Record<string, unknown>[];
  assert.equal(paired!["connected"], true);
  assert.ok(!JSON.stringify(paired).includes("Hash"), "hashes of tokens stay inside");
  const label = " my\u202e phone\n";
  await assert.rejects(() => r.methods["device.pair.rename"].run({ deviceId: id("a"), label }, caller(["operator.pairing"])), forbidden);
  const renamed = await r.methods["device.pair.rename"].run({ deviceId: id("a"), label }, ADMIN);
  assert.equal(renamed.device["displayName"], "my phone");
  r.close();
});

test("rejecting and removing end a device, and its sockets", async () => {
  const r = rig();
  const request = await r.ask("b", []);
  assert.deepEqual(await r.methods["device.pair.reject"].run({ requestId: request.requestId }), {
    requestId: request.requestId,
    deviceId: id("b"),
  });
  const again = await r.ask("b", ["operator.read"]);
  await r.methods["device.pair.approve"].run({ requestId: again.requestId }, ADMIN);
  assert.deepEqual(await r.methods["device.pair.remove"].run({ deviceId: id("b") }, ADMIN), { deviceId: id("b") });
  assert.deepEqual(r.ended, [{ device: id("b"), role: null }]);
  await assert.rejects(
    () => r.methods["device.pair.remove"].run({ deviceId: id("b") }, ADMIN),
    (err: unknown) => err instanceof GatewayError && err.code === "NOT_FOUND",
  );
  r.close();
});

test("a rotated token is handed to its own device only", async () => {
  const r = rig();
  const request = await r.ask("c", ["operator.read"]);
  await r.methods["device.pair.approve"].run({ requestId: request.requestId }, ADMIN);
  const rotate = r.methods["device.token.rotate"].run;
  const foreign = await rotate({ deviceId: id("c"), role: "operator" }, ADMIN);
  assertMatchesResultSchema("DeviceTokenRotateResult", foreign);
  assert.ok(!("token" in foreign));
  const own = await rotate({ deviceId: id("c"), role: "operator" }, caller(["operator.pairing", "operator.read"], id("c")));
  assertMatchesResultSchema("DeviceTokenRotateResult", own);
  assert.match(String((own as { token?: string }).token), /^ocd_/);
  await assert.rejects(
    () => rotate({ deviceId: id("c"), role: "king" }, ADMIN),
    (err: unknown) => err instanceof GatewayError && err.code === "INVALID_REQUEST",
  );
  const revoked = await r.methods["device.token.revoke"].run({ deviceId: id("c"), role: "operator" }, ADMIN);
  assert.ok(revoked.revokedAtMs > 0);
  assert.equal(r.ended.length, 3);
  r.close();
});

test("a setup code works once, holds no more than it should, and its code is behind the # of the link", async () => {
  const r = rig();
  const make = r.methods["device.pair.setupCode"].run;
  const full = await make({ includeQr: false }, ADMIN);
  assertMatchesResultSchema("DevicePairSetupCodeResult", full);
  const { url, bootstrapToken } = JSON.parse(Buffer.from(String(full["setupCode"]), "base64url").toString()) as Record<string, string>;
  assert.equal(url, "ws://127.0.0.1:18789");
  assert.equal(full["joinUrl"], `http://127.0.0.1:18789/#k=${bootstrapToken}`);
  assert.ok(r.auth.links.find(bootstrapToken!)?.scopes.includes("operator.admin"));
  const limited = await make({ bootstrapProfile: "limited", publicUrl: "wss://gw.example.net/path?x=1" }, ADMIN);
  assertMatchesResultSchema("DevicePairSetupCodeResult", limited);
  assert.equal(limited["gatewayUrl"], "wss://gw.example.net");
  const code = String(limited["joinUrl"]).split("#k=")[1]!;
  assert.deepEqual(r.auth.links.find(code)?.scopes, ["operator.read", "operator.write"]);
  const node = await make({ bootstrapProfile: "node", includeQr: false }, ADMIN);
  assertMatchesResultSchema("DevicePairSetupCodeResult", node);
  assert.ok(!("joinUrl" in node));
  await assert.rejects(() => make({ includeQr: false }, caller(["operator.read"])), forbidden);
  for (const publicUrl of ["javascript:alert(1)", "file:///etc", "http://me:pw@host", "nonsense"])
    await assert.rejects(
      () => make({ publicUrl }, ADMIN),
      (err: unknown) => err instanceof GatewayError && err.code === "INVALID_REQUEST",
    );
  r.close();
});

test("a picture of the setup code is for another device, and refused where that could not reach the gateway", async () => {
  const r = rig();
  const make = r.methods["device.pair.setupCode"].run;
  await assert.rejects(
    () => make({}, ADMIN),
    (err: unknown) => err instanceof GatewayError && err.details?.["code"] === "SETUP_ADDRESS_LOOPBACK" && err.fix !== undefined,
  );
  const made = await make({ publicUrl: "https://gw.example.net" }, ADMIN);
  assertMatchesResultSchema("DevicePairSetupCodeResult", made);
  assert.match(String(made["qrDataUrl"]), /^data:image\/png;base64,/);
  r.close();
});

test("a named token is shown once, cannot exceed its maker, and ends with its sockets", async () => {
  const r = rig();
  const create = r.methods["tokens.create"].run;
  const made = await create({ name: "ci", scopes: ["operator.read"], expiresInMs: 60_000 }, ADMIN);
  assert.match(made.token, /^oct_/);
  const { tokens } = r.methods["tokens.list"].run();
  assert.deepEqual(
    tokens.map((token) => [token.name, token.scopes]),
    [["ci", ["operator.read"]]],
  );
  assert.ok(!JSON.stringify(tokens).includes(made.token));
  const plain = await create({ name: "plain", scopes: ["operator.read"] }, ADMIN);
  assert.equal(plain.expiresAt! - plain.createdAt, 90 * 86_400_000, "90 days, unless another time is named");
  const endless = await create({ name: "endless", scopes: ["operator.read"], expiresInMs: null }, ADMIN);
  assert.equal(endless.expiresAt, null);
  for (const { id } of [plain, endless]) await r.methods["tokens.revoke"].run({ id });
  r.ended.length = 0;
  await assert.rejects(() => create({ name: "x", scopes: ["operator.admin"] }, caller(["operator.write"])), forbidden);
  assert.deepEqual(await r.methods["tokens.revoke"].run({ id: made.id }), { id: made.id, revoked: true });
  assert.deepEqual(r.ended, [{ credential: made.id }]);
  assert.deepEqual(r.methods["tokens.list"].run(), { tokens: [] });
  r.close();
});
