import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { silentLog } from "../core/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import type { Release } from "../update/release-source.ts";
import { writeUpdateRecord } from "../update/record.ts";
import { GatewayUpdates, type UpdatesDeps } from "./updates.ts";

function setUp(
  t: TestContext,
  update: { channel: "stable" | "beta" | "dev"; checkOnStart: boolean },
  answer: () => Promise<Release | null>,
) {
  const dir = mkdtempSync(join(tmpdir(), "updates-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const clock = new FakeClock();
  const asked: string[] = [];
  const updates = new GatewayUpdates({
    paths: { gateway: dir } as UpdatesDeps["paths"],
    clock,
    metrics: createMetrics(),
    log: silentLog,
    running: { config: { update } } as UpdatesDeps["running"],
    env: {},
    entry: join(dir, "bin/openclaw.js"),
    find: (_, channel) => {
      asked.push(channel);
      return answer();
    },
  });
  return { updates, clock, asked, dir };
}

const NEWER: Release = { version: "9.0.0", sha: null, spec: "openclaw-gateway@9.0.0", commitsBehind: null, isCurrent: false };

test("nothing is asked after the start unless update.checkOnStart is set", async (t) => {
  const off = setUp(t, { channel: "stable", checkOnStart: false }, async () => NEWER);
  off.updates.start();
  off.clock.advance(86_400_000);
  assert.deepEqual(off.asked, []);
  const on = setUp(t, { channel: "beta", checkOnStart: true }, async () => NEWER);
  on.updates.start();
  assert.deepEqual(on.asked, [], "clients and channels come first");
  on.clock.advance(60_000);
  await until("the question", () => on.asked.length === 1);
  assert.deepEqual(on.asked, ["beta"]);
});

test("update.status says what was found, what is installed and how the last update ended", async (t) => {
  const it = setUp(t, { channel: "stable", checkOnStart: false }, async () => NEWER);
  assert.deepEqual(await it.updates.status({ refresh: false }), {
    sentinel: null,
    updateAvailable: null,
    effectiveChannel: "stable",
    schedule: { channel: "stable", autoEnabled: false, install: { kind: "unknown" } },
  });
  assert.deepEqual(it.asked, []);
  const { updateAvailable } = await it.updates.status({ refresh: true });
  assert.deepEqual(updateAvailable, { currentVersion: "0.0.0", latestVersion: "9.0.0", channel: "stable" });
  const stats = {
    mode: "package",
    root: it.dir,
    before: { version: "1.0.0", sha: null },
    after: null,
    reason: "it broke",
    rolledBack: true,
    backup: null,
    durationMs: 1,
    steps: [],
  };
  const record = { kind: "update", status: "error", ts: 5, message: "it broke", stats } as const;
  writeUpdateRecord(it.dir, record);
  assert.deepEqual((await it.updates.status({ refresh: false })).sentinel, record);
});

test("a registry that does not answer leaves what was known", async (t) => {
  let isDown = false;
  const it = setUp(t, { channel: "stable", checkOnStart: false }, async () => {
    if (isDown) throw new Error("unreachable");
    return NEWER;
  });
  await it.updates.status({ refresh: true });
  isDown = true;
  assert.equal((await it.updates.status({ refresh: true })).updateAvailable?.latestVersion, "9.0.0");
  await until("both questions", () => it.asked.length === 2);
});
