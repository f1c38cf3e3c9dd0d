// Group: wire
import { createAudit } from "../store/audit.ts";
import { testMarker } from "../../test/fakes/test-marker.ts";
import { noConversations } from "../../test/fakes/no-conversations.ts";
import { noJobs } from "../../test/fakes/no-jobs.ts";
import { noTasks } from "../../test/fakes/no-tasks.ts";
import { noNodes } from "../../test/fakes/no-nodes.ts";
import { noMessages } from "../../test/fakes/no-messages.ts";
import { noImageModels } from "../../test/fakes/no-image-models.ts";
import { noNotes } from "../../test/fakes/no-notes.ts";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { callerOf, openMethodBench } from "../../test/fakes/method-bench.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { checkConfigValue } from "../config/load.ts";
import type { ToolPolicy } from "../config/schema.ts";
import { silentLog } from "../core/log.ts";
import { checkParams } from "../protocol/validate.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { mcpBench, mcpServer } from "../../test/fakes/mcp-bench.ts";
import { createBuiltInTools } from "../tools/built-in.ts";
import { createToolExecutor } from "../tools/executor.ts";
import { openGate } from "../../test/fakes/open-gate.ts";
import { isInProfile } from "../tools/policy.ts";
import { TOOL_NAMES, TOOL_SOURCES, type ToolExecutor, type ToolName } from "../tools/tool.ts";
import { resolveKey } from "./chat-context.ts";
import { decideMessage } from "./routes.ts";
import { toolsMethods, type ToolsDeps } from "./tools.ts";

type Answer = Record<string, unknown>;
type ToolMethod = keyof ReturnType<typeof toolsMethods>;

/** The methods over a real store and real tools. */
function openTools(t: TestContext, config: unknown = {}) {
  const workspace = mkdtempSync(join(tmpdir(), "tools-methods-"));
  const bench = openMethodBench();
  const { config: checked } = checkConfigValue(config);
  const { servers } = mcpBench(t, {
    one: mcpServer({ script: { tools: [{ name: "echo", description: "Says it. Twice." }, { name: "write" }] } }),
  });
  const executor = createToolExecutor({
    tools: createBuiltInTools({
      env: { PATH: process.env["PATH"]! },
      marker: testMarker(),
      tempDir: workspace,
      config: () => ({}),
      variables: () => undefined,
      conversations: noConversations,
      notes: noNotes,
      messages: noMessages,
      images: noImageModels,
      jobs: noJobs,
      tasks: noTasks,
      nodes: noNodes,
      gate: openGate,
    }),
    log: silentLog,
  });
  const plugins: ToolsDeps["plugins"] = { has: () => false, find: () => Promise.resolve(false), effectOf: () => null, known: () => [] };
  const tools: ToolExecutor = {
    describe: (names) => executor.describe(names),
    run: (request, context) => (servers.has(request.name) ? servers : executor).run(request, context),
    endSession: (sessionKey) => executor.endSession(sessionKey),
    stop: () => executor.stop(),
  };
  const routes = {
    config: () => checked,
    isPaired: () => true,
    botFacts: () => ({ now: 1 }),
    isAddressed: () => true,
    now: () => 1,
  };
  const methods = toolsMethods({
    config: () => checked,
    policyLayers: (agentId, room) => ({
      shared: { key: "tools", policy: checked.tools },
      own: { key: `agents.entries.${agentId}.tools`, policy: checked.agents.entries[agentId]?.tools },
      room: room === null ? undefined : { key: room.key, policy: room.policy as ToolPolicy },
    }),
    permitFor: (caller) => Promise.resolve({ caller, workspace, outside: [] }),
    fileAccess: () => ({ workspace, outside: ["/data"], rule: "tools.fs.paths" }),
    commandSettings: ({ agentId, surface, tools }) => ({
      mode: surface === "operator" ? "ask" : "auto",
      rule: `the mode of ${agentId}`,
      host: "sandbox",
      hostRule: "the host",
      alwaysAsk: false,
      readOnly: !tools.includes("write"),
      workspaceAccess: "rw",
      egress: null,
    }),
    resolveSession: (key, agentId) => resolveKey(bench.deps, key, agentId),
    sessions: bench.deps.sessions,
    audit: createAudit(bench.deps.store),
    decideMessage: (message) => decideMessage(routes, message, true),
    tools,
    mcp: servers,
    plugins,
    keyValue: createKeyValueStore(bench.deps.store),
    write: (change) => bench.deps.store.write(change),
    now: () => 1,
    log: silentLog,
  });
  t.after(async () => {
    await tools.stop();
    bench.close();
    rmSync(workspace, { recursive: true, force: true });
  });
  const call = async (method: ToolMethod, params: object = {}): Promise<Answer> => {
    const { run } = methods[method] as { run: (params: never, caller: never) => unknown };
    return (await run(checkParams(method, params) as never, callerOf() as never)) as Answer;
  };
  return { workspace, call, bench, methods };
}

const rulesOf = (answer: Answer): Record<string, string> =>
  Object.fromEntries(
    (answer["tools"] as { tool: string; isGranted: boolean; rule: string }[]).map((each) => [
      each.tool,
      `${each.isGranted ? "yes" : "no"}: ${each.rule}`,
    ]),
  );

const PROFILE_ORDER = ["minimal", "coding", "messaging"] as const;

test("the catalog has every tool once, with the profiles that grant it", async (t) => {
  const { call } = openTools(t);
  const answer = await call("tools.catalog");
  assertMatchesResultSchema("ToolsCatalogResult", answer);
  const tools = (answer["groups"] as { tools: { id: string; description: string; defaultProfiles: string[] }[] }[]).flatMap(
    (group) => group.tools,
  );
  assert.deepEqual(
    tools.map(({ id }) => id),
    TOOL_NAMES.filter((name) => !TOOL_SOURCES.includes(name)),
  );
  for (const { id, description, defaultProfiles } of tools) {
    assert.match(description, /^[^\n]{10,200}\.$/);
    assert.deepEqual(
      defaultProfiles,
      PROFILE_ORDER.filter((profile) => isInProfile(profile, id as ToolName)),
      id,
    );
  }
  await assert.rejects(() => call("tools.catalog", { agentId: "missing" }), /unknown agent id "missing"/);
});

test("the tools of a session are those that the policy leaves, and what the session denies is marked", async (t) => {
  const { call, bench } = openTools(t, { tools: { deny: ["write"] }, agents: { entries: { main: { tools: { profile: "coding" } } } } });
  await bench.call("sessions.create", { key: "main" });
  await bench.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const answer = await call("tools.effective", { sessionKey: "main" });
  assertMatchesResultSchema("ToolsEffectiveResult", answer);
  assert.equal(answer["profile"], "coding");
  const [group] = answer["groups"] as [{ tools: { id: string; deniedBySession?: true }[] }];
  assert.deepEqual(
    group.tools.map(({ id, deniedBySession }) => [id, deniedBySession]),
    [
      ["read", undefined],
      ["ls", undefined],
      ["find", undefined],
      ["grep", undefined],
      ["exec", true],
      ["process", true],
      ["web_fetch", true],
      ["web_search", true],
      ["sessions_list", undefined],
      ["sessions_history", undefined],
      ["sessions_search", undefined],
      ["sessions_spawn", true],
      ["subagents", true],
      ["sessions_send", true],
      ["agents_list", true],
      ["memory_search", undefined],
      ["memory_get", undefined],
      ["cron", true],
      ["view_image", undefined],
    ],
  );
});

const CONFIG = {
  tools: { deny: ["write"] },
  agents: { entries: { main: { tools: { profile: "coding" } }, ops: { tools: { allow: ["exec"] } } } },
  bindings: [{ agentId: "ops", match: { channel: "telegram", peer: { kind: "group", id: "-1" } } }],
  channels: { telegram: { dmPolicy: "pairing", groupPolicy: "open", groups: { "-1": { tools: { deny: ["exec"] } }, "*": {} } } },
};

test("the explanation names the setting that decides, for operators, people and rooms", async (t) => {
  const { call, bench, workspace } = openTools(t, CONFIG);
  const own = await call("tools.explain");
  assert.deepEqual([own["agentId"], own["surface"]], ["main", "operator"]);
  const byProfile = 'yes: agents.entries.main.tools.profile "coding"';
  assert.deepEqual(rulesOf(own), {
    ...Object.fromEntries(TOOL_NAMES.map((tool) => [tool, byProfile])),
    message: byProfile.replace("yes", "no"),
    write: "no: tools.deny",
    edit: "no: tools.deny",
    apply_patch: "no: tools.deny",
    browser: byProfile.replace("yes", "no"),
    nodes: byProfile.replace("yes", "no"),
    plugins: byProfile.replace("yes", "no"),
  });
  assert.deepEqual(own["files"], { workspace, outside: ["/data"], rule: "tools.fs.paths" });
  const room = await call("tools.explain", { channel: "telegram", peer: "-1", group: true });
  assert.equal(room["agentId"], "ops");
  assert.equal(rulesOf(room)["exec"], "no: channels.telegram.groups.-1.tools.deny");
  assert.equal(rulesOf(room)["read"], "no: agents.entries.ops.tools.allow");
  const person = await call("tools.explain", { channel: "telegram", peer: "4711", agentId: "ops" });
  assert.deepEqual([person["agentId"], person["routedTo"]], ["ops", "main"]);
  assert.equal((person["access"] as Answer)["action"], "answer");
  assert.equal(rulesOf(person)["exec"], "yes: agents.entries.ops.tools.allow");
  await bench.call("sessions.create", { key: "main" });
  await bench.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const limited = await call("tools.explain", { sessionKey: "main" });
  assert.equal(rulesOf(limited)["exec"], 'no: permissionMode "read-only" of the session agent:main:main');
  await assert.rejects(() => call("tools.explain", { peer: "4711" }), /no channel is named/);
});

test("the explanation says what holds for commands of the same caller", async (t) => {
  const { call, bench } = openTools(t, { agents: { entries: { main: { tools: { allow: ["bash"] } }, work: {} } } });
  const commandsOf = async (params: object): Promise<unknown[]> => {
    const { isGranted, mode, rule, readOnly } = (await call("tools.explain", params))["commands"] as Answer;
    return [isGranted, mode, rule, readOnly];
  };
  assert.deepEqual(await commandsOf({ agentId: "work" }), [true, "ask", "the mode of work", false]);
  assert.deepEqual(await commandsOf({}), [true, "ask", "the mode of main", true], "tools.allow leaves out write");
  assert.deepEqual(await commandsOf({ channel: "telegram", agentId: "work" }), [false, "auto", "the mode of work", true]);
  await bench.call("sessions.create", { key: "agent:work:main" });
  await bench.call("sessions.patch", { key: "agent:work:main", permissionMode: "read-only" });
  assert.deepEqual(await commandsOf({ agentId: "work", sessionKey: "agent:work:main" }), [false, "ask", "the mode of work", true]);
});

test("a call of a tool holds no place of the requests that run side by side: it may wait for a person", (t) => {
  assert.equal(openTools(t).methods["tools.invoke"].waits, true);
});

test("a call by an operator runs in the agent's workspace, and refusals say which rule denies", async (t) => {
  const { call, workspace } = openTools(t, { tools: { deny: ["edit"] } });
  writeFileSync(join(workspace, "note.txt"), "hello");
  const read = await call("tools.invoke", { name: "read", args: { path: "note.txt" } });
  assertMatchesResultSchema("ToolsInvokeResult", read);
  assert.match(JSON.stringify(read["output"]), /hello/);
  const denied = await call("tools.invoke", { name: "edit", args: { path: "note.txt", edits: [{ oldText: "hello", newText: "x" }] } });
  assertMatchesResultSchema("ToolsInvokeResult", denied);
  assert.deepEqual(denied["error"], { code: "denied", message: "the tool edit is denied by tools.deny", details: { rule: "tools.deny" } });
  assert.equal(readFileSync(join(workspace, "note.txt"), "utf8"), "hello");
  const renamed = await call("tools.invoke", { name: "bash", args: { command: "echo ran" } });
  assert.deepEqual([renamed["toolName"], renamed["output"]], ["exec", { content: [{ type: "text", text: "ran\n" }] }]);
  const unknown = await call("tools.invoke", { name: "computer" });
  assert.equal((unknown["error"] as Answer)["code"], "unknown");
  const failed = await call("tools.invoke", { name: "read", args: { path: "missing" } });
  assertMatchesResultSchema("ToolsInvokeResult", failed);
  assert.deepEqual([failed["ok"], (failed["error"] as Answer)["code"]], [false, "failed"]);
});

test("a call with a key runs once, and a read-only session runs none that change something", async (t) => {
  const { call, workspace, bench } = openTools(t);
  const request = { name: "exec", args: { command: "echo once >> ran.txt" }, idempotencyKey: "k1" };
  const [first, second] = await Promise.all([call("tools.invoke", request), call("tools.invoke", request)]);
  assert.deepEqual(first, second);
  assert.deepEqual(await call("tools.invoke", request), first);
  assert.equal(readFileSync(join(workspace, "ran.txt"), "utf8"), "once\n");
  const large = { name: "exec", args: { command: "echo x >> large.txt; head -c 20000 /dev/zero | tr '\\0' y" }, idempotencyKey: "k2" };
  await call("tools.invoke", large);
  assert.match(JSON.stringify(await call("tools.invoke", large)), /too large to be kept/);
  assert.equal(readFileSync(join(workspace, "large.txt"), "utf8"), "x\n");
  await bench.call("sessions.create", { key: "main" });
  await bench.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const refused = await call("tools.invoke", { name: "exec", args: { command: "touch no.txt" } });
  assert.match(JSON.stringify(refused["error"]), /permissionMode \\"read-only\\"/);
  assert.equal(existsSync(join(workspace, "no.txt")), false);
});

test("tools of MCP servers are listed, explained and called by the rules of their names", async (t) => {
  const { call, bench } = openTools(t, {
    tools: { deny: ["one__write"] },
    agents: { entries: { main: { tools: { allow: ["one__*", "read"] } } } },
  });
  const mcpGroup = async (): Promise<{ tools: object[] } | undefined> =>
    ((await call("tools.effective", { sessionKey: "main" }))["groups"] as { id: string; tools: object[] }[]).find(({ id }) => id === "mcp");
  assert.equal(await mcpGroup(), undefined, "nothing is started for a list");
  const rule = "agents.entries.main.tools.allow";
  assert.deepEqual(rulesOf(await call("tools.explain", { tool: "one__echo" })), { one__echo: `yes: ${rule}` });
  assert.deepEqual(rulesOf(await call("tools.explain", { tool: "one__write" })), { one__write: "no: tools.deny" });
  assert.deepEqual(rulesOf(await call("tools.explain", { tool: "bash" })), { exec: `no: ${rule}` });
  await assert.rejects(() => call("tools.explain", { tool: "two__echo" }), /unknown tool "two__echo"/);
  const denied = await call("tools.invoke", { name: "one__write" });
  assert.deepEqual(
    [denied["source"], denied["error"]],
    ["mcp", { code: "denied", message: "the tool one__write is denied by tools.deny", details: { rule: "tools.deny" } }],
  );
  const answer = await call("tools.invoke", { name: "one__echo", args: { text: "hi" } });
  assertMatchesResultSchema("ToolsInvokeResult", answer);
  assert.match(JSON.stringify(answer["output"]), /> echo: hi/);
  for (const name of ["one__other", "two__echo", "mcp", "__echo"])
    assert.equal(((await call("tools.invoke", { name }))["error"] as { code: string }).code, "unknown", name);
  const effective = await call("tools.effective", { sessionKey: "main" });
  assertMatchesResultSchema("ToolsEffectiveResult", effective);
  assert.deepEqual(
    (await mcpGroup())?.tools.map((tool) => ({ ...tool, description: "", rawDescription: "" })),
    [{ id: "one__echo", label: "one__echo", description: "", rawDescription: "", source: "mcp", mcpServer: "one", mcpToolName: "echo" }],
  );
  await bench.call("sessions.create", { key: "main" });
  await bench.call("sessions.patch", { key: "main", permissionMode: "read-only" });
  const refused = await call("tools.invoke", { name: "one__echo" });
  assert.match(JSON.stringify(refused["error"]), /permissionMode \\"read-only\\"/);
  assert.deepEqual(
    (await mcpGroup())?.tools.map((tool) => (tool as { deniedBySession?: true }).deniedBySession),
    [true],
  );
});
