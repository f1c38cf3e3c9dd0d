import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../test/crash/seeded-random.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench } from "../../test/fakes/turn-bench.ts";
import type { ToolName } from "../agents/runtime.ts";
import { asId, type AgentId } from "../core/ids.ts";
import type { Payload } from "./submission.ts";
import { withoutWithdrawn } from "./task-tools.ts";

const TOOLS: readonly ToolName[] = ["read", "write", "exec", "web_fetch", "sessions_spawn", "subagents", "browser"];
const AGENTS = ["main", "ops", "helper"].map((id) => asId<AgentId>(id));
const DEPTH = 5;

test("down to any depth, a narrowed configuration leaves each task a part of what the one above it has", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 300; round++) {
    const now = new Map(AGENTS.map((id) => [id, TOOLS.filter(() => random.chance(0.7))]));
    const toolsOf = (id: AgentId): readonly ToolName[] => now.get(id) ?? [];
    const current = { ids: () => AGENTS, operatorTools: toolsOf, channelTools: toolsOf };
    // Level 0 is a conversation with people; each further one was spawned by the one before, with what that had then.
    const keys = Array.from({ length: DEPTH + 1 }, (_, level) => `agent:${random.pick(AGENTS)}:level-${level}`);
    const parentOf = (key: string): string | null => keys[keys.indexOf(key) - 1] ?? null;
    const agentOf = (level: number): AgentId => asId<AgentId>(keys[level]!.split(":")[1]!);
    const channel = random.chance(0.5) ? "webchat" : "irc";
    const payload = { provenance: { channel, senderIsOwner: true } } as Payload;
    let granted: readonly ToolName[] = TOOLS;
    let above: readonly ToolName[] = toolsOf(agentOf(0));
    for (let level = 1; level <= DEPTH; level++) {
      granted = granted.filter(() => random.chance(0.9));
      const row = { channel: "subagent", account: keys[level - 1]!, agentId: agentOf(level), payload };
      const has = withoutWithdrawn(granted, row, current, parentOf);
      assert.ok(has.every((tool) => granted.includes(tool) && above.includes(tool) && toolsOf(agentOf(level)).includes(tool)));
      above = has;
    }
  }
});

test("the turn of a person keeps its tools, and a task of an agent that was removed has none", () => {
  const current = { ids: () => AGENTS, operatorTools: () => [], channelTools: () => [] };
  const payload = { provenance: { channel: "webchat", senderIsOwner: true } } as Payload;
  const row = { channel: "rpc", account: "", agentId: AGENTS[0]!, payload };
  assert.deepEqual(
    withoutWithdrawn(TOOLS, row, current, () => null),
    TOOLS,
  );
  const all = { ids: () => AGENTS, operatorTools: () => TOOLS, channelTools: () => TOOLS };
  const task = { ...row, channel: "subagent", account: "agent:gone:main" };
  assert.deepEqual(
    withoutWithdrawn(TOOLS, task, all, () => null),
    [],
  );
});

test("a call of a task is refused once the configuration has withdrawn the tool from the agent that gave it", async () => {
  const given = new Map<string, readonly ToolName[]>([
    ["main", ["read", "exec"]],
    ["ops", ["read", "exec"]],
  ]);
  const bench = openTurnBench({ agentTools: (agentId) => given.get(agentId) ?? [] });
  const answers: boolean[] = [];
  bench.runtime.script = async function* (turn) {
    answers.push((await turn.beforeTool({ id: "t1", name: "exec", args: {} })).allow);
    given.set("main", ["read"]);
    answers.push((await turn.beforeTool({ id: "t2", name: "exec", args: {} })).allow);
    answers.push((await turn.beforeTool({ id: "t3", name: "read", args: {} })).allow);
    yield textEvents("ok");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  const task = {
    channel: "subagent",
    account: "agent:main:main",
    agentId: asId<AgentId>("ops"),
    sessionKey: asId<never>("agent:ops:subagent:1"),
  };
  await bench.turns.admission.submit(message("do it", "e1", { ...task, tools: ["read", "exec"] }));
  await bench.turns.runs.waitForOutcome(asId("e1"), 5_000);
  assert.deepEqual(answers, [true, false, true]);
  bench.close();
});
