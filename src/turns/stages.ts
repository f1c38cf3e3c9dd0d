import { modelName, type AgentEvent, type ContentBlock, type ErrorKind, type ModelRef } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { RunStages, RunStep, StageEvents, StageTime } from "../core/stages.ts";
import { clip } from "../core/text.ts";
import type { InboxRow, RunOutcome } from "../store/inbox.ts";
import type { OutboxPart, PartState } from "../store/outbox.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { TurnState } from "./reduce.ts";
import type { Payload, RunRow } from "./submission.ts";

type StageDeps = { bus: Bus<StageEvents>; clock: Pick<Clock, "now" | "monotonic"> };
type AdmittedRow = Pick<InboxRow<Payload>, "runId" | "agentId" | "sessionId" | "channel" | "payload">;

/** Where a run came from, as labels show it: never an id of a person or a chat. */
const channelOf = (payload: Payload | null): string => payload?.target?.channel ?? payload?.provenance.channel ?? "unknown";
const isOwnSource = (channel: string): boolean => ["rpc", "http", "cron", "subagent", "flush"].includes(channel);
const sourceOf = (channel: string): string => (isOwnSource(channel) ? channel : "channel");
function triggerOf({ flush, heartbeat, provenance }: Payload): string {
  if (flush) return "flush";
  if (heartbeat) return "heartbeat";
  if (provenance.channel === "hook") return "hook";
  return provenance.client?.mode === "schedule" ? "cron" : "user";
}

/** Something that began at the monotonic moment `began` ends now. */
const endNow = (clock: StageDeps["clock"], began: number): StageTime => {
  const durationMs = Math.max(0, clock.monotonic() - began);
  return { startedAt: clock.now() - durationMs, durationMs };
};

/** Of a row that an earlier process may have written. */
const since = (clock: StageDeps["clock"], startedAt: number): StageTime => ({
  startedAt,
  durationMs: Math.max(0, clock.now() - startedAt),
});

/** Messages that wait and whose admission this process has seen; beyond it the time of the row counts. */
const ADMITTED_KEPT = 1_000;

/** The stages of a part of a reply. */
export class PartStages {
  readonly #deps: StageDeps;

  constructor(deps: StageDeps) {
    this.#deps = deps;
  }

  /** An attempt that began at the monotonic moment `began` has ended. */
  attempted(part: OutboxPart, began: number, state: PartState): void {
    const outcome = state === "sent" || state === "dropped" ? "ok" : state === "unknown" ? "unknown" : "error";
    const errorKind = outcome === "ok" ? null : state === "queued" ? "retryable" : state === "unknown" ? "unknown_outcome" : "refused";
    const time = endNow(this.#deps.clock, began);
    this.#deps.bus.emit("stage.delivery", { ...toStagePart(part), ...time, attempt: part.attempts + 1, outcome, errorKind });
  }

  /** What became of the part is on disk; one that is queued again has more to come. */
  settled(part: OutboxPart, state: PartState): void {
    if (state === "queued") return;
    this.#deps.bus.emit("stage.part", { ...toStagePart(part), ...since(this.#deps.clock, part.createdAt), outcome: state });
  }
}

function toStagePart({ partKey, intentId, runId, sessionKey, media, editOf, target }: OutboxPart) {
  const kind = media ? ("media" as const) : editOf === null ? ("text" as const) : ("edit" as const);
  return { partKey, intentId, runId: sessionKey === null ? null : runId, channel: (target as ReplyTarget).channel, kind };
}

/** Records which stages a message passes, and when: emits each that has ended, for metrics and traces, and keeps those of a run for its row. */
export class Stages {
  readonly #deps: StageDeps;
  /** When the waiting messages were on disk. */
  readonly #admitted = new Map<string, number>();
  readonly parts: PartStages;

  constructor(deps: StageDeps) {
    this.#deps = deps;
    this.parts = new PartStages(deps);
  }

  /** A message that began to be admitted at `began` is on disk. */
  admitted({ runId, agentId, sessionId, channel, payload }: AdmittedRow, began: number): void {
    const { bus, clock } = this.#deps;
    if (this.#admitted.size < ADMITTED_KEPT) this.#admitted.set(runId, clock.monotonic());
    const run = { runId, agentId, channel: channelOf(payload) };
    const traceparent = payload.traceparent ?? null;
    bus.emit("stage.admitted", { ...run, ...endNow(clock, began), source: sourceOf(channel), sessionId, traceparent });
  }

  /** The turn of a message begins; it and those that were collected into it have left their lane. */
  waited(rows: readonly RunRow[]): void {
    const { bus, clock } = this.#deps;
    for (const { runId, agentId, payload, receivedAt } of rows) {
      if (payload === null) continue;
      const admittedAt = this.#admitted.get(runId);
      this.#admitted.delete(runId);
      const time = admittedAt === undefined ? since(clock, receivedAt) : endNow(clock, admittedAt);
      const agent = payload.kind === "message";
      const traceparent = payload.traceparent ?? null;
      bus.emit("stage.waited", { runId, agentId, channel: channelOf(payload), ...time, trigger: triggerOf(payload), agent, traceparent });
    }
  }

  /** The outcome of a run is on disk. */
  processed(row: InboxRow<Payload>, outcome: RunOutcome, mergedInto: string | null): void {
    const { bus, clock } = this.#deps;
    const { runId, agentId, sessionId, payload, receivedAt } = row;
    this.#admitted.delete(runId);
    bus.emit("stage.processed", {
      runId,
      agentId,
      sessionId,
      channel: channelOf(payload),
      source: sourceOf(row.channel),
      mergedInto,
      ...since(clock, receivedAt),
      outcome: outcome.status,
      errorKind: outcome.error?.kind ?? null,
      traceparent: payload?.traceparent ?? null,
    });
  }

  /** A turn begins. `committedAt`: when its message was on disk; undefined where an earlier process admitted it. */
  beginRun(row: RunRow, committedAt: number | undefined): RunRecorder {
    return new RunRecorder(this.#deps, row, committedAt);
  }
}

/** The stages of one run. */
export class RunRecorder {
  readonly #deps: StageDeps;
  readonly #row: RunRow;
  readonly #stored: StoredStages;
  /** Null until the agent is asked. */
  #emitted: EmittedStages | null = null;

  constructor(deps: StageDeps, row: RunRow, committedAt: number | undefined) {
    this.#deps = deps;
    this.#row = row;
    this.#stored = new StoredStages(deps.clock, committedAt);
  }

  /** What the row of the run keeps. */
  get stages(): RunStages {
    return this.#stored.stages;
  }

  /** The agent is about to be asked. */
  asked(facts: RunFacts): void {
    this.#emitted = new EmittedStages(this.#deps, this.#row, facts);
  }

  /** The agent is given the prompt. */
  prompted(): void {
    this.#stored.prompted();
  }

  onEvent(event: AgentEvent): void {
    this.#emitted?.onEvent(event);
    this.#stored.onEvent(event);
  }

  /** The run waits for a person, or no longer. */
  onApproval(change: ApprovalChange): void {
    this.#stored.onApproval(change);
  }

  /** A call of a tool was refused before it ran. */
  refused(callId: string, reason: string): void {
    this.#emitted?.refused(callId, reason);
  }

  /** The outcome of the run is on disk. */
  ended(outcome: RunOutcome, failure: { httpStatus?: number } | undefined, state: Pick<TurnState, "usage">): void {
    this.#emitted?.ended(outcome, failure, state);
  }
}

type ApprovalChange = { phase: "waiting" | "resolved"; approvalId: string; callId: string };

/** What is known of a run before its agent is asked. `skill`: the one that the message asked for. */
export type RunFacts = { sessionId: string; model: ModelRef; skill: string | null };

type OpenCall = { began: number; firstToken: number | null; spanId: string | null };
type OpenTool = { began: number; args: unknown };
const NO_ERROR = { errorKind: null, httpStatus: null } as const;

/** The stages of one run that are emitted: its calls of models and tools, and the whole. */
class EmittedStages {
  readonly #deps: StageDeps;
  readonly #run: { runId: string; agentId: string; channel: string };
  readonly #payload: Payload;
  readonly #facts: RunFacts;
  readonly #began: number;
  readonly #tools = new Map<string, OpenTool>();
  readonly #refused = new Map<string, string>();
  #model: ModelRef;
  #call: OpenCall | null;
  #lastFailure: ErrorKind | null = null;
  #hasStarted = false;

  constructor(deps: StageDeps, { runId, agentId, payload }: RunRow, facts: RunFacts) {
    this.#deps = deps;
    this.#run = { runId, agentId, channel: channelOf(payload) };
    this.#payload = payload;
    this.#facts = facts;
    this.#model = facts.model;
    this.#began = deps.clock.monotonic();
    this.#call = this.#open();
  }

  refused(callId: string, reason: string): void {
    this.#refused.set(callId, reason);
  }

  onEvent(event: AgentEvent): void {
    switch (event.type) {
      case "started":
        return this.#onStarted(event);
      case "request":
        // A call that was requested again at once, without an end in between, has failed.
        if (this.#call?.spanId) this.#endCall({ outcome: "error", errorKind: "unknown" });
        this.#call = { began: this.#deps.clock.monotonic(), firstToken: null, spanId: event.spanId };
        return;
      case "text":
      case "thinking":
        this.#call ??= this.#open();
        this.#call.firstToken ??= this.#deps.clock.monotonic();
        return;
      case "message":
        this.#model = event.model;
        return this.#endCall({ outcome: event.stopReason === "error" ? "error" : "ok", message: event });
      case "retry":
        this.#lastFailure = event.kind ?? "unknown";
        return this.#endCall({ outcome: "error", errorKind: this.#lastFailure });
      case "tool":
        return this.#onTool(event);
      default:
    }
  }

  ended(outcome: RunOutcome, failure: { httpStatus?: number } | undefined, { usage }: Pick<TurnState, "usage">): void {
    const { bus, clock } = this.#deps;
    const { status, error } = outcome;
    if (this.#call && (status !== "ok" || this.#call.firstToken !== null))
      this.#endCall({ outcome: status, errorKind: error?.kind ?? null, httpStatus: failure?.httpStatus ?? null });
    const { sessionId, skill } = this.#facts;
    bus.emit("stage.run", {
      ...this.#run,
      ...endNow(clock, this.#began),
      ...this.#modelFields(),
      sessionId,
      trigger: triggerOf(this.#payload),
      outcome: status,
      errorKind: error?.kind ?? null,
      usage,
      input: this.#payload.text,
      skill,
    });
  }

  #onStarted({ model, after }: Extract<AgentEvent, { type: "started" }>): void {
    const before = this.#model;
    const isOther = before.provider !== model.provider || before.id !== model.id;
    const reason = after ?? this.#lastFailure ?? "unknown";
    if (this.#hasStarted && isOther && this.#call) this.#endCall({ outcome: "error", errorKind: reason });
    this.#model = model;
    if (isOther) {
      const from = { provider: before.provider, model: before.id };
      this.#deps.bus.emit("stage.failover", { ...this.#run, from, to: this.#modelFields(), reason });
    }
    this.#call = this.#open();
    this.#hasStarted = true;
  }

  #onTool(event: Extract<AgentEvent, { type: "tool" }>): void {
    const { bus, clock } = this.#deps;
    if (event.phase === "start") this.#tools.set(event.id, { began: clock.monotonic(), args: event.args });
    if (event.phase !== "end") return;
    const { began, args } = this.#tools.get(event.id) ?? { began: clock.monotonic() - event.durationMs, args: null };
    this.#tools.delete(event.id);
    const denied = this.#refused.get(event.id) ?? null;
    this.#refused.delete(event.id);
    const outcome = denied !== null ? "blocked" : event.isError ? "error" : "ok";
    const call = { callId: event.id, tool: event.name, outcome, denied, args, result: event.result } as const;
    bus.emit("stage.tool", { ...this.#run, ...endNow(clock, began), ...call });
    // The model reads the results next.
    this.#call = this.#open();
  }

  #open = (): OpenCall => ({ began: this.#deps.clock.monotonic(), firstToken: null, spanId: null });
  #modelFields = (): { provider: string; model: string } => ({ provider: this.#model.provider, model: this.#model.id });

  #endCall(end: {
    outcome: "ok" | "error" | "aborted";
    errorKind?: string | null;
    httpStatus?: number | null;
    message?: Extract<AgentEvent, { type: "message" }>;
  }): void {
    const { bus, clock } = this.#deps;
    const call = this.#call ?? this.#open();
    this.#call = null;
    const { message, ...rest } = end;
    bus.emit("stage.model", {
      ...this.#run,
      ...endNow(clock, call.began),
      ...this.#modelFields(),
      sessionId: this.#facts.sessionId,
      spanId: call.spanId,
      ...NO_ERROR,
      ...rest,
      firstTokenMs: call.firstToken === null ? null : call.firstToken - call.began,
      stopReason: message?.stopReason ?? null,
      usage: message?.usage ?? null,
      output: message ? message.blocks.filter(isShown) : [],
    });
  }
}

const isShown = (block: ContentBlock): block is Exclude<ContentBlock, { type: "thinking" }> => block.type !== "thinking";

type OpenStep = RunStep & { kind: "tool" | "approval" | "compaction" };

/** When the stages of a run were reached. They are stored with its end, in the row that is written then anyway. */
class StoredStages {
  readonly stages: RunStages;
  readonly #clock: Pick<Clock, "now">;
  /** Where the model began with the message that it writes. */
  #modelFrom = 0;
  #modelFirstAt: number | null = null;
  #model: string | null = null;

  constructor(clock: Pick<Clock, "now">, committedAt: number | undefined) {
    this.#clock = clock;
    this.stages = { ...(committedAt === undefined ? {} : { committedAt }), steps: [] };
  }

  prompted(): void {
    this.#modelFrom = this.stages.promptedAt = this.#clock.now();
  }

  onEvent(event: AgentEvent): void {
    switch (event.type) {
      case "started":
        this.#model = modelName(event.model);
        this.stages.acceptedAt ??= this.#clock.now();
        break;
      case "text":
      case "thinking":
        if (this.#modelFirstAt === null) this.#firstToken();
        break;
      case "message":
        return this.#endMessage(event);
      case "tool":
        return this.#onTool(event);
      case "retry":
        return this.#onRetry(event);
      case "compaction":
        if (event.phase === "start") this.#add({ kind: "compaction", startedAt: this.#clock.now() });
        else this.#end((step) => step.kind === "compaction");
        break;
      case "end":
        return this.#onEnd(event.reason);
      case "steered":
      case "waiting":
    }
  }

  onApproval({ phase, approvalId, callId }: ApprovalChange): void {
    if (phase === "waiting") this.#add({ kind: "approval", approvalId, callId, startedAt: this.#clock.now() });
    else this.#end((step) => step.kind === "approval" && step.approvalId === approvalId);
  }

  #firstToken(): void {
    this.#modelFirstAt = this.#clock.now();
    this.stages.firstTokenAt ??= this.#modelFirstAt;
  }

  #endMessage({ model, usage, stopReason }: Extract<AgentEvent, { type: "message" }>): void {
    const now = this.#clock.now();
    const { input, output, cacheRead, cacheWrite, costUsd } = usage;
    this.#add({
      kind: "model",
      startedAt: this.#modelFrom,
      endedAt: now,
      model: modelName(model),
      stopReason,
      ...(this.#modelFirstAt === null ? {} : { firstAt: this.#modelFirstAt }),
      tokens: { input, output, cacheRead, cacheWrite },
      costUsd,
    });
    this.#nextMessage(now);
  }

  /** A message of the model that a failure or a stop has cut off is a step too. */
  #onEnd(reason: "stop" | "aborted" | "error"): void {
    const isTool = this.stages.steps.some((step) => step.kind === "tool" && step.endedAt === undefined);
    if (reason === "stop" || this.#model === null || isTool) return;
    this.#add({
      kind: "model",
      startedAt: this.#modelFrom,
      endedAt: this.#clock.now(),
      model: this.#model,
      stopReason: reason,
      ...(this.#modelFirstAt === null ? {} : { firstAt: this.#modelFirstAt }),
      tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      costUsd: 0,
    });
  }

  #onTool(event: Extract<AgentEvent, { type: "tool" }>): void {
    const { id: callId, name: tool } = event;
    if (event.phase === "start") {
      this.stages.firstTokenAt ??= this.#clock.now();
      this.#add({ kind: "tool", callId, tool, startedAt: this.#clock.now() });
    } else if (event.phase === "end") {
      const step = this.#end((each) => each.kind === "tool" && each.callId === callId);
      if (step?.kind === "tool" && event.isError) step.isError = true;
      this.#nextMessage(this.#clock.now());
    }
  }

  #onRetry({ attempt, delayMs, reason }: Extract<AgentEvent, { type: "retry" }>): void {
    const now = this.#clock.now();
    this.#add({ kind: "retry", startedAt: now, endedAt: now, attempt, delayMs, reason: clip(reason, LIMITS.stageReasonChars) });
    this.#nextMessage(now);
  }

  #nextMessage(now: number): void {
    this.#modelFrom = now;
    this.#modelFirstAt = null;
  }

  #add(step: RunStep): void {
    const { stages } = this;
    if (stages.steps.length < LIMITS.stageSteps) stages.steps.push(step);
    else stages.omitted = (stages.omitted ?? 0) + 1;
  }

  /** Ends the step that runs and matches; undefined where it was left out. */
  #end(matches: (step: OpenStep) => boolean): RunStep | undefined {
    const step = this.stages.steps.findLast(
      (each) => each.endedAt === undefined && each.kind !== "model" && each.kind !== "retry" && matches(each),
    );
    if (step) step.endedAt = this.#clock.now();
    return step;
  }
}
