import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { test, type TestContext } from "node:test";
import { until } from "../../test/until.ts";
import { silentLog } from "../core/log.ts";
import { GroupWatcher, hasProcesses, WATCHER_SCRIPT } from "./group-watcher.ts";

function group(t: TestContext): number {
  const child = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  return child.pid!;
}

/** The script alone, with every shell of this machine that may be /bin/sh. */
const shells = [["sh"], ["bash", "--posix"], ["dash"], ["busybox", "sh"]].filter(
  ([name]) => spawnSync(name!, ["-c", "true"]).error === undefined,
);

/** Whether the process has told the kernel to ignore the signal. */
function isIgnored(pid: number, signal: number): boolean {
  const [, mask] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))!;
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

for (const [name, ...args] of shells)
  test(`at the end of its input, ${name} kills the groups that were added and not removed`, async (t) => {
    const watcher: ChildProcess = spawn(name!, [...args, "-c", WATCHER_SCRIPT], { detached: true, stdio: ["pipe", "ignore", "inherit"] });
    const [kept, removed, last] = [group(t), group(t), group(t)];
    watcher.stdin!.write(`add ${kept}\nadd ${removed}\nadd ${last}\nremove ${removed}\nremove 4194304\n`);
    await until("the traps of the shell", () => isIgnored(watcher.pid!, constants.signals.SIGTERM));
    for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"] as const) watcher.kill(signal);
    watcher.stdin!.end();
    await once(watcher, "exit");
    for (const each of [kept, last]) await until("the end of the group", () => !hasProcesses(each));
    assert.equal(hasProcesses(removed), true);
  });

test("a watcher that was killed is replaced, and the new one knows the groups", async (t) => {
  const started: number[] = [];
  const log = { ...silentLog, warn: (_: string, fields: Record<string, unknown> = {}) => void started.push(Number(fields["groups"])) };
  const watcher = new GroupWatcher();
  const first = group(t);
  await watcher.add(first, log);
  process.kill(watcher.pid!, "SIGKILL");
  await until("the replacement", () => started.length === 1);
  assert.deepEqual(started, [1]);
  // The watcher's end of input, without the gateway's own kill.
  watcher.release();
  await until("the end of the group", () => !hasProcesses(first));
});

test("killAll kills the groups at once", async (t) => {
  const watcher = new GroupWatcher();
  const first = group(t);
  await watcher.add(first, silentLog);
  watcher.killAll();
  await until("the end of the group", () => !hasProcesses(first));
});

test("a group without a number is not the gateway's own group", () => {
  assert.deepEqual([hasProcesses(0), hasProcesses(1)], [false, false]);
});
