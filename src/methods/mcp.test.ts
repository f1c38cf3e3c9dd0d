// Group: wire
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { mcpBench, mcpServer, type McpBench } from "../../test/fakes/mcp-bench.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { checkParams } from "../protocol/validate.ts";
import { mcpMethods } from "./mcp.ts";

type Method = keyof ReturnType<typeof mcpMethods>;
type Servers = { servers: Record<string, unknown>[] };

function openMethods(
  t: TestContext,
  servers: Parameters<typeof mcpBench>[1],
): { bench: McpBench; call: (method: Method, params?: object) => Promise<never> } {
  const bench = mcpBench(t, servers);
  const methods = mcpMethods({
    mcp: bench.servers,
    requireAgent: (agentId) => {
      assert.equal(agentId, "main");
      return asId<AgentId>(agentId);
    },
    decide: (agentId, tool) => ({ isGranted: tool !== "one__b", rule: `rule of ${agentId}` }),
  });
  const call = async (method: Method, params: object = {}): Promise<never> => {
    const { run } = methods[method] as { run: (params: never) => unknown };
    return (await run(checkParams(method, params) as never)) as never;
  };
  return { bench, call };
}

test("the status names every server without starting one, and no secret", async (t) => {
  const { call } = openMethods(t, {
    one: mcpServer({ vars: { TOKEN: "tok-12345" } }),
    web: mcpServer({ url: "https://user:pw@example.org/mcp?key=tok-12345", header: { Authorization: "tok-12345" } }),
    off: mcpServer({ enabled: false }),
  });
  const { servers }: Servers = await call("mcp.status");
  const rows = servers.map(({ name, state, transport, launch, tools, pid }) => ({ name, state, transport, launch, tools, pid }));
  assert.deepEqual(rows, [
    { name: "one", state: "idle", transport: "stdio", launch: process.execPath, tools: null, pid: null },
    { name: "web", state: "idle", transport: null, launch: "https://example.org/mcp", tools: null, pid: null },
    { name: "off", state: "off", transport: "stdio", launch: process.execPath, tools: null, pid: null },
  ]);
  assert.doesNotMatch(JSON.stringify(servers), /tok-12345|user:pw/);
});

test("a probe starts the servers that are switched on, and says why one does not work", async (t) => {
  const { call } = openMethods(t, { one: mcpServer(), dead: mcpServer({ script: { exit: 4 } }), off: mcpServer({ enabled: false }) });
  const { servers }: Servers = await call("mcp.status", { probe: true });
  assert.deepEqual(
    servers.map(({ name, state, tools }) => [name, state, tools]),
    [
      ["one", "ready", 1],
      ["dead", "failed", null],
      ["off", "off", null],
    ],
  );
  const [dead]: Record<string, unknown>[] = ((await call("mcp.status", { name: "dead" })) as Servers).servers;
  assert.match(String(dead!["cause"]), /^it ended with exit code 4/);
  await assert.rejects(() => call("mcp.status", { name: "none" }), /no MCP server "none" is configured/);
});

test("the tools of a server are shown as a model reads them", async (t) => {
  const { call } = openMethods(t, {
    one: mcpServer({ script: { tools: [{ name: "a", description: "Does a." }, { name: "b c" }] } }),
    off: mcpServer({ enabled: false }),
  });
  const answer: { tools: Record<string, unknown>[]; leftOut: object[] } = await call("mcp.tools", { name: "one" });
  assert.deepEqual(
    answer.tools.map(({ name, id, description, withheld }) => ({ name, id, description, withheld })),
    [{ name: "a", id: "one__a", description: 'A tool of the MCP server one, which says of it: "Does a."', withheld: null }],
  );
  assert.equal(answer.leftOut.length, 1);
  assert.deepEqual(((await call("mcp.tools", { name: "off" })) as { tools: [] }).tools, []);
  assert.deepEqual(await call("mcp.accept", { name: "one" }), { server: "one", accepted: [], tools: 1 });
});

test("with an agent each tool says whether an operator may call it, and why", async (t) => {
  const { call } = openMethods(t, { one: mcpServer({ script: { tools: [{ name: "a" }, { name: "b" }] } }) });
  const { tools }: { tools: Record<string, unknown>[] } = await call("mcp.tools", { name: "one", agentId: "main" });
  assert.deepEqual(
    tools.map(({ name, isGranted, rule }) => [name, isGranted, rule]),
    [
      ["a", true, "rule of main"],
      ["b", false, "rule of main"],
    ],
  );
});

test("a reload ends one server or all, and the next use starts them again", async (t) => {
  const { bench, call } = openMethods(t, { one: mcpServer(), two: mcpServer(), off: mcpServer({ enabled: false }) });
  await call("mcp.status", { probe: true });
  const pid = bench.report("two").pid;
  assert.deepEqual(await call("mcp.reload", { name: "one" }), { reloaded: ["one"] });
  assert.deepEqual([bench.report("one").state, bench.report("one").tools, bench.report("two").pid], ["idle", null, pid]);
  assert.deepEqual(await call("mcp.reload"), { reloaded: ["one", "two"] });
  assert.equal(bench.report("two").state, "idle");
  assert.ok(!(await bench.call("two__echo")).isError);
  await assert.rejects(() => call("mcp.reload", { name: "none" }), /no MCP server "none" is configured/);
  await assert.rejects(() => call("mcp.reload", { name: "off" }), /is switched off/);
});
