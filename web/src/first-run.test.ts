import assert from "node:assert/strict";
import { test } from "node:test";
import { toFirstModel } from "./first-run.ts";

const model = (provider: string, id: string, available = true) => ({ provider, id, tags: [], available });

test("while the guide answers no model is connected, and those that could answer are offered", () => {
  const agents = [{ id: "main", model: { primary: "guide/setup-guide", fallbacks: [] } }];
  const known = [model("guide", "setup-guide"), model("ollama", "qwen"), model("openai", "gpt", false)];
  const { name, others } = toFirstModel(agents, "main", known);
  assert.deepEqual([name, others.map(({ id }) => id)], [null, ["qwen"]]);
});

test("the model of the default agent counts, under the name that people know", () => {
  const agents = [
    { id: "work", model: { primary: "ollama/qwen", fallbacks: [] } },
    { id: "main", model: { primary: "anthropic/claude", fallbacks: [] } },
  ];
  const known = [{ ...model("anthropic", "claude"), name: "Claude" }, model("ollama", "qwen")];
  const { name, others } = toFirstModel(agents, "main", known);
  assert.deepEqual([name, others.map(({ id }) => id)], ["Claude", ["qwen"]]);
  assert.equal(toFirstModel([], "main", known).name, null);
});
