import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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
