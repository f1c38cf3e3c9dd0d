// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent } from "../agents/runtime.ts";
import type { Link, SendResult } from "../channels/channel.ts";
import { systemClock } from "../core/clock.ts";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { spanIdOf, traceIdOf } from "../core/trace-context.ts";
import type { OtlpSpan } from "../observe/otel/otlp.ts";
import { exportSpans } from "../observe/otel/spans.ts";
import { RunTraces } from "../observe/otel/traces.ts";
import { MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { ActivePreviews } from "./active-previews.ts";
import { Delivery } from "./delivery.ts";
import { conversationOf } from "./outbound.ts";
import { recover } from "./recover.ts";
import { SendPauses } from "./send-pauses.ts";
import type { Payload } from "./submission.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN = "b7ad6b7169203331";
const target = {
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>("alice") },
};
const PROVENANCE = { channel: asId<never>("irc"), account: asId<never>("default"), senderId: asId<never>("alice"), senderIsOwner: false };
const fromChannel = (text: string, eventId: string) =>
  message(text, eventId, { channel: "irc", account: "default", target, provenance: PROVENANCE });

/** One call of a tool, then the answer. */
async function* toolScript(): AsyncGenerator<AgentEvent> {
  yield { type: "started", model: MODEL, contextWindow: 1_000 };
  yield { type: "request", spanId: "1111111111111111" };
  const call = { id: "call-1", name: "exec", arguments: { command: "echo secret-argument" } };
  yield { ...(textEvents("") as Extract<AgentEvent, { type: "message" }>), blocks: [{ type: "toolCall", ...call }], stopReason: "toolUse" };
  yield { type: "tool", phase: "start", id: "call-1", name: "exec", args: { command: "echo secret-argument" } };
  yield { type: "tool", phase: "end", id: "call-1", name: "exec", result: "secret-result", isError: false, durationMs: 1 };
  yield { type: "request", spanId: "2222222222222222" };
  yield { type: "text", delta: "secret-answer" };
  yield textEvents("secret-answer");
  yield { type: "end", reason: "stop", checkpoint: null };
}

type SpanBench = TurnBench & { spans: OtlpSpan[]; delivery: Delivery };

function openSpanBench(
  options: { dir?: string; send?: () => SendResult | Promise<SendResult>; captureContent?: boolean; ratio?: number } = {},
): SpanBench {
  const spans: OtlpSpan[] = [];
  let delivery: Delivery | null = null;
  const bench = openTurnBench({ deliver: (conversation) => delivery?.wake(conversation), ...(options.dir && { dir: options.dir }) });
  exportSpans({
    bus: bench.bus,
    settings: {
      captureContent: options.captureContent ?? false,
      latestGenAi: false,
      limits: { attributes: 128, valueChars: 4_096, events: 8 },
    },
    traces: new RunTraces({ ratio: options.ratio ?? 1, followParent: true }, (runId) => {
      return bench.inbox.byRun<Payload>(asId(runId))?.payload?.traceparent ?? null;
    }),
    add: (span) => spans.push(span),
    redact: (text, chars) => text.slice(0, chars),
  });
  const link: Link = { send: async () => (await options.send?.()) ?? { state: "sent", ids: [asId("m")] } };
  delivery = new Delivery({
    store: bench.store,
    outbox: bench.outbox,
    bus: bench.bus,
    clock: systemClock,
    log: silentLog,
    metrics: silentMetrics,
    link: () => link,
    directory: { capabilities: () => null },
    media: bench.media,
    previews: new ActivePreviews(),
    pauses: new SendPauses(systemClock),
    onUndelivered: () => null,
    crashPoint: () => {},
  });
  return { ...bench, spans, delivery };
}

/** Every span but the root of its trace has its parent among the others. */
function assertOneTree(spans: readonly OtlpSpan[], rootParent?: string): void {
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1, "one trace");
  const ids = new Set(spans.map(({ spanId }) => spanId));
  assert.equal(ids.size, spans.length, "ids are unique");
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === rootParent);
  assert.deepEqual(
    roots.map(({ name }) => name),
    ["openclaw.message.processed"],
  );
  for (const { name, parentSpanId } of spans) if (parentSpanId !== rootParent) assert.ok(ids.has(parentSpanId!), `${name} has its parent`);
}

const named = (spans: readonly OtlpSpan[], name: string): OtlpSpan[] => spans.filter((span) => span.name === name);
const attribute = (span: OtlpSpan | undefined, key: string): unknown => {
  const found = span?.attributes.find((each) => each.key === key)?.value;
  return found && Object.values(found)[0];
};

test("one message of a channel is one trace, from its receipt to the platform's acknowledgement", async () => {
  const bench = openSpanBench();
  bench.runtime.script = toolScript;
  await bench.turns.admission.submit(fromChannel("hello", "e1"));
  await until(() => named(bench.spans, "openclaw.outbox").length === 1);
  assertOneTree(bench.spans);
  const count = (name: string): number => named(bench.spans, name).length;
  const stages = ["inbox", "lane.wait", "model.call", "tool.execution", "run", "message.processed", "outbox", "message.delivery"];
  assert.deepEqual(
    stages.map((name) => [name, count(`openclaw.${name}`)]),
    stages.map((name) => [name, name === "model.call" ? 2 : 1]),
  );
  assert.deepEqual(
    named(bench.spans, "openclaw.model.call").map(({ spanId }) => spanId),
    ["1111111111111111", "2222222222222222"],
  );
  const [call] = named(bench.spans, "openclaw.model.call");
  assert.deepEqual([attribute(call, "gen_ai.system"), attribute(call, "gen_ai.request.model")], ["fake", "model"]);
  assert.equal(attribute(named(bench.spans, "openclaw.tool.execution")[0], "gen_ai.tool.name"), "exec");
  for (const { startTimeUnixNano, endTimeUnixNano } of bench.spans) assert.ok(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano));
  bench.close();
});

test("nothing that people, models or tools say is exported unless the configuration asks for it", async () => {
  for (const captureContent of [false, true]) {
    const bench = openSpanBench({ captureContent });
    bench.runtime.script = toolScript;
    await bench.turns.admission.submit(fromChannel("secret-question", "e1"));
    await until(() => named(bench.spans, "openclaw.outbox").length === 1);
    const text = JSON.stringify(bench.spans);
    for (const word of ["secret-question", "secret-argument", "secret-result", "secret-answer"])
      assert.equal(text.includes(word), captureContent, word);
    assert.ok(!text.includes("agent:main"), "no key of a session");
    bench.close();
  }
});

test("the trace of a client goes on in the gateway, also for the runtime", async () => {
  const bench = openSpanBench();
  await bench.turns.admission.submit({ ...message("hello", "e1"), traceparent: `00-${TRACE}-${CLIENT_SPAN}-01` });
  await until(() => named(bench.spans, "openclaw.message.processed").length === 1);
  assertOneTree(bench.spans, CLIENT_SPAN);
  assert.equal(bench.spans[0]!.traceId, TRACE);
  bench.close();
});

test("a client that does not record its trace has none here, and the share applies to all others", async () => {
  const bench = openSpanBench({ ratio: 0 });
  await bench.turns.admission.submit({ ...message("hello", "e1"), traceparent: `00-${TRACE}-${CLIENT_SPAN}-01` });
  await bench.turns.admission.submit(message("other", "e2"));
  await bench.turns.runs.waitForOutcome(asId("e2"), 5_000);
  await bench.turns.runs.waitForOutcome(asId("e1"), 5_000);
  assert.deepEqual(new Set(bench.spans.map(({ traceId }) => traceId)), new Set([TRACE]));
  bench.close();
});

test("after a crash the next process continues the trace of a message", async () => {
  const first = openSpanBench();
  first.runtime.script = async function* (_turn, { gate }) {
    yield { type: "started", model: MODEL, contextWindow: 1_000 };
    await gate();
  };
  await first.turns.admission.submit(fromChannel("hello", "e1"));
  await until(() => named(first.spans, "openclaw.lane.wait").length === 1);
  // The process ends here: nothing else of it is exported.
  const before = [...first.spans];
  first.store.close();
  const second = openSpanBench({ dir: first.dir });
  recover({ ...second, ...second.turns, abilitiesOf: () => null });
  await until(() => named(second.spans, "openclaw.outbox").length === 1);
  assertOneTree([...before, ...second.spans]);
  second.close();
});

test("a part that its platform refuses at first has a span for each attempt", async () => {
  let attempts = 0;
  const bench = openSpanBench({
    send: () =>
      ++attempts === 1 ? { state: "refused", retryable: true, reason: "busy", retryAfterMs: 1 } : { state: "sent", ids: [asId("m")] },
  });
  await bench.turns.admission.submit(fromChannel("hello", "e1"));
  await until(() => named(bench.spans, "openclaw.outbox").length === 1);
  assertOneTree(bench.spans);
  const tries = named(bench.spans, "openclaw.message.delivery");
  assert.deepEqual(
    tries.map((span) => attribute(span, "openclaw.outcome")),
    ["error", "completed"],
  );
  assert.equal(tries[0]!.parentSpanId, spanIdOf("part", "e1:0"));
  bench.close();
});

test("a notice that no run has sent is a trace of its own", async () => {
  const bench = openSpanBench();
  await bench.store.write(() => bench.turns.outbound.add({ id: "notice-1", sessionKey: null, target, text: "hello", at: Date.now() }));
  bench.delivery.wake(conversationOf(target));
  const [part] = await until(() => {
    const found = named(bench.spans, "openclaw.outbox");
    return found.length === 1 && found;
  }).then(() => named(bench.spans, "openclaw.outbox"));
  assert.deepEqual([part!.traceId, part!.parentSpanId], [traceIdOf("notice-1"), undefined]);
  bench.close();
});

test("messages that one turn answers together are linked to its trace", async () => {
  const bench = openSpanBench();
  const held = Promise.withResolvers<void>();
  const { script } = bench.runtime;
  let turns = 0;
  bench.runtime.script = async function* (turn, control) {
    if (turns++ === 0) await held.promise;
    yield* script(turn, control);
  };
  await bench.turns.admission.submit(message("first", "e1", { queueMode: "collect" }));
  await bench.turns.admission.submit(message("second", "e2", { queueMode: "collect" }));
  await bench.turns.admission.submit(message("third", "e3", { queueMode: "collect" }));
  held.resolve();
  await until(() => named(bench.spans, "openclaw.message.processed").length === 3);
  const merged = bench.spans.find(({ name, traceId }) => name === "openclaw.message.processed" && traceId === traceIdOf("e3"));
  assert.deepEqual(
    merged?.links?.map(({ traceId, spanId }) => [traceId, spanId]),
    [[traceIdOf("e2"), spanIdOf("message", "e2")]],
  );
  bench.close();
});
