import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { contextOf, startModelServer, systemOf, type ModelServer } from "../../../test/model-server.ts";
import { until } from "../../../test/until.ts";
import { seedPiCache } from "../../../test/wire/warm-start.ts";
import { systemClock } from "../../core/clock.ts";
import { asId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { Secret } from "../../core/secret.ts";
import type { ProviderTable } from "../models.ts";
import type { AgentEvent, AgentRuntime, Turn } from "../runtime.ts";
import { createPiRuntime } from "./runtime.ts";
import { testHosts, testTools } from "../../../test/fakes/pi-runtime-options.ts";
import { allowTools } from "../../../test/fakes/tool-permit.ts";

/** Every test holds for both hosts: runtime-process.test.ts runs them again with the other one. */
const host = process.env["PI_TEST_HOST"] === "process" ? "process" : "shared";
const root = mkdtempSync(join(tmpdir(), "pi-runtime-"));
const stateDir = join(root, "state");
const workspace = join(root, "workspace");
const model = { provider: "test", id: "test-model" };
const spare = { provider: "spare", id: "other-model" };
const guide = { provider: "guide", id: "setup-guide" };

let server: ModelServer;
let runtime: AgentRuntime;

const providers = (): ProviderTable => ({
  test: {
    baseUrl: `${server.url}/v1`,
    apiKey: new Secret("planted-key-1"),
    models: [{ id: "test-model", contextWindow: 32_000, input: ["text", "image"] }],
  },
  spare: { baseUrl: `${server.url}/v1`, apiKey: new Secret("planted-key-2"), models: [{ id: "other-model" }] },
});

const env = { ...process.env, FOO_SECRET: "canary-7261", OPENAI_API_KEY: "canary-7262" };

const make = (more: { maxProcesses?: number } = {}): AgentRuntime =>
  createPiRuntime({
    stateDir,
    models: providers,
    env,
    guideFacts: () => ({ version: "9.9.9" }),
    log: silentLog,
    metrics: silentMetrics,
    clock: systemClock,
    tools: testTools(stateDir),
    ...testHosts(host, env),
    maxProcesses: 2,
    ...more,
  });

before(async () => {
  mkdirSync(workspace);
  seedPiCache(stateDir);
  server = await startModelServer();
  runtime = make();
  runtime.start();
});
afterEach(() => {
  server.setBehaviour(undefined);
  server.clear();
  assert.equal(runtime.status().busy, 0, "nothing is left in use");
});
after(async () => {
  await runtime.stop();
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

let counter = 0;
/** A turn in a session of its own, unless `more` names one. */
function turnOf(text: string, more: Partial<Turn> = {}): Turn {
  const sessionId = more.sessionId ?? `s-${++counter}`;
  return {
    runId: asId(`run-${++counter}`),
    sessionKey: asId(`agent:main:${sessionId}`),
    sessionId,
    agentId: asId("main"),
    text,
    images: [],
    models: [model],
    thinking: "off",
    tools: [],
    workspace,
    conversationContext: "A test is talking.",
    isPrivate: true,
    checkpoint: null,
    history: () => [],
    beforeTool: allowTools(workspace),
    ...more,
  };
}

type End = Extract<AgentEvent, { type: "end" }>;
type Result = { events: AgentEvent[]; text: string; end: End };

async function play(turn: Turn, options: { signal?: AbortSignal; on?: (event: AgentEvent) => void } = {}): Promise<Result> {
  const events: AgentEvent[] = [];
  for await (const event of runtime.prompt(turn, options.signal ?? new AbortController().signal)) {
    events.push(event);
    options.on?.(event);
  }
  const ends = events.filter((event): event is End => event.type === "end");
  assert.equal(ends.length, 1, "exactly one end");
  assert.equal(events.at(-1), ends[0], "the end is last");
  const text = events.map((event) => (event.type === "text" ? event.delta : "")).join("");
  return { events, text, end: ends[0]! };
}

const fileOf = (sessionId: string): string => join(stateDir, "gateway", "agents", "main", "sessions", `${sessionId}.jsonl`);

/** Processes whose environment carries the mark of this test's runtime, as `pid command`. */
function children(needle = stateDir): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(needle)) return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`];
      } catch {
        return []; // ended in the meantime, or someone else's
      }
    });
}
test("A turn streams deltas, reports usage and ends with a checkpoint", async () => {
  const { events, text, end } = await play(turnOf("hello there"));
  assert.equal(text, "You said: hello there");
  assert.ok(events.filter((event) => event.type === "text").length >= 2);
  assert.deepEqual(events[0], { type: "started", model, contextWindow: 32_000 });
  const message = events.find((event) => event.type === "message");
  assert.deepEqual(message?.blocks, [{ type: "text", text }]);
  assert.ok(message!.usage.input > 0 && message!.usage.output > 0);
  assert.equal(end.reason, "stop");
  assert.match(end.checkpoint!, /^1:\d+:/);
});

test("The system prompt is ours, with the situation, and no tool is offered", async () => {
  await play(turnOf("hi"));
  const [request] = server.requests();
  assert.match(systemOf(request!), /A test is talking\./);
  assert.doesNotMatch(systemOf(request!), /coding/i);
  assert.deepEqual(request!.tools, []);
  assert.equal(request!.headers["authorization"], "Bearer planted-key-1");
});

test("Two sessions that take turns in one process keep their contexts apart", async () => {
  const checkpoints: Record<string, string | null> = { "pp-a": null, "pp-b": null };
  for (const round of [1, 2, 3]) {
    for (const sessionId of ["pp-a", "pp-b"]) {
      const { end } = await play(turnOf(`${sessionId} ${round}`, { sessionId, checkpoint: checkpoints[sessionId]! }));
      checkpoints[sessionId] = end.checkpoint;
    }
  }
  assert.deepEqual(contextOf(server.requests().at(-1)!), [
    "user: pp-b 1",
    "assistant: You said: pp-b 1",
    "user: pp-b 2",
    "assistant: You said: pp-b 2",
    "user: pp-b 3",
  ]);
  assert.equal(runtime.status().processes, 1);
});

test("Text that begins with a slash is text, also for commands that Pi has of its own", async () => {
  for (const text of ["/llama status", "/help", "/skill:x", "/compact"]) {
    assert.equal((await play(turnOf(text))).text, `You said:  ${text}`);
  }
});

test("A granted tool runs in the workspace and its result comes back", async () => {
  writeFileSync(join(workspace, "note.txt"), "from the workspace");
  const { events, text } = await play(turnOf("tool:read:note.txt", { tools: ["read"] }));
  assert.deepEqual(server.requests()[0]!.tools, ["read"]);
  const phases = events.flatMap((event) => (event.type === "tool" ? [event.phase] : []));
  assert.equal(phases[0], "start");
  assert.equal(phases.at(-1), "end");
  assert.match(text, /from the workspace/);
});

test("When the workspace of an agent changes, tools run in the other one and the context stays", async () => {
  const sessionId = "moved";
  const other = join(root, "other-workspace");
  const first = await play(turnOf("tool:bash:pwd", { tools: ["exec"], sessionId }));
  assert.ok(first.text.includes(workspace));
  const more = { tools: ["exec"] as const, sessionId, checkpoint: first.end.checkpoint, workspace: other, beforeTool: allowTools(other) };
  const second = await play(turnOf("tool:bash:pwd", more));
  assert.ok(second.text.includes(other));
  assert.equal(contextOf(server.requests().at(-1)!)[0], "user: tool:bash:pwd");
  assert.equal(
    server
      .requests()
      .at(-1)!
      .messages.filter((message) => message.role === "user").length,
    2,
  );
});

test("A tool that was not granted is not offered and does not run, also after a turn that had it", async () => {
  const probe = join(root, "ran");
  const first = await play(turnOf(`tool:bash:true`, { tools: ["exec"], sessionId: "grant" }));
  const { events } = await play(turnOf(`tool:bash:touch ${probe}`, { sessionId: "grant", checkpoint: first.end.checkpoint }));
  assert.deepEqual(server.requests().at(-1)!.tools, []);
  const end = events.find((event) => event.type === "tool" && event.phase === "end");
  assert.ok(end?.type === "tool" && end.phase === "end" && end.isError);
  assert.equal(existsSync(probe), false);
});

test("A tool call runs only when the caller agrees to it, after the caller has seen the message that makes it", async () => {
  const probe = join(root, "asked");
  const seen: string[] = [];
  const asked: unknown[] = [];
  const turn = turnOf(`tool:bash:touch ${probe}`, {
    tools: ["exec"],
    beforeTool: (call) => {
      asked.push(call, [...seen]);
      return Promise.resolve({ allow: false, reason: "not today" });
    },
  });
  const { text } = await play(turn, { on: (event) => seen.push(event.type) });
  assert.deepEqual(asked[0], { id: "call_0", name: "exec", args: { command: `touch ${probe}` } });
  assert.ok((asked[1] as string[]).includes("message"));
  assert.match(text, /not today/);
  assert.equal(existsSync(probe), false);
});

test("A tool call whose check fails does not run", async () => {
  const probe = join(root, "failed-check");
  const turn = turnOf(`tool:bash:touch ${probe}`, { tools: ["exec"], beforeTool: () => Promise.reject(new Error("disk full")) });
  const { end } = await play(turn);
  assert.equal(end.reason, "stop");
  assert.equal(existsSync(probe), false);
});

test("A command sees neither the gateway's environment nor a provider's key", async () => {
  const { text } = await play(
    turnOf("tool:bash:env; cat /proc/$PPID/environ | tr '\\0' '\\n'; tr '\\0' ' ' < /proc/$PPID/cmdline", { tools: ["exec"] }),
  );
  assert.match(text, /PATH=/);
  for (const secret of ["canary-7261", "canary-7262", "planted-key"]) assert.ok(!text.includes(secret), secret);
});

test("No key is written to disk and every file is private", async () => {
  await play(turnOf("hi"));
  const walk = (dir: string): string[] =>
    readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      assert.equal(statSync(path).mode & 0o077, 0, path);
      return entry.isDirectory() ? walk(path) : [path];
    });
  const files = walk(join(stateDir, "gateway"));
  assert.ok(files.some((path) => path.endsWith("models.json")));
  for (const path of files) {
    const text = readFileSync(path, "latin1");
    for (const secret of ["canary-726", "planted-key"]) assert.ok(!text.includes(secret), `${secret} in ${path}`);
  }
});

const readSettings = (): string =>
  ["settings.json", "models.json"].map((name) => readFileSync(join(stateDir, "gateway", "pi", name), "utf8")).join();

test("Turns leave the settings of Pi as they were written", async () => {
  const before = readSettings();
  await play(turnOf("think: hm", { thinking: "high" }));
  await play(turnOf("hi", { models: [spare] }));
  assert.equal(readSettings(), before);
});

test("An abort in the middle of a stream ends the turn, and the session continues with the partial answer", async () => {
  const abort = new AbortController();
  const { end, text } = await play(turnOf("slow:50 one two three four five six seven eight", { sessionId: "abort" }), {
    signal: abort.signal,
    on: (event) => event.type === "text" && abort.abort(),
  });
  assert.equal(end.reason, "aborted");
  assert.match(text, /^You/);
  const next = await play(turnOf("go on", { sessionId: "abort", checkpoint: end.checkpoint }));
  assert.equal(next.end.reason, "stop");
  assert.match(contextOf(server.requests().at(-1)!).join("\n"), /^user: slow:50/);
});

test("An abort in the middle of a tool leaves no process of it", async () => {
  const abort = new AbortController();
  const turn = turnOf("tool:bash:sleep 4711 & sleep 4712", { tools: ["exec"] });
  const done = play(turn, { signal: abort.signal });
  await until("the tool runs", () => children().some((child) => child.includes("4712")));
  abort.abort();
  assert.equal((await done).end.reason, "aborted");
  await until("its processes are gone", () => !children().some((child) => /471[12]/.test(child)));
});

test("An abort before anything was sent ends the turn as well", async () => {
  const { end, events } = await play(turnOf("hi"), { signal: AbortSignal.abort() });
  assert.equal(end.reason, "aborted");
  assert.equal(events.length, 1);
});

test("A Pi that is killed in the middle of a turn ends it as crashed, without leftovers, and the next turn works", async () => {
  const turn = turnOf("tool:bash:sleep 4713", { tools: ["exec"], sessionId: "killed" });
  const done = play(turn);
  await until("the tool runs", () => children().some((child) => child.includes("sleep 4713")));
  const pi = children().filter((child) => /pi-rpc|openclaw-pi/.test(child));
  assert.equal(pi.length, 1);
  process.kill(Number(pi[0]!.split(" ")[0]), "SIGKILL");
  const { end } = await done;
  assert.equal(end.error?.kind, "crashed");
  await until("the tool is gone", () => !children().some((child) => child.includes("4713")));
  const next = await play(turnOf("still there?", { sessionId: "killed", checkpoint: end.checkpoint }));
  assert.equal(next.text, "You said: still there?");
  assert.equal(runtime.status().restarts, 1);
});

test("A context that has run ahead is cut back to the checkpoint", async () => {
  const sessionId = "ahead";
  const first = await play(turnOf("one", { sessionId }));
  await play(turnOf("two", { sessionId, checkpoint: first.end.checkpoint }));
  await play(turnOf("three", { sessionId, checkpoint: first.end.checkpoint }));
  assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: one", "assistant: You said: one", "user: three"]);
  appendFileSync(fileOf(sessionId), '{"type":"message","id":"ffff","parentId":null');
  await play(turnOf("four", { sessionId, checkpoint: first.end.checkpoint }));
  assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: one", "assistant: You said: one", "user: four"]);
});

test("A context that is lost is rebuilt from the history", async () => {
  const sessionId = "lost";
  const first = await play(turnOf("one", { sessionId }));
  rmSync(fileOf(sessionId));
  const history = [
    { role: "user" as const, text: "older", at: 1 },
    { role: "assistant" as const, text: "answer", at: 2 },
  ];
  const second = await play(turnOf("next", { sessionId, checkpoint: first.end.checkpoint, history: () => history }));
  assert.equal(second.end.reason, "stop");
  assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: older", "assistant: answer", "user: next"]);
});

test("A fallback takes over and the context holds the message once", async () => {
  for (const status of [401, 402, 429]) {
    server.clear();
    server.setBehaviour((request) => (request.model === "test-model" ? { status, message: "no" } : undefined));
    const { events, text, end } = await play(turnOf(`hello ${status}`, { models: [model, spare] }));
    assert.equal(text, `You said: hello ${status}`);
    assert.deepEqual(
      events.flatMap((event) => (event.type === "started" ? [event.model] : [])),
      [model, spare],
    );
    assert.deepEqual(contextOf(server.requests().at(-1)!), [`user: hello ${status}`]);
    assert.equal(server.requests().at(-1)!.headers["authorization"], "Bearer planted-key-2");
    assert.equal(end.reason, "stop");
  }
});

test("A model that Pi does not know falls through to the next one", async () => {
  const { text } = await play(turnOf("hello", { models: [{ provider: "test", id: "no-such-model" }, spare] }));
  assert.equal(text, "You said: hello");
});

test("Errors of a provider have their kind, and the failed message leaves no trace", async () => {
  const cases = [
    ["error:401", "auth", 401],
    ["error:402", "billing", 402],
    ["overflow:", "context_length", 400],
    ["refuse:", "refusal", undefined],
  ] as const;
  for (const [text, kind, status] of cases) {
    const sessionId = `kind-${kind}`.replace("_", "-");
    const { end } = await play(turnOf(text, { sessionId }));
    assert.equal(end.reason, "error", text);
    assert.equal(end.error?.kind, kind, text);
    assert.equal(end.error?.httpStatus, status, text);
    await play(turnOf("next", { sessionId, checkpoint: end.checkpoint }));
    assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: next"]);
  }
});

test("A failing server is retried, and the caller gets a retry event", async () => {
  server.setBehaviour((_request, index) => (server.requests().length === 1 && index >= 0 ? { status: 500, message: "oops" } : undefined));
  const { events, text } = await play(turnOf("again"));
  assert.equal(text, "You said: again");
  assert.ok(events.some((event) => event.type === "retry" && event.attempt === 1 && event.delayMs > 0));
});

test("A steered message enters the running turn once, and the caller knows", async () => {
  const turn = turnOf("slow:40 one two three", { sessionId: "steer" });
  let steered: Promise<boolean> | undefined;
  const runId = asId<Turn["runId"]>("steered-1");
  const { events, text, end } = await play(turn, {
    on: (event) => {
      if (event.type === "text") steered ??= runtime.steer(turn.sessionKey, { runId, text: "/and this", images: [] });
    },
  });
  assert.equal(await steered, true);
  assert.ok(events.some((event) => event.type === "steered" && event.runId === runId));
  assert.match(text, /You said:  \/and this$/);
  const next = await play(turnOf("after", { sessionId: "steer", checkpoint: end.checkpoint }));
  assert.equal(next.text, "You said: after");
  assert.equal(contextOf(server.requests().at(-1)!).filter((line) => line.includes("and this")).length, 2);
});

test("A message that comes too late, or whose turn is aborted, is handed back and never shows up", async () => {
  const turn = turnOf("hang", { sessionId: "late" });
  assert.equal(await runtime.steer(turn.sessionKey, { runId: asId("r"), text: "early", images: [] }), false);
  const abort = new AbortController();
  let steered: Promise<boolean> | undefined;
  const { end } = await play(turn, {
    signal: abort.signal,
    on: (event) => {
      if (event.type !== "text" || steered) return;
      steered = runtime.steer(turn.sessionKey, { runId: asId("r2"), text: "lost?", images: [] });
      setTimeout(() => abort.abort(), 100);
    },
  });
  assert.equal(end.reason, "aborted");
  assert.equal(await steered, false);
  await play(turnOf("after", { sessionId: "late", checkpoint: end.checkpoint }));
  assert.ok(!JSON.stringify(server.requests().at(-1)!.messages).includes("lost?"));
});

test("An image reaches the model", async () => {
  const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  await play(turnOf("look", { images: [{ mimeType: "image/png", data: png }] }));
  assert.match(JSON.stringify(server.requests().at(-1)!.messages), /data:image\/png;base64,/);
});

test("The setup guide answers without any network, says what it is and shows facts", async () => {
  const { text, events, end } = await play(turnOf("status", { models: [guide] }));
  assert.match(text, /^_Setup guide \(scripted, not an AI model\)_/);
  assert.match(text, /9\.9\.9/);
  assert.equal(end.reason, "stop");
  assert.ok(events.some((event) => event.type === "started" && event.model.provider === "guide"));
  assert.equal(server.requests().length, 0);
});

test("A context is compacted on request, and only by a model", async () => {
  const sessionId = "compact";
  let checkpoint: string | null = null;
  for (const text of ["x".repeat(80_000), "y".repeat(80_000), "z"]) {
    checkpoint = (await play(turnOf(text, { sessionId, checkpoint, models: [spare] }))).end.checkpoint;
  }
  const turn = turnOf("", { sessionId, checkpoint, models: [spare] });
  const { runId: _runId, text: _text, images: _images, beforeTool: _beforeTool, ...context } = turn;
  server.setBehaviour(() => ({ steps: [{ text: "They talked about letters." }] }));
  const result = await runtime.compact(context, undefined);
  server.setBehaviour(undefined);
  assert.ok(result.tokensBefore > 40_000);
  assert.match(result.summary, /letters/);
  assert.notEqual(result.checkpoint, checkpoint);
  await play(turnOf("after", { sessionId, checkpoint: result.checkpoint, models: [spare] }));
  const context2 = contextOf(server.requests().at(-1)!).join("\n");
  assert.match(context2, /letters/);
  assert.doesNotMatch(context2, /xxxx/);
  assert.match(context2, /user: after$/);
  await assert.rejects(runtime.compact({ ...context, models: [guide] }, undefined), /script/);
});

test("A forgotten session is gone, also from the process that had it loaded", async () => {
  const sessionId = "forget";
  await play(turnOf("remember me", { sessionId }));
  await runtime.forget(asId("main"), sessionId);
  assert.equal(existsSync(fileOf(sessionId)), false);
  await runtime.forget(asId("main"), "never-existed");
  await play(turnOf("hello again", { sessionId }));
  assert.deepEqual(contextOf(server.requests().at(-1)!), ["user: hello again"]);
});

test("Two turns at once run in one shared host, or in two stock processes", async () => {
  const [a, b] = await Promise.all([play(turnOf("slow:20 a b c")), play(turnOf("slow:20 d e f"))]);
  assert.match(a.text, /a b c/);
  assert.match(b.text, /d e f/);
  assert.equal(runtime.status().processes, host === "shared" ? 1 : 2);
});

test("A second turn in the same session is refused, and ids are never paths", async () => {
  const turn = turnOf("slow:30 a b c d");
  let second: Promise<Result> | undefined;
  await play(turn, { on: (event) => event.type === "text" && (second ??= play({ ...turn, text: "hi" })) });
  assert.match((await second!).end.error!.message, /already running/);
  assert.match((await play(turnOf("x", { sessionId: "../../etc" }))).end.error!.message, /session id/);
});

test("A caller that stops listening ends the turn", async () => {
  for await (const event of runtime.prompt(turnOf("hang"), new AbortController().signal)) if (event.type === "text") break;
  assert.equal(runtime.status().busy, 0);
});

test("A stop in the middle of a tool ends the turn as aborted and leaves no process", async () => {
  const own = runtime;
  const done = play(turnOf("tool:bash:sleep 4714", { tools: ["exec"] }));
  await until("the tool runs", () => children().some((child) => child.includes("sleep 4714")));
  const startedAt = Date.now();
  await own.stop();
  assert.ok(Date.now() - startedAt < 4_000);
  assert.equal((await done).end.reason, "aborted");
  assert.deepEqual(children(), []);
  assert.equal(own.status().state, "stopped");
  runtime = make();
  assert.equal((await play(turnOf("fresh"))).text, "You said: fresh");
});
