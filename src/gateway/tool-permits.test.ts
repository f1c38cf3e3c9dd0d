import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { asId } from "../core/ids.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { fileAccess, permitFor } from "./tool-permits.ts";

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
      const caller = { agentId: asId<never>("main"), sessionKey: asId<never>("agent:main:main"), runId: null, tools: [], surface };
      assert.deepEqual(permitFor({ agents }, caller), { caller, workspace: "/ws", outside });
    }
  });
