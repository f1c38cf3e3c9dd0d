import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { GatewayError } from "../core/errors.ts";
import { asId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { openStore, type Store } from "../store/open.ts";
import { isHighEntropy, mint, TOKEN_PREFIXES } from "./credentials.ts";
import { devicePayload, verifyDevice } from "./device.ts";
import { Devices, type DeviceInfo } from "./devices.ts";
import { ensureGatewayToken } from "./gateway-token.ts";
import { peerKey, SignInLimiter } from "./limiter.ts";
import { TrustedProxies } from "./trusted-proxy.ts";
import { covers, OPERATOR_SCOPES } from "./scopes.ts";
import { SignInLinks } from "./sign-in-links.ts";
import { ServiceTokens } from "./tokens.ts";
import type { AuthSettings } from "./credentials.ts";

let dir: string;
let store: Store;
let now = 1_000_000;
const clock = { now: () => now, monotonic: () => now, after: () => () => {} };
const ended: string[] = [];
before(() => {
  dir = mkdtempSync(join(tmpdir(), "auth-"));
  store = openStore({ dir, log: silentLog });
});
after(() => {
  store.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = () =>
  new Devices({
    store,
    clock,
    events: { requested: () => {}, resolved: () => {}, revoked: (device, role) => ended.push(`${device} ${role}`) },
  });
const facts = { displayName: null, platform: "linux", deviceFamily: null, clientId: "cli", clientMode: "cli", remote: "127.0.0.1" };
let count = 0;
const newDevice = () => ({ id: asId<DeviceId>(`device-${++count}`), publicKey: "key", facts });
const as = (...scopes: string[]) => ({ scopes: new Set(scopes), device: null });
const forbidden = { code: "FORBIDDEN" };

test("a caller cannot approve, rotate, revoke, rename or remove scopes that it does not hold", async () => {
  const devices = open();
  for (const held of OPERATOR_SCOPES) {
    for (const wanted of OPERATOR_SCOPES) {
      const device = newDevice();
      const request = await devices.request({ ...device, origin: null }, { role: "operator", scopes: [wanted], reason: "not-paired" });
      const may = covers([held], [wanted]);
      const approval = devices.approve(request.requestId, as(held));
      if (may) assert.deepEqual((await approval).grants[0]!.scopes, [wanted]);
      else {
        await assert.rejects(() => approval, forbidden);
        await devices.approve(request.requestId, as("operator.admin"));
        for (const change of [
          () => devices.rotate(device.id, "operator", undefined, as(held)),
          () => devices.revoke(device.id, "operator", as(held)),
          () => devices.remove(device.id, as(held)),
          () => devices.rename(device.id, "mine", as(held)),
        ])
          await assert.rejects(change, forbidden);
      }
    }
  }
});

test("only an admin approves a node", async () => {
  const devices = open();
  const request = await devices.request({ ...newDevice(), origin: null }, { role: "node", scopes: [], reason: "not-paired" });
  await assert.rejects(() => devices.approve(request.requestId, as("operator.pairing", "operator.write")), forbidden);
  assert.equal((await devices.approve(request.requestId, as("operator.admin"))).grants[0]!.role, "node");
  await assert.rejects(() => devices.approve(request.requestId, as("operator.admin")), { code: "NOT_FOUND" });
});

test("rotation can only reduce scopes, and only the device itself gets the new token", async () => {
  const devices = open();
  const device = newDevice();
  const { token } = await devices.pair(device, { role: "operator", scopes: ["operator.write"] }, "silent");
  await assert.rejects(() => devices.rotate(device.id, "operator", ["operator.admin"], as("operator.admin")), forbidden);
  const foreign = await devices.rotate(device.id, "operator", ["operator.read"], as("operator.admin"));
  assert.equal(foreign.token, null);
  assert.equal(devices.grantOfToken(token!.reveal()), null, "the old token has ended");
  assert.ok(ended.includes(`${device.id} operator`));
  assert.deepEqual(devices.grant(device.id, "operator")!.scopes, ["operator.read"]);
  const own = await devices.rotate(device.id, "operator", undefined, { scopes: new Set(["operator.read"]), device: device.id });
  assert.deepEqual(devices.grantOfToken(own.token!.reveal())!.scopes, ["operator.read"]);
});

test("an approval grants exactly what was shown: a different request retires the first", async () => {
  const resolved: string[] = [];
  const devices = new Devices({
    store,
    clock,
    events: { requested: () => {}, resolved: ({ requestId, decision }) => resolved.push(`${decision} ${requestId}`), revoked: () => {} },
  });
  const device = newDevice();
  const ask = (scopes: string[], more: Partial<DeviceInfo> = {}, origin: string | null = null) =>
    devices.request({ ...device, facts: { ...facts, ...more }, origin }, { role: "operator", scopes, reason: "not-paired" });
  const shown = await ask(["operator.read", "operator.pairing"]);
  assert.equal((await ask(["operator.pairing", "operator.read"], { remote: "10.0.0.9" })).requestId, shown.requestId, "the same again");
  for (const change of [
    () => ask(["operator.admin"]),
    () => ask(["operator.admin"], { displayName: "The owner's phone" }),
    () => ask(["operator.admin"], { displayName: "The owner's phone" }, "https://elsewhere.example"),
  ]) {
    const before = devices.list().pending.find((each) => each.deviceId === device.id)!;
    const after = await change();
    assert.notEqual(after.requestId, before.requestId);
    assert.ok(resolved.includes(`expired ${before.requestId}`), "the old request is reported as expired");
    const replaced = { code: "NOT_FOUND", message: /was replaced/, details: { code: "PAIRING_REQUEST_REPLACED" } };
    for (const act of [devices.approve(before.requestId, as("operator.admin")), devices.reject(before.requestId)])
      await assert.rejects(act, (err: GatewayError) => {
        assert.equal(err.code, replaced.code);
        assert.match(err.message, replaced.message);
        assert.equal(err.details!["code"], replaced.details.code);
        return true;
      });
  }
  assert.equal(devices.grant(device.id, "operator"), null, "nothing was granted by the retired ids");
  const open = devices.list().pending.filter((each) => each.deviceId === device.id);
  assert.deepEqual(
    open.map((each) => each.scopes),
    [["operator.admin"]],
  );
});

test("a request that changes while it is being approved is not approved", async () => {
  const devices = open();
  const device = newDevice();
  const ask = (scopes: string[]) => devices.request({ ...device, origin: null }, { role: "operator", scopes, reason: "not-paired" });
  const shown = await ask(["operator.read"]);
  const [changed, approval] = await Promise.allSettled([ask(["operator.write"]), devices.approve(shown.requestId, as("operator.admin"))]);
  assert.equal(changed.status, "fulfilled");
  assert.equal(approval.status, "rejected");
  assert.equal(devices.grant(device.id, "operator"), null);
});

test("requests are bounded and expire", async () => {
  const devices = open();
  for (let i = 0; i < LIMITS.pendingDevices + 10; i++) {
    now++;
    await devices.request({ ...newDevice(), origin: null }, { role: "operator", scopes: [], reason: "not-paired" });
  }
  const { pending } = devices.list();
  assert.equal(pending.length, LIMITS.pendingDevices);
  now += LIMITS.pendingDeviceMs + 1;
  assert.equal(devices.list().pending.length, 0);
  await assert.rejects(() => devices.approve(pending[0]!.requestId, as("operator.admin")), { code: "NOT_FOUND" });
});

test("tokens and links grant at most the scopes of their creator, and expire", async () => {
  const tokens = new ServiceTokens({ store, clock, revoked: () => {} });
  const links = new SignInLinks({ store, clock });
  for (const held of OPERATOR_SCOPES) {
    for (const wanted of OPERATOR_SCOPES) {
      const maker = { scopes: new Set([held]), name: "m" };
      const makes = [
        () => tokens.create({ name: `${held} ${wanted}`, scopes: [wanted] }, maker),
        () => links.create({ role: "operator", scopes: [wanted] }, maker),
      ];
      for (const make of makes) {
        if (covers([held], [wanted])) await make();
        else await assert.rejects(make, forbidden);
      }
    }
  }
  await assert.rejects(() => links.create({ role: "node", scopes: [] }, { scopes: ["operator.write"], name: "m" }), forbidden);
  await assert.rejects(() => tokens.create({ name: "n", scopes: ["operator.root"] }, { scopes: new Set(["operator.admin"]), name: "m" }), {
    code: "INVALID_REQUEST",
  });
  const { token } = await tokens.create(
    { name: "n", scopes: ["operator.read"], expiresInMs: 60_000 },
    { scopes: new Set(["operator.admin"]), name: "m" },
  );
  const { code } = await links.createForOwner();
  assert.ok(tokens.find(token.reveal()));
  assert.ok(links.find(code.reveal()));
  now += LIMITS.signInLinkMs + 1;
  assert.equal(tokens.find(token.reveal()), null);
  assert.equal(links.find(code.reveal()), null);
});

test("a name belongs to one token at a time", async () => {
  const tokens = new ServiceTokens({ store, clock, revoked: () => {} });
  const maker = { scopes: new Set(["operator.read"]), name: "m" };
  const wanted = { name: "twice", scopes: ["operator.read"] };
  const both = await Promise.allSettled([tokens.create(wanted, maker), tokens.create(wanted, maker)]);
  assert.deepEqual(both.map((each) => each.status).toSorted(), ["fulfilled", "rejected"]);
  await assert.rejects(() => tokens.create(wanted, maker), { code: "CONFLICT", fix: /openclaw tokens revoke twice/ });
  await tokens.revoke(tokens.list().find((each) => each.name === "twice")!.id);
  await tokens.create(wanted, maker);
});

test("no credential is stored as text", async () => {
  const devices = open();
  const { token } = await devices.pair(newDevice(), { role: "operator", scopes: [] }, "silent");
  const service = await new ServiceTokens({ store, clock, revoked: () => {} }).create(
    { name: "stored", scopes: ["operator.read"] },
    { scopes: new Set(["operator.admin"]), name: "m" },
  );
  const link = await new SignInLinks({ store, clock }).createForOwner();
  const files = ["gateway.db", "gateway.db-wal"].map((name) => readFileSync(join(dir, name)).toString("latin1")).join("");
  for (const secret of [token!, service.token, link.code]) assert.ok(!files.includes(secret.reveal()));
});

test("a lockout lasts for its time, is not extended by refused attempts, and counts each kind separately", () => {
  const limiter = new SignInLimiter({ store, clock, log: silentLog });
  for (let i = 0; i < LIMITS.signInFailures - 1; i++) limiter.recordFailure("192.0.2.1", "password");
  assert.equal(limiter.lockedMs("192.0.2.1", "password"), 0);
  limiter.recordFailure("192.0.2.1", "password");
  assert.equal(limiter.lockedMs("192.0.2.1", "password"), LIMITS.signInLockMs);
  assert.equal(limiter.lockedMs("192.0.2.1", "token"), 0);
  assert.equal(limiter.lockedMs("192.0.2.2", "password"), 0);
  now += LIMITS.signInLockMs;
  assert.equal(limiter.lockedMs("192.0.2.1", "password"), 0);
  for (let i = 0; i < LIMITS.signInFailuresTotal; i++) limiter.recordFailure(`198.51.${i >> 8}.${i & 255}`, "password");
  assert.ok(limiter.lockedMs("203.0.113.9", "password") > 0, "many peers together are one attacker");
  now += LIMITS.signInWindowMs;
  assert.equal(limiter.lockedMs("203.0.113.9", "password"), 0);
});

test("the current limits of the configuration apply", () => {
  let rate = { maxAttempts: 2, windowMs: 5_000, lockoutMs: 0 };
  const limiter = new SignInLimiter({ store, clock, log: silentLog, rate: () => rate });
  limiter.recordFailure("192.0.2.7", "token");
  assert.equal(limiter.lockedMs("192.0.2.7", "token"), 0);
  now += 1_000;
  limiter.recordFailure("192.0.2.7", "token");
  assert.equal(limiter.lockedMs("192.0.2.7", "token"), 4_000, "without a time of its own the lock lasts for the rest of the window");
  now += 4_000;
  rate = { maxAttempts: 1, windowMs: 5_000, lockoutMs: 9_000 };
  limiter.recordFailure("192.0.2.7", "token");
  assert.equal(limiter.lockedMs("192.0.2.7", "token"), 9_000);
});

test("one host is one peer in every notation of its address", () => {
  assert.equal(peerKey("::1"), peerKey("127.0.0.1"));
  assert.equal(peerKey("127.8.9.1"), peerKey("::ffff:127.0.0.1"));
  assert.equal(peerKey("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(peerKey("2001:db8:1:2:3:4:5:6"), peerKey("2001:db8:1:2::9"));
  assert.notEqual(peerKey("2001:db8:1:2::1"), peerKey("2001:db8:1:3::1"));
});

test("the generated token is stored privately and hard to guess", () => {
  const path = join(dir, "sub", "token");
  const token = ensureGatewayToken(path);
  assert.equal(ensureGatewayToken(path).reveal(), token.reveal());
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(isHighEntropy(token));
  for (const weak of ["password", "correct horse battery", "a".repeat(500), "0123456789"])
    assert.equal(isHighEntropy(new Secret(weak)), false, weak);
  assert.ok(isHighEntropy(mint(TOKEN_PREFIXES.deviceToken, 256)));
});

test("the signed text matches the protocol byte for byte", () => {
  const proof = { id: "id", publicKey: "k", signature: "s", signedAt: 5, nonce: "n" };
  const fields = {
    clientId: "cli",
    clientMode: "cli",
    role: "operator",
    scopes: ["b", "a"],
    token: "t",
    platform: " LinuX İ ",
    deviceFamily: undefined,
  };
  assert.equal(devicePayload(2, proof, fields), "v2|id|cli|cli|operator|b,a|5|t|n");
  assert.equal(devicePayload(3, proof, fields), "v3|id|cli|cli|operator|b,a|5|t|n|linux İ|");
  assert.deepEqual(verifyDevice({ ...proof, publicKey: "" }, fields, "n", 5), {
    code: "DEVICE_AUTH_PUBLIC_KEY_INVALID",
    reason: "device-public-key",
    message: "device public key invalid",
  });
});

test("forwarded headers are accepted only from trusted proxies, and a proxy on the same host needs a secret", () => {
  const base: AuthSettings = {
    mode: "trusted-proxy",
    token: null,
    password: null,
    proxy: { userHeader: "x-user", requiredHeaders: ["x-proto"], allowUsers: [], secret: null },
    trustedProxies: ["127.0.0.1", "10.0.0.0/8"],
    pairWithSharedSecret: true,
  };
  const headers = { "x-forwarded-for": "203.0.113.5, 198.51.100.7, 10.1.1.1", "x-user": "ann", "x-proto": "https" };
  const rules = new TrustedProxies(base);
  assert.deepEqual(rules.attributePeer(headers, "192.0.2.1"), { via: "refused", headers: ["x-forwarded-for"] });
  assert.deepEqual(rules.attributePeer({ "x-user": "ann" }, "192.0.2.1"), { via: "direct", address: "192.0.2.1" });
  assert.deepEqual(rules.attributePeer(headers, "10.2.3.4"), { via: "proxy", address: "198.51.100.7", user: "ann", secure: false });
  const { "x-proto": _, ...lacking } = headers;
  assert.deepEqual(rules.attributePeer(lacking, "10.2.3.4"), { via: "proxy", address: "198.51.100.7", user: null, secure: false });
  const local = rules.attributePeer(headers, "::ffff:127.0.0.1");
  assert.ok(local.via === "proxy" && local.user === null);
  const secret = new TrustedProxies({ ...base, proxy: { ...base.proxy!, secret: { header: "x-secret", value: new Secret("s") } } });
  const proven = secret.attributePeer({ ...headers, "x-secret": "s" }, "127.0.0.1");
  assert.ok(proven.via === "proxy" && proven.user === "ann");
  const wrong = secret.attributePeer({ ...headers, "x-secret": "t" }, "10.2.3.4");
  assert.ok(wrong.via === "proxy" && wrong.user === null);
  for (const name of ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"])
    assert.deepEqual(rules.attributePeer({ [name]: "1.2.3.4" }, "192.0.2.1"), { via: "refused", headers: [name] }, name);
});

test("an invalid or unrepresentable lifetime is refused, and the list of tokens stays readable", async () => {
  const tokens = new ServiceTokens({ store, clock, revoked: () => {} });
  const creator = { scopes: new Set(["operator.read"]), name: "test" };
  for (const expiresInMs of [9e15, 1.5, 0, -1, Number.NaN, LIMITS.tokenLifeMs + 1])
    await assert.rejects(
      tokens.create({ name: "odd", scopes: ["operator.read"], expiresInMs }, creator),
      (err: GatewayError) => /`expiresInMs` must be a whole number/.test(err.message) && /90 days, or send null/.test(err.fix ?? ""),
    );
  await tokens.create({ name: "long", scopes: ["operator.read"], expiresInMs: LIMITS.tokenLifeMs }, creator);
  assert.ok(tokens.list().some((row) => row.name === "long"));
});
