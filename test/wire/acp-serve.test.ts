// `openclaw acp` as a process, driven by the client of the SDK, over a real gateway with a scripted model.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { after, before, test, type TestContext } from "node:test";
import { client, ndJsonStream, type ClientContext } from "@agentclientprotocol/sdk";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { dropHome, MAIN, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";
import { COMPILE_CACHE } from "./warm-start.ts";

type Update = { sessionUpdate: string; content?: { text?: string } | { type: string }[] } & Record<string, unknown>;
type Permission = {
  toolCall: { toolCallId: string; title: string; rawInput: unknown };
  options: { optionId: string; kind: string }[];
  _meta: { approvalId: string };
};
type Editor = {
  agent: ClientContext;
  updates: Update[];
  said: () => string;
  permissions: Permission[];
  stdout: () => string;
  stderr: () => string;
  answer: (choose: (permission: Permission) => Promise<unknown>) => void;
  ended: Promise<number | null>;
  endInput: () => void;
  interrupt: () => void;
};

const home = newHome();
const workspace = join(home, "workspace");
let model: ModelServer;
let gateway: GatewayUnderTest;

before(async () => {
  model = await startModelServer();
  mkdirSync(workspace, { recursive: true });
  gateway = await startGateway({
    home,
    config: {
      ...modelConfig(model.url),
      agents: { defaults: { model: { primary: "test/echo" }, workspace, skipBootstrap: true } },
      tools: { exec: { mode: "ask", host: "gateway" } },
    },
  });
});
after(async () => {
  await gateway?.kill("SIGKILL");
  await model.close();
  dropHome(home);
});

const giveNoAnswer = (): Promise<unknown> => Promise.resolve({ outcome: { outcome: "cancelled" } });

function edit(t: TestContext, ...flags: string[]): Editor {
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE };
  const child = spawn(process.execPath, [MAIN, "acp", ...flags], { env, stdio: ["pipe", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const updates: Update[] = [];
  const permissions: Permission[] = [];
  let choose: (permission: Permission) => Promise<unknown> = giveNoAnswer;
  const input = Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>;
  const connection = client({ name: "test" })
    .onNotification("session/update", ({ params }) => void updates.push(params.update as unknown as Update))
    .onRequest("session/request_permission", async ({ params }) => {
      const permission = params as unknown as Permission;
      permissions.push(permission);
      return (await choose(permission)) as { outcome: { outcome: "cancelled" } };
    })
    .connect(ndJsonStream(Writable.toWeb(child.stdin) as WritableStream<Uint8Array>, input));
  return {
    agent: connection.agent,
    updates,
    permissions,
    said: () =>
      updates
        .filter(({ sessionUpdate }) => sessionUpdate === "agent_message_chunk")
        .map(({ content }) => (content as { text: string }).text)
        .join(""),
    stdout: () => stdout,
    stderr: () => stderr,
    answer: (next) => (choose = next),
    ended: new Promise((resolve) => child.once("exit", (code) => resolve(code))),
    endInput: () => child.stdin.end(),
    interrupt: () => void child.kill("SIGTERM"),
  };
}

const initialize = (agent: ClientContext) => agent.request("initialize", { protocolVersion: 1, clientCapabilities: {} });
const send = (agent: ClientContext, sessionId: string, prompt: object[]): Promise<{ stopReason: string }> =>
  agent.request<{ stopReason: string }>("session/prompt", { sessionId, prompt });
const text = (value: string) => [{ type: "text" as const, text: value }];

test("an editor opens a session, is answered, and gets modes, options and commands", async (t) => {
  const { agent, updates, said, stdout, ended, endInput } = edit(t);
  const { agentInfo, agentCapabilities } = await initialize(agent);
  assert.equal(agentInfo?.name, "openclaw-acp");
  assert.equal(agentCapabilities?.loadSession, true);
  const { sessionId, modes, configOptions } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  assert.match(sessionId, /^agent:main:acp-bridge:[0-9a-f-]{36}$/);
  assert.deepEqual(
    modes?.availableModes.map(({ id }) => id),
    ["default", "read-only"],
  );
  assert.deepEqual(
    configOptions?.map(({ id }) => id),
    ["mode", "model", "thought_level"],
  );
  const commands = await until("the commands", () => updates.find(({ sessionUpdate }) => sessionUpdate === "available_commands_update"));
  assert.ok((commands["availableCommands"] as { name: string }[]).some(({ name }) => name === "status"));
  const { stopReason } = await send(agent, sessionId, text("hello"));
  assert.equal(stopReason, "end_turn");
  assert.match(said(), /^You said: /);
  assert.match(JSON.stringify(model.requests().at(-1)!.messages.at(-1)), /\[Working directory: \/src\]/);
  const { stopReason: ofCommand } = await send(agent, sessionId, text("/status"));
  assert.equal(ofCommand, "end_turn");
  assert.match(said(), /Model: test\/echo/);
  for (const line of stdout().trim().split("\n")) assert.equal((JSON.parse(line) as { jsonrpc: string }).jsonrpc, "2.0", line);
  endInput();
  assert.equal(await ended, 0);
});

test("a question about a command is asked in the editor, and its answer decides", async (t) => {
  const { agent, permissions, updates, answer } = edit(t);
  await initialize(agent);
  const { sessionId } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  answer(({ options }) =>
    Promise.resolve({ outcome: { outcome: "selected", optionId: options.find(({ kind }) => kind === "allow_once")!.optionId } }),
  );
  await send(agent, sessionId, text('tool:exec:{"command":"touch ./made"}'));
  assert.equal(permissions.length, 1);
  assert.equal(permissions[0]!.toolCall.title, "touch ./made");
  assert.match(permissions[0]!._meta.approvalId, /^[0-9a-f-]+$/);
  const call = updates.find(({ sessionUpdate }) => sessionUpdate === "tool_call")!;
  assert.deepEqual([call["toolCallId"], call["kind"]], [permissions[0]!.toolCall.toolCallId, "execute"]);
  assert.equal(updates.findLast(({ sessionUpdate }) => sessionUpdate === "tool_call_update")!["status"], "completed");
  answer(() => Promise.resolve({ outcome: { outcome: "selected", optionId: "deny" } }));
  await send(agent, sessionId, text('tool:exec:{"command":"touch ./other"}'));
  assert.match(JSON.stringify(updates.findLast(({ sessionUpdate }) => sessionUpdate === "tool_call_update")), /denied it/);
});

test("a question that is answered elsewhere is taken back from the editor; one without an answer stays open", async (t) => {
  const { agent, permissions, answer } = edit(t);
  await initialize(agent);
  const { sessionId } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  answer(() => Promise.resolve({ outcome: { outcome: "cancelled" } }));
  const running = send(agent, sessionId, text('tool:exec:{"command":"touch ./elsewhere"}'));
  await until("the question", () => permissions.length === 1);
  const operator = await gateway.connect({ scopes: ["operator.read", "operator.approvals"] });
  await operator.request("exec.approval.resolve", { id: permissions[0]!._meta.approvalId, decision: "deny" });
  assert.equal((await running).stopReason, "end_turn");
  await operator.close();
});

test("a prompt is cancelled, and the session goes on", async (t) => {
  const { agent, said } = edit(t);
  await initialize(agent);
  const { sessionId } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  const running = send(agent, sessionId, text("hang"));
  await until("the turn", () => model.requests().some(({ messages }) => JSON.stringify(messages.at(-1)).includes("hang")));
  await agent.notify("session/cancel", { sessionId });
  assert.equal((await running).stopReason, "cancelled");
  await send(agent, sessionId, text("again"));
  assert.match(said(), /again/);
});

test("changes of files are diffs, and a mode without writing refuses them", async (t) => {
  const { agent, updates } = edit(t);
  await initialize(agent);
  const { sessionId } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  const write = text('tool:write:{"path":"note.txt","content":"hello"}');
  await send(agent, sessionId, write);
  const [diff] = updates.findLast(({ sessionUpdate }) => sessionUpdate === "tool_call_update")!.content as {
    type: string;
    newText?: string;
  }[];
  assert.deepEqual([diff!.type, diff!.newText], ["diff", "hello"]);
  await agent.request("session/set_mode", { sessionId, modeId: "read-only" });
  await send(agent, sessionId, write);
  assert.equal(updates.findLast(({ sessionUpdate }) => sessionUpdate === "tool_call_update")!["status"], "failed");
  const { configOptions } = await agent.request("session/set_config_option", { sessionId, configId: "thought_level", value: "high" });
  assert.equal(configOptions.find(({ id }) => id === "thought_level")?.currentValue, "high");
});

test("another start of the editor lists and loads the session, and gets the earlier messages", async (t) => {
  const first = edit(t);
  await initialize(first.agent);
  const { sessionId } = await first.agent.request("session/new", { cwd: "/src", mcpServers: [] });
  await send(first.agent, sessionId, text("remember me"));
  first.endInput();
  await first.ended;
  const { agent, updates } = edit(t);
  await initialize(agent);
  const { sessions } = await agent.request("session/list", {});
  assert.ok(sessions.some((each) => each.sessionId === sessionId));
  await agent.request("session/load", { sessionId, cwd: "/src", mcpServers: [] });
  assert.deepEqual(
    updates.filter(({ sessionUpdate }) => sessionUpdate.endsWith("message_chunk")).map(({ sessionUpdate }) => sessionUpdate),
    ["user_message_chunk", "agent_message_chunk"],
  );
  await assert.rejects(
    async () => agent.request("session/load", { sessionId: "agent:main:nothing", cwd: "/src", mcpServers: [] }),
    /does not exist/,
  );
});

test("a prompt goes on over a restart of the gateway", async (t) => {
  const { agent, said, stderr } = edit(t);
  await initialize(agent);
  const { sessionId } = await agent.request("session/new", { cwd: "/src", mcpServers: [] });
  const running = send(agent, sessionId, text("slow:300 one two three four five six seven"));
  await until("the first words", () => /one/.test(said()));
  const { port } = gateway;
  await gateway.kill("SIGKILL");
  await until("the loss", () => /retrying in/.test(stderr()));
  gateway = await startGateway({ home, port });
  assert.equal((await running).stopReason, "end_turn");
  assert.match(said(), /seven/);
});

test("the command line names one session for all conversations, and can begin it again", async (t) => {
  const key = "agent:main:from-the-editor";
  const refused = edit(t, "--session", key, "--require-existing");
  await initialize(refused.agent);
  await assert.rejects(
    async () => refused.agent.request("session/new", { cwd: "/src", mcpServers: [] }),
    /does not exist \(--require-existing\)/,
  );
  const named = edit(t, "--session", key, "--no-prefix-cwd");
  await initialize(named.agent);
  const { sessionId } = await named.agent.request("session/new", { cwd: "/src", mcpServers: [] });
  assert.equal(sessionId, key);
  await send(named.agent, sessionId, text("without a directory"));
  assert.equal(named.said(), "You said: without a directory");
  const again = edit(t, "--session", key, "--reset-session");
  await initialize(again.agent);
  await again.agent.request("session/new", { cwd: "/src", mcpServers: [] });
  await again.agent.request("session/load", { sessionId: key, cwd: "/src", mcpServers: [] });
  assert.equal(again.said(), "");
});

test("a signal ends the command while the editor holds its input open", async (t) => {
  const { agent, ended, interrupt } = edit(t);
  await initialize(agent);
  interrupt();
  assert.equal(await ended, 0);
});

test("initialize is answered without a gateway, and MCP servers of the editor are refused with the reason", async (t) => {
  const alone = edit(t, "--url", "ws://127.0.0.1:9", "--token-file", join(home, ".openclaw", "gateway", "token"));
  assert.equal((await initialize(alone.agent)).protocolVersion, 1);
  await until("the notice", () => /retrying in/.test(alone.stderr()));
  const { agent } = edit(t);
  await initialize(agent);
  const server = { name: "files", command: "/bin/true", args: [], env: [] };
  await assert.rejects(
    async () => agent.request("session/new", { cwd: "/src", mcpServers: [server] }),
    /MCP servers of the editor are not used/,
  );
});

test("the calls of OpenClaw's own bridge are served as it makes them", async () => {
  const bridge = await gateway.connect({ scopes: ["operator.admin"], caps: ["exec-approvals", "tool-events"] });
  const key = "acp-bridge:dd0edf22-222f-42f6-84bf-665b26b5f5bd";
  const list = { limit: 200, search: key, includeDerivedTitles: true };
  type Listed = { count: number; sessions: { key: string }[] };
  assert.equal((await bridge.request<Listed>("sessions.list", list)).count, 0);
  const ended = new Promise<Record<string, unknown>>((resolve) => {
    bridge.on(({ event, payload }) => {
      const chat = payload as Record<string, unknown>;
      if (event === "chat" && chat["state"] === "final" && chat["runId"] === "888b322c-eb16-47fc-88ac-0631aeb7e0b5") resolve(chat);
    });
  });
  const sent = await bridge.request<{ runId: string; status: string }>("chat.send", {
    sessionKey: key,
    message: "[Working directory: /home/someone/workspace]\n\nhi from acp",
    idempotencyKey: "888b322c-eb16-47fc-88ac-0631aeb7e0b5",
  });
  assert.deepEqual([sent.runId, sent.status], ["888b322c-eb16-47fc-88ac-0631aeb7e0b5", "started"]);
  const final = await ended;
  assert.equal(final["sessionKey"], `agent:main:${key}`);
  assert.equal(final["stopReason"], "stop");
  const { count, sessions } = await bridge.request<Listed>("sessions.list", { ...list, search: `agent:main:${key}` });
  assert.deepEqual([count, sessions[0]?.key], [1, `agent:main:${key}`]);
  await bridge.close();
});
