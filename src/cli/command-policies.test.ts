import assert from "node:assert/strict";
import { test } from "node:test";
import { notesWithoutSandbox, type AgentPolicy } from "./command-policies.ts";

const policy = (agentId: string, surface: AgentPolicy["surface"], commands: Partial<AgentPolicy["commands"]>): AgentPolicy => ({
  agentId,
  surface,
  commands: { isGranted: true, mode: "auto", rule: "", host: "auto", hostRule: "", alwaysAsk: false, readOnly: false, ...commands },
});

test("policies under which no command needs the sandbox are not affected by its absence", () => {
  const policies = [
    policy("main", "operator", { mode: "deny" }),
    policy("work", "operator", { mode: "full", host: "gateway" }),
    policy("ops", "operator", { mode: "ask" }),
    policy("host", "operator", { host: "gateway" }),
    policy("main", "channel", { isGranted: false, host: "sandbox" }),
  ];
  assert.deepEqual(notesWithoutSandbox(policies), []);
});

test("each effect of a missing sandbox is named with the agents that have it", () => {
  const policies = [
    policy("main", "operator", {}),
    policy("work", "operator", {}),
    policy("strict", "operator", { mode: "full", host: "sandbox" }),
    policy("main", "channel", { host: "sandbox" }),
    policy("reader", "channel", { mode: "full", host: "gateway", readOnly: true }),
    policy("open", "channel", {}),
  ];
  assert.deepEqual(notesWithoutSandbox(policies), [
    "You are asked about every command of main, work that does more than read.",
    "Your commands of strict are refused.",
    "People on channels wait for an owner with every command of open.",
    "Commands of main, reader for people on channels are refused.",
  ]);
});
