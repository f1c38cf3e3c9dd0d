import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";

const home = mkdtempSync(join(tmpdir(), "doctor-config-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;

function state(text: string): string {
  const dir = join(home, String(++made));
  mkdirSync(join(dir, "gateway"), { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, "openclaw.json"), text, { mode: 0o600 });
  return dir;
}

const configOf = (dir: string): string => readFileSync(join(dir, "openclaw.json"), "utf8");
const copiesOf = (dir: string): string[] => readdirSync(dir).filter((name) => name.includes(".before-fix-"));

const TYPO = `{
  // The port of this machine.
  gatewey: { port: 19499 },
  session: { idleMinuts: 5, resetTrigers: ["/new"] },
  tools: { web: { search: { apiKey: "brave-secret-1" } } },
  somethingOfMine: { kept: true },
}
`;

test("doctor --fix renames misspelled and retired keys after showing the difference, and keeps a copy of the file", async () => {
  const dir = state(TYPO);
  const asked = await callCli(dir, ["doctor", "--fix", "--lint"]);
  assert.equal(asked.code, 2, "it asks first");
  assert.match(asked.err, /- gatewey: \{…\}\n\s*\+ gateway: \{…\}/);
  assert.equal(configOf(dir), TYPO);
  assert.deepEqual(copiesOf(dir), []);

  const { out, err } = await callCli(dir, ["doctor", "--fix", "--lint", "--yes"]);
  assert.match(err, /\+ tools\.web\.search\.brave\.apiKey: \(not shown\)/);
  assert.ok(!(out + err).includes("brave-secret-1"), "no credential is printed");
  const text = configOf(dir);
  assert.match(text, /\/\/ The port of this machine\./, "comments stay");
  assert.match(text, /gateway: \{ port: 19499 \}/);
  assert.match(text, /resetTriggers/);
  assert.match(text, /somethingOfMine: \{ kept: true \}/, "what has no clear correction stays");
  assert.doesNotMatch(text, /gatewey|resetTrigers/);
  const [copy] = copiesOf(dir);
  assert.equal(readFileSync(join(dir, copy!), "utf8"), TYPO);
  assert.equal(statSync(join(dir, copy!)).mode & 0o777, 0o600);
});

test("a correction that would make the file invalid, or replace a key that is there, is left out", async () => {
  const text = '{ gateway: { prot: "many" }, logging: { level: "info", levle: "debug" } }';
  const dir = state(text);
  const { err } = await callCli(dir, ["doctor", "--fix", "--lint", "--yes"]);
  assert.match(err, /Not done: gateway\.prot would be invalid as gateway\.port/);
  assert.equal(configOf(dir), text);
  assert.deepEqual(copiesOf(dir), []);
});

test("the older place of the settings of embeddings is moved, with what it says", async () => {
  const dir = state('{ agents: { defaults: { memorySearch: { provider: "ollama" }, workspace: "/w" } } }');
  const { out } = await callCli(dir, ["doctor", "--fix", "--only", "config-retired", "--yes", "--json"]);
  assert.match(out, /memory/);
  assert.match(configOf(dir), /workspace: "\/w"/);
  assert.match(configOf(dir).replaceAll(/\s+/g, " "), /"?memory"?: \{ "?search"?: \{ "?provider"?: "ollama" \} \}/);
  assert.doesNotMatch(configOf(dir), /memorySearch/);
});

test("an address as gateway.bind gets the word for it", async () => {
  const dir = state('{ gateway: { bind: "127.0.0.1" } }');
  const report = JSON.parse((await callCli(dir, ["doctor", "--fix", "--only", "config-retired", "--yes", "--json"])).out) as {
    repaired: string[];
    findings: { severity: string }[];
  };
  assert.deepEqual(report.repaired, ['- gateway.bind: "127.0.0.1"', '+ gateway.bind: "loopback"']);
  assert.deepEqual(
    report.findings.map(({ severity }) => severity),
    ["ok"],
  );
  assert.match(configOf(dir), /bind: "loopback"/);
});

test("directories that are missing are made, and a note of a killed gateway is removed", async () => {
  const dir = state(JSON.stringify({ backup: { enabled: true, dir: join(home, "backups-of-mine") } }));
  writeFileSync(join(dir, "gateway/owner.json"), JSON.stringify({ pid: 2 ** 22 + 1, port: 1, url: "ws://127.0.0.1:1", startedAt: 1 }));
  const { out } = await callCli(dir, ["doctor", "--fix", "--only", "directories", "--only", "stale-owner", "--yes", "--json"]);
  assert.equal((JSON.parse(out) as { repaired: string[] }).repaired.length, 2, out);
  assert.ok(statSync(join(home, "backups-of-mine")).isDirectory());
  assert.deepEqual(readdirSync(join(dir, "gateway")), []);
});

test("--severity-min leaves warnings out of the lint report", async () => {
  const dir = state(TYPO);
  const lint = async (...args: string[]): Promise<{ ok: boolean; findings: object[] }> =>
    JSON.parse((await callCli(dir, ["doctor", "--lint", "--json", ...args])).out) as { ok: boolean; findings: object[] };
  assert.ok((await lint()).findings.length >= 3);
  assert.deepEqual((await lint("--severity-min", "error")).findings, []);
});
