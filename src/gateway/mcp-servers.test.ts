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

test("a call about which a person is asked runs as it was asked about, and only when the person agrees and the policy still allows it", async () => {
  const ran: unknown[] = [];
  const executor: ToolExecutor = {
    describe: () => [],
    run: () => Promise.reject(new Error("no")),
    endSession: () => {},
    stop: async () => {},
  };
  const source: ToolSource = {
    list: async () => [],
    has: () => true,
    run: async ({ args }) => (ran.push(args), { content: [], isError: false }),
    stop: async () => {},
  };
  let isGranted = true;
  const args = { to: "ann" };
  const asked: unknown[] = [];
  const call = (answer: () => string | null) =>
    withSource(
      executor,
      {
        source,
        decide: () => ({ isGranted, rule: "tools.deny" }),
        question: ({ name, args: shown }) =>
          name === "free" ? null : { title: "T", about: "A.", args: shown, pluginId: "p", toolName: name },
      },
      async ({ args: shown }, { callId }) => (asked.push([callId, shown]), answer()),
    );
  const context = { ...testPermit("/"), signal: new AbortController().signal, update: () => {}, log: silentLog };
  const run = (answer: () => string | null, name = "pay") => call(answer).run({ id: "7", name, args }, context);
  await run(() => ((args.to = "mallory"), null));
  assert.deepEqual([asked, ran], [[["7", { to: "ann" }]], [{ to: "ann" }]]);
  assert.equal(textOf(await run(() => "a person denied it.")), "Not run: a person denied it.");
  assert.equal(textOf(await run(() => ((isGranted = false), null))), "The tool pay was denied while a person was asked; nothing was run.");
  isGranted = true;
  await run(() => "never asked", "free");
  assert.deepEqual([ran.length, asked.length], [2, 3]);
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
  const tools = withSource(executor, { source, decide: (caller, name) => decideMcpCall(running, caller, name) }, () =>
    Promise.reject(new Error("not asked")),
  );
  const context = { ...testPermit("/"), signal: new AbortController().signal, update: () => {}, log: silentLog };
  for (const name of ["read", "files__read"]) assert.ok(!(await tools.run({ id: "1", name, args: {} }, context)).isError);
  const denied = await tools.run({ id: "1", name: "files__write", args: {} }, context);
  assert.ok(denied.isError);
  assert.equal(textOf(denied), "The tool files__write is denied by tools.deny; nothing was run.");
  await tools.stop();
  assert.deepEqual(ran, ["executor read", "source files__read", "stopped executor", "stopped source"]);
});
