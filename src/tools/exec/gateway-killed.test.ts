import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { until } from "../../../test/until.ts";

const url = (path: string): string => JSON.stringify(join(import.meta.dirname, path));
const hasTerminals = (spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "").includes("util-linux");

/** Starts commands in each way, as the gateway does. `timeout` and `set -m` make process groups of their own, `setsid` a session. */
const PARENT = `
import { createBuiltInTools } from ${url("../built-in.ts")};
import { createToolExecutor } from ${url("../executor.ts")};
import { noConversations } from ${url("../../../test/fakes/no-conversations.ts")};
import { noMessages } from ${url("../../../test/fakes/no-messages.ts")};
import { noImageModels } from ${url("../../../test/fakes/no-image-models.ts")};
import { noNotes } from ${url("../../../test/fakes/no-notes.ts")};
import { openGate } from ${url("../../../test/fakes/open-gate.ts")};
import { silentLog } from ${url("../../core/log.ts")};
const workspace = process.argv[1];
const env = { PATH: process.env.PATH };
const marker = "killed-gateway-" + process.pid;
const tools = createBuiltInTools({ env, marker, tempDir: workspace, gate: openGate, conversations: noConversations, notes: noNotes, messages: noMessages, images: noImageModels });
const executor = createToolExecutor({ tools, log: silentLog });
const caller = { agentId: "main", sessionKey: "agent:main:main", runId: null, surface: "operator", isPrivate: true };
const context = { caller, workspace, outside: [], signal: new AbortController().signal, update() {}, log: silentLog };
const exec = async (command, args = {}) => {
  const { isError, content } = await executor.run({ id: "1", name: "exec", args: { command, ...args } }, context);
  if (isError) throw new Error(content[0].text);
};
await exec("sleep 300 >/dev/null 2>&1 & echo $! > leftover");
await exec("setsid sleep 300 >/dev/null 2>&1 & until pgrep -P $$ -x sleep; do sleep 0.01; done > detached");
await exec("timeout 300 sleep 300 >/dev/null 2>&1 & echo $! > grouped");
await exec("trap '' TERM HUP INT; echo $$ > background; sleep 300; true", { background: true });
if (${hasTerminals}) {
  await exec("trap '' TERM HUP INT; set -m; sleep 300 & echo $! > terminal-group; echo $$ > terminal; sleep 300; true", { pty: true, background: true });
}
await exec("trap '' TERM HUP INT; echo $$ > foreground; sleep 300 | sleep 300 & echo $! > pipe; while :; do sleep 300; done");
`;
const FILES = [
  "leftover",
  "detached",
  "grouped",
  "background",
  ...(hasTerminals ? ["terminal", "terminal-group"] : []),
  "foreground",
  "pipe",
];

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
  for (const name of FILES) pids.push(await until(name, () => read(join(workspace, name))));
  const children = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 1 && !pids.includes(pid) && parentOf(pid) === parent.pid);
  assert.ok(pids.every(exists));
  assert.ok(children.length >= 1, "the parent has a watcher");
  parent.kill("SIGKILL");
  for (const pid of [...pids, ...children]) await until(`the end of process ${pid}`, () => !exists(pid));
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
