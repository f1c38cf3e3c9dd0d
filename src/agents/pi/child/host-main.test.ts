// Group: wire
// Starts the real host, and speaks to it as the gateway does.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testAgents } from "../../../../test/fakes/pi-runtime-options.ts";
import { systemClock } from "../../../core/clock.ts";
import { silentLog } from "../../../core/log.ts";
import { PiLaunch } from "../launch.ts";
import { PiCommandError, PiProcess } from "../process.ts";
import { HOST, type HostVitals } from "../records.ts";

test("a ping is answered while a session opens, also when the session cannot be opened", async (t) => {
  const stateDir = mkdtempSync(join(tmpdir(), "host-main-"));
  t.after(() => rmSync(stateDir, { recursive: true, force: true }));
  const [env, log, clock] = [process.env, silentLog, systemClock];
  const launch = new PiLaunch({ stateDir, models: () => ({}), env, agents: () => testAgents("shared", {}), log, clock });
  const host = new PiProcess({ ...(await launch.spec("shared")), log, onRecord() {}, onExit() {} });
  t.after(() => host.end(1_000));
  await host.request({ type: HOST.ping }, 60_000);
  const path = join(stateDir, "no-session.jsonl");
  writeFileSync(path, "this is not a session\n");
  const opening = assert.rejects(host.request({ type: HOST.open, s: 1, path, cwd: stateDir }), PiCommandError);
  const { residentBytes } = (await host.request({ type: HOST.ping })) as HostVitals;
  assert.ok(residentBytes > 0);
  await opening;
});
