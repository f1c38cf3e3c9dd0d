import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AgentId } from "../core/ids.ts";
import { echo } from "../../test/fakes/runtime.ts";
import { openBench, type Bench } from "../../test/fakes/turns.ts";
import { runCompletion, type CompletionDeps, type CompletionEvent, type CompletionRequest } from "./openai-port.ts";

function depsOf(bench: Bench): CompletionDeps {
  const main = asId<AgentId>("main");
  let ids = 0;
  const deps: Partial<CompletionDeps> = {
    turns: bench.turns,
    bus: bench.bus,
    sessions: bench.turns.options.sessions,
    newId: () => `fresh-${++ids}`,
    defaultAgent: () => main,
    agentIds: () => [main],
    mainKey: () => undefined,
    operatorTools: () => [],
    queueMode: () => "followup",
  };
  return deps as CompletionDeps;
}

const request = (more: Partial<CompletionRequest>): CompletionRequest => ({
  agentId: null,
  sessionKey: null,
  user: null,
  context: null,
  text: "hello",
  images: [],
  idempotencyKey: "key-1",
  caller: { scopes: new Set() },
  signal: new AbortController().signal,
  ...more,
});

async function answer(events: AsyncIterable<CompletionEvent>): Promise<string> {
  for await (const event of events) {
    if (event.type === "error") throw event.error;
    if (event.type === "final") return event.text;
  }
  throw new Error("no answer");
}

test("a request that names no session and is repeated with its key gets the same answer and runs once", async () => {
  const bench = openBench();
  const deps = depsOf(bench);
  assert.equal(await answer(runCompletion(deps, request({}))), "echo: hello");
  assert.equal(await answer(runCompletion(deps, request({}))), "echo: hello");
  assert.equal(bench.runtime.prompts.length, 1);
  await assert.rejects(answer(runCompletion(deps, request({ text: "something else" }))), /belongs to another message/);
  bench.close();
});

test("requests that name no session do not see each other; those of one user do", async () => {
  const bench = openBench();
  const deps = depsOf(bench);
  const seen: number[] = [];
  bench.runtime.script = (turn) => {
    seen.push(turn.history().length);
    return echo(turn);
  };
  await answer(runCompletion(deps, request({ idempotencyKey: "a" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "b" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "c", user: "ann" })));
  await answer(runCompletion(deps, request({ idempotencyKey: "d", user: "ann" })));
  assert.deepEqual(seen, [0, 0, 0, 2]);
  bench.close();
});
