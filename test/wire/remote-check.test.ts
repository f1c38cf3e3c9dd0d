// `openclaw remote check`: one failure at each hop of the way, with the command that helps.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { externalHosts } from "../../src/gateway/addresses.ts";
import { freePort } from "../channel-kit/ngircd.ts";
import { createTailscale } from "../tailscale-program.ts";
import { openclaw } from "./cli.ts";
import { dropHome, newHome, startGateway, stateDir, type GatewayUnderTest } from "./gateway-process.ts";

type Report = { ok: boolean; failed?: string; hops: { hop: string; ok: boolean; detail: string; fix?: string }[] };

async function check(home: string, ...args: string[]): Promise<{ code: number | null; report: Report; fix: string }> {
  const run = await openclaw(home, "remote", "check", "--json", ...args);
  assert.notEqual(run.stdout, "", run.stderr);
  const report = JSON.parse(run.stdout) as Report;
  return { code: run.code, report, fix: report.hops.at(-1)?.fix ?? "" };
}

async function start(t: TestContext, options: Parameters<typeof startGateway>[0] = {}): Promise<GatewayUnderTest> {
  const gateway = await startGateway(options);
  t.after(async () => {
    await gateway.kill();
    dropHome(gateway.home);
  });
  return gateway;
}

test("each hop of the way is named when it is the first that does not work", async (t) => {
  const gateway = await start(t, { config: { gateway: { bind: "lan", tls: { enabled: true } } } });
  const local = await check(gateway.home);
  assert.deepEqual([local.code, local.report.ok], [0, true], JSON.stringify(local.report));
  assert.deepEqual(
    local.report.hops.map(({ hop }) => hop),
    ["bind", "listener", "tls", "handshake", "auth", "pairing"],
  );

  const client = newHome();
  t.after(() => dropHome(client));
  const url = `wss://127.0.0.1:${gateway.port}`;
  const owner = JSON.parse(readFileSync(join(stateDir(gateway.home), "gateway", "owner.json"), "utf8")) as { tlsFingerprint: string };
  const token = ["--token", gateway.token()];
  const rows: [hop: string, args: string[], fix: RegExp][] = [
    ["bind", [], /^openclaw gateway starts it/],
    ["dns", ["--url", "wss://no-such-host.invalid"], /nslookup no-such-host\.invalid/],
    ["listener", ["--url", `wss://127.0.0.1:${await freePort()}`], /openclaw gateway status, and openclaw config get gateway\.bind/],
    ["tls", ["--url", url, ...token], /openclaw config set gateway\.remote\.tlsFingerprint/],
    ["tls", ["--url", url, "--tls-fingerprint", "0".repeat(64), ...token], /compare with openclaw gateway status/],
    ["auth", ["--url", url, "--tls-fingerprint", owner.tlsFingerprint, "--token", "wrong"], /openclaw token/],
    ["tunnel", ["--ssh", `ann@127.0.0.1:${await freePort()}`], /start it there/],
  ];
  const [other] = externalHosts(["0.0.0.0"]);
  if (other !== undefined) {
    const lan = ["--url", `wss://${other}:${gateway.port}`, "--tls-fingerprint", owner.tlsFingerprint];
    rows.push(["pairing", [...lan, ...token], /openclaw devices approve /]);
  }
  for (const [hop, args, fix] of rows) {
    const { code, report, fix: said } = await check(client, ...args);
    assert.equal(report.failed, hop, `${args.join(" ")}: ${JSON.stringify(report)}`);
    assert.match(said, fix);
    assert.equal(code, 69);
    assert.ok(report.hops.slice(0, -1).every(({ ok }) => ok));
  }
  const good = await check(client, "--url", url, "--tls-fingerprint", owner.tlsFingerprint, ...token);
  assert.equal(good.report.ok, true, JSON.stringify(good.report));
});

test("a handshake that fails and a claim of Tailscale that is missing are named", async (t) => {
  const tailscale = createTailscale({ backendState: "NeedsLogin" });
  t.after(() => tailscale.remove());
  const gateway = await start(t, { config: { gateway: { tailscale: { mode: "serve" } } }, env: tailscale.env });
  const served = await check(gateway.home);
  assert.equal(served.report.failed, "serve", JSON.stringify(served.report));
  assert.match(served.report.hops.at(-1)!.detail, /state NeedsLogin.*tailscale up/);

  const other = newHome();
  t.after(() => dropHome(other));
  writeFileSync(join(other, "x"), "");
  const { createServer } = await import("node:http");
  const web = createServer((_request, response) => response.end("a web server"));
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  t.after(() => web.close());
  const { port } = web.address() as { port: number };
  const wrong = await check(other, "--url", `ws://127.0.0.1:${port}`);
  assert.equal(wrong.report.failed, "handshake", JSON.stringify(wrong.report));
});
