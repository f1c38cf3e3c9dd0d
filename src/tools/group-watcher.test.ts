import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { silentLog } from "../core/log.ts";
import { GroupWatcher, WATCHER_SCRIPT } from "./group-watcher.ts";
import { findRunning, hasProcesses, killSessions } from "./process-groups.ts";

function group(t: TestContext): number {
  const child = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  return child.pid!;
}

/** A session whose leader has a process in another group, as with timeout(1), and one with a name that looks like the end of a name. */
async function session(t: TestContext): Promise<{ leader: number; pids: number[] }> {
  const directory = mkdtempSync(join(tmpdir(), "openclaw-session-"));
  const named = join(directory, "a) R 1\nb) S 1 1");
  copyFileSync("/bin/sleep", named);
  const script = 'timeout 300 sleep 300 & echo $!; "$0" 300 & echo $!; wait';
  const child = spawn("/bin/sh", ["-c", script, named], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await until("both processes", () => text.split("\n").length === 3);
  const pids = text.trim().split("\n").map(Number);
  t.after(() => {
    killSessions([child.pid!]);
    rmSync(directory, { recursive: true });
  });
  await until("the other group", () => /\) \S+ \d+ (\d+)/.exec(readFileSync(`/proc/${pids[0]}/stat`, "utf8"))![1] === String(pids[0]));
  return { leader: child.pid!, pids };
}

/** A zombie, which waits for its parent, does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z \d+/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
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

for (const [name, ...args] of shells) {
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

  test(`at the end of its input, ${name} kills all groups of a session`, { skip: process.platform !== "linux" }, async (t) => {
    const watcher: ChildProcess = spawn(name!, [...args, "-c", WATCHER_SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    const [{ leader, pids }, other] = [await session(t), await session(t)];
    watcher.stdin!.end(`add ${leader}\n`);
    await once(watcher, "exit");
    for (const pid of [leader, ...pids]) await until(`the end of ${pid}`, () => !isRunning(pid));
    assert.deepEqual(other.pids.map(isRunning), [true, true]);
  });

  test(`at the end of its input, ${name} kills what carries the marker`, { skip: process.platform !== "linux" }, async (t) => {
    const entry = `OPENCLAW_RUNNER=${name}-${process.pid}-commands`;
    const [marked, other] = [entry, `${entry.slice(0, -1)}`].map((each) => {
      const child = spawn("sleep", ["300"], {
        detached: true,
        stdio: "ignore",
        env: { PATH: process.env["PATH"], A: "b", OPENCLAW_RUNNER: each.slice(16) },
      });
      t.after(() => child.kill("SIGKILL"));
      return child.pid!;
    });
    const watcher: ChildProcess = spawn(name!, [...args, "-c", WATCHER_SCRIPT, "sh", entry], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    watcher.stdin!.end();
    await once(watcher, "exit");
    await until("the end of the marked process", () => !isRunning(marked!));
    assert.equal(isRunning(other!), true);
  });
}

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

test("killAll ends a command with all groups of its session", { skip: process.platform !== "linux" }, async (t) => {
  const watcher = new GroupWatcher();
  const { leader, pids } = await session(t);
  await watcher.add(leader, silentLog);
  watcher.killAll();
  for (const pid of [leader, ...pids]) await until(`the end of ${pid}`, () => !isRunning(pid));
});

test("a session of a command that has ended is known as long as it has a process", { skip: process.platform !== "linux" }, async (t) => {
  const clock = new FakeClock();
  const watcher = new GroupWatcher({ clock });
  const { leader, pids } = await session(t);
  await watcher.add(leader, silentLog);
  process.kill(leader, "SIGKILL");
  process.kill(pids[1]!, "SIGKILL");
  for (const pid of [leader, pids[1]!]) await until(`the end of ${pid}`, () => !isRunning(pid));
  watcher.ended(leader);
  clock.advance(1_000);
  assert.deepEqual(clock.pending(), [1_000]);
  assert.deepEqual([...findRunning([leader])], [leader]);
  watcher.killAll();
  await until("the end of the session", () => findRunning([leader]).size === 0);
  clock.advance(1_000);
  assert.deepEqual(clock.pending(), []);
});

test("a group without a number is not the gateway's own group", () => {
  assert.deepEqual([hasProcesses(0), hasProcesses(1)], [false, false]);
});
