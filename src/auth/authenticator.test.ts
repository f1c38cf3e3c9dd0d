import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { openStore, type Store } from "../store/open.ts";
import { connectParams, makeDevice, SETTINGS, TOKEN, type ConnectOverrides } from "../../test/server-bench.ts";
import type { ConnectClaims, PeerFacts, Verified } from "./authenticator.ts";
import { isHighEntropy, mint, TOKEN_PREFIXES } from "./credentials.ts";
import { openAuth, type Auth } from "./open.ts";
import { TrustedProxies } from "./trusted-proxy.ts";
import type { AuthFailure } from "./auth-errors.ts";

let dir: string;
let store: Store;
let auth: Auth;
before(() => {
  dir = mkdtempSync(join(tmpdir(), "admission-"));
  store = openStore({ dir, log: silentLog });
  auth = openAuth({
    store,
    clock: systemClock,
    log: silentLog,
    settings: SETTINGS,
    requested: () => {},
    resolved: () => {},
    onRevoked: () => {},
  });
});
after(() => {
  auth.close();
  store.close();
  rmSync(dir, { recursive: true, force: true });
});

const peer = (address: string, more: Partial<PeerFacts> = {}): PeerFacts => ({
  address,
  direct: true,
  user: null,
  origin: null,
  tailnet: null,
  originAllowed: true,
  scopeLimit: null,
  ...more,
});

async function connect(facts: PeerFacts, overrides: ConnectOverrides): Promise<Verified | AuthFailure> {
  const challenge = { payload: { ts: Date.now(), nonce: "n" } };
  return auth.authenticator.authenticateConnect(connectParams(challenge, overrides) as unknown as ConnectClaims, facts, "n");
}

const outcome = (found: Verified | AuthFailure): string => ("refused" in found ? String(found.details["code"]) : "in");

async function signIn(facts: PeerFacts, device = makeDevice()): Promise<string> {
  return outcome(await connect(facts, { device, auth: { token: TOKEN } }));
}

test("a device token is invalid for another device and for another role of the same device", async () => {
  const device = makeDevice();
  const found = await connect(peer("127.0.0.1"), { device, auth: { token: TOKEN } });
  assert.ok(!("refused" in found));
  const token = found.issuedDeviceToken!.token.reveal();
  assert.equal(outcome(await connect(peer("127.0.0.1"), { device, auth: { token } })), "in");
  const mismatch = "AUTH_DEVICE_TOKEN_MISMATCH";
  assert.equal(outcome(await connect(peer("127.0.0.1"), { device: makeDevice(), auth: { token } })), mismatch);
  assert.equal(outcome(await connect(peer("127.0.0.1"), { device, role: "node", scopes: [], auth: { token } })), mismatch);
});

test("a sign-in link admits only one of several devices that present it at once", async () => {
  const { code } = await auth.links.createForOwner();
  const auths = { auth: { bootstrapToken: code.reveal() } };
  const found = await Promise.all([1, 2, 3].map(() => connect(peer("127.0.0.1"), { device: makeDevice(), ...auths })));
  assert.deepEqual(found.map(outcome).toSorted(), ["AUTH_BOOTSTRAP_TOKEN_INVALID", "AUTH_BOOTSTRAP_TOKEN_INVALID", "in"]);
});

test("the shared token pairs a device without approval only on loopback", async () => {
  for (const address of ["127.0.0.1", "127.8.9.1", "::1"]) assert.equal(await signIn(peer(address)), "in", address);
  for (const address of ["192.168.1.5", "172.17.0.1", "100.64.0.1", "203.0.113.5", "fd00::1", "10.127.0.0", "unknown"])
    assert.equal(await signIn(peer(address)), "PAIRING_REQUIRED", address);
  assert.equal(await signIn(peer("127.0.0.1", { direct: false })), "PAIRING_REQUIRED", "a proxy says that it is loopback");
});

test("the client behind a proxy is the nearest untrusted hop, with or without a port; an invalid hop ends the search", () => {
  const rules = new TrustedProxies({ ...SETTINGS, trustedProxies: ["127.0.0.1", "10.0.0.0/8"] });
  const rows: [string, string][] = [
    ["6.6.6.6, 203.0.113.5", "203.0.113.5"],
    ["6.6.6.6, 203.0.113.5:4711", "203.0.113.5"],
    ["6.6.6.6, [2001:db8::1]:443", "2001:db8::1"],
    ["6.6.6.6, [2001:db8::1]", "2001:db8::1"],
    ["6.6.6.6, 2001:db8::1", "2001:db8::1"],
    ["6.6.6.6, ::ffff:203.0.113.5", "203.0.113.5"],
    ["6.6.6.6, 203.0.113.5, 10.1.2.3", "203.0.113.5"],
    ["6.6.6.6, 203.0.113.5:1, 10.1.2.3:80, 127.0.0.1", "203.0.113.5"],
    ["6.6.6.6, unknown", "127.0.0.1"],
    ["6.6.6.6, _hidden", "127.0.0.1"],
    ["6.6.6.6, 203.0.113.5, unknown, 10.1.2.3", "127.0.0.1"],
    ["6.6.6.6,,", "127.0.0.1"],
    ["6.6.6.6, 1.2.3.4:", "127.0.0.1"],
    ["6.6.6.6, 1.2.3.4:99:1", "127.0.0.1"],
    ["6.6.6.6, [1.2.3.4", "127.0.0.1"],
    ["6.6.6.6, 0x7f.1", "127.0.0.1"],
    ["10.1.2.3", "127.0.0.1"],
    ["", "127.0.0.1"],
  ];
  for (const [header, address] of rows) {
    const route = rules.attributePeer({ "x-forwarded-for": header }, "127.0.0.1");
    assert.equal(route.via === "proxy" ? route.address : route.via, address, header);
  }
  const own = rules.attributePeer({ "x-real-ip": "6.6.6.6", "x-forwarded-proto": "https" }, "127.0.0.1");
  assert.equal(own.via === "proxy" && own.address, "127.0.0.1", "a header that the client may have written counts for nothing");
  const split = rules.attributePeer({ "x-forwarded-for": ["6.6.6.6", "203.0.113.5:80"] }, "::ffff:127.0.0.1");
  assert.equal(split.via === "proxy" && split.address, "203.0.113.5");
});

test("only generated credentials are exempt from the lockout", () => {
  const words = [
    "correct horse battery staple",
    "correct-horse-battery-staple-and-more-words",
    "my-openclaw-gateway-token-for-the-living-room",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "PasswordPassword2026!PasswordPassword",
    "PasswordPassword2026PasswordPassword",
    "CorrectHorseBatteryStapleCorrectHorse1",
    "0123456789abcdef0123456789abcdef",
    "a".repeat(64),
    "ocg_".padEnd(60, "a"),
    "hunter2hunter2hunter2hunter2hunter2",
    "ocg_short",
    "",
  ];
  for (const text of words) assert.equal(isHighEntropy(new Secret(text)), false, text);
  let missed = 0;
  for (let i = 0; i < 200; i++) {
    assert.ok(isHighEntropy(mint(TOKEN_PREFIXES.gatewayToken, 256)));
    for (const encoding of ["hex", "base64", "base64url"] as const)
      if (!isHighEntropy(new Secret(Buffer.from(mint("", 256).reveal(), "base64url").toString(encoding)))) missed++;
  }
  assert.ok(missed < 12, `${missed} of 600 generated texts would be locked like words`);
});
