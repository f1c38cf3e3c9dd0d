// Group: wire
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isRunning, untilEnded } from "../../../test/fakes/command-tools.ts";
import { allowTools } from "../../../test/fakes/tool-permit.ts";
import { settled, until } from "../../../test/until.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { asId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog } from "../../core/log.ts";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { silentMetrics } from "../../core/metrics.ts";
import { GroupWatcher } from "../../tools/group-watcher.ts";
import type { AgentEvent, ContextMessage, Turn } from "../runtime.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";
import { ACP_LIMITS } from "./limits.ts";
import type { PermissionDecision, PermissionQuestion } from "./permission.ts";
import { AcpRuntime } from "./runtime.ts";
import type { AcpServices } from "./services.ts";

const AGENT = join(import.meta.dirname, "../../../test/fakes/acp-agent.mjs");
type End = Extract<AgentEvent, { type: "end" }>;
type Ran = { events: AgentEvent[]; text: string; end: End };
type Rig = {
  runtime: AcpRuntime;
  dir: string;
  questions: PermissionQuestion[];
  log: () => string[];
  say: (
    text: string,
    options?: { history?: ContextMessage[]; session?: string; signal?: AbortSignal; more?: Partial<Turn> },
  ) => Promise<Ran>;
};
type RigOptions = {
  script?: object;
  spec?: Partial<AcpAgentSpec>;
  services?: Partial<AcpServices>;
  answer?: (question: PermissionQuestion, signal: AbortSignal) => Promise<PermissionDecision | null>;
  clock?: Clock;
  maxSessions?: number;
};

function rig(
  t: TestContext,
  { script = {}, spec = {}, services = {}, answer, clock = systemClock, maxSessions = 8 }: RigOptions = {},
): Rig {
  const dir = mkdtempSync(join(tmpdir(), "acp-"));
  const questions: PermissionQuestion[] = [];
  const logFile = join(dir, "log");
  const marker = `acp-test-${randomUUID()}`;
  const env = {
    [MARKER_VARIABLE]: marker,
    PATH: process.env["PATH"] ?? "",
    ACP_SCRIPT: JSON.stringify({ log: logFile, state: join(dir, "state"), ...script }),
  };
  const made: AcpAgentSpec = {
    name: "scripted",
    argv: [process.execPath, AGENT],
    cwd: null,
    env,
    mode: null,
    model: null,
    options: {},
    silenceMs: 600_000,
    lifetime: "persistent",
    ...spec,
  };
  const runtime = new AcpRuntime({
    services: {
      spec: () => made,
      refuse: () => null,
      ask: async (question, _permit, signal) => {
        questions.push(question);
        return (await answer?.(question, signal)) ?? null;
      },
      workbench: null,
      ...services,
    },
    limits: () => ({ maxSessions, idleMs: 0 }),
    watcher: new GroupWatcher({ marker }),
    clock,
    log: silentLog,
    metrics: silentMetrics,
  });
  t.after(async () => {
    await runtime.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const checkpoints = new Map<string, string | null>();
  const say: Rig["say"] = async (text, { history = [], session = "s1", signal = new AbortController().signal, more = {} } = {}) => {
    const events: AgentEvent[] = [];
    const turn: Turn = {
      runId: asId(`run-${text.slice(0, 8)}`),
      sessionKey: asId(`agent:main:${session}`),
      sessionId: session,
      agentId: asId("main"),
      text,
      images: [],
      models: [{ provider: "acp", id: "scripted" }],
      thinking: "off",
      tools: ["exec"],
      workspace: dir,
      conversationContext: "",
      isPrivate: true,
      checkpoint: checkpoints.get(session) ?? null,
      history: () => history,
      beforeTool: allowTools(dir),
      beforeAgent: allowTools(dir),
      ...more,
    };
    for await (const event of runtime.prompt(turn, signal)) events.push(event);
    const end = events.at(-1) as End;
    assert.equal(end.type, "end");
    assert.equal(events.filter(({ type }) => type === "end").length, 1, "one end");
    checkpoints.set(session, end.checkpoint);
    return { events, end, text: events.map((event) => (event.type === "text" ? event.delta : "")).join("") };
  };
  return { runtime, dir, questions, say, log: () => (existsSync(logFile) ? readFileSync(logFile, "utf8").trim().split("\n") : []) };
}

const past: ContextMessage[] = [{ role: "user", text: "before", at: 1 }];
const failure = ({ end }: Ran): string => end.error?.message ?? "";

test("a prompt is answered, with text, thoughts and a last message; the process stays for the next prompt", async (t) => {
  const { say, log, runtime } = rig(t);
  const first = await say("hello");
  assert.equal(first.text, "You said: hello");
  assert.equal(first.end.reason, "stop");
  const message = first.events.find((event) => event.type === "message")!;
  assert.deepEqual(message.blocks, [
    { type: "thinking", thinking: "hm" },
    { type: "text", text: "You said: hello" },
  ]);
  assert.equal((await say("recall")).text, "Before: hello");
  assert.equal(log().filter((line) => line.startsWith("start")).length, 1);
  const [status] = runtime.status().agents!;
  assert.equal(status!.state, "ready");
  assert.ok(isRunning(status!.pid!));
  await runtime.stop();
  await untilEnded(status!.pid!);
});

test("a turn without the right to run programs starts nothing", async (t) => {
  const { say, runtime } = rig(t);
  const ran = await say("hello", { more: { beforeAgent: () => Promise.resolve({ allow: false, reason: "exec is not granted here" }) } });
  assert.match(failure(ran), /exec is not granted here/);
  assert.equal(runtime.status().processes, 0);
  const { say: sayElsewhere, runtime: other } = rig(t, { services: { refuse: () => "programs run in the sandbox only here" } });
  assert.match(failure(await sayElsewhere("hello")), /may not run: programs run in the sandbox only here/);
  assert.equal(other.status().processes, 0);
});

test("a request for permission is asked, and the answer chooses the agent's own option by its kind", async (t) => {
  const answers: (PermissionDecision | null)[] = ["allow-once", "deny", "allow-always", null];
  const { say, questions } = rig(t, { answer: () => Promise.resolve(answers.shift()!) });
  const chosen = async (): Promise<string> => /"(?:optionId|outcome)":"(?!selected)(\w+)"/.exec((await say("permit")).text)![1]!;
  assert.deepEqual([await chosen(), await chosen(), await chosen(), await chosen()], ["yes", "no", "always", "cancelled"]);
  assert.equal(questions[0]!.title, "scripted: rm -rf build");
  assert.match(questions[0]!.detail, /rm -rf build/);
});

test("an option of an unknown kind is never chosen, and no one is asked where nothing can be allowed", async (t) => {
  const { say, questions } = rig(t, { answer: () => Promise.resolve("allow-once") });
  const options = [{ optionId: "go", name: "Allow", kind: "allow_all" }];
  assert.match((await say(`ask:${JSON.stringify(options)}`)).text, /chosen: \{"outcome":"cancelled"\}/);
  assert.equal(questions.length, 0);
});

test("calls of the agent's own tools are shown with their results", async (t) => {
  const { events } = await rig(t).say("call");
  const tools = events.filter((event) => event.type === "tool");
  assert.deepEqual(
    tools.map((event) => [event.phase, event.name]),
    [
      ["start", "search"],
      ["update", "search"],
      ["end", "search"],
    ],
  );
  const [start, , end] = tools;
  assert.deepEqual(start!.phase === "start" && start!.args, { title: "Look around", pattern: "x" });
  assert.equal(end!.phase === "end" && end!.result, "found 2");
  const messages = events.filter((event) => event.type === "message");
  assert.deepEqual(
    messages.map(({ blocks, stopReason }) => [blocks.map(({ type }) => type), stopReason]),
    [
      [["toolCall"], "toolUse"],
      [["text"], "stop"],
    ],
  );
});

test("what a later version says is passed over, and an unknown request is answered with an error", async (t) => {
  const ran = await rig(t).say("odd");
  assert.match(ran.text, /^odd: \[\{"code":-32601.*\{"code":-32601/);
  assert.equal(ran.end.reason, "stop");
});

test("reported costs are counted once for each turn; without a report the cost is unknown", async (t) => {
  const { say } = rig(t);
  const costs = async (text: string) => (await say(text)).events.flatMap((event) => (event.type === "call" ? [event.call.cost] : []));
  assert.deepEqual(await costs("hello"), [null]);
  assert.deepEqual(await costs("cost:0.25"), [{ input: 0, output: 0.25, cacheRead: 0, cacheWrite: 0 }]);
  assert.deepEqual(await costs("cost:0.75"), [{ input: 0, output: 0.5, cacheRead: 0, cacheWrite: 0 }]);
});

const STARTS: readonly [name: string, script: object, expected: RegExp][] = [
  [
    "an exit",
    { start: "exit", code: 3, stderr: "no such model\n" },
    /ended with exit code 3[^]*Its error output ends with:\nno such model/,
  ],
  ["lines that are no messages", { start: "garbage", code: 0 }, /exit code 0[^]*It speaks no ACP: it wrote "Welcome to the agent!"/],
  ["a line of 40 MB", { start: "huge" }, /a message of more than 16777216 bytes/],
  ["another version", { version: 2 }, /speaks version 2 of ACP; the gateway speaks version 1/],
  ["a sign-in", { auth: true }, /refused session\/new: Authentication required\. Sign in with its own program first/],
];
for (const [name, script, expected] of STARTS) {
  test(`a start that fails ends the turn with one named error, and leaves nothing behind: ${name}`, async (t) => {
    const { say, runtime } = rig(t, { script });
    const ran = await say("hello");
    assert.equal(ran.end.reason, "error");
    assert.match(failure(ran), expected);
    assert.equal(runtime.status().processes, 0);
    assert.match(
      failure(await say("hello")),
      /did not start once, and is started again in 1 s at the earliest/,
      "it is not started in a loop",
    );
  });
}

test("a program that ends at once is named by its end, whether or not it could be written to", async (t) => {
  const spec = { name: "brief", argv: ["/bin/sh", "-c", "exit 7"], env: { PATH: process.env["PATH"] ?? "" } };
  const failures = await Promise.all(Array.from({ length: 40 }, async () => failure(await rig(t, { spec }).say("hello"))));
  assert.deepEqual([...new Set(failures.map((text) => /ended with exit code 7/.test(text) || text))], [true]);
});

test("a program that is not there is named, with how to install a well-known one", async (t) => {
  const { say } = rig(t, { spec: { name: "codex", argv: ["codex-acp"], env: { PATH: "/nowhere" } } });
  assert.match(
    failure(await say("hello")),
    /its program codex-acp was not found\. Install it \(npm install -g @zed-industries\/codex-acp\)/,
  );
});

/** A clock on which this deadline comes when the test says so. */
function heldClock(heldMs: number): { clock: Clock; expire: () => void } {
  const held = new Set<() => void>();
  const after: Clock["after"] = (delayMs, fn) => {
    if (delayMs !== heldMs) return systemClock.after(delayMs, fn);
    held.add(fn);
    return () => void held.delete(fn);
  };
  return { clock: { ...systemClock, after }, expire: () => [...held].forEach((fn) => fn()) };
}

for (const [start, expected] of [
  ["silent", /did not answer initialize within 10 s\. It wrote nothing: it may speak no ACP/],
  ["half", /did not answer initialize within 10 s\. It speaks no ACP: it wrote "\{\\"jsonrpc\\"/],
] as const) {
  test(`an agent that is ${start} at the start is ended at the deadline`, async (t) => {
    const { clock, expire } = heldClock(ACP_LIMITS.initializeMs);
    const { say, log, runtime } = rig(t, { script: { start }, clock });
    const failing = say("hello");
    await until("the request", () => log().includes("initialize"));
    await settled();
    expire();
    assert.match(failure(await failing), expected);
    assert.equal(runtime.status().processes, 0);
  });
}

for (const [text, expected] of [
  ["exit:3", /ended with exit code 3[^]*out of cheese[^]*the next message starts the agent again/],
  ["cut", /ended with exit code 0/],
  ["huge", /a message of more than 16777216 bytes/],
  ["garbage:1100", /1001 lines in a row that are no messages/],
] as const) {
  test(`an agent that breaks off in a turn fails it once, and goes on where it was: ${text}`, async (t) => {
    const { say } = rig(t, { script: { load: true } });
    await say("hello");
    const ran = await say(text);
    assert.deepEqual([ran.end.reason, ran.end.error?.kind], ["error", "crashed"]);
    assert.match(failure(ran), expected);
    const next = await say("recall", { history: past });
    assert.equal(next.text, `Before: hello | ${text}`, "nothing of the replay is shown");
  });
}

test("a prompt that the agent refuses fails its turn, and its process goes on", async (t) => {
  const { say, runtime } = rig(t);
  await say("hello");
  const { pid } = runtime.status().agents![0]!;
  const ran = await say("refuse:no quota");
  assert.equal(failure(ran), "The agent scripted refused session/prompt: Internal error: no quota.");
  assert.equal(ran.end.error?.kind, "unknown");
  assert.equal((await say("recall")).text, "Before: hello | refuse:no quota");
  assert.equal(runtime.status().agents![0]!.pid, pid);
});

test("answers to requests that were not made are passed over, and reach no terminal", async (t) => {
  const written = t.mock.method(console, "error", () => {});
  assert.equal((await rig(t).say("answer")).text, "answered");
  assert.ok(!written.mock.calls.some(({ arguments: args }) => args.some((each) => typeof each === "string" && each.includes("forged"))));
});

test("an agent that writes without end fills no memory: what is beyond the limits is left out", async (t) => {
  const ran = await rig(t).say("flood:200");
  assert.ok(ran.text.length <= 2 * (LIMITS.answerChars + LIMITS.thinkingChars), String(ran.text.length));
});

test("a session that is kept goes on in a new process, by resume as by load", async (t) => {
  const { say, runtime } = rig(t, { script: { resume: true } });
  await say("hello");
  process.kill(runtime.status().agents![0]!.pid!, "SIGKILL");
  await until("the end of the process", () => runtime.status().processes === 0);
  assert.equal((await say("recall", { history: past })).text, "Before: hello");
});

test("an agent that keeps no sessions says in one sentence that it does not know the earlier messages", async (t) => {
  const { say } = rig(t);
  await say("hello");
  await say("exit:1");
  const ran = await say("recall", { history: past });
  assert.equal(
    ran.text,
    "(The agent scripted could not open its earlier session again and does not know the earlier messages.)\n\nBefore: nothing",
  );
  assert.equal((await say("recall", { history: past })).text, "Before: recall", "once");
});

test("a stopped turn ends as aborted, and an answer that comes later does not count", async (t) => {
  const abort = new AbortController();
  const { say } = rig(t, {
    answer: () => {
      abort.abort();
      return Promise.resolve("allow-once");
    },
  });
  const ran = await say("permit", { signal: abort.signal });
  assert.equal(ran.end.reason, "aborted");
  assert.match(ran.text, /chosen: \{"outcome":"cancelled"\}/);
});

test("an agent that does not stop is ended, and its conversation goes on", async (t) => {
  const { clock, expire } = heldClock(ACP_LIMITS.cancelMs);
  const { say, log, runtime } = rig(t, { script: { load: true }, clock });
  await say("hello");
  const abort = new AbortController();
  const { pid } = runtime.status().agents![0]!;
  const running = say("deaf", { signal: abort.signal });
  await until("the turn", () => runtime.status().busy === 1);
  abort.abort();
  await until("the request", () => log().includes("session/cancel"));
  expire();
  assert.equal((await running).end.reason, "aborted");
  await untilEnded(pid!);
  assert.equal((await say("recall", { history: past })).text, "Before: hello | deaf");
});

test("an agent that stops when it is asked to keeps its process", async (t) => {
  const { say, runtime } = rig(t);
  await say("hello");
  const { pid } = runtime.status().agents![0]!;
  const abort = new AbortController();
  const running = say("hang", { signal: abort.signal });
  await until("the turn", () => runtime.status().busy === 1);
  abort.abort();
  assert.equal((await running).end.reason, "aborted");
  assert.equal((await say("recall")).text, "Before: hello | hang");
  assert.equal(runtime.status().agents![0]!.pid, pid);
});

test("an agent that is silent for too long fails its turn", async (t) => {
  const { say } = rig(t, { spec: { silenceMs: 200 } });
  const ran = await say("hang");
  assert.deepEqual([ran.end.reason, ran.end.error?.kind], ["error", "timeout"]);
  assert.match(failure(ran), /was silent for 0 s and was stopped/);
});

test("modes and models are set by their ids; what an agent does not have is an error with what it has", async (t) => {
  const script = { modes: ["ask", "code"], models: ["small", "large"] };
  const { say } = rig(t, { script, spec: { mode: "code", model: "large" } });
  const ran = JSON.parse((await say("cwd")).text) as Record<string, unknown>;
  assert.deepEqual([ran["mode"], ran["model"]], ["code", "large"]);
  const { say: sayElsewhere } = rig(t, { script, spec: { model: "huge" } });
  assert.match(failure(await sayElsewhere("cwd")), /has no model "huge"\. Its models: small, large\./);
});

test("options of an agent are set by their ids; an option or a value that it does not have is an error with what it has", async (t) => {
  const script = { options: { thought: ["low", "high"] } };
  const { say, runtime } = rig(t, { script, spec: { options: { thought: "high" } } });
  assert.equal((JSON.parse((await say("cwd")).text) as Record<string, unknown>)["thought"], "high");
  assert.deepEqual(runtime.status().agents?.[0]?.options, [{ id: "thought", value: "high", values: ["low", "high"] }]);
  const { say: sayElsewhere } = rig(t, { script, spec: { options: { color: "red" } } });
  assert.match(failure(await sayElsewhere("cwd")), /has no option "color"\. Its options: thought\./);
  const { say: sayOdd } = rig(t, { script, spec: { options: { thought: "medium" } } });
  assert.match(failure(await sayOdd("cwd")), /The option thought of the agent scripted takes low, high, not "medium"/);
});

test("what an agent started ends with it, and its environment is only what it is given", async (t) => {
  const { say, runtime } = rig(t);
  const pid = Number(/\d+/.exec((await say("spawn")).text)![0]);
  assert.ok(isRunning(pid));
  assert.doesNotMatch((await say("env")).text, /OPENCLAW_GATEWAY|HOME/);
  await runtime.forget(asId("main"), "s1");
  await untilEnded(pid);
});

test("another conversation has another process, and the one that was not used for the longest time makes room", async (t) => {
  const { say, runtime } = rig(t, { script: { load: true }, maxSessions: 2 });
  for (const session of ["s1", "s2", "s3"]) await say("hello", { session });
  assert.deepEqual(
    runtime.status().agents!.map(({ sessionKey }) => sessionKey),
    ["agent:main:s2", "agent:main:s3"],
  );
  assert.equal((await say("recall", { session: "s1", history: past })).text, "Before: hello", "it goes on where it was");
});

test("a conversation that is forgotten ends its process", async (t) => {
  const { say, runtime } = rig(t);
  await say("hello");
  const { pid } = runtime.status().agents![0]!;
  await runtime.forget(asId("main"), "s1");
  assert.equal(runtime.status().processes, 0);
  await untilEnded(pid!);
});

const descriptors = (): number => readdirSync("/proc/self/fd").length;

test("after 100 agents that were started and closed no process and no file descriptor is left", async (t) => {
  const { say, runtime, log } = rig(t, { script: { child: true } });
  const cycle = async (session: string): Promise<void> => {
    assert.equal((await say("hello", { session })).text, "You said: hello");
    await runtime.forget(asId("main"), session);
  };
  // The first one loads what stays.
  await cycle("s0");
  const before = descriptors();
  for (let round = 0; round < 25; round++) await Promise.all([1, 2, 3, 4].map((lane) => cycle(`s${round}-${lane}`)));
  const pids = log().flatMap((line) => /^(?:start|child) (\d+)$/.exec(line)?.[1] ?? []);
  assert.equal(pids.length, 202, "each agent had started a program of its own");
  await Promise.all(pids.map((pid) => untilEnded(Number(pid))));
  assert.equal(runtime.status().processes, 0);
  assert.ok(descriptors() <= before, `${before} descriptors before, ${descriptors()} after`);
});

test("values that are nested too deeply end neither the gateway nor the turn", async (t) => {
  const { events, text } = await rig(t).say("deep");
  assert.equal(text, "looked");
  const [start, end] = events.filter((event) => event.type === "tool");
  assert.deepEqual([start?.phase, start?.phase === "start" && start.args], ["start", { title: "Look" }]);
  assert.match(end?.phase === "end" ? String(end.result) : "", /nested more than/);
});

for (const [reason, stopReason, text] of [
  ["max_tokens", "length", /^enough$/],
  ["refusal", "refusal", /^enough$/],
  ["max_turn_requests", "stop", /limit of requests for one turn/],
  ["tomorrow", "stop", /^enough$/],
  // A name that every object has.
  ["constructor", "stop", /^enough$/],
] as const) {
  test(`the stop reason ${reason} is one of the turn`, async (t) => {
    const ran = await rig(t).say(`stop:${reason}`);
    assert.match(ran.text, text);
    const last = ran.events.findLast((event) => event.type === "message");
    assert.equal(last?.stopReason, stopReason);
  });
}
