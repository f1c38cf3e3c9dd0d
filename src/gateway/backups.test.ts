import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { packBackup, type PackedBackup, type PackJob } from "../backup/pack.ts";
import { loadConfig } from "../config/load.ts";
import { createPaths } from "../config/paths.ts";
import { silentLog } from "../core/log.ts";
import { createHealth } from "../observe/health.ts";
import { createMetrics } from "../observe/metrics.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore } from "../store/open.ts";
import { GatewayBackups } from "./backups.ts";
import type { RunningConfig } from "./running-config.ts";

const home = mkdtempSync(join(tmpdir(), "backups-"));
after(() => rmSync(home, { recursive: true, force: true }));
let made = 0;
const NOON = new Date(2026, 4, 10, 12, 0).getTime();
const DAY = 86_400_000;

function bench(backup: object, pack: (job: PackJob, signal: AbortSignal) => Promise<PackedBackup> = packBackup) {
  const state = join(home, String(++made));
  mkdirSync(state);
  writeFileSync(join(state, "openclaw.json"), JSON.stringify({ backup }));
  const paths = createPaths({ HOME: state, OPENCLAW_STATE_DIR: state });
  const store = openStore({ dir: paths.gateway, log: silentLog });
  const running = { config: loadConfig({ path: paths.config, env: {} }).config };
  const clock = new FakeClock(NOON);
  const health = createHealth(clock);
  const metrics = createMetrics();
  const keyValue = createKeyValueStore(store);
  const create = (): GatewayBackups =>
    new GatewayBackups({
      paths,
      clock,
      log: silentLog,
      health,
      metrics,
      store,
      keyValue,
      running: running as unknown as RunningConfig,
      pack,
    });
  const backups = create();
  const part = (): string | undefined => health.readiness().parts.find(({ name }) => name === "backup")?.state;
  const close = async (): Promise<void> => {
    await backups.stop();
    store.close();
  };
  return { paths, clock, health, metrics, backups, running, create, part, close, keyValue, store };
}

const ended = async (backups: GatewayBackups, at: number) =>
  until("the end of a backup", async () => ((await backups.status()).last?.at === at ? true : null));

test("a daily backup is made at its time, also a day later, and only the last ones stay", async (t) => {
  const { backups, clock, paths, part, metrics, close } = bench({ enabled: true, at: "03:30", keep: 2, verify: false });
  t.after(close);
  backups.configure();
  const first = new Date(2026, 4, 11, 3, 30).getTime();
  assert.equal(await until("the plan", async () => (await backups.status()).nextAt), first);
  for (let day = 0; day < 4; day++) {
    const due = await until("the next time", async () => {
      const { nextAt } = await backups.status();
      return nextAt! > clock.now() ? nextAt! : null;
    });
    assert.equal(due, first + day * DAY);
    await clock.advanceSettled(due - clock.now());
    await ended(backups, due);
  }
  const kept = await until("two backups", async () => {
    const rows = (await backups.status()).backups;
    return rows.length === 2 ? rows : null;
  });
  assert.deepEqual(
    kept.map(({ kind }) => kind),
    ["scheduled", "scheduled"],
  );
  assert.equal(part(), "ready");
  assert.match(metrics.render(), /gateway_backup_runs_total\{kind="scheduled",outcome="ok"\} 4/);
  assert.ok(!existsSync(join(paths.gateway, "backup-staging")));
});

test("a daily backup that was missed while the gateway was down begins soon after its start", async (t) => {
  const { create, clock, keyValue, store, close } = bench({ enabled: true, at: "03:30", verify: false });
  t.after(close);
  await store.write(() =>
    keyValue.set("backups", { scheduled: { at: NOON - 2 * DAY, ok: true, kind: "scheduled" }, last: null, lastGoodAt: NOON - 2 * DAY }, 0),
  );
  const backups = create();
  t.after(() => backups.stop());
  backups.configure();
  assert.equal(await until("the plan", async () => (await backups.status()).nextAt), NOON + 300_000);
  await clock.advanceSettled(300_000);
  await ended(backups, NOON + 300_000);
});

test("a daily backup that fails is reported, tried again, and the report ends when one was made", async (t) => {
  let fails = true;
  const { backups, clock, part, health, close } = bench({ enabled: true, at: "12:30", verify: false }, (job) =>
    fails ? Promise.reject(new Error("the disk is full")) : packBackup(job),
  );
  t.after(close);
  backups.configure();
  await until("the plan", async () => (await backups.status()).nextAt);
  await clock.advanceSettled(30 * 60_000);
  await until("the report", () => part() === "degraded");
  assert.match(health.readiness().parts.find(({ name }) => name === "backup")!.cause!, /the daily backup failed: the disk is full/);
  assert.equal((await backups.status()).last!.ok, false);
  fails = false;
  await clock.advanceSettled(60 * 60_000);
  await until("the end of the report", () => part() === "ready");
});

test("without a schedule there is no timer, no part of the health report and no directory", async (t) => {
  const { backups, clock, part, paths, close } = bench({});
  t.after(close);
  backups.configure();
  assert.deepEqual([clock.pending(), part(), existsSync(join(paths.state, "backups"))], [[], undefined, false]);
  assert.equal((await backups.status()).nextAt, null);
});

test("a second backup meanwhile is refused, and a stop of the gateway ends one", async (t) => {
  const packing = Promise.withResolvers<PackedBackup>();
  const { backups, close } = bench({}, (_, signal) => {
    signal.addEventListener("abort", () => packing.reject(new Error("stopped")));
    return packing.promise;
  });
  t.after(close);
  const first = backups.create({});
  await until("the first one runs", async () => (await backups.status()).isRunning);
  await assert.rejects(backups.create({}), /a backup is being made/);
  await assert.rejects(backups.create({ output: "relative.zip" }), /not an absolute path/);
  const stopped = assert.rejects(first, /the gateway is stopping/);
  await backups.stop();
  await stopped;
});
