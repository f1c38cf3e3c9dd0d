// `openclaw mcp serve` as a process, driven by the official client, over a real gateway with a channel.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { freePort } from "../channel-kit/ngircd.ts";
import { PERSON, TelegramServer, TOKEN } from "../channel-kit/telegram-server.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclawJson } from "./cli.ts";
import { dropHome, MAIN, modelConfig, newHome, startGateway, until, type GatewayUnderTest } from "./gateway-process.ts";
import { COMPILE_CACHE } from "./warm-start.ts";

type Answer = { content: { type: string; text: string }[]; structuredContent?: Record<string, unknown>; isError?: boolean };
type Served = {
  client: Client;
  /** Notifications beyond the protocol. */
  notes: { method: string; params: Record<string, unknown> }[];
  errors: () => string;
  call: <T = Record<string, unknown>>(name: string, args?: object) => Promise<T>;
  fail: (name: string, args?: object) => Promise<string>;
};

const KEY = `agent:main:telegram:direct:${PERSON.id}`;
const home = newHome();
const workspace = join(home, "workspace");
let telegram: TelegramServer;
let model: ModelServer;
let gateway: GatewayUnderTest;
let port: number;

const start = async (config?: unknown): Promise<GatewayUnderTest> =>
  await startGateway({ home, port, config, env: { TELEGRAM_BOT_TOKEN: TOKEN } });

before(async () => {
  telegram = await TelegramServer.start();
  model = await startModelServer();
  port = await freePort();
  mkdirSync(workspace, { recursive: true });
  gateway = await start({
    models: modelConfig(model.url)["models"],
    agents: {
      defaults: { model: { primary: "test/echo" }, workspace, skipBootstrap: true },
      entries: { main: { tools: { allow: ["exec", "write"], exec: { mode: "ask", host: "gateway" } } } },
    },
    channels: { telegram: { apiRoot: telegram.url, dmPolicy: "allowlist", allowFrom: [`tg:${PERSON.id}`] } },
  });
  say("hello there");
  await until("the answer", () => telegram.shown().some(({ text }) => text === "You said: hello there"));
});
after(async () => {
  await gateway?.kill("SIGKILL");
  await model.close();
  await telegram.close();
  dropHome(home);
});

const say = (text: string): void =>
  void telegram.push({
    message: telegram.message({ from: PERSON, chat: { id: PERSON.id, type: "private", first_name: PERSON.first_name }, text }),
  });

const environment = { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE };

async function serve(t: TestContext, ...flags: string[]): Promise<Served> {
  const args = [MAIN, "mcp", "serve", ...flags];
  const transport = new StdioClientTransport({ command: process.execPath, args, env: environment, stderr: "pipe" });
  let errors = "";
  transport.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const client = new Client({ name: "test", version: "1" });
  const notes: Served["notes"] = [];
  client.fallbackNotificationHandler = async (note) => void notes.push(note as Served["notes"][number]);
  await client.connect(transport);
  t.after(() => client.close());
  const run = async (name: string, given: object): Promise<Answer> =>
    (await client.callTool({ name, arguments: { ...given } })) as unknown as Answer;
  return {
    client,
    notes,
    errors: () => errors,
    call: async <T>(name: string, given = {}) => {
      const answer = await run(name, given);
      assert.ok(!answer.isError, answer.content[0]?.text);
      assert.deepEqual(JSON.parse(answer.content[0]!.text), answer.structuredContent, "the text is the same");
      return answer.structuredContent as T;
    },
    fail: async (name, given = {}) => {
      const answer = await run(name, given);
      assert.equal(answer.isError, true);
      return answer.content[0]!.text;
    },
  };
}

test("the tools have the names and arguments of OpenClaw's own", async (t) => {
  const { client } = await serve(t);
  assert.equal(client.getServerVersion()?.name, "openclaw");
  assert.deepEqual(client.getServerCapabilities()?.experimental, { "claude/channel": {} });
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name, inputSchema: { properties = {}, required = [] } }) => [name, Object.keys(properties).join(" "), required.join(" ")]),
    [
      ["conversations_list", "limit search channel includeDerivedTitles includeLastMessage", ""],
      ["conversation_get", "session_key", "session_key"],
      ["messages_read", "session_key limit", "session_key"],
      ["attachments_fetch", "session_key message_id limit", "session_key message_id"],
      ["messages_send", "session_key text", "session_key text"],
      ["events_poll", "after_cursor session_key limit", ""],
      ["events_wait", "after_cursor session_key timeout_ms", ""],
      ["permissions_list_open", "", ""],
      ["permissions_respond", "kind id decision", "kind id decision"],
    ],
  );
});

test("conversations on channels are listed and read, and a message is sent into one", async (t) => {
  const { call, fail } = await serve(t);
  await openclawJson(home, "agent", "--message", "not on a channel");
  const { conversations } = await call<{ conversations: Record<string, unknown>[] }>("conversations_list", { includeLastMessage: true });
  const { updatedAt: _at, lastMessagePreview: preview, ...shown } = conversations[0]!;
  assert.equal(conversations.length, 1);
  assert.deepEqual(shown, { sessionKey: KEY, channel: "telegram", to: String(PERSON.id), accountId: "default", displayName: "Ada L" });
  assert.equal(preview, "You said: hello there");
  assert.deepEqual(await call("conversations_list", { channel: "irc" }), { conversations: [] });
  assert.equal((await call<{ conversation: { to: string } }>("conversation_get", { session_key: KEY })).conversation.to, String(PERSON.id));
  assert.equal(await fail("conversation_get", { session_key: "agent:main:none" }), "conversation not found: agent:main:none");

  const { messages } = await call<{ messages: { role: string; content: unknown; __openclaw: { id: string } }[] }>("messages_read", {
    session_key: KEY,
    limit: 2,
  });
  assert.deepEqual(
    messages.map(({ role }) => role),
    ["user", "assistant"],
  );
  assert.equal(messages[0]!.content, "hello there");
  const { id } = messages[0]!.__openclaw;
  assert.deepEqual((await call("attachments_fetch", { session_key: KEY, message_id: id }))["attachments"], []);
  assert.match(await fail("attachments_fetch", { session_key: KEY, message_id: "none" }), /^message not found: none/);

  const { result } = await call<{ result: { status: string } }>("messages_send", { session_key: KEY, text: "from a client" });
  assert.equal(result.status, "sent");
  assert.equal(telegram.shown().filter(({ text, chat }) => text === "from a client" && String(chat) === String(PERSON.id)).length, 1);
  const { messages: later } = await call<{ messages: object[] }>("messages_read", { session_key: KEY, limit: 1 });
  assert.match(JSON.stringify(later), /from a client/, "the transcript has it");
  assert.match(await fail("messages_send", { session_key: "agent:main:main", text: "x" }), /Only conversations on channels/);
  assert.match(await fail("messages_read", { session_key: KEY, limit: 900 }), /limit must be a whole number from 1 to 200/);
  assert.match(await fail("rm_rf"), /there is no tool "rm_rf"/);
});

test("a message is an event, ends a wait, and is announced to Claude Code unless that is off", async (t) => {
  const { client, call, notes } = await serve(t);
  const off = await serve(t, "--claude-channel-mode", "off");
  assert.equal(off.client.getServerCapabilities()?.experimental, undefined);
  assert.deepEqual(await call("events_poll"), { events: [], next_cursor: 0 });
  assert.deepEqual(await off.call("events_poll"), { events: [], next_cursor: 0 });
  await until("both have subscribed", async () => (await call("permissions_list_open")) && (await off.call("permissions_list_open")));
  const waiting = call<{ event: Record<string, unknown> }>("events_wait", { after_cursor: 0, session_key: KEY, timeout_ms: 60_000 });
  say("an event");
  const { event } = await waiting;
  assert.deepEqual([event["type"], event["sessionKey"], event["role"], event["text"]], ["message", KEY, "user", "an event"]);
  const { event: next } = await call<{ event: { role: string } }>("events_wait", { after_cursor: event["cursor"], timeout_ms: 60_000 });
  assert.equal(next.role, "assistant");
  const note = await until("the announcement", () => notes[0]);
  assert.equal(note.method, "notifications/claude/channel");
  assert.equal(note.params["content"], "an event");
  assert.equal((note.params["meta"] as { session_key: string }).session_key, KEY);
  await until("the other has the event", async () => (await off.call<{ events: object[] }>("events_poll")).events.length >= 2);
  assert.deepEqual(off.notes, []);
  const leave = new AbortController();
  const cancelled = client.callTool({ name: "events_wait", arguments: { after_cursor: 900 } }, { signal: leave.signal });
  leave.abort();
  await assert.rejects(cancelled);
  assert.equal((await call<{ conversations: object[] }>("conversations_list")).conversations.length, 1, "it goes on");
});

test("a question about a command is listed and answered, and the first answer counts", async (t) => {
  const { call, fail } = await serve(t);
  await call("permissions_list_open");
  say('tool:exec:{"command":"touch ./by-client"}');
  const { event } = await call<{ event: { type: string } }>("events_wait", { after_cursor: 0, timeout_ms: 60_000 });
  assert.equal(event.type, "message");
  type Open = { kind: string; id: string; request: { command: string } };
  const open = await until("the question", async () => (await call<{ approvals: Open[] }>("permissions_list_open")).approvals[0]);
  assert.deepEqual([open.kind, open.request.command], ["exec", "touch ./by-client"]);
  assert.ok(!existsSync(join(workspace, "by-client")));
  const answer = { kind: "exec", id: open.id, decision: "allow-once" };
  assert.deepEqual(await call("permissions_respond", answer), { result: { ok: true } });
  await until("the command", () => existsSync(join(workspace, "by-client")));
  assert.match(await fail("permissions_respond", { ...answer, decision: "deny" }), /has ended before: allowed/);
  assert.match(await fail("permissions_respond", { ...answer, kind: "plugin" }), /commands only/);
  const { events } = await call<{ events: { type: string }[] }>("events_poll", { after_cursor: 0 });
  const types = events.map(({ type }) => type);
  assert.ok(types.includes("exec_approval_requested") && types.includes("exec_approval_resolved"), types.join(" "));
});

test("a credential with fewer scopes limits what can be called", async (t) => {
  const { token } = await openclawJson<{ token: string }>(home, "tokens", "create", "reader", "--scope", "operator.read");
  const file = join(home, "reader.token");
  writeFileSync(file, token, { mode: 0o600 });
  const { call, fail } = await serve(t, "--url", gateway.url, "--token-file", file);
  assert.equal((await call<{ conversations: object[] }>("conversations_list")).conversations.length, 1);
  assert.match(await fail("messages_send", { session_key: KEY, text: "x" }), /does not grant operator\.write/);
  assert.match(await fail("permissions_list_open"), /does not grant operator\.approvals/);
});

test("it connects again after a restart of the gateway, and says which events are missing", async (t) => {
  const { call, fail, errors } = await serve(t);
  await call("conversations_list");
  const { next_cursor: cursor } = await call<{ next_cursor: number }>("events_poll");
  await gateway.kill("SIGTERM");
  await until("the loss is noticed", () => errors().includes("retrying in"));
  assert.match(await fail("conversations_list"), /the gateway is not connected: .* it is tried again/);
  gateway = await start();
  await until("it is connected again", () => (errors().match(/\(connected to /g) ?? []).length === 2);
  const polled = await call<{ gap: object }>("events_poll", { after_cursor: cursor });
  assert.deepEqual(polled.gap, { requested_after_cursor: cursor, oldest_available_cursor: cursor + 2 });
  assert.equal((await call<{ conversations: object[] }>("conversations_list")).conversations.length, 1);
});

test("standard output has messages only, and the process ends with its input", async () => {
  const child = spawn(process.execPath, [MAIN, "mcp", "serve"], { env: environment, stdio: "pipe" });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const send = (message: object): void => void child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const clientInfo = { name: "raw", version: "1" };
  send({ id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo } });
  await until("the first answer", () => output.includes('"id":1'));
  send({ method: "notifications/initialized" });
  send({ id: 2, method: "tools/call", params: { name: "conversations_list", arguments: {} } });
  await until("the second answer", () => output.includes('"id":2'));
  child.stdin.end();
  assert.equal(await ended, 0);
  for (const line of output.trimEnd().split("\n")) assert.equal((JSON.parse(line) as { jsonrpc: string }).jsonrpc, "2.0");
});

test("a refused credential ends the command with the reason", async () => {
  const file = join(home, "wrong.token");
  writeFileSync(file, "wrong", { mode: 0o600 });
  const args = [MAIN, "mcp", "serve", "--url", gateway.url, "--token-file", file];
  const child = spawn(process.execPath, args, { env: environment, stdio: "pipe" });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 77);
  assert.match(errors, /The gateway rejected the credential/);
  assert.equal(output, "");
});
