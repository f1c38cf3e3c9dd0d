import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { contextOf, startModelServer, type ModelServer, type ModelReply } from "../../../test/model-server.ts";
import { until } from "../../../test/until.ts";
import { systemClock } from "../../core/clock.ts";
import { asId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { AgentEvent, AgentRuntime, Turn } from "../runtime.ts";
import { createPiRuntime } from "./runtime.ts";
import { testHosts, testTools } from "../../../test/fakes/pi-runtime-options.ts";
import { allowTools } from "../../../test/fakes/tool-permit.ts";

const root = mkdtempSync(join(tmpdir(), "pi-odd-"));
const stateDir = join(root, "state");
const workspace = join(root, "workspace");
let server: ModelServer;
let runtime: AgentRuntime;
let query = "";

before(async () => {
  mkdirSync(workspace);
  server = await startModelServer();
  runtime = createPiRuntime({
    stateDir,
    models: () => ({
      test: { baseUrl: `${server.url}/v1${query}`, models: [{ id: "test-model" }] },
      small: { baseUrl: `${server.url}/v1`, models: [{ id: "test-model", contextWindow: 8_192 }] },
      brief: { baseUrl: `${server.url}/v1`, timeoutSeconds: 1, models: [{ id: "test-model" }] },
    }),
    env: process.env,
    guideFacts: () => ({}),
    log: silentLog,
    metrics: silentMetrics,
    clock: systemClock,
    tools: testTools(stateDir),
    ...testHosts("shared"),
    maxProcesses: 2,
  });
  runtime.start();
});
afterEach(() => {
  server.setBehaviour(undefined);
  server.clear();
});
after(async () => {
  await runtime.stop();
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

let counter = 0;
function turnOf(text: string, more: Partial<Turn> = {}): Turn {
  const sessionId = more.sessionId ?? `s-${++counter}`;
  return {
    runId: asId(`run-${++counter}`),
    sessionKey: asId(`agent:main:${sessionId}`),
    sessionId,
    agentId: asId("main"),
    text,
    images: [],
    models: [{ provider: "test", id: "test-model" }],
    thinking: "off",
    tools: [],
    workspace,
    conversationContext: "",
    isPrivate: true,
    checkpoint: null,
    history: () => [],
    beforeTool: allowTools(workspace),
    ...more,
  };
}

async function play(turn: Turn) {
  const events: AgentEvent[] = [];
  for await (const event of runtime.prompt(turn, new AbortController().signal)) events.push(event);
  const end = events.at(-1) as Extract<AgentEvent, { type: "end" }>;
  const text = events.map((event) => (event.type === "text" ? event.delta : "")).join("");
  return { events, end, text };
}

/** The first requests get these replies, the others an answer. */
const replies = (...list: ModelReply[]): void => {
  let asked = 0;
  server.setBehaviour(() => list[asked++] ?? { steps: [{ text: "all of it" }] });
};

test("A provider that requests a short wait is asked again after it, and the sender is notified", async () => {
  replies({ status: 429, message: "Rate limit reached", headers: { "retry-after-ms": "30" } });
  const { text, events } = await play(turnOf("hello"));
  assert.equal(text, "all of it");
  assert.equal(server.requests().length, 2);
  assert.deepEqual(
    events.filter(({ type }) => type === "waiting" || type === "retry"),
    [{ type: "waiting", for: "provider", forMs: 0, untilMs: 30 }],
  );
});

test("A provider that names a long wait is not asked before it, and the wait is part of the failure", async () => {
  server.setBehaviour(() => ({ status: 429, message: "come back in an hour", headers: { "retry-after": "3600" } }));
  const { end } = await play(turnOf("hello"));
  assert.equal(server.requests().length, 1);
  assert.equal(end.error?.kind, "rate_limit");
  assert.equal(end.error?.retryAfterMs, 3_600_000);
});

const parts = (text: string) => ({ delta: { content: [{ type: "text", text }] } });

const history = () => [
  { role: "user" as const, text: "hello", at: 1 },
  { role: "assistant" as const, text: "all of it", at: 2 },
];

test("An answer that comes as lists of parts arrives as text, and the next turn's context has the text", async () => {
  replies({ steps: [parts("all "), parts("of it")] });
  const first = turnOf("hello");
  const { text, events, end } = await play(first);
  assert.equal(text, "all of it");
  const message = events.find((event) => event.type === "message");
  assert.deepEqual(message?.blocks, [{ type: "text", text: "all of it" }]);
  server.clear();
  await play(turnOf("and now", { sessionId: first.sessionId, checkpoint: end.checkpoint, history }));
  assert.deepEqual(contextOf(server.requests()[0]!), ["user: hello", "assistant: all of it", "user: and now"]);
});

test("A model that is silent for longer than its provider may be ends the call, and the next model answers", async () => {
  replies({ stall: true });
  const models = [
    { provider: "brief", id: "test-model" },
    { provider: "test", id: "test-model" },
  ];
  const { text, events } = await play(turnOf("hello", { models }));
  assert.equal(text, "all of it");
  assert.deepEqual(
    events.flatMap((event) => (event.type === "started" ? [event.model.provider] : [])),
    ["brief", "test"],
  );
});

test("A silent model without another one fails as a timeout", async () => {
  server.setBehaviour(() => ({ steps: [{ text: "half" }, { do: "hang" }] }));
  const { end, text } = await play(turnOf("hello", { models: [{ provider: "brief", id: "test-model" }] }));
  assert.equal(text, "half");
  assert.equal(end.reason, "error");
  assert.equal(end.error?.kind, "timeout");
});

test("Odd usage, types and pages neither break the turn nor the process", async () => {
  const odd: ModelReply[] = [
    { steps: [{ text: "ok" }], usage: { prompt_tokens: 12.5, completion_tokens: -2, total_tokens: 2 ** 53 + 2 } },
    { steps: [{ text: "ok" }], usage: { prompt_tokens: "12", completion_tokens: {}, total_tokens: [] } },
    { steps: [{ delta: { content: { a: 1 } } }, { text: "ok" }] },
    { steps: [{ text: "ok" }], finish: "eos" },
    { status: 403, body: "<!DOCTYPE html><html><title>Attention</title></html>", type: "text/html" },
    { status: 400, body: "E".repeat(1_000_000), type: "text/plain" },
  ];
  for (const reply of odd) {
    server.setBehaviour(() => reply);
    const { events, end } = await play(turnOf("hello"));
    for (const event of events)
      if (event.type === "message")
        for (const value of Object.values(event.usage)) assert.ok(value >= 0 && Number.isSafeInteger(value), JSON.stringify(event.usage));
    assert.ok((end.error?.message.length ?? 0) <= 1_000);
    assert.ok(!(end.error?.message ?? "").includes("<html"));
  }
  server.setBehaviour(undefined);
  assert.equal((await play(turnOf("still there"))).text, "You said: still there");
});

test("Directories of Pi that are removed while it runs are made again", async () => {
  rmSync(join(stateDir, "gateway", "pi"), { recursive: true, force: true });
  const models = join(stateDir, "gateway", "pi", "models.json");
  // They are looked at with a turn, at most every few seconds.
  await until("the files", async () => {
    assert.equal((await play(turnOf("hello"))).text, "You said: hello");
    return existsSync(models);
  });
  assert.match(readFileSync(models, "utf8"), /test-model/);
});

test("A secret query of an address reaches the server and no file", async () => {
  query = "?token=planted-in-the-address";
  const { text } = await play(turnOf("hello"));
  assert.equal(text, "You said: hello");
  assert.equal(server.requests()[0]!.query, "token=planted-in-the-address");
  const written = readFileSync(join(stateDir, "gateway", "pi", "models.json"), "utf8");
  assert.doesNotMatch(written, /planted/);
  query = "";
});

const PAGE = "<!DOCTYPE html><html><head><title>Sign in to the hotel wifi</title></head><body>Please sign in</body></html>";

test("A web page instead of an answer is reported as one, and the request is not repeated", async () => {
  server.setBehaviour(() => ({ status: 200, body: PAGE, type: "text/html; charset=utf-8" }));
  const { end } = await play(turnOf("hello"));
  assert.equal(end.error?.kind, "bad_answer");
  assert.match(end.error.message, /a web page with the title "Sign in to the hotel wifi"/);
  assert.equal(server.requests().length, 1);
});

const unstreamed = (message: object, finish: string): ModelReply => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify({ id: "1", object: "chat.completion", choices: [{ index: 0, message, finish_reason: finish }] }),
});

test("A server that answers without streaming is understood, also with a tool call", async () => {
  const call = { id: "c1", type: "function", function: { name: "read", arguments: '{"path":"missing.txt"}' } };
  replies(
    unstreamed({ role: "assistant", content: null, tool_calls: [call] }, "tool_calls"),
    unstreamed({ role: "assistant", content: "all of it" }, "stop"),
  );
  const { text, events, end } = await play(turnOf("hello", { tools: ["read"] }));
  assert.deepEqual([text, end.reason], ["all of it", "stop"]);
  assert.deepEqual(
    events.flatMap((event) => (event.type === "tool" && event.phase === "start" ? [event.name] : [])),
    ["read"],
  );
});

test("A server that answers without streaming may give arguments as an object, and no reason for its end", async () => {
  const call = { id: "c1", type: "function", function: { name: "read", arguments: { path: "missing.txt" } } };
  replies(
    unstreamed({ role: "assistant", content: null, tool_calls: [call] }, ""),
    unstreamed({ role: "assistant", content: "all of it" }, ""),
  );
  const { text, events, end } = await play(turnOf("hello", { tools: ["read"] }));
  assert.deepEqual([text, end.reason], ["all of it", "stop"]);
  assert.deepEqual(
    events.flatMap((event) => (event.type === "tool" && event.phase === "start" ? [event.args] : [])),
    [{ path: "missing.txt" }],
  );
});

test("Other JSON is reported as not an answer", async () => {
  server.setBehaviour(() => ({ status: 200, body: '{"hello":"there"}', type: "application/json" }));
  const { end } = await play(turnOf("hello"));
  assert.equal(end.error?.kind, "bad_answer");
  assert.match(end.error.message, /JSON instead of a stream: \{"hello":"there"\}/);
});

test("A complete answer whose end has another word than usual is an answer", async () => {
  server.setBehaviour(() => ({ steps: [{ text: "all of it" }], finish: "eos" }));
  const { text, end } = await play(turnOf("hello"));
  assert.deepEqual([text, end.reason, server.requests().length], ["all of it", "stop", 1]);
});

test("A summary without an end is stopped, is not kept, and the conversation goes on", async () => {
  const endless = Array.from({ length: 400 }, () => ({ text: "again ".repeat(1_000) }));
  let summaries = 0;
  server.setBehaviour((request) => {
    const chars = JSON.stringify(request.messages).length;
    const isSummary = JSON.stringify(request.messages[0]).includes("summar");
    if (isSummary) summaries++;
    const used = Math.ceil(chars / 4);
    return { steps: isSummary ? endless : [{ text: "ok" }], usage: { prompt_tokens: used, completion_tokens: 1, total_tokens: used + 1 } };
  });
  const models = [{ provider: "small", id: "test-model" }];
  const session = turnOf("");
  let { checkpoint } = session;
  for (const text of ["word ".repeat(12_000), "word ".repeat(12_000), "and now", "and then"]) {
    const { end } = await play(turnOf(text, { sessionId: session.sessionId, models, checkpoint }));
    assert.equal(end.reason, "stop", end.error?.message);
    ({ checkpoint } = end);
  }
  assert.ok(summaries > 0, "the conversation was to be shortened");
  const sessions = join(stateDir, "gateway/agents/main/sessions");
  const file = readFileSync(
    join(
      sessions,
      readdirSync(sessions).find((name) => name.includes(session.sessionId))!,
    ),
    "utf8",
  );
  assert.ok(file.length < 1_000_000, `the session file has ${file.length} characters`);
});
