import assert from "node:assert/strict";
import { test } from "node:test";
import { REBUILD_CHECKPOINT, type AgentEvent, type ErrorKind } from "../agents/runtime.ts";
import { textEvents, MODEL } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { systemClock } from "../core/clock.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { textOf } from "../store/messages.ts";
import type { TurnEvents } from "./events.ts";
import { ToolCallLimits } from "./tool-calls.ts";

const key = asId<never>("agent:main:main");
const target = { channel: asId<never>("irc"), account: asId<never>("default"), chat: { kind: "direct" as const, id: asId<never>("ann") } };
const started: AgentEvent = { type: "started", model: MODEL, contextWindow: 1000 };
const end: AgentEvent = { type: "end", reason: "stop", checkpoint: null };
const text = (delta: string): AgentEvent => ({ type: "text", delta });
const failed = (words: string): AgentEvent => ({ ...(textEvents(words) as Extract<AgentEvent, { type: "message" }>), stopReason: "error" });
const retry: AgentEvent = { type: "retry", attempt: 1, maxAttempts: 3, delayMs: 0, reason: "terminated", kind: "cut" };

/** Runs one message whose turn has these events. */
async function play(events: readonly AgentEvent[], more: Parameters<typeof message>[2] = {}) {
  const texts: TurnEvents["turn.text"][] = [];
  const warnings: { message: string; fields: Record<string, unknown> }[] = [];
  const log = { ...silentLog, warn: (what: string, fields = {}) => void warnings.push({ message: what, fields }) };
  const bench = openTurnBench({ log });
  bench.bus.on("turn.text", (event) => texts.push(event));
  bench.runtime.script = async function* () {
    yield* events;
  };
  await bench.turns.admission.submit(message("hello", "e1", { target, ...more }));
  const outcome = (await bench.turns.runs.waitForOutcome(asId("e1"), 5_000))!;
  const sent = bench.outbox.byIntent("e1").map((part) => part.text);
  const rows = rowsOf(bench);
  bench.close();
  return { outcome, sent, rows, texts, warnings };
}

function rowsOf(bench: TurnBench): string[] {
  const session = bench.sessions.get(key)!;
  return bench.messages.tail(key, session.session_id, { limit: 100 }).map((each) => `${each.body.role}: ${textOf(each.body)}`);
}

/** What a client shows that follows the events. */
const followed = (texts: readonly TurnEvents["turn.text"][]): string =>
  texts.reduce((shown, event) => (event.replace ? event.delta : shown + event.delta), "");

test("what a failed attempt said is in no record once another one answers", async () => {
  for (const attempt of [
    [text("half of "), failed("half of "), retry],
    [text("half of "), retry],
    [text("half of "), failed("half of "), retry, text("half of i"), failed("half of i"), retry],
  ]) {
    const { outcome, sent, rows, texts } = await play([
      started,
      ...attempt,
      text("half of it, and the rest"),
      textEvents("half of it, and the rest"),
      end,
    ]);
    assert.equal(outcome.text, "half of it, and the rest");
    assert.deepEqual(sent, ["half of it, and the rest"]);
    assert.deepEqual(rows, ["user: hello", "assistant: half of it, and the rest"]);
    assert.equal(followed(texts), "half of it, and the rest");
    assert.ok(texts.some((event) => event.replace));
  }
});

test("the text before a tool stays when the message after it is requested again", async () => {
  const call = { id: "1", name: "exec" };
  const tool: AgentEvent[] = [
    { type: "tool", phase: "start", ...call, args: {} },
    { type: "tool", phase: "end", ...call, result: "ok", isError: false, durationMs: 1 },
  ];
  const { outcome, rows } = await play([
    started,
    textEvents("I look."),
    ...tool,
    text("It"),
    failed("It"),
    retry,
    textEvents("It is there."),
    end,
  ]);
  assert.equal(outcome.text, "I look.\n\nIt is there.");
  assert.deepEqual(rows, ["user: hello", "assistant: I look.", "toolResult: ok", "assistant: It is there."]);
});

test("the last failed attempt keeps what it said, once, beside the reason", async () => {
  const error = { kind: "cut" as const, message: "terminated", origin: "provider" as const };
  const events: AgentEvent[] = [
    started,
    text("half"),
    failed("half"),
    retry,
    text("half"),
    failed("half"),
    { ...end, reason: "error", error },
  ];
  const { outcome, sent, rows, warnings } = await play(events);
  assert.equal(outcome.text, "half");
  assert.equal(
    sent.join(),
    "half\n\nThe connection to fake ended before the answer was complete. Try again, or choose another model with /model.",
  );
  assert.deepEqual(rows, ["user: hello", "assistant: half"]);
  assert.deepEqual(warnings, [
    {
      message: "a turn failed",
      fields: { sessionKey: key, runId: "e1", model: "fake/model", kind: "cut", status: undefined, cause: "terminated", attempts: 2 },
    },
  ]);
});

test("a turn that is stopped between two attempts keeps its text once", async () => {
  const { outcome, rows } = await play([started, text("half"), failed("half"), { ...end, reason: "aborted" }]);
  assert.equal(outcome.status, "aborted");
  assert.deepEqual(rows, ["user: hello", "assistant: half"]);
});

test("the provider's words are in the outcome's detail and in the log, never in the text", async () => {
  for (const kind of ["auth", "rate_limit", "unknown"] satisfies ErrorKind[]) {
    const error = { kind, message: "401 <html>raw</html>", httpStatus: 401, origin: "provider" as const };
    const { outcome, sent, warnings } = await play([started, { ...end, reason: "error", error }]);
    assert.doesNotMatch(JSON.stringify([outcome.error!.message, sent]), /html|raw/);
    assert.deepEqual(outcome.error!.detail, { message: "401 <html>raw</html>", httpStatus: 401, provider: "fake", model: "model" });
    assert.equal(warnings[0]!.fields["cause"], "401 <html>raw</html>");
  }
});

test("an answer that is only reasoning is reported as an error, and the reasoning is kept", async () => {
  const { outcome, sent, rows, texts } = await play([started, text("<think>secret</think>"), textEvents("<think>secret</think>"), end]);
  assert.equal(outcome.status, "error");
  assert.deepEqual(sent, [
    "The model thought about it and then gave no answer. Send the message again, or choose another model with /model.",
  ]);
  assert.doesNotMatch(JSON.stringify([rows, texts]), /secret/);
});

test("reasoning in the text reaches no client, also while it is being written", async () => {
  const pieces = ["<th", "ink>sec", "ret</thi", "nk>\n\nThe ", "answer"].map(text);
  const { outcome, sent, rows, texts } = await play([started, ...pieces, textEvents("<think>secret</think>\n\nThe answer"), end]);
  assert.equal(outcome.text, "The answer");
  assert.deepEqual(sent, ["The answer"]);
  assert.deepEqual(rows, ["user: hello", "assistant: The answer"]);
  assert.equal(followed(texts), "The answer");
  assert.ok(!JSON.stringify(texts).includes("secret"));
});

test("an answer that was cut by the model's limit says so on the channel, and the note is not part of the agent's words", async () => {
  const cut: AgentEvent = { ...(textEvents("half of it") as Extract<AgentEvent, { type: "message" }>), stopReason: "length" };
  const { outcome, sent, rows } = await play([started, text("half of it"), cut, end]);
  assert.equal(outcome.status, "ok");
  assert.match(sent.join(), /^half of it\n\n\(The answer ends here because the model reached its output limit/);
  assert.equal(outcome.text, `half of it\n\n${outcome.notice}`);
  assert.equal(rows.length, 3);
  assert.equal(rows[1], "assistant: half of it");
});

test("NO_REPLY stays silent", async () => {
  const { outcome, sent, warnings } = await play([started, textEvents("NO_REPLY"), end]);
  assert.equal(outcome.status, "ok");
  assert.deepEqual([sent, warnings], [[], []]);
});

test("an endless answer is stopped at the limit, with its text so far", async () => {
  let stopped = false;
  const bench = openTurnBench();
  bench.runtime.script = async function* (_turn, { signal }) {
    yield started;
    for (let i = 0; i < 1_000 && !signal.aborted; i++) yield text("x".repeat(10_000));
    stopped = signal.aborted;
    yield { ...end, reason: "aborted" } as AgentEvent;
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  const outcome = (await bench.turns.runs.waitForOutcome(asId("e1"), 5_000))!;
  assert.equal(stopped, true);
  assert.equal(outcome.text.length, LIMITS.answerChars);
  assert.equal(outcome.status, "error");
  assert.match(outcome.error!.message, /stopped at 1000000 characters/);
  // What the runtime has of it is not read again; the history has a part.
  const session = bench.sessions.get(asId("agent:main:main"))!;
  assert.equal(session.checkpoint, REBUILD_CHECKPOINT);
  const [said] = bench.turns.transcript.buildContext(session, []).filter(({ role }) => role === "assistant");
  assert.match(said!.text.slice(-60), /^x+\n\n\[800000 more characters are left out\]$/);
  bench.close();
});

test("thinking without an end is stopped at its limit", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (_turn, { signal }) {
    yield started;
    for (let i = 0; i < 1_000 && !signal.aborted; i++) yield { type: "thinking", delta: "x".repeat(10_000) };
    yield { ...end, reason: "aborted" } as AgentEvent;
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal((await bench.turns.runs.waitForOutcome(asId("e1"), 5_000))?.error?.kind, "too_long");
  bench.close();
});

test("a chat gets one notice that a turn takes long", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (_turn, control) {
    yield started;
    for (const forMs of [20_000, 60_000, 90_000]) yield { type: "waiting", for: "model", forMs };
    await control.gate();
    yield textEvents("late");
    yield end;
  };
  await bench.turns.admission.submit(message("hello", "e1", { target }));
  const told = await until(() => bench.outbox.byIntent("e1:waiting")[0]);
  assert.match(told.text, /The model has not said anything for 60 seconds/);
  bench.runtime.release("e1");
  await bench.turns.runs.waitForOutcome(asId("e1"), 5_000);
  assert.equal(bench.outbox.byIntent("e1:waiting").length, 1);
  assert.equal(bench.outbox.byIntent("e1").at(-1)!.text, "late");
  bench.close();
});

test("a model that goes in circles is refused the call first and stopped then", () => {
  const limits = new ToolCallLimits();
  const call = { name: "exec", args: { command: "ls" } };
  const verdicts = Array.from({ length: LIMITS.toolRepeatsStopped }, (_, n) => limits.check({ ...call, id: `c${n}` }));
  assert.equal(
    verdicts.findIndex(({ reason }) => reason !== null),
    LIMITS.toolRepeatsRefused - 1,
  );
  assert.equal(
    verdicts.findIndex(({ stop }) => stop),
    LIMITS.toolRepeatsStopped - 1,
  );
  assert.equal(verdicts.at(-1)!.stop!.kind, "tool_loop");
});

test("a wait for a command may be repeated ten times as often", () => {
  for (const [timeout, factor] of [
    [30_000, 10],
    ["500", 10],
    [0, 1],
    [undefined, 1],
  ] as const) {
    const limits = new ToolCallLimits();
    const call = { name: "process", args: { action: "poll", sessionId: "brisk-river", timeout } };
    const verdicts = Array.from({ length: LIMITS.toolRepeatsStopped * factor }, (_, n) => limits.check({ ...call, id: `c${n}` }));
    assert.equal(
      verdicts.findIndex(({ reason }) => reason !== null),
      LIMITS.toolRepeatsRefused * factor - 1,
    );
    assert.equal(
      verdicts.findIndex(({ stop }) => stop),
      LIMITS.toolRepeatsStopped * factor - 1,
    );
  }
});

test("tool calls of one turn have a limit, whatever they are, and odd arguments are refused", () => {
  const limits = new ToolCallLimits();
  for (let i = 0; i < LIMITS.turnToolCalls; i++)
    assert.deepEqual(limits.check({ id: `c${i}`, name: "exec", args: { i } }), { reason: null });
  assert.match(limits.check({ id: "last", name: "exec", args: {} }).stop!.message, /after 500 tool calls/);
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.match(new ToolCallLimits().check({ id: "deep", name: "exec", args: deep }).reason!, /nested/);
});

for (const what of ["a tool", "a tool that does not exist"])
  test(`a loop of calls of ${what} ends the turn with a sentence`, async () => {
    const bench = openTurnBench();
    bench.runtime.script = async function* (turn, { signal }) {
      yield started;
      while (!signal.aborted) {
        const call = { id: "1", name: "exec", args: { command: "ls" } };
        if (what === "a tool") await turn.beforeTool(call);
        yield { type: "tool", phase: "start", ...call };
        yield { type: "tool", phase: "end", id: "1", name: "exec", result: "", isError: false, durationMs: 1 };
      }
      yield { ...end, reason: "aborted" } as AgentEvent;
    };
    await bench.turns.admission.submit(message("hello", "e1", { tools: ["exec"] }));
    const outcome = (await bench.turns.runs.waitForOutcome(asId("e1"), 5_000))!;
    assert.equal(outcome.error?.kind, "tool_loop");
    assert.match(outcome.error!.message, /made the same call of exec 20 times/);
    bench.close();
  });

test("everything that the end of a turn stores has one time", async () => {
  let time = 1_000;
  const bench = openTurnBench({ clock: { ...systemClock, now: () => ++time } });
  bench.runtime.script = async function* () {
    yield* [started, textEvents("one"), textEvents("two"), end];
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  const outcome = (await bench.turns.runs.waitForOutcome(asId("e1"), 5_000))!;
  const rows = bench.messages.byRun(asId("e1")).filter(({ body }) => body.role === "assistant");
  assert.deepEqual(
    rows.map(({ at }) => at),
    [outcome.endedAt, outcome.endedAt],
  );
  bench.close();
});
