import assert from "node:assert/strict";
import { test } from "node:test";
import { acpAgentNames, resolveAcpAgent } from "./acp-agents.ts";
import { checkConfigValue } from "./load.ts";
import { redactValue } from "./redact.ts";

const config = (value: object, env: Record<string, string> = {}) => checkConfigValue(value, env).config;

const names = (value: object): readonly string[] => acpAgentNames(config(value));
const argv = (entry: object): readonly string[] => resolveAcpAgent(config({ acp: { agents: { opencode: entry } } }), "opencode").argv;
const use = (value: object, name = "codex") => resolveAcpAgent(config(value), name);

test("usable agents are those that are configured, unless a list allows others", () => {
  const agents = { mine: { command: "/opt/mine" } };
  const entries = { coder: { runtime: { type: "acp", acp: { agent: "qwen" } } }, gemini: { runtime: { type: "acp" } } };
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ acp: { agents, defaultAgent: "codex" }, agents: { entries } }), ["codex", "gemini", "mine", "qwen"]);
  assert.deepEqual(names({ acp: { agents, allowedAgents: ["codex"] }, agents: { entries } }), ["codex"]);
  assert.deepEqual(names({ acp: { enabled: false, agents } }), []);
});

test("a list of allowed agents that is invalid allows none", () => {
  for (const allowedAgents of [[1], [true, {}], { codex: true }])
    assert.deepEqual(
      acpAgentNames(config({ acp: { allowedAgents, agents: { mine: { command: "x" } } } })),
      [],
      JSON.stringify(allowedAgents),
    );
});

test("a well-known name has a program, which the configuration may replace or add to", () => {
  assert.deepEqual(argv({}), ["opencode", "acp"]);
  assert.deepEqual(argv({ args: ["--debug"] }), ["opencode", "acp", "--debug"]);
  assert.deepEqual(argv({ command: "/opt/oc", args: ["x"] }), ["/opt/oc", "x"]);
});

test("an agent that may not be used is refused with what would allow it", () => {
  assert.throws(() => use({}), { message: /"codex" may not be used here\. None is configured\./, fix: /acp\.allowedAgents/ });
  assert.throws(() => use({ acp: { agents: { mine: {} } } }, "mine"), { fix: "Set acp.agents.mine.command." });
  assert.throws(() => use({ acp: { enabled: false, agents: { codex: {} } } }), { fix: "Set acp.enabled to true." });
  assert.throws(() => use({ acp: { allowedAgents: ["codex"] } }, "constructor"), /"constructor" may not be used here/);
});

test("variables are secrets: taken from the environment, hidden from clients", () => {
  const made = config({ acp: { agents: { codex: { env: { KEY: "${AGENT_KEY}" } } } } }, { AGENT_KEY: "k-1" });
  assert.equal(resolveAcpAgent(made, "codex").env["KEY"], "k-1");
  assert.doesNotMatch(JSON.stringify([made, redactValue(made)]), /k-1/);
});
