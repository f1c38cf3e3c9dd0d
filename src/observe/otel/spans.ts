import type { Bus } from "../../core/bus.ts";
import type { StageEvents, StageTime } from "../../core/stages.ts";
import { newSpanId, parseTraceparent, spanIdOf, traceIdOf } from "../../core/trace-context.ts";
import { paramsKind, toLabel } from "../stage-metrics.ts";
import { GEN_AI, genAiProvider } from "./gen-ai.ts";
import { OTEL_LIMITS } from "./limits.ts";
import { errorStatus, SPAN_KIND, toAttributes, toNanos, type OtlpAttributes, type OtlpSpan } from "./otlp.ts";
import type { TelemetrySettings } from "./settings.ts";
import type { RunTrace, RunTraces } from "./traces.ts";

export type SpanOptions = {
  bus: Bus<StageEvents>;
  settings: Pick<TelemetrySettings, "captureContent" | "latestGenAi" | "limits">;
  traces: RunTraces;
  add: (span: OtlpSpan) => void;
  /** Text without credentials, at most this long. */
  redact: (text: string, chars: number) => string;
};

type SpanInput = {
  trace: Pick<RunTrace, "traceId">;
  spanId: string;
  parentId: string | null;
  name: string;
  kind: number;
  time: StageTime;
  attributes: OtlpAttributes;
  /** Why it failed; absent when it did not. */
  error?: string;
  link?: { traceId: string; spanId: string };
};

/** Makes spans of the stages of messages. Returns the function that ends it. */
export function exportSpans(options: SpanOptions): () => void {
  const spans = new Spans(options);
  const { bus } = options;
  const ends = [
    bus.on("stage.admitted", (stage) => spans.admitted(stage)),
    bus.on("stage.waited", (stage) => spans.waited(stage)),
    bus.on("stage.model", (stage) => spans.model(stage)),
    bus.on("stage.tool", (stage) => spans.tool(stage)),
    bus.on("stage.run", (stage) => spans.run(stage)),
    bus.on("stage.processed", (stage) => spans.processed(stage)),
    bus.on("stage.delivery", (stage) => spans.delivery(stage)),
    bus.on("stage.part", (stage) => spans.part(stage)),
    bus.on("stage.rpc", (stage) => spans.rpc(stage)),
  ];
  return () => ends.forEach((end) => end());
}

const MESSAGE_KINDS: Readonly<Record<string, number>> = { channel: SPAN_KIND.consumer, cron: SPAN_KIND.internal };
const failure = (outcome: string, kind: string | null): { error?: string } => (outcome === "error" ? { error: kind ?? "unknown" } : {});

class Spans {
  readonly #options: SpanOptions;

  constructor(options: SpanOptions) {
    this.#options = options;
  }

  admitted({ runId, channel, source, traceparent, ...time }: StageEvents["stage.admitted"]): void {
    const trace = this.#options.traces.of(runId, traceparent);
    const attributes = { "openclaw.channel": toLabel(channel), "openclaw.source": source };
    this.#ofMessage(runId, trace, { name: "openclaw.inbox", time, attributes });
  }

  waited({ runId, channel, trigger, traceparent, ...time }: StageEvents["stage.waited"]): void {
    const attributes = { "openclaw.channel": toLabel(channel), "openclaw.trigger": trigger };
    this.#ofMessage(runId, this.#options.traces.of(runId, traceparent), { name: "openclaw.lane.wait", time, attributes });
  }

  model(stage: StageEvents["stage.model"]): void {
    const { traces, settings } = this.#options;
    const trace = traces.of(stage.runId);
    if (!trace.sampled) return;
    this.#add({
      trace,
      spanId: stage.spanId ?? newSpanId(),
      parentId: spanIdOf("run", stage.runId),
      name: settings.latestGenAi ? `chat ${stage.model}` : "openclaw.model.call",
      kind: SPAN_KIND.client,
      time: stage,
      attributes: { ...this.#modelAttributes(stage), ...usageAttributes(stage), ...this.#answerAttributes(stage) },
      ...failure(stage.outcome, stage.errorKind),
    });
  }

  tool(stage: StageEvents["stage.tool"]): void {
    const trace = this.#options.traces.of(stage.runId);
    if (!trace.sampled) return;
    const isOfServer = stage.tool.includes("__");
    this.#add({
      trace,
      spanId: newSpanId(),
      parentId: spanIdOf("run", stage.runId),
      name: this.#options.settings.latestGenAi ? `execute_tool ${toLabel(stage.tool)}` : "openclaw.tool.execution",
      kind: SPAN_KIND.internal,
      time: stage,
      attributes: {
        [GEN_AI.operation]: "execute_tool",
        [GEN_AI.toolName]: toLabel(stage.tool),
        [GEN_AI.toolCallId]: stage.callId,
        [GEN_AI.toolType]: "function",
        "openclaw.toolName": toLabel(stage.tool),
        "openclaw.tool.source": isOfServer ? "mcp" : "core",
        "openclaw.tool.params.kind": paramsKind(stage.args),
        "openclaw.outcome": stage.outcome === "ok" ? "completed" : stage.outcome,
        "openclaw.deniedReason": stage.denied === null ? null : "policy",
        ...this.#toolContent(stage),
      },
      ...(stage.outcome === "ok" ? {} : { error: stage.outcome === "blocked" ? "blocked" : "tool_error" }),
    });
  }

  run(stage: StageEvents["stage.run"]): void {
    const trace = this.#options.traces.of(stage.runId);
    if (!trace.sampled) return;
    const { input, output } = stage.usage;
    this.#add({
      trace,
      spanId: spanIdOf("run", stage.runId),
      parentId: spanIdOf("message", stage.runId),
      name: this.#options.settings.latestGenAi ? `invoke_agent ${stage.agentId}` : "openclaw.run",
      kind: SPAN_KIND.internal,
      time: stage,
      attributes: {
        ...this.#runAttributes(stage, "invoke_agent"),
        [GEN_AI.agentId]: stage.agentId,
        [GEN_AI.inputTokens]: input,
        [GEN_AI.outputTokens]: output,
        [GEN_AI.inputMessages]: this.#content([{ role: "user", parts: [{ type: "text", content: stage.input }] }]),
        "openclaw.run.id": stage.runId,
        "openclaw.trigger": stage.trigger,
        "openclaw.outcome": stage.outcome === "ok" ? "completed" : stage.outcome,
        "openclaw.errorCategory": stage.errorKind,
      },
      ...failure(stage.outcome, stage.errorKind),
    });
  }

  /** The root of the trace of a message, below the client's span where it named one. */
  processed(stage: StageEvents["stage.processed"]): void {
    const { traces } = this.#options;
    const trace = traces.of(stage.runId, stage.traceparent);
    if (!trace.sampled) return;
    const { mergedInto } = stage;
    this.#add({
      trace,
      spanId: spanIdOf("message", stage.runId),
      parentId: trace.parent?.spanId ?? null,
      name: "openclaw.message.processed",
      kind: MESSAGE_KINDS[stage.source] ?? SPAN_KIND.server,
      time: stage,
      attributes: {
        "openclaw.channel": toLabel(stage.channel),
        "openclaw.source": stage.source,
        "openclaw.outcome": stage.outcome === "ok" ? "completed" : stage.outcome,
        "openclaw.reason": mergedInto === null ? stage.errorKind : "merged",
        "openclaw.run.id": stage.runId,
        [GEN_AI.conversation]: stage.sessionId,
      },
      ...failure(stage.outcome, stage.errorKind),
      ...(mergedInto === null ? {} : { link: { traceId: traces.of(mergedInto).traceId, spanId: spanIdOf("message", mergedInto) } }),
    });
  }

  part(stage: StageEvents["stage.part"]): void {
    const { trace, parentId } = this.#traceOfPart(stage);
    if (!trace.sampled) return;
    this.#add({
      trace,
      spanId: spanIdOf("part", stage.partKey),
      parentId,
      name: "openclaw.outbox",
      kind: SPAN_KIND.internal,
      time: stage,
      attributes: { "openclaw.channel": toLabel(stage.channel), "openclaw.delivery.kind": stage.kind, "openclaw.outcome": stage.outcome },
      ...(stage.outcome === "sent" || stage.outcome === "dropped" ? {} : { error: stage.outcome }),
    });
  }

  delivery(stage: StageEvents["stage.delivery"]): void {
    const { trace } = this.#traceOfPart(stage);
    if (!trace.sampled) return;
    this.#add({
      trace,
      spanId: newSpanId(),
      parentId: spanIdOf("part", stage.partKey),
      name: "openclaw.message.delivery",
      kind: SPAN_KIND.producer,
      time: stage,
      attributes: {
        "openclaw.channel": toLabel(stage.channel),
        "openclaw.delivery.kind": stage.kind,
        "openclaw.delivery.attempt": stage.attempt,
        "openclaw.outcome": stage.outcome === "ok" ? "completed" : stage.outcome,
        "openclaw.errorCategory": stage.errorKind,
      },
      ...(stage.outcome === "ok" ? {} : { error: stage.errorKind ?? stage.outcome }),
    });
  }

  /** Only of a client that asked for it with a `traceparent`: others would be traces of one span each. */
  rpc(stage: StageEvents["stage.rpc"]): void {
    const parent = parseTraceparent(stage.traceparent);
    if (!parent || !this.#options.traces.isSampled(parent.traceId, parent)) return;
    this.#add({
      trace: parent,
      spanId: newSpanId(),
      parentId: parent.spanId,
      name: "openclaw.gateway.rpc.handler",
      kind: SPAN_KIND.server,
      time: stage,
      attributes: {
        "openclaw.gateway.rpc.method": stage.method,
        "openclaw.gateway.rpc.phase": "handler",
        "openclaw.gateway.rpc.outcome": stage.outcome === "ok" ? "completed" : "error",
        "openclaw.gateway.rpc.admission_ms": stage.admissionMs,
      },
      ...(stage.outcome === "ok" ? {} : { error: stage.outcome }),
    });
  }

  /** A stage directly below the root of its message. */
  #ofMessage(runId: string, trace: RunTrace, span: { name: string; time: StageTime; attributes: OtlpAttributes }): void {
    if (!trace.sampled) return;
    this.#add({ ...span, trace, spanId: newSpanId(), parentId: spanIdOf("message", runId), kind: SPAN_KIND.internal });
  }

  /** What no run has sent, such as a notice of the gateway, is a trace of its own. */
  #traceOfPart({ runId, intentId }: { runId: string | null; intentId: string }): { trace: RunTrace; parentId: string | null } {
    const { traces } = this.#options;
    if (runId !== null) return { trace: traces.of(runId), parentId: spanIdOf("message", runId) };
    const traceId = traceIdOf(intentId);
    return { trace: { traceId, parent: null, sampled: traces.isSampled(traceId, null) }, parentId: null };
  }

  #runAttributes({ channel, provider, model, sessionId }: StageEvents["stage.run"] | StageEvents["stage.model"], operation: string) {
    const { latestGenAi } = this.#options.settings;
    return {
      "openclaw.channel": toLabel(channel),
      "openclaw.provider": provider,
      "openclaw.model": model,
      [latestGenAi ? GEN_AI.provider : GEN_AI.system]: genAiProvider(provider),
      [GEN_AI.operation]: operation,
      [GEN_AI.requestModel]: model,
      [GEN_AI.conversation]: sessionId,
    };
  }

  #modelAttributes(stage: StageEvents["stage.model"]): OtlpAttributes {
    return {
      ...this.#runAttributes(stage, "chat"),
      "openclaw.transport": "http",
      "openclaw.model_call.observation_unit": "request",
      "openclaw.model_call.time_to_first_byte_ms": stage.firstTokenMs,
      [GEN_AI.timeToFirstChunk]: stage.firstTokenMs === null ? null : stage.firstTokenMs / 1_000,
      "openclaw.errorCategory": stage.errorKind,
      "http.response.status_code": stage.httpStatus,
    };
  }

  #answerAttributes({ stopReason, output }: StageEvents["stage.model"]): OtlpAttributes {
    const parts = output.map((block) =>
      block.type === "text"
        ? { type: "text", content: block.text }
        : { type: "tool_call", id: block.id, name: block.name, arguments: block.arguments },
    );
    const message = { role: "assistant", parts, finish_reason: stopReason };
    return {
      [GEN_AI.finishReasons]: stopReason === null ? null : [stopReason],
      [GEN_AI.outputMessages]: parts.length === 0 ? null : this.#content([message]),
    };
  }

  #toolContent({ args, result, outcome }: StageEvents["stage.tool"]): OtlpAttributes {
    const [given, answered] = [this.#content(args ?? null), outcome === "ok" ? this.#content(result) : null];
    return {
      "openclaw.content.tool_input": given,
      [GEN_AI.toolArguments]: given,
      "openclaw.content.tool_output": answered,
      [GEN_AI.toolResult]: answered,
    };
  }

  /** What people, models and tools have said; null unless the configuration asks for it. */
  #content(value: unknown): string | null {
    const { settings, redact } = this.#options;
    if (!settings.captureContent) return null;
    return redact(typeof value === "string" ? value : JSON.stringify(value), OTEL_LIMITS.contentChars);
  }

  #add({ trace, spanId, parentId, name, kind, time, attributes, error, link }: SpanInput): void {
    const { settings, add } = this.#options;
    const { valueChars, attributes: count } = settings.limits;
    const chars = settings.captureContent ? Math.max(valueChars, OTEL_LIMITS.contentChars) : valueChars;
    const { list, dropped } = toAttributes(error === undefined ? attributes : { ...attributes, [GEN_AI.errorType]: error }, {
      count,
      valueChars: chars,
    });
    add({
      traceId: trace.traceId,
      spanId,
      ...(parentId !== null && { parentSpanId: parentId }),
      name,
      kind,
      startTimeUnixNano: toNanos(time.startedAt),
      endTimeUnixNano: toNanos(time.startedAt + time.durationMs),
      attributes: list,
      ...(dropped > 0 && { droppedAttributesCount: dropped }),
      ...(link && { links: [{ ...link, attributes: [] }] }),
      ...(error !== undefined && { status: errorStatus(error) }),
      flags: 1,
    });
  }
}

function usageAttributes({ usage }: StageEvents["stage.model"]): OtlpAttributes {
  if (!usage) return {};
  return {
    [GEN_AI.inputTokens]: usage.input + usage.cacheRead + usage.cacheWrite,
    [GEN_AI.outputTokens]: usage.output,
    [GEN_AI.cacheReadTokens]: usage.cacheRead,
    [GEN_AI.cacheCreationTokens]: usage.cacheWrite,
    "openclaw.model_call.usage.total": usage.totalTokens,
  };
}
