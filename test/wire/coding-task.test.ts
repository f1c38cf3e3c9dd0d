// A task of ten steps in a workspace, as a model that writes code does it, at the default settings: it looks, sees a check fail, changes
// what is wrong with every tool for files, and sees the check pass. Each step depends on what the one before has left on the disk.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startModelServer, textOf, type RecordedRequest } from "../model-server.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type ToolEvent = { phase: string; name: string; isError?: boolean };

const CHECK = `set -e
. ./greet.sh
test "$(greet Ada)" = "Hello, Ada." || { echo "FAIL one name: $(greet Ada)"; exit 1; }
test "$(greet Ada Grace)" = "Hello, Ada and Grace." || { echo "FAIL two names: $(greet Ada Grace)"; exit 1; }
test -s NEWS || { echo "FAIL no news"; exit 1; }
echo "all passed"
`;
const GREET = `greet() {
  echo "Helo, $1."
}
`;
const PATCH = `*** Begin Patch
*** Update File: greet.sh
@@
 greet() {
-  echo "Hello, $1."
+  if [ $# -gt 1 ]; then echo "Hello, $1 and $2."; else echo "Hello, $1."; fi
 }
*** End Patch`;

/** What the model calls, and what the result has to show before it goes on. */
const STEPS: readonly (readonly [tool: string, args: Wire, result: RegExp])[] = [
  ["ls", { path: "." }, /check\.sh[^]*greet\.sh/],
  ["read", { path: "check.sh" }, /FAIL one name/],
  ["exec", { command: "sh check.sh" }, /FAIL one name: Helo, Ada\.[^]*1/],
  ["grep", { pattern: "Helo", path: "." }, /greet\.sh/],
  ["edit", { path: "greet.sh", edits: [{ oldText: "Helo", newText: "Hello" }] }, /Replaced 1 text in greet\.sh/],
  ["exec", { command: "sh check.sh" }, /FAIL two names: Hello, Ada\./],
  ["apply_patch", { input: PATCH }, /greet\.sh/],
  ["write", { path: "NEWS", content: "greet takes two names.\n" }, /Wrote 23 bytes/],
  ["exec", { command: "sh check.sh && wc -l < NEWS" }, /all passed\s+1/],
  ["find", { pattern: "*" }, /NEWS[^]*greet\.sh/],
];

/** The results of the current turn, in the order of the calls. */
function resultsOf({ messages }: RecordedRequest): string[] {
  const start = messages.findLastIndex(({ role }) => role === "user");
  return messages
    .slice(start)
    .filter(({ role }) => role === "tool")
    .map(textOf);
}

test("a coding task of ten steps is done in one turn at the default settings", async (t) => {
  const home = newHome();
  const model = await startModelServer();
  const workspace = join(stateDir(home), "workspace");
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(workspace, "check.sh"), CHECK);
  writeFileSync(join(workspace, "greet.sh"), GREET);
  const unexpected: string[] = [];
  model.setBehaviour((request) => {
    const results = resultsOf(request);
    const [, , expected] = STEPS[results.length - 1] ?? [];
    if (expected && !expected.test(results.at(-1)!)) {
      unexpected.push(`step ${results.length}: ${results.at(-1)}`);
      return { steps: [{ text: "I give up." }] };
    }
    const next = STEPS[results.length];
    if (next) return { steps: [{ tool: next[0], args: next[1] }], finish: "tool_calls" };
    return { steps: [{ text: "Done: greet takes two names, and the check passes." }] };
  });
  const { tools: _unasked, ...config } = modelConfig(model.url);
  const gateway = await startGateway({ home, config });
  const operator = await gateway.connect({ caps: ["tool-events"] });
  t.after(async () => {
    await operator.close();
    await gateway.kill();
    await model.close();
    dropHome(home);
  });
  const calls: ToolEvent[] = [];
  let questions = 0;
  let end: Wire | undefined;
  operator.on(({ event, payload }) => {
    const { stream, data, state, id } = payload as Wire;
    if (event === "agent" && stream === "tool") calls.push(data as ToolEvent);
    if (event === "chat" && ["final", "aborted", "error"].includes(String(state))) end = payload as Wire;
    if (event !== "exec.approval.requested") return;
    questions++;
    void operator.request("exec.approval.resolve", { id, decision: "allow-once" });
  });
  await operator.request("sessions.subscribe");
  await operator.request("chat.send", { sessionKey: "main", message: "Make the check pass.", idempotencyKey: randomUUID() });
  const { message } = await until("the end of the task", () => end, 60_000);

  assert.deepEqual(unexpected, []);
  assert.match(JSON.stringify(message), /Done: greet takes two names/);
  assert.deepEqual(
    calls.filter(({ phase }) => phase === "result").map(({ name }) => name),
    STEPS.map(([tool]) => tool),
  );
  assert.match(readFileSync(join(workspace, "greet.sh"), "utf8"), /Hello, \$1 and \$2\./);
  assert.ok(existsSync(join(workspace, "NEWS")));
  assert.ok(questions <= 3, `${questions} questions about three commands`);
  const { events } = await operator.request<{ events: Wire[] }>("audit.list", { kind: "tool_action", limit: 50 });
  assert.equal(events.filter((row) => row["action"] === "tool.action.finished").length, STEPS.length);
});
