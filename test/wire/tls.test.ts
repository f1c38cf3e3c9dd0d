// The gateway's own port with TLS: a certificate that it makes, pins of clients, an exchange without an end of connections.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { openClient } from "../../src/client/client.ts";
import { ClientError } from "../../src/client/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import { newTlsPair } from "../certificates.ts";
import { openclaw } from "./cli.ts";
import { dropHome, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

const owner = (home: string): { tlsFingerprint?: string; url: string } =>
  JSON.parse(readFileSync(join(stateDir(home), "gateway", "owner.json"), "utf8"));

const open = (gateway: GatewayUnderTest, tlsFingerprint?: string) =>
  openClient({
    url: `wss://127.0.0.1:${gateway.port}`,
    credentials: { token: new Secret(gateway.token()) },
    scopes: ["operator.read"],
    ...(tlsFingerprint && { tlsFingerprint }),
  });

async function refusal(work: Promise<unknown>): Promise<ClientError> {
  const err = await work.then(
    () => assert.fail("it did not fail"),
    (thrown: unknown) => thrown,
  );
  assert.ok(err instanceof ClientError, String(err));
  return err;
}

test("a gateway with TLS makes its certificate, tells its fingerprint, and is reached by those who pin it", async (t) => {
  const home = newHome();
  const config = { gateway: { tls: { enabled: true }, http: { securityHeaders: { strictTransportSecurity: "max-age=3600" } } } };
  const gateway = await startGateway({ home, config });
  t.after(async () => {
    await gateway.kill();
    dropHome(home);
  });
  const { tlsFingerprint, url } = owner(home);
  assert.match(tlsFingerprint ?? "", /^[0-9a-f]{64}$/);
  assert.equal(url, `wss://127.0.0.1:${gateway.port}`);

  const pinned = await open(gateway, tlsFingerprint);
  assert.equal(pinned.hello.protocol, 4);
  await pinned.close();
  const unknown = await refusal(open(gateway));
  assert.equal(unknown.kind, "untrusted");
  const other = await refusal(open(gateway, "0".repeat(64)));
  assert.equal(other.kind, "untrusted");
  assert.match(other.message, /which is not the pinned one/);

  const plain = await refusal(openClient({ url: gateway.url, credentials: { token: new Secret(gateway.token()) } }));
  assert.equal(plain.kind, "unreachable");

  const hsts = await new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: gateway.port, path: "/healthz", rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.headers["strict-transport-security"]);
    })
      .on("error", reject)
      .end();
  });
  assert.equal(hsts, "max-age=3600");
  const old = await new Promise<string>((resolve) => {
    connect({ host: "127.0.0.1", port: gateway.port, rejectUnauthorized: false, maxVersion: "TLSv1.2" })
      .on("error", (err: NodeJS.ErrnoException) => resolve(err.code ?? ""))
      .on("secureConnect", () => resolve("connected"));
  });
  assert.match(old, /ERR_SSL/);

  const status = await openclaw(home, "gateway", "status");
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /certificate +SHA-256 [0-9A-F]{2}(:[0-9A-F]{2}){31}/);
  const doctor = await openclaw(home, "doctor", "--json");
  assert.match(doctor.stdout, /"check": ?"tls-certificate"/);
});

test("a replaced certificate is used for new connections, and those that are open stay", async (t) => {
  const home = newHome();
  const gateway = await startGateway({ home, config: { gateway: { tls: { enabled: true } } } });
  t.after(async () => {
    await gateway.kill();
    dropHome(home);
  });
  const before = owner(home).tlsFingerprint!;
  const early = await open(gateway, before);
  const tlsDir = join(stateDir(home), "gateway", "tls");
  const next = newTlsPair();
  // The two files do not change in one step: between them the old pair stays.
  writeFileSync(join(tlsDir, "gateway-cert.pem"), next.cert);
  await until("the half pair is reported", async () =>
    JSON.stringify(await early.request("health")).includes("previous certificate stays"),
  );
  assert.equal(owner(home).tlsFingerprint, before);
  await (await open(gateway, before)).close();
  writeFileSync(join(tlsDir, "gateway-key.pem"), next.key);
  await until("the new pair is in use", () => owner(home).tlsFingerprint !== before);
  await (await open(gateway, owner(home).tlsFingerprint)).close();
  assert.equal((await refusal(open(gateway, before))).kind, "untrusted");
  assert.ok(await early.request("health"), "the connection from before still works");
  await early.close();
});

test("without a usable certificate the gateway serves this machine only, and says so", async (t) => {
  const home = newHome();
  const config = { gateway: { bind: "lan", tls: { enabled: true, certPath: join(home, "missing.pem"), autoGenerate: false } } };
  const gateway = await startGateway({ home, config });
  t.after(async () => {
    await gateway.kill();
    dropHome(home);
  });
  assert.equal(owner(home).url, `ws://127.0.0.1:${gateway.port}`);
  const client = await gateway.connect();
  const health = await client.request<{ ok: boolean; parts: { name: string; state: string; cause: string }[] }>("health");
  await client.close();
  const tls = health.parts.find((part) => part.name === "tls");
  assert.equal(tls?.state, "degraded");
  assert.match(tls.cause, /missing\.pem .*does not exist.*this machine only, without TLS/);
  const listens = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/)[1] ?? "");
  const ours = listens.filter((address) => address.endsWith(`:${gateway.port.toString(16).toUpperCase().padStart(4, "0")}`));
  assert.ok(ours.length > 0 && ours.every((address) => address.startsWith("0100007F")), ours.join());
});

test("without remote access nothing of it is loaded, and no socket of multicast DNS is open", async (t) => {
  const home = newHome();
  const modules = join(home, "modules.txt");
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const load = (): string[] => readFileSync(modules, "utf8").split("\n");
  const env = { NODE_OPTIONS: `--import=${hook}`, RECORD_MODULES: modules };
  const ofRemote = (): string[] =>
    load().filter((name) => /gateway-tls|dns-packet|advertiser|zone-writer|\/serve-|tailscale|node:https|node:tls|node:dgram/.test(name));
  const off = await startGateway({ home, env });
  await (await off.connect()).close();
  assert.deepEqual(ofRemote(), []);
  const inodes = readdirSync(`/proc/${off.pid}/fd`).map((fd) => linkOf(`/proc/${off.pid}/fd/${fd}`));
  const udp = readFileSync("/proc/net/udp", "utf8")
    .split("\n")
    .filter((line) => inodes.includes(`socket:[${line.trim().split(/\s+/)[9]}]`));
  assert.deepEqual(udp, []);
  await off.kill();
  const on = await startGateway({ home, env, config: { gateway: { tls: { enabled: true } }, discovery: { mdns: { mode: "minimal" } } } });
  t.after(async () => {
    await on.kill();
    dropHome(home);
  });
  await until(
    "the hook sees what is loaded",
    () => ofRemote().some((name) => /gateway-tls/.test(name)) && ofRemote().some((name) => /advertiser/.test(name)),
  );
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}
