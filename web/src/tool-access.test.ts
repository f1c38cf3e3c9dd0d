import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMAND_MODES } from "../../src/core/command-modes.ts";
import { hostRuleText, modeText, toGroups, toParams } from "./tool-access.ts";

test("tools come in the groups of the catalog, with what decides about each", () => {
  const catalog = {
    groups: [
      { id: "fs", label: "Files", tools: [{ id: "read", description: "Reads." }] },
      { id: "web", label: "Web", tools: [{ id: "fetch" }] },
    ],
  };
  const tools = [
    { tool: "exec", isGranted: false, rule: "tools.deny" },
    { tool: "read", isGranted: true, rule: "agents.entries.main.tools.allow" },
  ];
  assert.deepEqual(toGroups({ agentId: "main", surface: "operator", tools }, catalog), [
    { label: "Files", rows: [{ ...tools[1], description: "Reads." }] },
    { label: "Others", rows: [{ ...tools[0], description: "" }] },
  ]);
});

test("a described message has the parameters of tools.explain", () => {
  assert.deepEqual(toParams("main", { kind: "operator" }), { agentId: "main" });
  const irc = { kind: "channel", account: "irc/default", from: "anyone", peer: "left over" } as const;
  assert.deepEqual(toParams("main", irc), { agentId: "main", channel: "irc", account: "default" });
  assert.deepEqual(toParams("ops", { ...irc, from: "sender", peer: " ann " }), {
    agentId: "ops",
    channel: "irc",
    account: "default",
    peer: "ann",
  });
  assert.deepEqual(toParams("ops", { ...irc, account: "slack/a/b", from: "room", peer: "#ops" }), {
    agentId: "ops",
    channel: "slack",
    account: "a/b",
    peer: "#ops",
    group: true,
  });
});

test("every mode of commands has a sentence", () => {
  for (const mode of COMMAND_MODES) assert.match(modeText({ mode, alwaysAsk: false }), /^[A-Z].+\.$/);
  assert.match(modeText({ mode: "ask", alwaysAsk: true }), /It asks about always allowed commands too\.$/);
  assert.equal(modeText({ mode: "unheard", alwaysAsk: false }), "unheard");
});

test("where commands run says also that nothing can be changed there", () => {
  assert.equal(hostRuleText({ host: "sandbox", readOnly: true }), "In the sandbox. Nothing in the workspace can be changed.");
  assert.equal(hostRuleText({ host: "gateway", readOnly: false }), "Outside of the sandbox, as the user of the gateway.");
});
