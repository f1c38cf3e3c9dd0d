// Group: wire
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { toolContext } from "../../../test/fakes/tool-context.ts";

const url = (path: string): string => JSON.stringify(join(import.meta.dirname, path));

/** Runs a command with 100 MB of output, and prints what that added at most to the memory in use, and the result. */
const PROGRAM = `
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
const marker = "memory-" + process.pid;
const tools = createBuiltInTools({ env, marker, tempDir: workspace, gate: openGate, conversations: noConversations, notes: noNotes, messages: noMessages, images: noImageModels });
const executor = createToolExecutor({ tools, log: silentLog });
const caller = { agentId: "main", sessionKey: "agent:main:main", runId: null, surface: "operator", isPrivate: true };
const used = () => {
  // The first one leaves buffers to a thread, for which the second one waits.
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const usedAtRest = async () => {
  for (let round = 0; round < 10; round += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return used();
};
let peak = 0;
let shown = 0;
let updates = 0;
const update = (content) => {
  shown += content[0].text.length;
  updates += 1;
  if (updates % 8 === 1) peak = Math.max(peak, used());
};
const run = async (args) => {
  const context = { caller, workspace, outside: [], signal: new AbortController().signal, update, log: silentLog };
  return (await executor.run({ id: "1", name: "exec", args }, context)).content[0].text;
};
await run({ command: "seq 1 100000" });
const before = await usedAtRest();
peak = before;
shown = 0;
const text = await run({ command: "yes 'a line of output, of which there are many' | head -c 100000000" });
const after = await usedAtRest();
console.log(JSON.stringify({ peak: peak - before, after: after - before, shown, chars: text.length, notice: text.slice(-200) }));
await executor.stop();
`;

test("a command with 100 MB of output costs less than 1 MB of memory, and all of it is in the file", (t) => {
  const { workspace } = toolContext(t);
  const args = ["--expose-gc", "--input-type=module", "-e", PROGRAM, workspace];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stderr, "");
  const { peak, after, shown, chars, notice } = JSON.parse(stdout) as Record<string, number> & { notice: string };
  assert.ok(peak! < 1_048_576, `${peak} bytes at the highest`);
  assert.ok(after! < 1_048_576, `${after} bytes afterwards`);
  assert.ok(shown! > 0 && chars! < 32_500);
  const [, path] = /\(95\.4 MB\)\. The rest is kept for 30 minutes: process log with sessionId \S+, or the file (.+)\]$/.exec(notice) ?? [];
  const tail = spawnSync("sh", ["-c", 'wc -c < "$1"', "sh", path!], { encoding: "utf8" }).stdout;
  assert.equal(Number(tail), 100_000_000);
});
