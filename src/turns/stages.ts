import type { AgentEvent, ContentBlock, ErrorKind, ModelRef } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { StageEvents, StageTime } from "../core/stages.ts";
import type { InboxRow, RunOutcome } from "../store/inbox.ts";
import type { OutboxPart, PartState } from "../store/outbox.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { TurnState } from "./reduce.ts";
import type { Payload, RunRow } from "./submission.ts";

type StageDeps = { bus: Bus<StageEvents>; clock: Pick<Clock, "now" | "monotonic"> };
type AdmittedRow = Pick<InboxRow<Payload>, "runId" | "agentId" | "sessionId" | "channel" | "payload">;

/** Where a run came from, as labels show it: never an id of a person or a chat. */
const channelOf = (payload: Payload | null): string => payload?.target?.channel ?? payload?.provenance.channel ?? "unknown";
const isOwnSource = (channel: string): boolean => ["rpc", "http", "cron", "subagent"].includes(channel);
const sourceOf = (channel: string): string => (isOwnSource(channel) ? channel : "channel");
function triggerOf({ heartbeat, provenance }: Payload): string {
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

/** Emits which stages a message has passed, and when. `run-stages.ts` notes those that are stored. */
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

  /** The agent is about to be asked. */
  beginRun(row: RunRow, facts: RunFacts): RunStageEvents {
    return new RunStageEvents(this.#deps, row, facts);
  }
}

/** What is known of a run before its agent is asked. `skill`: the one that the message asked for. */
export type RunFacts = { sessionId: string; model: ModelRef; skill: string | null };

type OpenCall = { began: number; firstToken: number | null; spanId: string | null };
type OpenTool = { began: number; args: unknown };
const NO_ERROR = { errorKind: null, httpStatus: null } as const;

/** The stages of one run: its calls of models and tools. */
export class RunStageEvents {
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

  /** A call of a tool was refused before it ran. */
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

  /** The outcome of the run is on disk. */
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
