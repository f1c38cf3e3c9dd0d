import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent, ModelCall } from "../agents/runtime.ts";
import { asId } from "../core/ids.ts";
import { openTurnBench, message, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { promptTokens, toAmounts, worstCase, type BudgetHold } from "./turn-usage.ts";

const usage = { input: 100, output: 10, cacheRead: 5, cacheWrite: 0, totalTokens: 115, costUsd: 0 };
const call: ModelCall = { purpose: "answer", model: MODEL, usage, cost: null, status: "ok", durationMs: 20, firstTokenMs: 5 };
const ended = (more: Partial<ModelCall> = {}): AgentEvent => ({ type: "call", call: { ...call, ...more } });
const end: AgentEvent = { type: "end", reason: "stop", checkpoint: null };
const toolCall: AgentEvent = {
  type: "message",
  blocks: [{ type: "toolCall", id: "t1", name: "read", arguments: {} }],
  model: MODEL,
  usage,
  stopReason: "toolUse",
};
const terms = { model: MODEL, contextWindow: 1_000, maxTokens: 100, price: null };

async function run(bench: TurnBench, runId: string): Promise<string | undefined> {
  await bench.turns.admission.submit(message("do it", runId, { tools: ["read"] }));
  const outcome = await bench.turns.runs.waitForOutcome(asId(runId), 5_000);
  return outcome?.error?.message;
}

test("each request of a turn is a row with its subject, and the sums are those of the rows", async () => {
  const bench = openTurnBench({ priceOf: () => ({ input: 2, output: 10, cacheRead: 0, cacheWrite: 0 }) });
  bench.runtime.script = async function* (turn) {
    yield ended();
    yield toolCall;
    await turn.beforeTool({ id: "t1", name: "read", args: {} });
    assert.equal(bench.usage.callsAfter(0, 10).length, 1, "stored with the call of the tool");
    yield { type: "tool", phase: "end", id: "t1", name: "read", result: "x", isError: false, durationMs: 1 };
    yield ended({ status: "error" });
    yield ended({ purpose: "summary" });
    yield textEvents("done");
    yield end;
  };
  assert.equal(await run(bench, "r1"), undefined);
  assert.deepEqual(
    bench.usage
      .callsAfter(0, 10)
      .map(({ status, cause, inputCost, outputCost, isPriced }) => [status, cause, inputCost, outputCost, isPriced]),
    [
      ["ok", "message", 200_000, 100_000, true],
      ["error", "message", 200_000, 100_000, true],
      ["ok", "summary", 200_000, 100_000, true],
    ],
  );
  assert.equal(bench.usage.difference(), null);
  const [hour] = bench.usage.sessionHours({ from: 0, to: Number.MAX_SAFE_INTEGER }, bench.usage.callsAfter(0, 1)[0]!.sessionKey);
  assert.deepEqual([hour!.userMessages, hour!.assistantMessages, hour!.toolCalls, hour!.calls, hour!.errors], [1, 2, 1, 3, 1]);
  const tools = bench.usage.tools({ from: 0, to: Number.MAX_SAFE_INTEGER });
  assert.deepEqual(
    tools.map(({ name, count }) => [name, count]),
    [["read", 1]],
  );
  bench.close();
});

const failure = { kind: "budget" as const, message: "The budget is used up." };
const hold = (answers: (typeof failure | null)[], log: string[]): BudgetHold => ({
  reserve: (worst) => {
    log.push(`reserve ${worst.tokens}: ${worst.text}`);
    return Promise.resolve(answers.shift() ?? null);
  },
  settle: ({ input }) => void log.push(`settle ${input}`),
  release: () => void log.push("release"),
});

test("a budget that is used up keeps the model from being asked, and the person reads why", async () => {
  const log: string[] = [];
  const bench = openTurnBench({ budgets: () => ({ open: () => hold([failure], log) }) });
  bench.runtime.script = async function* (turn) {
    const verdict = await turn.beforeModel!(terms);
    assert.equal(verdict.allow, false);
    yield { type: "end", reason: "error", checkpoint: null, error: failure };
  };
  assert.equal(await run(bench, "r1"), failure.message);
  assert.deepEqual(log, ["reserve 1100: do it", "release"]);
  bench.close();
});

test("a budget that runs out between two tools ends the turn, and the tool does not run", async () => {
  const log: string[] = [];
  const bench = openTurnBench({ budgets: () => ({ open: () => hold([null, failure], log) }) });
  const allowed: boolean[] = [];
  bench.runtime.script = async function* (turn) {
    await turn.beforeModel!(terms);
    yield ended();
    yield toolCall;
    const verdict = await turn.beforeTool({ id: "t1", name: "read", args: {} });
    allowed.push(verdict.allow);
    yield { type: "end", reason: "aborted", checkpoint: null };
  };
  assert.equal(await run(bench, "r1"), failure.message);
  assert.deepEqual(allowed, [false]);
  assert.deepEqual(log, ["reserve 1100: do it", "settle 100", "reserve 1100: read {}", "release"]);
  assert.equal(bench.usage.callsAfter(0, 10).length, 1, "what was used is stored");
  bench.close();
});

test("without a budget the runtime is not asked to wait", async () => {
  const bench = openTurnBench();
  await run(bench, "r1");
  assert.equal(bench.runtime.prompts[0]!.beforeModel, undefined);
  bench.close();
});

test("a price that is not known is not 0, and one of the configuration wins", () => {
  assert.equal(toAmounts(call, null).isPriced, false);
  const cost = { input: 1, output: 0, cacheRead: 0, cacheWrite: 0 };
  assert.deepEqual([toAmounts({ usage, cost }, null).inputCost, toAmounts({ usage, cost }, null).isPriced], [1e9, true]);
  assert.deepEqual(
    [toAmounts({ usage, cost }, { ...cost, input: 0 }).inputCost, toAmounts({ usage, cost }, { ...cost, input: 0 }).isPriced],
    [0, true],
  );
});

test("the most that a request may take is its conversation, its message and the longest answer", () => {
  assert.equal(promptTokens(0, { text: "x".repeat(100), images: [] }), 8_050);
  assert.equal(promptTokens(20_000, { text: "", images: [1] }), 22_000);
  const price = { input: 1, output: 5, cacheRead: 0, cacheWrite: 2 };
  assert.deepEqual(worstCase({ ...terms, price }, 500), { tokens: 600, cost: 1_500_000, model: MODEL });
  assert.equal(worstCase({ ...terms, contextWindow: 0, maxTokens: 0 }, 500).tokens, 16_884);
});
