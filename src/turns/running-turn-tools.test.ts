import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import { openTurnBench, message, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { recover } from "./recover.ts";

const outcome = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);
const withExec = { tools: ["exec" as const] };
const usage = { input: 1, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, costUsd: 0 };
const calls = (...ids: string[]): AgentEvent => ({
  type: "message",
  blocks: ids.map((id) => ({ type: "toolCall" as const, id, name: "exec", arguments: {} })),
  model: MODEL,
  usage,
  stopReason: "toolUse",
});
const result = (id: string): AgentEvent => ({
  type: "tool",
  phase: "end",
  id,
  name: "exec",
  result: "done",
  isError: false,
  durationMs: 1,
});
const ask = { name: "exec", args: {} };

test("a turn with tools has one answer: the last message, however many came before it", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (turn) {
    yield calls("t1");
    await turn.beforeTool({ id: "t1", ...ask });
    yield result("t1");
    yield textEvents("finished");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("do it", "e1", withExec));
  await outcome(bench, "e1");
  const rows = bench.messages.byRun("e1");
  assert.deepEqual(
    rows.map((row) => [row.body.role, row.idempotencyKey]),
    [
      ["user", "e1:user"],
      ["assistant", null],
      ["toolResult", null],
      ["assistant", "e1:assistant"],
    ],
  );
  bench.close();
});

test("simultaneous tool calls store the messages before them once", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (turn) {
    yield calls("t1", "t2");
    const answers = await Promise.all(["t1", "t2"].map((id) => turn.beforeTool({ id, ...ask })));
    assert.deepEqual(
      answers.map(({ allow }) => allow),
      [true, true],
    );
    yield result("t1");
    yield result("t2");
    yield textEvents("finished");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("do both", "e1", withExec));
  await outcome(bench, "e1");
  const roles = bench.messages.byRun("e1").map((row) => row.body.role);
  assert.deepEqual(roles, ["user", "assistant", "toolResult", "toolResult", "assistant"]);
  bench.close();
});

test("a stop while a tool call is written down stores nothing twice and lets no tool run", async () => {
  const bench = openTurnBench();
  let answer: unknown;
  bench.runtime.script = async function* (turn, control) {
    yield calls("t1");
    const asked = turn.beforeTool({ id: "t1", ...ask });
    bench.turns.lanes.abort(turn.sessionKey, undefined);
    assert.ok(control.signal.aborted);
    void asked.then((given) => (answer = given));
    yield { type: "end", reason: "aborted", checkpoint: null };
  };
  await bench.turns.admission.submit(message("do it", "e1", withExec));
  assert.equal((await outcome(bench, "e1"))?.status, "aborted");
  const toolCalls = bench.messages.byRun("e1").filter((row) => JSON.stringify(row.body).includes("toolCall"));
  assert.equal(toolCalls.length, 1);
  assert.equal((answer as { allow: boolean }).allow, false);
  bench.close();
});

test("a message that was handed in, and that a tool was called for, is closed after a crash and not run again", async () => {
  const before = openTurnBench();
  before.runtime.script = async function* (turn, control) {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: "one moment" };
    await control.gate();
    const steered = await control.steered();
    yield { type: "steered", runId: steered!.runId as never };
    yield calls("t1");
    await turn.beforeTool({ id: "t1", ...ask });
    await new Promise(() => {});
  };
  await before.turns.admission.submit(message("start", "e1", withExec));
  await until(() => before.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  await before.turns.admission.submit(message("use the tool", "e2", { ...withExec, queueMode: "steer" }));
  await until(() => before.turns.runs.find("e2")?.mergedInto === "e1");
  before.runtime.release("e1");
  await until(() => before.turns.runs.find("e1")?.toolsStarted);
  before.store.close();

  const after = openTurnBench({ dir: before.dir });
  assert.deepEqual(recover({ ...after, ...after.turns, abilitiesOf: () => null }), { resumed: 0, closed: 2, deadLetters: 0, unknown: 0 });
  assert.equal((await outcome(after, "e2"))?.error?.kind, "interrupted");
  assert.equal(after.runtime.prompts.length, 0);
  after.close();
});

test("a tool of an MCP server needs the grant of all of them, and the call knows the policies of the rooms", async () => {
  const bench = openTurnBench();
  const seen: unknown[] = [];
  bench.runtime.script = async function* (turn) {
    const answer = await turn.beforeTool({ id: "t1", name: "files__read", args: {} });
    seen.push(answer.allow ? (answer.permit.caller.rooms ?? "no room") : answer.reason);
    yield textEvents("ok");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  const roomTools = { key: "channels.irc.groups.#a.tools", policy: { deny: ["files__write"] } };
  const submissions = [{ tools: ["mcp" as const] }, { tools: ["read" as const, "exec" as const] }, { tools: ["mcp" as const], roomTools }];
  for (const [index, submission] of submissions.entries()) {
    await bench.turns.admission.submit(message("hi", `e${index}`, submission));
    await outcome(bench, `e${index}`);
  }
  assert.deepEqual(seen, ["no room", "the tool files__read is not available in this conversation", [roomTools]]);
  bench.close();
});

test("a session that is read-only has no tools of MCP servers", async () => {
  const bench = openTurnBench();
  let allowed: boolean | null = null;
  bench.runtime.script = async function* (turn) {
    bench.sessions.patch(turn.sessionKey, { permission_mode: "read-only" });
    ({ allow: allowed } = await turn.beforeTool({ id: "t1", name: "files__read", args: {} }));
    yield textEvents("ok");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hi", "e1", { tools: ["mcp", "read"] }));
  await outcome(bench, "e1");
  assert.equal(allowed, false);
  bench.close();
});
