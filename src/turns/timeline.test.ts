import assert from "node:assert/strict";
import { test } from "node:test";
import { message, openTurnBench } from "../../test/fakes/turn-bench.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import type { AgentEvent } from "../agents/runtime.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { Bus } from "../core/bus.ts";
import type { RunStages } from "../core/stages.ts";
import { formatSpan } from "../core/quantities.ts";
import { stageNote, stageTitle, summarizeTimeline } from "../core/timeline.ts";
import type { InboxRow } from "../store/inbox.ts";
import type { OutboxPart } from "../store/outbox.ts";
import { RunRecorder } from "./stages.ts";
import type { Payload } from "./submission.ts";
import { toTimeline, type TimelineRows } from "./timeline.ts";

const T = 1_000_000;
const usage = { input: 10, output: 2, cacheRead: 3, cacheWrite: 0, totalTokens: 15, costUsd: 0.01 };
const payload = { sentAt: T - 500, route: { rule: "default", access: "dm-listed", detail: "allowFrom" } } as Partial<Payload> as Payload;

const row = (more: Partial<InboxRow<Payload>> = {}): InboxRow<Payload> => ({
  seq: 1,
  runId: asId<RunId>("r1"),
  channel: "webhook",
  account: "default",
  eventId: "e1",
  sessionKey: asId<SessionKey>("agent:main:main"),
  sessionId: "s",
  agentId: asId<AgentId>("main"),
  payload,
  state: "done",
  attempts: 1,
  toolsStarted: false,
  mergedInto: null,
  receivedAt: T,
  startedAt: T + 50,
  endedAt: T + 900,
  outcome: { status: "ok", text: "hi", stopReason: "stop", endedAt: T + 900 },
  stages: null,
  ...more,
});

const part = (more: Partial<OutboxPart> = {}): OutboxPart => ({
  partKey: "r1/0",
  intentId: "r1",
  position: 0,
  runId: "r1",
  sessionKey: null,
  conversation: "c",
  target: {},
  text: "hi",
  media: null,
  buttons: null,
  editOf: null,
  state: "sent",
  attempts: 1,
  createdAt: T + 900,
  updatedAt: T + 990,
  attemptedAt: T + 910,
  platformIds: ["p1"],
  cause: null,
  ...more,
});

const rows = (more: Partial<TimelineRows> = {}): TimelineRows => {
  const own = more.message ?? row();
  return { message: own, run: own, running: null, audit: [], parts: [], ...more };
};

const recorderOn = (clock: FakeClock, committedAt?: number): RunRecorder =>
  new RunRecorder({ bus: new Bus(assert.ifError), clock }, { ...row(), payload }, committedAt);

const STAGES: RunStages = {
  committedAt: T + 10,
  promptedAt: T + 80,
  firstTokenAt: T + 200,
  steps: [
    {
      kind: "model",
      startedAt: T + 80,
      endedAt: T + 300,
      firstAt: T + 200,
      model: "a/b",
      stopReason: "toolUse",
      tokens: usage,
      costUsd: 0.01,
    },
    { kind: "tool", startedAt: T + 300, endedAt: T + 600, callId: "c1", tool: "read" },
    { kind: "model", startedAt: T + 600, endedAt: T + 880, model: "a/b", stopReason: "stop", tokens: usage, costUsd: 0.01 },
  ],
};

/** `stored 0-10` and so on, in milliseconds from the arrival. */
const shown = (given: TimelineRows): string[] =>
  toTimeline(given).stages.map(
    ({ kind, startedAt, endedAt, status }) =>
      `${kind} ${startedAt - T}-${endedAt === undefined ? "" : endedAt - T}${status === "done" ? "" : ` ${status}`}`,
  );

test("a message that was answered and delivered has every stage, in order and without gaps", () => {
  const given = rows({ message: row({ stages: STAGES }), parts: [part()] });
  assert.deepEqual(shown(given), [
    "platform -500-0",
    "stored 0-10",
    "routed 0-0",
    "waited 10-50",
    "prepared 50-80",
    "model 80-300",
    "tool 300-600",
    "model 600-880",
    "answered 900-900",
    "delivery 900-990",
  ]);
  const timeline = toTimeline(given);
  assert.deepEqual([timeline.tokens.input, timeline.tokens.output, timeline.costUsd], [20, 4, 0.02]);
  assert.equal(summarizeTimeline(timeline), "It was answered in 900 ms and delivered in 990 ms.");
  assert.deepEqual(timeline.stages.map(stageTitle)[6], "Tool read");
  assert.match(stageNote(timeline.stages[2]!), /^to agent main \(no binding matches\); answered because allowFrom$/);
});

test("an idle lane takes a message at once, and its preparation begins when it is on disk", () => {
  assert.deepEqual(shown(rows({ message: row({ startedAt: T, stages: STAGES }) })).slice(3, 5), ["waited 0-0", "prepared 10-80"]);
});

test("a message that waits says so, and one that runs shows what is known of it", () => {
  const queued = row({ state: "queued", startedAt: null, endedAt: null, outcome: null });
  assert.deepEqual(shown(rows({ message: queued })), ["platform -500-0", "stored 0-0", "routed 0-0", "waited 0- running"]);
  assert.equal(summarizeTimeline(toTimeline(rows({ message: queued }))), "It waits for its turn.");
  const running = { promptedAt: T + 60, steps: [{ kind: "tool", startedAt: T + 70, callId: "c", tool: "exec" }] } as const;
  const message = row({ state: "running", endedAt: null, outcome: null });
  assert.deepEqual(shown(rows({ message, running: { ...running, steps: [...running.steps] } })).slice(-2), [
    "prepared 50-60",
    "tool 70- running",
  ]);
});

test("without noted steps the calls of tools are those of the audit", () => {
  const call = { kind: "tool", callId: "c1", tool: "exec" } as const;
  const audit = [
    { ...call, at: T + 100, status: "started" },
    { ...call, at: T + 300, status: "failed" },
    { ...call, callId: "c2", at: T + 310, status: "started" },
  ] as const;
  assert.deepEqual(shown(rows({ audit })).slice(4, 7), ["agent 50-900", "tool 100-300 failed", "tool 310- unknown"]);
  assert.equal(toTimeline(rows()).hasSteps, false);
});

test("what was collected into another turn shows the stages of that turn", () => {
  const message = row({ runId: asId<RunId>("r2"), state: "merged", mergedInto: asId<RunId>("r1"), startedAt: null, receivedAt: T + 40 });
  const timeline = toTimeline(rows({ message, run: row({ stages: STAGES }) }));
  assert.equal(timeline.mergedInto, "r1");
  assert.deepEqual(
    shown(rows({ message, run: row({ stages: STAGES }) })).filter((line) => /waited|model/.test(line)),
    ["waited 40-50", "model 80-300", "model 600-880"],
  );
});

test("failures say why: a turn, a part that may have been sent, a dead letter", () => {
  const error = { kind: "auth", message: "the key was refused" };
  const failed = row({ state: "failed", outcome: { status: "error", text: "", stopReason: "error", endedAt: T + 900, error } });
  const answered = toTimeline(rows({ message: failed })).stages.at(-1)!;
  assert.deepEqual([stageTitle(answered), stageNote(answered), answered.status], ["Failed", "the key was refused", "failed"]);
  const unknown = toTimeline(rows({ parts: [part({ state: "unknown", cause: "the connection broke", platformIds: [], attempts: 2 })] }));
  assert.deepEqual(
    unknown.stages.slice(-2).map((stage) => `${stage.kind} ${stage.status}: ${stageNote(stage)}`),
    ["delivery unknown: may have been sent · 2 attempts · the connection broke", "dead-letter unknown: the connection broke"],
  );
  assert.equal(unknown.deliveredAt, undefined);
  assert.match(summarizeTimeline(unknown), /but the answer may not have been delivered/);
  const parked = row({ state: "parked", startedAt: null, outcome: null, endedAt: null });
  assert.deepEqual(shown(rows({ message: parked })).at(-1), "dead-letter 0- failed");
});

test("a message of the model that a failure has cut off is a step, and the notice about it is delivered", () => {
  const clock = new FakeClock(T);
  const recorder = recorderOn(clock);
  recorder.prompted();
  recorder.onEvent({ type: "started", model: MODEL, contextWindow: 1 });
  clock.advance(30);
  recorder.onEvent({ type: "end", reason: "error", checkpoint: null });
  assert.deepEqual(
    recorder.stages.steps.map((step) => [step.kind, step.startedAt - T, step.endedAt! - T, step.kind === "model" && step.stopReason]),
    [["model", 0, 30, "error"]],
  );
  const outcome = { status: "error", text: "", stopReason: "error", endedAt: T + 900 } as const;
  const timeline = toTimeline(rows({ message: row({ state: "failed", outcome, stages: recorder.stages }), parts: [part()] }));
  assert.equal(timeline.stages.find((stage) => stage.kind === "model")!.status, "failed");
  assert.equal(summarizeTimeline(timeline), "It failed after 900 ms; the notice was delivered in 990 ms.");
});

test("the recorder notes the steps of a turn, and the message after a tool begins at its end", () => {
  const clock = new FakeClock(T);
  const recorder = recorderOn(clock, T - 5);
  const play = (ms: number, event: AgentEvent): void => {
    clock.advance(ms);
    recorder.onEvent(event);
  };
  const tool = { type: "tool", id: "c1", name: "read" } as const;
  const said = { ...(textEvents("hi") as Extract<AgentEvent, { type: "message" }>), usage };
  recorder.prompted();
  play(10, { type: "started", model: MODEL, contextWindow: 1 });
  play(10, { type: "thinking", delta: "." });
  play(10, { type: "text", delta: "." });
  play(10, { type: "retry", attempt: 1, maxAttempts: 3, delayMs: 5, reason: "x".repeat(1_000) });
  play(10, said);
  play(10, { ...tool, phase: "start", args: {} });
  recorder.onApproval({ phase: "waiting", approvalId: "a1", callId: "c1" });
  clock.advance(100);
  recorder.onApproval({ phase: "resolved", approvalId: "a1", callId: "c1" });
  play(10, { ...tool, phase: "end", result: "", isError: true, durationMs: 1 });
  play(10, said);
  const { steps, ...rest } = recorder.stages;
  assert.deepEqual(rest, { committedAt: T - 5, promptedAt: T, acceptedAt: T + 10, firstTokenAt: T + 20 });
  assert.deepEqual(
    steps.map(({ kind, startedAt, endedAt }) => [kind, startedAt - T, endedAt! - T]),
    [
      ["retry", 40, 40],
      ["model", 40, 50],
      ["tool", 60, 170],
      ["approval", 60, 160],
      ["model", 170, 180],
    ],
  );
  assert.equal(JSON.stringify(steps).length < 1_500, true, "the reason is cut");
});

test("the stages of a run are stored with its end, in one row", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* () {
    yield { type: "started", model: MODEL, contextWindow: 1000 };
    yield textEvents("done");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  await bench.turns.runs.waitForOutcome(asId("e1"), 5_000);
  const { stages, receivedAt, endedAt } = bench.inbox.byRun<Payload>("e1")!;
  assert.ok(stages!.committedAt! >= receivedAt && stages!.promptedAt! <= endedAt!);
  assert.deepEqual(
    stages!.steps.map((step) => step.kind),
    ["model"],
  );
  assert.equal(bench.turns.runs.stagesOf(asId("e1")), null, "nothing is kept of a run that has ended");
  bench.close();
});

test("spans are written in the unit that one reads", () => {
  assert.deepEqual([0, 999, 1_500, 12_345, 125_000, 7_500_000].map(formatSpan), [
    "0 ms",
    "999 ms",
    "1.50 s",
    "12.3 s",
    "2 min 5 s",
    "2 h 5 min",
  ]);
});
