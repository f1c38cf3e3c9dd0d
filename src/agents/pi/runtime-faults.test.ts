// One session of the shared host hurts itself; the others lose at most an attempt.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { testHosts, testTools } from "../../../test/fakes/pi-runtime-options.ts";
import { startModelServer, systemOf, textOf, type ModelServer } from "../../../test/model-server.ts";
import { until } from "../../../test/until.ts";
import { seedPiCache } from "../../../test/wire/warm-start.ts";
import { systemClock } from "../../core/clock.ts";
import { asId } from "../../core/ids.ts";
import { silentLog } from "../../core/log.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { Secret } from "../../core/secret.ts";
import type { ProviderTable } from "../models.ts";
import type { AgentEvent, AgentRuntime, Turn } from "../runtime.ts";
import { PiLaunch } from "./launch.ts";
import type { LaunchSpec } from "./launcher.ts";
import { createPiRuntime } from "./runtime.ts";
import { allowTools } from "../../../test/fakes/tool-permit.ts";

const root = mkdtempSync(join(tmpdir(), "pi-faults-"));
const stateDir = join(root, "state");
const faults = fileURLToPath(new URL("../../../test/fakes/host-faults.mjs", import.meta.url));

class FaultyLaunch extends PiLaunch {
  override async spec(kind: "shared" | "process"): Promise<LaunchSpec> {
    const spec = await super.spec(kind);
    return { ...spec, args: ["--import", faults, ...spec.args] };
  }
}

let server: ModelServer;
let runtime: AgentRuntime;

before(async () => {
  for (const name of ["one", "two"]) mkdirSync(join(root, name));
  seedPiCache(stateDir);
  server = await startModelServer();
  const models = (): ProviderTable => ({
    test: { baseUrl: `${server.url}/v1`, apiKey: new Secret("canary-key-one"), models: [{ id: "test-model" }] },
    other: { baseUrl: `${server.url}/v1`, apiKey: new Secret("canary-key-two"), models: [{ id: "other-model" }] },
  });
  const env = process.env;
  const hosts = testHosts("shared");
  runtime = createPiRuntime({
    stateDir,
    models,
    env,
    guideFacts: () => ({}),
    tools: testTools(stateDir),
    ...hosts,
    launch: new FaultyLaunch({ stateDir, models, env, ...hosts, log: silentLog, clock: systemClock }),
    log: silentLog,
    metrics: silentMetrics,
    clock: systemClock,
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
    workspace: join(root, "one"),
    conversationContext: "",
    isPrivate: true,
    checkpoint: null,
    history: () => [],
    beforeTool: allowTools(join(root, "one")),
    ...more,
  };
}

type Result = { events: AgentEvent[]; text: string; end: Extract<AgentEvent, { type: "end" }> };
async function play(turn: Turn, onEvent: (event: AgentEvent) => void = () => undefined): Promise<Result> {
  const events: AgentEvent[] = [];
  for await (const event of runtime.prompt(turn, new AbortController().signal)) {
    events.push(event);
    onEvent(event);
  }
  const text = events.map((event) => (event.type === "text" ? event.delta : "")).join("");
  return { events, text, end: events.at(-1) as Result["end"] };
}

/** A turn of one of two agents that differ in everything. */
const ask = (agent: "one" | "two", text: string): Promise<Result> =>
  play(
    turnOf(text, {
      sessionId: `agent-${agent}`,
      sessionKey: asId(`agent:${agent}:x`),
      agentId: asId(agent),
      workspace: join(root, agent),
      beforeTool: allowTools(join(root, agent)),
      conversationContext: `prompt-canary-${agent}`,
      isPrivate: true,
      models: [agent === "one" ? { provider: "test", id: "test-model" } : { provider: "other", id: "other-model" }],
      tools: ["exec"],
      history: () => [{ role: "user", text: `history-canary-${agent}`, at: 1 }],
    }),
  );

test("Two agents in one host have their own workspace, model, key, prompt, files and history", async () => {
  const results = await Promise.all([ask("one", "tool:bash:pwd; echo $OPENCLAW_KEY_TEST"), ask("two", "tool:bash:pwd; env")]);
  assert.equal(runtime.status().processes, 1);
  for (const [at, agent] of (["one", "two"] as const).entries()) {
    const other = agent === "one" ? "two" : "one";
    const requests = server.requests().filter(({ model }) => model === (agent === "one" ? "test-model" : "other-model"));
    assert.equal(requests.length, 2);
    for (const request of requests) {
      assert.equal(request.headers.authorization, `Bearer canary-key-${agent}`);
      assert.match(systemOf(request), new RegExp(`prompt-canary-${agent}`));
      assert.match(JSON.stringify(request.body), new RegExp(`history-canary-${agent}`));
      assert.doesNotMatch(JSON.stringify(request), new RegExp(`canary-${other}|canary-key-${other}`));
    }
    assert.match(results[at]!.text, new RegExp(`${root}/${agent}`));
    assert.doesNotMatch(JSON.stringify(results[at]!.events), /canary-key/);
    const file = readFileSync(join(stateDir, "gateway", "agents", agent, "sessions", `agent-${agent}.jsonl`), "utf8");
    assert.doesNotMatch(file, new RegExp(`canary-${other}|canary-key`));
  }
});

for (const fault of ["loop", "alloc"]) {
  test(`A session in which the host ${fault === "loop" ? "loops" : "allocates 1 GiB"} costs the others at most an attempt`, async () => {
    const [bad, ...good] = await Promise.all([
      play(turnOf(`fault:${fault}`)),
      ...["a", "b", "c"].map((name) => play(turnOf(`hello ${name}`))),
    ]);
    // Alone in a process of its own at the end, where this fault is not planted.
    assert.match(bad.text, /You said: fault/);
    for (const [at, result] of good.entries())
      assert.match(result.text, new RegExp(`You said: hello ${"abc"[at]}$`), JSON.stringify(result.end));
    assert.match((await play(turnOf("and after it"))).text, /You said: and after it/);
  });
}

test("A session whose model sends 100 MB is stopped, and the others go on", async () => {
  const text = "x".repeat(1_000_000);
  server.setBehaviour((request) =>
    textOf(request.messages.at(-1)).includes("flood") ? { steps: Array.from({ length: 100 }, () => ({ text })) } : undefined,
  );
  const [flood, ...good] = await Promise.all([play(turnOf("flood")), play(turnOf("hello a")), play(turnOf("hello b"))]);
  assert.equal(flood.end.reason, "error");
  for (const result of good) assert.match(result.text, /You said: hello/);
});

test("A host that is killed under many running turns runs each of them again", async () => {
  const held = Promise.withResolvers<void>();
  server.setBehaviour(() => ({ steps: [{ until: held.promise }, { text: "after all" }] }));
  const turns = Array.from({ length: 12 }, (_, at) => play(turnOf(`wait ${at}`)));
  await until("all of them ask the model", () => server.requests().length >= 12);
  const [host] = runtime.status().hosts!;
  process.kill(host!.pid, "SIGKILL");
  await until("all of them ask again", () => server.requests().length >= 24);
  held.resolve();
  for (const { text, end } of await Promise.all(turns)) assert.deepEqual([text, end.reason], ["after all", "stop"]);
});

test("A host that is killed while it holds a lock does not make the next one wait for it", async () => {
  const lock = join(stateDir, "gateway", "pi", "auth.json.lock");
  assert.match((await play(turnOf("hello"))).text, /You said: hello/);
  // Pi itself replaces a lock after half a minute, unless it is not empty.
  mkdirSync(join(lock, "kept"), { recursive: true });
  const [host] = runtime.status().hosts!;
  process.kill(host!.pid, "SIGKILL");
  await until("the host has ended", () => !runtime.status().hosts!.some(({ pid }) => pid === host!.pid));
  assert.match((await play(turnOf("hello again"))).text, /You said: hello again/);
  assert.equal(existsSync(lock), false);
});
