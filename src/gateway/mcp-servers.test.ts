import assert from "node:assert/strict";
import { test } from "node:test";
import { testPermit } from "../../test/fakes/tool-permit.ts";
import { textOf } from "../../test/fakes/tool-context.ts";
import { checkConfigValue } from "../config/load.ts";
import { silentLog } from "../core/log.ts";
import type { ToolCaller, ToolExecutor, ToolResult } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { decideMcpCall } from "./mcp-servers.ts";
import { withSource } from "./tool-sources.ts";

const agentsWith = (tools: unknown, own?: unknown): { agents: AgentCatalog } => {
  const { config } = checkConfigValue({ tools, agents: { entries: { main: { tools: own } } } });
  return { agents: new AgentCatalog(config, { stateDir: "/s", env: {}, local: { servers: [] } }) };
};
const room = (name: string, policy: unknown) => ({ key: `channels.irc.groups.${name}.tools`, policy });

test("every room that a turn has read messages of has to allow a tool of a server", () => {
  const running = agentsWith(undefined, { allow: ["files__*"] });
  const decide = (rooms: ToolCaller["rooms"], name = "files__write") =>
    decideMcpCall(running, { ...testPermit("/").caller, surface: "channel", ...(rooms && { rooms }) }, name);
  assert.deepEqual(decide(undefined), { isGranted: true, rule: "agents.entries.main.tools.allow" });
  assert.deepEqual(decide([room("#a", {})]), { isGranted: true, rule: "agents.entries.main.tools.allow" });
  const denied = { isGranted: false, rule: "channels.irc.groups.#b.tools.deny" };
  assert.deepEqual(decide([room("#a", {}), room("#b", { deny: ["files__write"] })]), denied);
  assert.equal(decide([room("#b", { deny: ["files__write"] })], "files__read").isGranted, true);
  assert.deepEqual(decide([], "web__read"), { isGranted: false, rule: "agents.entries.main.tools.allow" });
});

test("an executor with a source runs its tools when the policy allows them, and all other tools as before", async () => {
  const ran: string[] = [];
  const run =
    (who: string) =>
    async (call: { name: string }): Promise<ToolResult> => {
      ran.push(`${who} ${call.name}`);
      return { content: [], isError: false };
    };
  const executor: ToolExecutor = {
    describe: () => [],
    run: run("executor"),
    endSession: () => {},
    stop: async () => void ran.push("stopped executor"),
  };
  const source: ToolSource = {
    list: async () => [],
    has: (name) => name.includes("__"),
    run: run("source"),
    stop: async () => void ran.push("stopped source"),
  };
  const running = agentsWith({ deny: ["files__write"] });
  const tools = withSource(executor, { source, decide: (caller, name) => decideMcpCall(running, caller, name) });
  const context = { ...testPermit("/"), signal: new AbortController().signal, update: () => {}, log: silentLog };
  for (const name of ["read", "files__read"]) assert.ok(!(await tools.run({ id: "1", name, args: {} }, context)).isError);
  const denied = await tools.run({ id: "1", name: "files__write", args: {} }, context);
  assert.ok(denied.isError);
  assert.equal(textOf(denied), "The tool files__write is denied by tools.deny; nothing was run.");
  await tools.stop();
  assert.deepEqual(ran, ["executor read", "source files__read", "stopped executor", "stopped source"]);
});
