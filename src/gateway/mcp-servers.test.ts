import assert from "node:assert/strict";
import { test } from "node:test";
import { testPermit } from "../../test/fakes/tool-permit.ts";
import { textOf } from "../../test/fakes/tool-context.ts";
import { checkConfigValue } from "../config/load.ts";
import { silentLog } from "../core/log.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { CommandMode } from "../tools/commands/decide.ts";
import type { ToolCaller, ToolExecutor, ToolResult } from "../tools/tool.ts";
import type { ToolSource } from "../tools/tool-source.ts";
import { AgentCatalog } from "./agent-catalog.ts";
import { decideMcpCall, questionOfMcp } from "./mcp-servers.ts";
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

type Ask = NonNullable<ReturnType<McpServers["askOf"]>>;

test("a person is asked about a tool of a server where its setting says so, or where commands are asked about and it does more than read", async () => {
  const signal = new AbortController().signal;
  const asks = async (found: Partial<Ask> | null, mode: CommandMode): Promise<boolean> => {
    const ask = found && { server: "files", tool: "write", readsOnly: false, hash: "h", isProgram: true, ask: undefined, ...found };
    const mcp = { askOf: () => ask, find: () => Promise.resolve(true) };
    return (
      (await questionOfMcp(mcp, { name: "files__write", args: { a: 1 } }, { settingsOf: () => ({ mode, alwaysAsk: false }), signal })) !==
      null
    );
  };
  for (const mode of ["deny", "allowlist", "auto", "full"] as const) assert.equal(await asks({}, mode), false, mode);
  assert.deepEqual([await asks({}, "ask"), await asks({ readsOnly: true }, "ask")], [true, false]);
  assert.deepEqual([await asks({ ask: "acting" }, "full"), await asks({ ask: "acting", readsOnly: true }, "ask")], [true, false]);
  assert.deepEqual([await asks({ ask: "always", readsOnly: true }, "full"), await asks({ ask: "never" }, "ask")], [true, false]);
  assert.equal(await asks(null, "ask"), false, "a tool that no server has is refused elsewhere");
});

const grantOf = async (ask: Ask["ask"], alwaysAsk: boolean) => {
  const mcp = {
    askOf: () => ({ server: "files", tool: "write", readsOnly: false, hash: "h", isProgram: true, ask }),
    find: () => Promise.resolve(true),
  };
  const options = { settingsOf: () => ({ mode: "ask" as const, alwaysAsk }), signal: new AbortController().signal };
  return (await questionOfMcp(mcp, { name: "files__write", args: {} }, options))?.grant;
};

test("a tool may be allowed for some time, as it is now, unless every call is asked about", async () => {
  assert.deepEqual(await grantOf(undefined, false), { binding: ["mcp", "files", "write", "h"], text: "any call of files__write" });
  for (const [ask, alwaysAsk] of [
    ["always", false],
    [undefined, true],
  ] as const)
    assert.equal(await grantOf(ask, alwaysAsk), undefined);
});

test("what a server says of a tool is read before a person is asked", async () => {
  let readsOnly = false;
  const ask = (): Ask => ({ server: "files", tool: "list", readsOnly, hash: "h", isProgram: false, ask: undefined });
  const mcp = { askOf: ask, find: () => Promise.resolve((readsOnly = true)) };
  const options = { settingsOf: () => ({ mode: "ask" as const, alwaysAsk: false }), signal: new AbortController().signal };
  assert.equal(await questionOfMcp(mcp, { name: "files__list", args: {} }, options), null);
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
