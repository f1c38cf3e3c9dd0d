import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { until } from "../../../test/until.ts";

/** Runs a command in the foreground and one that is left in the background, as the gateway does. */
const PARENT = `
import { createBashTool } from ${JSON.stringify(join(import.meta.dirname, "bash.ts"))};
import { GroupWatcher } from ${JSON.stringify(join(import.meta.dirname, "../group-watcher.ts"))};
import { silentLog } from ${JSON.stringify(join(import.meta.dirname, "../../core/log.ts"))};
const workspace = process.argv[1];
const tool = createBashTool({ env: { PATH: process.env.PATH }, marker: "killed-gateway", tempDir: workspace, watcher: new GroupWatcher() });
const context = { workspace, signal: new AbortController().signal, update() {}, log: silentLog };
await tool.run({ command: "sleep 300 >/dev/null 2>&1 & echo $! > background" }, context);
await tool.run({ command: "trap '' TERM HUP INT; echo $$ > foreground; sleep 300 | sleep 300 & echo $! > pipe; while :; do sleep 300; done" }, context);
`;

const read = (path: string): number | null => {
  try {
    return Number(readFileSync(path, "utf8")) || null;
  } catch {
    return null;
  }
};

const exists = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

test("when the gateway is killed, every process of its commands ends, and so does their watcher", async (t) => {
  const { workspace } = toolContext(t);
  const parent = spawn(process.execPath, ["--input-type=module", "-e", PARENT, workspace], { stdio: ["ignore", "inherit", "inherit"] });
  t.after(() => parent.kill("SIGKILL"));
  const pids: number[] = [];
  for (const name of ["background", "foreground", "pipe"]) pids.push(await until(name, () => read(join(workspace, name))));
  const watchers = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 1 && !pids.includes(pid) && parentOf(pid) === parent.pid);
  assert.deepEqual(pids.map(exists), [true, true, true]);
  assert.ok(watchers.length >= 1, "the parent has a watcher");
  parent.kill("SIGKILL");
  for (const pid of [...pids, ...watchers]) await until(`the end of process ${pid}`, () => !exists(pid));
});

function parentOf(pid: number): number | null {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[1],
    );
  } catch {
    return null;
  }
}
