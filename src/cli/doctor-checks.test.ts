import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { callCli } from "../../test/cli-call.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { backupName } from "../backup/list.ts";
import type { ProtocolClient } from "../client/client.ts";
import { ClientError } from "../client/errors.ts";
import { silentLog } from "../core/log.ts";
import { createBoots } from "../store/boots.ts";
import { openStore } from "../store/open.ts";
import { runBounded } from "./doctor.ts";
import { checkMcpServers } from "./doctor-gateway.ts";
import type { Invocation } from "./invocation.ts";

const home = mkdtempSync(join(tmpdir(), "doctor-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;
const DAY = 86_400_000;

type Finding = {
  check: string;
  checkId: string;
  severity: string;
  title: string;
  message: string;
  why?: string;
  fix?: string;
  fixHint?: string;
};
type Report = { schemaVersion: number; checksRun: number; checksSkipped: number; findings: Finding[] };

function state(config: object = {}): string {
  const dir = join(home, String(++made));
  mkdirSync(join(dir, "gateway"), { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, "openclaw.json"), JSON.stringify({ gateway: { port: 1 }, ...config }), { mode: 0o600 });
  return dir;
}

async function doctor(dir: string, args: readonly string[], now = Date.now()): Promise<Report> {
  const { out } = await callCli(dir, ["doctor", "--json", ...args], { host: { now: () => now } });
  return JSON.parse(out) as Report;
}

const only = async (dir: string, check: string, now?: number): Promise<Finding[]> =>
  (await doctor(dir, ["--only", check], now)).findings.filter((each) => each.severity !== "ok");

test("--only and --skip choose the checks, and an unknown one is refused with all names", async () => {
  const dir = state();
  const { findings, checksRun, checksSkipped } = await doctor(dir, ["--only", "disk", "--only", "inodes"]);
  assert.deepEqual(new Set(findings.map(({ check }) => check)), new Set(["disk", "inodes"]));
  assert.equal(checksRun, 2);
  const all = await doctor(dir, []);
  assert.equal(all.checksSkipped, 0);
  assert.ok(all.checksRun >= 45, `${all.checksRun} checks`);
  assert.equal(checksRun + checksSkipped, all.checksRun);
  const less = await doctor(dir, ["--skip", "gateway-running", "--skip", "disk"]);
  assert.ok(!less.findings.some(({ check }) => check === "disk" || check === "gateway-running"));
  for (const words of [
    ["--only", "disk", "--skip", "disk"],
    ["--lint", "--only", "disk"],
  ]) {
    const none = await callCli(dir, ["doctor", ...words]);
    assert.deepEqual([none.code, /no check is left to make/.test(none.err)], [2, true], words.join(" "));
  }
  const { code, err } = await callCli(dir, ["doctor", "--only", "nonsense"]);
  assert.deepEqual([code, /"nonsense" is not a check/.test(err), /backup, .*store/.test(err)], [2, true, true]);
});

test("every finding says what it found, why that matters and what to do, also under OpenClaw's names", async () => {
  const { findings, schemaVersion } = await doctor(state(), []);
  assert.equal(schemaVersion, 1);
  for (const { check, checkId, severity, title, message, why, fix, fixHint } of findings) {
    assert.deepEqual([checkId, message], [check, title]);
    if (severity !== "ok") assert.ok(why && fix && fixHint === fix, check);
  }
});

test("--lint --json has the form of OpenClaw, with the place in the file", async () => {
  const dir = state();
  assert.deepEqual(JSON.parse((await callCli(dir, ["doctor", "--lint", "--json"])).out), {
    schemaVersion: 1,
    ok: true,
    checksRun: 14,
    checksSkipped: (await doctor(dir, [])).checksRun - 14,
    findings: [],
  });
  writeFileSync(join(dir, "openclaw.json"), '{\n  "gateway": { "port": "x" }\n}', { mode: 0o600 });
  const { code, out } = await callCli(dir, ["doctor", "--lint", "--json"]);
  const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Record<string, unknown>[] };
  assert.deepEqual([code, ok, findings.length], [1, false, 1]);
  const { checkId, severity, path, line, ocPath, fixHint } = findings[0]!;
  assert.deepEqual(
    [checkId, severity, path, line, ocPath, typeof fixHint],
    ["config", "error", join(dir, "openclaw.json"), 2, "gateway.port", "string"],
  );
});

test("a missing, an old and an overdue backup are reported", async () => {
  const dir = state();
  openStore({ dir: join(dir, "gateway"), log: silentLog }).close();
  const now = Date.now();
  assert.deepEqual(await only(dir, "backup", now), []);
  assert.match((await only(dir, "backup", now + 15 * DAY))[0]!.title, /no backup was found in .*backups/);
  mkdirSync(join(dir, "backups"));
  writeFileSync(join(dir, "backups", backupName("manual", now)), "");
  assert.deepEqual(await only(dir, "backup", now + 13 * DAY), []);
  assert.match((await only(dir, "backup", now + 15 * DAY))[0]!.title, /the newest backup was made/);
  writeFileSync(join(dir, "openclaw.json"), JSON.stringify({ gateway: { port: 1 }, backup: { enabled: true } }), { mode: 0o600 });
  assert.match((await only(dir, "backup", now + 2 * DAY))[0]!.why!, /one is made every day/);
});

test("logs that have grown, leftovers and a synchronized directory are reported, and leftovers removed by --fix", async () => {
  const dir = state();
  const logs = join(dir, "gateway/logs");
  mkdirSync(logs);
  writeFileSync(join(logs, "service.log"), "");
  const left = join(dir, "gateway/.owner.json.0123456789ab.tmp");
  writeFileSync(left, "x");
  assert.deepEqual(await only(dir, "leftovers"), []);
  utimesSync(left, new Date(0), new Date(0));
  assert.equal((await only(dir, "leftovers")).length, 1);
  const { err } = await callCli(dir, ["doctor", "--fix", "--yes", "--only", "leftovers"]);
  assert.match(err, /The plan:\n {2}- remove .*owner\.json/);
  assert.ok(!existsSync(left));
  const synced = join(home, "Dropbox");
  mkdirSync(synced);
  assert.equal((await only(synced, "synced-directory")).length, 1);
});

test("a clock that is behind the gateway's files is reported", async () => {
  const dir = state();
  writeFileSync(join(dir, "gateway/store-ledger.json"), "{}");
  assert.deepEqual(await only(dir, "clock"), []);
  assert.match((await only(dir, "clock", Date.now() - DAY))[0]!.title, /the clock of this machine is at least .* behind/);
});

test(
  "a service without its program and two services of one state directory are reported",
  { skip: process.platform !== "linux" && "systemd" },
  async () => {
    const dir = state();
    const units = join(dir, ".config/systemd/user");
    mkdirSync(units, { recursive: true });
    const unit = (program: string): string => `[Service]\nExecStart=:"${program}" "gateway"\nEnvironment="OPENCLAW_STATE_DIR=${dir}"\n`;
    writeFileSync(join(units, "openclaw-gateway.service"), unit(process.execPath));
    assert.deepEqual(await only(dir, "service"), []);
    writeFileSync(join(units, "openclaw-gateway.service"), unit("/no/such/node"));
    assert.match((await only(dir, "service"))[0]!.why!, /\/no\/such\/node does not exist any more/);
    writeFileSync(join(units, "openclaw-gateway-old.service"), unit(process.execPath));
    assert.match((await only(dir, "duplicate-supervisor"))[0]!.title, /2 services start a gateway for/);
    writeFileSync(join(units, "openclaw-gateway-old.service"), unit(process.execPath).replace(dir, "/elsewhere"));
    assert.deepEqual(await only(dir, "duplicate-supervisor"), []);
  },
);

test("starts that ended without a stop are reported while the gateway is down", async () => {
  const dir = state();
  const store = openStore({ dir: join(dir, "gateway"), log: silentLog });
  const boots = createBoots(store);
  const now = Date.now();
  await store.write(() => {
    for (let n = 0; n < 3; n++) boots.begin(`b${n}`, now - n * 1_000, 0);
  });
  store.close();
  assert.match((await only(dir, "crash-loop"))[0]!.title, /started 3 times in the last day/);
  const again = openStore({ dir: join(dir, "gateway"), log: silentLog });
  await again.write(() => createBoots(again).end(now));
  again.close();
  assert.deepEqual(await only(dir, "crash-loop"), []);
});

test("checks that do not end in their time are reported as cut, and an MCP server that is silent holds up no other", async () => {
  const clock = new FakeClock();
  const cut = runBounded({ ids: ["dns", "clock"], run: () => new Promise(() => {}) }, {} as Invocation, clock);
  await clock.advanceSettled(2_000);
  const [finding] = await cut;
  assert.deepEqual([finding?.check, finding?.severity, finding?.title], ["dns", "warning", "the checks dns, clock were cut after 2 s"]);

  const row = { enabled: true, state: "ready", cause: null, withheld: [], tools: 3 };
  const timeouts: number[] = [];
  const client = {
    serves: () => true,
    request: (_method: string, params: { name?: string }, { timeoutMs }: { timeoutMs: number }) => {
      timeouts.push(timeoutMs);
      const names = params.name === undefined ? ["works", "silent"] : [params.name];
      return params.name === "silent"
        ? Promise.reject(new ClientError("timeout", "no answer in time"))
        : Promise.resolve({ servers: names.map((name) => ({ ...row, name })) });
    },
  } as unknown as ProtocolClient;
  const findings = await checkMcpServers(client);
  assert.deepEqual(
    findings.map(({ check, title }) => [check, title]),
    [
      ["mcp:works", "the MCP server works answers, with 3 tools"],
      ["mcp:silent", "the check of the MCP server silent was cut after 2 s"],
    ],
  );
  assert.ok(timeouts.every((timeoutMs) => timeoutMs <= 2_000));
});

test("all checks without a gateway take less than a second", async () => {
  const dir = state();
  const before = process.cpuUsage();
  await doctor(dir, []);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1_000 < 1_000, `${(user + system) / 1_000} ms of CPU`);
});

test("adopt says why a directory cannot be read, and what to name", async () => {
  const { code, err } = await callCli(state(), ["adopt", "--from", join(home, "nowhere")]);
  assert.equal(code, 69);
  assert.match(err, /nowhere does not exist\n +Why: .*\n(?: +.*\n)* +Fix: /);
});

test("doctor changes nothing without --fix", async () => {
  const dir = state();
  chmodSync(join(dir, "openclaw.json"), 0o644);
  const before = readFileSync(join(dir, "openclaw.json"));
  await doctor(dir, []);
  assert.deepEqual(readFileSync(join(dir, "openclaw.json")), before);
});
