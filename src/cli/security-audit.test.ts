import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";

const home = mkdtempSync(join(tmpdir(), "audit-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;

type Report = { summary: Record<string, number>; findings: { checkId: string; severity: string; title: string; detail: string }[] };

function state(config: object): string {
  const dir = join(home, String(++made));
  mkdirSync(join(dir, "gateway"), { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  writeFileSync(join(dir, "openclaw.json"), JSON.stringify(config), { mode: 0o600 });
  return dir;
}

async function idsOf(dir: string, ...args: string[]): Promise<string[]> {
  const { out } = await callCli(dir, ["security", "audit", "--json", ...args]);
  return (JSON.parse(out) as Report).findings.map(({ checkId }) => checkId);
}

/** Configuration -> ids of the findings, the worst first. */
const CASES: readonly (readonly [object, readonly string[]])[] = [
  [{}, []],
  [{ gateway: { auth: { mode: "none" } } }, ["gateway.loopback_no_auth"]],
  [{ gateway: { bind: "lan", auth: { mode: "none" } } }, ["gateway.bind_no_auth"]],
  [{ gateway: { auth: { token: "short" } } }, ["gateway.token_too_short"]],
  [{ gateway: { auth: { token: "changeme" } } }, ["gateway.token_placeholder_value"]],
  [{ gateway: { tailscale: { mode: "serve" } } }, ["gateway.tailscale_serve"]],
  [{ gateway: { controlUi: { allowedOrigins: ["*"] } } }, ["gateway.control_ui.allowed_origins_wildcard"]],
  [{ discovery: { mdns: { mode: "full" } } }, ["discovery.mdns_full_mode"]],
  [{ tools: { exec: { mode: "full" } } }, ["tools.exec.security_full_configured"]],
  [{ channels: { irc: { host: "h", nick: "n", dmPolicy: "open", allowFrom: ["*"] } } }, ["channels.irc.dm.open"]],
  [{ channels: { irc: { host: "h", nick: "n", groupPolicy: "open" } } }, ["security.exposure.open_groups_with_runtime_or_fs"]],
  [{ channels: { irc: { host: "h", nick: "n", enabled: false, groupPolicy: "open" } } }, []],
];

for (const [config, ids] of CASES)
  test(`the audit of ${JSON.stringify(config)} finds ${ids.join(", ") || "nothing"}`, async () => {
    assert.deepEqual(await idsOf(state(config)), [...ids, "summary.attack_surface"]);
  });

test("modes that let in other users are found and repaired, and open groups are closed with a backup of the file", async () => {
  const dir = state({ channels: { irc: { host: "h", nick: "n", groupPolicy: "open" } } });
  const file = join(dir, "openclaw.json");
  chmodSync(dir, 0o755);
  chmodSync(file, 0o644);
  const found = await idsOf(dir);
  assert.ok(found.includes("fs.config.perms_world_readable") && found.includes("fs.state_dir.perms_readable"), found.join());
  assert.equal((await callCli(dir, ["security", "audit", "--fix"])).code, 2, "a plan needs a yes");
  await callCli(dir, ["security", "audit", "--fix", "--yes"]);
  assert.deepEqual([statSync(file).mode & 0o777, statSync(dir).mode & 0o777], [0o600, 0o700]);
  assert.deepEqual(await idsOf(dir), ["summary.attack_surface"]);
  assert.match(readFileSync(`${file}.bak`, "utf8"), /"groupPolicy":"open"/);
});

test("a file in a directory that no one else may enter is not a finding, unless it can be changed", async () => {
  const dir = state({});
  const file = join(dir, "openclaw.json");
  chmodSync(file, 0o644);
  assert.deepEqual(await idsOf(dir), ["summary.attack_surface"]);
  chmodSync(file, 0o666);
  assert.ok((await idsOf(dir)).includes("fs.config.perms_writable"));
});

test("accepted findings are left out, with their number and reasons", async () => {
  const suppressions = [{ checkId: "gateway.tailscale_serve", reason: "only my own devices" }];
  const dir = state({ gateway: { tailscale: { mode: "serve" } }, security: { audit: { suppressions } } });
  const { out, code } = await callCli(dir, ["security", "audit", "--json"]);
  const { findings, summary } = JSON.parse(out) as Report;
  assert.deepEqual(findings.map(({ checkId }) => checkId).toSorted(), ["security.audit.suppressions.active", "summary.attack_surface"]);
  assert.match(findings.find(({ checkId }) => checkId === "security.audit.suppressions.active")!.detail, /only my own devices/);
  assert.deepEqual([code, summary], [0, { critical: 0, warn: 0, info: 2 }]);
});

test("--deep reports a gateway that does not answer, and a critical finding ends with 1", async () => {
  const dir = state({ gateway: { port: 1, auth: { mode: "none" } } });
  assert.ok((await idsOf(dir, "--deep")).includes("gateway.probe_failed"));
  assert.equal((await callCli(dir, ["security", "audit"])).code, 1);
});
