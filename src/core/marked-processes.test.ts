import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { isRunning, untilEnded } from "../../test/fakes/command-tools.ts";
import { silentLog } from "./log.ts";
import { killMarkedProcesses, MARKER_VARIABLE } from "./marked-processes.ts";

test("processes with a marker are killed, and those of the spared part stay", async (t) => {
  const marker = randomUUID();
  const start = (value: string): number => {
    const child = spawn("sleep", ["60"], { env: { PATH: "/usr/bin:/bin", [MARKER_VARIABLE]: value }, stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    return child.pid!;
  };
  const [earlier, own, other] = [start(`${marker}-a-1`), start(`${marker}-b-1`), start(`${randomUUID()}-a-1`)];
  assert.equal(await killMarkedProcesses(`${marker}-`, silentLog, `${marker}-b-`), 1);
  await untilEnded(earlier);
  assert.ok(isRunning(own) && isRunning(other));
  assert.equal(await killMarkedProcesses(`${marker}-`, silentLog), 1);
  await untilEnded(own);
});
