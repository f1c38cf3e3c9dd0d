import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToolName } from "../agents/runtime.ts";
import { checkConfigValue } from "../config/load.ts";
import { silentMetrics } from "../core/metrics.ts";
import { decodeAnswer } from "../../test/fakes/method-bench.ts";
import { AnswerCache } from "./answer-cache.ts";
import { agentsMethods, type AgentsDeps } from "./agents.ts";

type Agent = Record<string, unknown>;

function list(config: unknown, tools: readonly ToolName[]): Agent[] {
  const deps = {
    now: () => 0,
    answers: new AnswerCache(silentMetrics),
    configuration: () => deps,
    loaded: () => ({ config: checkConfigValue(config).config }),
    stateDir: "/state",
    home: "/home",
    modelOf: () => null,
    thinkingOf: () => ({ levels: ["off"], default: "off" }),
    toolsOf: () => tools,
  } as unknown as AgentsDeps;
  return (decodeAnswer(agentsMethods(deps)["agents.list"].run()) as { agents: Agent[] }).agents;
}

test("an agent without a name has none in the list, so that clients show their own", () => {
  const [main, rosa] = list({ agents: { entries: { main: {}, rosa: { name: "Rosa" } } } }, []);
  assert.ok(!("name" in main!));
  assert.equal(rosa!["name"], "Rosa");
});

const mode = (tools: readonly ToolName[]): unknown => list({}, tools)[0]!["defaultPermissionMode"];

test("the list says which permission mode the tools of an agent come to", () => {
  assert.equal(mode(["read", "write", "edit", "exec"]), "full");
  assert.equal(mode(["read"]), "read-only");
  assert.equal(mode(["read", "edit"]), undefined);
});
