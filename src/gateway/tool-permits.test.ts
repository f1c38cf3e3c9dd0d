import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import type { ToolPolicy } from "../config/schema.ts";
import { asId } from "../core/ids.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { fileAccess, messageReach, permitFor } from "./tool-permits.ts";

const DEFAULT = "the tools for files work in the workspace unless a setting names more";
const OWN = "agents.entries.main.tools.fs";

/** Settings for all agents and for one (home is `/`); the directories beside the workspace and the rule, for operators and for people on channels. */
const CASES: readonly [title: string, shared: unknown, own: unknown, operator: [string[], string], channel: [string[], string]][] = [
  ["nothing", undefined, undefined, [[], DEFAULT], [[], DEFAULT]],
  ["shared paths", { paths: ["/data"] }, undefined, [["/data"], "tools.fs.paths"], [[], DEFAULT]],
  ["a shared opening", { workspaceOnly: false }, undefined, [["/"], "tools.fs.workspaceOnly"], [[], DEFAULT]],
  ["own paths", { workspaceOnly: false }, { paths: ["/a", "~/b"] }, [["/a", "/b"], `${OWN}.paths`], [["/a", "/b"], `${OWN}.paths`]],
  ["an own limit", { paths: ["/data"] }, { workspaceOnly: true }, [[], `${OWN}.workspaceOnly`], [[], `${OWN}.workspaceOnly`]],
  ["an own opening", undefined, { workspaceOnly: false, paths: ["/a"] }, [["/"], `${OWN}.workspaceOnly`], [["/"], `${OWN}.workspaceOnly`]],
  ["an own setting that is invalid", { workspaceOnly: false }, "everything", [[], `${OWN}.workspaceOnly`], [[], `${OWN}.workspaceOnly`]],
  ["relative paths", { paths: ["data", "../x", "/ok"] }, undefined, [["/ok"], "tools.fs.paths"], [[], DEFAULT]],
  ["an invalid switch", { workspaceOnly: "no" }, undefined, [[], "tools.fs.workspaceOnly"], [[], DEFAULT]],
];

for (const [title, shared, own, operator, channel] of CASES)
  test(`where the tools for files work: ${title}`, () => {
    const { config } = checkConfigValue({ tools: { fs: shared }, agents: { entries: { main: { workspace: "/ws", tools: { fs: own } } } } });
    const agents = new AgentCatalog(config, { stateDir: "/s", env: {}, local: { servers: [] } });
    for (const [surface, [outside, rule]] of [["operator", operator] as const, ["channel", channel] as const]) {
      assert.deepEqual(fileAccess({ agents }, asId("main"), surface), { workspace: "/ws", outside, rule }, surface);
      const caller = {
        agentId: asId<never>("main"),
        sessionKey: asId<never>("agent:main:main"),
        runId: null,
        isPrivate: true,
        tools: [],
        surface,
      };
      assert.deepEqual(permitFor({ agents }, caller), { caller, workspace: "/ws", outside });
    }
  });

type MessagePolicy = NonNullable<ToolPolicy["message"]>;
const REACH_CASES: readonly [
  title: string,
  shared: MessagePolicy | undefined,
  own: MessagePolicy | undefined,
  operator: string,
  channel: string,
][] = [
  ["without settings", undefined, undefined, "within? across?", ""],
  ["what holds for all limits operators and opens nothing", { crossContext: { allowAcrossProviders: false } }, undefined, "within?", ""],
  [
    "what holds for all cannot open",
    { crossContext: { allowWithinProvider: true, allowAcrossProviders: true } },
    undefined,
    "within across",
    "",
  ],
  ["the agent's own opens", undefined, { crossContext: { allowWithinProvider: true } }, "within across?", "within"],
  [
    "the agent's own replaces the shared one",
    { crossContext: { allowWithinProvider: false, allowAcrossProviders: false } },
    { crossContext: { allowAcrossProviders: true } },
    "across",
    "across",
  ],
];
for (const [title, shared, own, operator, channel] of REACH_CASES)
  test(`which conversations the tool message reaches: ${title}`, () => {
    const { config } = checkConfigValue({ tools: { message: shared }, agents: { entries: { main: { tools: { message: own } } } } });
    const agents = new AgentCatalog(config, { stateDir: "/s", env: {}, local: { servers: [] } });
    for (const [surface, expected] of [["operator", operator] as const, ["channel", channel] as const]) {
      const { withinProvider, acrossProviders, actions } = messageReach({ agents }, { agentId: asId("main"), surface });
      const reached = Object.entries({ within: withinProvider, across: acrossProviders }).flatMap(([name, { access }]) =>
        access === "closed" ? [] : [access === "asked" ? `${name}?` : name],
      );
      assert.equal(reached.join(" "), expected, surface);
      assert.equal(actions, null);
    }
  });

function actionsOf(shared: unknown, own: unknown): ReturnType<typeof messageReach>["actions"] {
  const { config } = checkConfigValue({
    tools: { message: { actions: { allow: shared } } },
    agents: { entries: { main: { tools: { message: { actions: { allow: own } } } } } },
  });
  const agents = new AgentCatalog(config, { stateDir: "/s", env: {}, local: { servers: [] } });
  return messageReach({ agents }, { agentId: asId("main"), surface: "operator" }).actions;
}

test("the actions of the tool message are those of the nearest list, and an unreadable one allows none", () => {
  assert.deepEqual(actionsOf(["send"], undefined), { allowed: ["send"], key: "tools.message.actions.allow" });
  assert.deepEqual(actionsOf(["send"], ["react"]), { allowed: ["react"], key: "agents.entries.main.tools.message.actions.allow" });
  assert.deepEqual(actionsOf(5, undefined)?.allowed, []);
});
