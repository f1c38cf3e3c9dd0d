import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { FakeRuntime } from "../../test/fakes/fake-runtime.ts";
import { RoutedRuntime } from "./routed-runtime.ts";
import type { AgentEvent, AgentRuntime, ModelRef, Turn } from "./runtime.ts";

const ACP: ModelRef = { provider: "acp", id: "codex" };
const PI: ModelRef = { provider: "test", id: "echo" };

/** Two runtimes that note the models that they are asked with. */
function rig() {
  const asked: { runtime: string; models: readonly ModelRef[] }[] = [];
  const noting = (name: string): AgentRuntime => {
    const runtime = new FakeRuntime();
    runtime.prompt = async function* (turn): AsyncGenerator<AgentEvent> {
      asked.push({ runtime: name, models: turn.models });
      yield { type: "end", reason: "stop", checkpoint: null };
    };
    return runtime;
  };
  let loads = 0;
  const load = async (): Promise<AgentRuntime> => {
    loads += 1;
    return noting("acp");
  };
  const routed = new RoutedRuntime(noting("pi"), load);
  const prompt = async (...models: ModelRef[]): Promise<void> => {
    for await (const event of routed.prompt({ models } as unknown as Turn, new AbortController().signal)) void event;
  };
  return { routed, prompt, asked, loads: () => loads };
}

test("a turn runs on the runtime of its first model, and the other one never takes over", async () => {
  const { prompt, asked } = rig();
  await prompt(ACP, PI);
  await prompt(PI, ACP);
  assert.deepEqual(asked, [
    { runtime: "acp", models: [ACP] },
    { runtime: "pi", models: [PI] },
  ]);
});

test("the runtime of agents of other vendors is loaded once, with their first turn", async () => {
  const { routed, prompt, loads } = rig();
  await prompt(PI);
  routed.status();
  await routed.forget(asId("main"), "s");
  assert.equal(loads(), 0);
  await Promise.all([prompt(ACP), prompt(ACP)]);
  assert.equal(loads(), 1);
});
