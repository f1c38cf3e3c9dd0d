import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AgentId } from "../core/ids.ts";
import type { AgentEvent, ErrorKind } from "../agents/runtime.ts";
import { echoScript, MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { openTurnBench, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { runCompletion, type CompletionDeps, type BackendCompletionEvent, type CompletionRequest } from "./openai-backend.ts";

function depsOf(bench: TurnBench): CompletionDeps {
  const main = asId<AgentId>("main");
  let ids = 0;
  const deps: Partial<CompletionDeps> = {
    turns: bench.turns,
    bus: bench.bus,
    sessions: bench.sessions,
    newId: () => `fresh-${++ids}`,
    defaultAgent: () => main,
    agentIds: () => [main],
    canAnswer: (agentId) => agentId === main,
    mainKey: () => undefined,
    operatorTools: () => [],
    modelNames: () => [],
    queueMode: () => "followup",
  };
  return deps as CompletionDeps;
}

const request = (more: Partial<CompletionRequest>): CompletionRequest => ({
  agentId: null,
  sessionKey: null,
  user: null,
  model: null,
  context: null,
  text: "hello",
  images: [],
  idempotencyKey: "key-1",
  caller: { scopes: new Set() },
  signal: new AbortController().signal,
  ...more,
});

async function answer(events: AsyncIterable<BackendCompletionEvent>): Promise<string> {
  for await (const event of events) {
    if (event.type === "error") throw event.error;
    if (event.type === "final") return event.text;
  }
  throw new Error("no answer");
}

test("a model that does not exist is refused before anything runs", async () => {
  const bench = openTurnBench();
  await assert.rejects(answer(runCompletion(depsOf(bench), request({ model: "nope/nope" }))), /there is no model "nope\/nope"/);
  bench.close();
});

test("a request that names no session and is repeated with its key gets the same answer and runs once", async () => {
  const bench = openTurnBench();
  const deps = depsOf(bench);
  assert.equal(await answer(runCompletion(deps, request({}))), "echo: hello");
  assert.equal(await answer(runCompletion(deps, request({}))), "echo: hello");
  assert.equal(bench.runtime.prompts.length, 1);
  await assert.rejects(answer(runCompletion(deps, request({ text: "something else" }))), /belongs to another message/);
  bench.close();
});

test("requests that name no session do not see each other; those of one user do", async () => {
  const bench = openTurnBench();
  const deps = depsOf(bench);
  const seen: number[] = [];
  bench.runtime.script = (turn) => {
    seen.push(turn.history().length);
    return echoScript(turn);
  };
  await answer(runCompletion(deps, request({ idempotencyKey: "a" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "b" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "c", user: "ann" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "d", user: "ann" })));
  assert.deepEqual(seen, [0, 0, 0, 2]);
  bench.close();
});

const started = { type: "started" as const, model: MODEL, contextWindow: 1 };
const end = { type: "end" as const, reason: "stop" as const, checkpoint: null };
const spoken = (text: string, stopReason = "stop") => ({ ...(textEvents(text) as Extract<AgentEvent, { type: "message" }>), stopReason });

async function play(events: readonly AgentEvent[]): Promise<BackendCompletionEvent[]> {
  const bench = openTurnBench();
  bench.runtime.script = async function* () {
    yield* events;
  };
  const out: BackendCompletionEvent[] = [];
  for await (const event of runCompletion(depsOf(bench), request({}))) out.push(event);
  bench.close();
  return out;
}

test("usage and finish reason reach the caller as OpenAI counts and names them", async () => {
  const usage = { input: 20, output: 7, cacheRead: 80, cacheWrite: 5, totalTokens: 112, costUsd: 0 };
  const [, final] = await play([started, { ...spoken("half of it", "length"), usage }, end]);
  assert.deepEqual(final, {
    type: "final",
    text: "half of it",
    usage: { inputTokens: 105, outputTokens: 7, cachedTokens: 80 },
    finishReason: "length",
  });
});

const failure = (kind: ErrorKind, more = {}): AgentEvent => ({
  ...end,
  reason: "error",
  error: { kind, message: "raw words", origin: "provider", ...more },
});

test("a refusal is a finish reason, a limit has its wait, and the provider's words stay here", async () => {
  const refused = (await play([started, failure("refusal")])).at(-1)!;
  assert.ok(refused.type === "final" && refused.finishReason === "content_filter" && /content filter/.test(refused.refusal!));
  const limited = (await play([started, failure("rate_limit", { retryAfterMs: 90_000 })])).at(-1)!;
  assert.ok(limited.type === "error" && limited.error.code === "RATE_LIMITED" && limited.error.retryAfterMs === 90_000);
  assert.doesNotMatch(JSON.stringify([refused, limited.type === "error" && limited.error.message]), /raw words/);
});

test("a repeated attempt replaces the earlier text", async () => {
  const retry: AgentEvent = { type: "retry", attempt: 1, maxAttempts: 3, delayMs: 0, reason: "x" };
  const out = await play([started, { type: "text", delta: "half" }, retry, { type: "text", delta: "all" }, spoken("all"), end]);
  assert.deepEqual(
    out.map((event) => event.type),
    ["delta", "replaced", "delta", "final"],
  );
});
