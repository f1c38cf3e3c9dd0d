import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { toolContext } from "../../test/fakes/tool-context.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { runCommand, type CommandOptions } from "./command.ts";
import { GroupWatcher } from "./group-watcher.ts";

const watcher = new GroupWatcher();

async function run(script: string, more: Partial<CommandOptions> = {}): Promise<{ output: string; exitCode: number | null }> {
  let output = "";
  const { exitCode } = await runCommand({
    argv: ["/bin/sh", "-c", script],
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    timeoutMs: undefined,
    signal: new AbortController().signal,
    watcher,
    clock: systemClock,
    log: silentLog,
    onOutput: (chunk) => void (output += chunk.toString()),
    ...more,
  });
  return { output, exitCode };
}

test("a command reads its inputs from the descriptors 4 and 5 to the end, also when they are large", async () => {
  const inputs = [Buffer.from("first\0"), Buffer.alloc(1_000_000, "x")];
  const { output, exitCode } = await run("wc -c <&5; cat <&4", { inputs });
  assert.deepEqual([output, exitCode], ["1000000\nfirst\0", 0]);
});

test("inputs that a command does not read do no harm", async () => {
  const { exitCode } = await run("exit 3", { inputs: [Buffer.alloc(1_000_000)] });
  assert.equal(exitCode, 3);
});

const GATEWAY = `
import { spawnSync } from "node:child_process";
import { systemClock } from ${JSON.stringify(join(import.meta.dirname, "../core/clock.ts"))};
import { silentLog } from ${JSON.stringify(join(import.meta.dirname, "../core/log.ts"))};
import { runCommand } from ${JSON.stringify(join(import.meta.dirname, "command.ts"))};
import { GroupWatcher } from ${JSON.stringify(join(import.meta.dirname, "group-watcher.ts"))};
// One stream for both, whose order is that of the writes.
const script = "cat /proc/self/fd/40/file 2>&1; echo ended";
console.log(spawnSync("/bin/sh", ["-c", script], { encoding: "utf8" }).stdout);
const watcher = new GroupWatcher();
await runCommand({
  argv: ["/bin/sh", "-c", script], cwd: "/", env: process.env, signal: new AbortController().signal, watcher,
  clock: systemClock, log: silentLog, onOutput: (chunk) => process.stdout.write(chunk),
});
`;

test(
  "a command does not inherit what the gateway itself has inherited",
  { skip: process.platform !== "linux" && "needs /proc" },
  async (t) => {
    const { workspace } = toolContext(t);
    writeFileSync(join(workspace, "file"), "inherited");
    const directory = openSync(workspace, constants.O_RDONLY | constants.O_DIRECTORY);
    const stdio = ["ignore" as const, "pipe" as const, "pipe" as const, ...Array<"ignore">(37).fill("ignore"), directory];
    const gateway = spawn(process.execPath, ["--input-type=module", "-e", GATEWAY], { stdio });
    closeSync(directory);
    const output = (await gateway.stdout!.toArray()).join("");
    // Node's own spawn passes it on.
    assert.match(output, /^inheritedended\n\n(cat: .*: Not a directory\n)?ended\n$/);
  },
);

/** Stops a command while no file descriptors are left, and says how it ended and whether what had left its group runs on. */
const WITHOUT_DESCRIPTORS = `
import { closeSync, openSync } from "node:fs";
import { startCommand } from ${JSON.stringify(import.meta.resolve("./command.ts"))};
import { GroupWatcher } from ${JSON.stringify(import.meta.resolve("./group-watcher.ts"))};
import { systemClock } from ${JSON.stringify(import.meta.resolve("../core/clock.ts"))};
import { silentLog } from ${JSON.stringify(import.meta.resolve("../core/log.ts"))};
const abort = new AbortController();
const heard = Promise.withResolvers();
let output = "";
const onOutput = (chunk) => (output += chunk).includes("\\n") && heard.resolve();
const argv = ["/bin/bash", "-c", "set -m; sleep 300 >/dev/null 2>&1 & echo $!; wait"];
const shared = { cwd: "/", env: { PATH: "/usr/bin:/bin" }, signal: abort.signal, clock: systemClock, log: silentLog, onOutput };
const { ended } = await startCommand({ argv, timeoutMs: undefined, watcher: new GroupWatcher(), ...shared });
await heard.promise;
const held = [];
for (;;) try { held.push(openSync("/dev/null")); } catch { break; }
abort.abort();
const { reason } = await ended;
for (const each of held) closeSync(each);
const isRunning = () => { try { return process.kill(Number(output), 0); } catch { return false; } };
setInterval(() => {}, 1000);
const end = Date.now() + 8000;
while (isRunning() && Date.now() < end) await new Promise((next) => systemClock.after(20, next));
console.log(reason + (isRunning() ? ", but its child runs" : ""));
process.exit(0);
`;

test("a command can be stopped while no file descriptors are left", { skip: process.platform !== "linux" }, async () => {
  const args = [
    "-c",
    'ulimit -n 512; exec "$@"',
    "sh",
    process.execPath,
    "--no-warnings",
    "--input-type=module",
    "-e",
    WITHOUT_DESCRIPTORS,
  ];
  const { stdout, stderr } = await promisify(execFile)("/bin/sh", args).catch((err: unknown) => err as { stdout: string; stderr: string });
  assert.equal(stdout.trim(), "stopped", stderr);
});
