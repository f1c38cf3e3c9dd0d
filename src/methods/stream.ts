import type { TokenUsage } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { Hub } from "../protocol/hub.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { Message } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";
import { isHeartbeatRun } from "../schedule/heartbeat-id.ts";
import type { RunRef, TurnEvents } from "../turns/events.ts";
import { ToolEvents } from "./tool-events.ts";
import { changedFields, splitModel, toMessageRow } from "./wire-rows.ts";

export type StreamDeps = {
  bus: Bus<TurnEvents>;
  hub: Hub;
  clock: Clock;
  session: (key: string) => SessionRow | undefined;
  /** The whole wire row of a session, of which the changed part is sent. */
  wireRow: (row: SessionRow) => Record<string, unknown>;
};

const READ = "operator.read";
/** Who watches a session: subscribers of all sessions, and of this one. */
export const topicsOf = (sessionKey: string): readonly string[] => ["sessions", `session:${sessionKey}`];

type Wire = Record<string, unknown>;

/** Events of protocol v4 that this gateway sends. */
export const SERVED_EVENTS = [
  "agent",
  "chat",
  "chat.metadata.changed",
  "config.changed",
  "connect.challenge",
  "cron",
  "device.pair.requested",
  "device.pair.resolved",
  "exec.approval.requested",
  "exec.approval.resolved",
  "plugin.approval.requested",
  "plugin.approval.resolved",
  "health",
  "heartbeat",
  "node.invoke.cancel",
  "node.invoke.request",
  "node.pair.requested",
  "node.pair.resolved",
  "peer.push",
  "presence",
  "session.approval",
  "session.message",
  "session.operation",
  "sessions.changed",
  "shutdown",
  "tick",
] as const;

const toAgentEvent = (
  { runId, sessionKey, agentId }: RunRef,
  { seq, stream, ts, data }: { seq: number; stream: string; ts: number; data: Wire },
): Wire => ({ runId, seq, stream, ts, data, sessionKey, agentId, isHeartbeat: isHeartbeatRun(runId) });

/** What happens to sessions and their messages. */
const onSessions = (deps: StreamDeps): (() => void)[] => {
  const { bus, hub, clock } = deps;
  return [
    bus.on("message.added", ({ message }) => {
      const topics = topicsOf(message.sessionKey);
      if (!hub.isWatched(topics)) return;
      const session = deps.session(message.sessionKey);
      hub.publish("session.message", toSessionMessage(message, session), { scope: READ, topics });
    }),
    bus.on("session.changed", (event) => publishSession(deps, event)),
    bus.on("session.removed", ({ sessionKey, sessionId }) =>
      hub.publish("sessions.changed", { sessionKey, sessionId, reason: "delete", ts: clock.now() }, { scope: READ, topics: ["sessions"] }),
    ),
  ];
};

/** Turns what happens in the lanes into the events that clients know. Streams go only to clients that watch the session. */
export function startEventStream(deps: StreamDeps): () => void {
  const { bus, hub, clock } = deps;
  const started = new Map<string, number>();
  const budgets = new Map<string, FullTextBudget>();
  const toolEvents = new ToolEvents(clock);
  /** The text so far, where its run may still afford to send it; a client without it appends the delta. */
  const whole = (runId: string, text: string, must = false): { text?: string } => {
    const budget = budgets.get(runId) ?? new FullTextBudget();
    budgets.set(runId, budget);
    return budget.take(text.length, must) ? { text } : {};
  };

  const chat = (ref: RunRef, seq: number, payload: Wire, droppable = false): void =>
    hub.publish(
      "chat",
      { runId: ref.runId, sessionKey: ref.sessionKey, agentId: ref.agentId, seq, ...payload },
      { scope: READ, topics: topicsOf(ref.sessionKey), droppable },
    );
  const agent = (ref: RunRef, seq: number, stream: string, data: Wire, options: { cap?: string; droppable?: boolean } = {}): void =>
    hub.publish("agent", toAgentEvent(ref, { seq, stream, data, ts: clock.now() }), {
      scope: READ,
      topics: topicsOf(ref.sessionKey),
      ...options,
    });

  const stops = [
    bus.on("turn.started", (event) => {
      started.set(event.runId, event.startedAt);
      const { provider, id } = splitModel(event.model);
      chat(event, event.seq, { state: "status", phase: "starting_model" }, true);
      agent(event, event.seq, "lifecycle", { phase: "start", startedAt: event.startedAt });
      agent(event, event.seq + 1, "lifecycle", { phase: "model", provider, model: id });
    }),
    bus.on("turn.text", (event) => {
      const replace = event.replace ? { replace: true } : {};
      const { text } = whole(event.runId, event.text, event.replace);
      const message = text === undefined ? {} : { message: assistantText(text, clock.now()) };
      chat(event, event.seq, { state: "delta", deltaText: event.delta, ...replace, ...message }, true);
      const forAgent = { ...whole(event.runId, event.text), delta: event.delta, ...replace };
      agent(event, event.seq, "assistant", forAgent, { droppable: true });
    }),
    bus.on("turn.thinking", (event) =>
      agent(event, event.seq, "thinking", { ...whole(event.runId, event.text), delta: event.delta }, { droppable: true }),
    ),
    bus.on("turn.tool", (event) => {
      const data = toolEvents.toData(event);
      if (data) agent(event, event.seq, "tool", data, { cap: "tool-events", droppable: event.phase === "update" });
    }),
    bus.on("turn.note", (event) => {
      const { stream, data, droppable } = noteData(event);
      agent(event, event.seq, stream, data, { droppable });
    }),
    bus.on("turn.ended", (event) => {
      const startedAt = started.get(event.runId) ?? event.outcome.endedAt;
      started.delete(event.runId);
      budgets.delete(event.runId);
      toolEvents.forget(event.runId);
      chat(event, event.seq, chatEnd(event.outcome, event.mergedInto !== undefined));
      const outputTokens = (event.outcome.usage as Partial<TokenUsage> | undefined)?.output;
      if (outputTokens !== undefined) agent(event, event.seq, "usage", { outputTokens });
      agent(event, event.seq + (outputTokens === undefined ? 0 : 1), "lifecycle", lifecycleEnd(event.outcome, startedAt));
    }),
    ...onSessions(deps),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function publishSession(
  { hub, clock, session: find, wireRow }: StreamDeps,
  { sessionKey, reason, fields, runId }: TurnEvents["session.changed"],
): void {
  const session = hub.isWatched(["sessions"]) ? find(sessionKey) : undefined;
  if (!session) return;
  const row = wireRow(session);
  const phase = reason === "run-start" ? "start" : reason === "run-end" ? "end" : undefined;
  hub.publish(
    "sessions.changed",
    {
      sessionKey,
      sessionId: session.session_id,
      agentId: session.agent_id,
      ...(phase ? { phase } : { reason }),
      ...(runId ? { runId } : {}),
      ts: clock.now(),
      ...changedFields(row, fields),
      session: row,
    },
    { scope: READ, topics: ["sessions"] },
  );
}

/** A retry, a compaction or the wait for a person, as an event of the stream of the agent. */
function noteData(event: TurnEvents["turn.note"]): { stream: string; data: Wire; droppable: boolean } {
  if (event.kind === "retry") return { stream: "run_status", data: { phase: "retrying", message: event.text }, droppable: true };
  if (event.kind === "compaction")
    return { stream: "compaction", data: { phase: event.phase, ...(event.phase === "end" ? { completed: true } : {}) }, droppable: false };
  const phase = event.phase === "waiting" ? "waiting-approval" : "approval-resolved";
  return { stream: "lifecycle", data: { phase, approvalId: event.approvalId, toolCallId: event.callId }, droppable: false };
}

/**
 * Events of a stream carry the text so far besides its newest piece. Sent with every piece, that is quadratic: beyond a fixed
 * amount for each run, the whole text is sent only as often as it adds up to twice its length.
 */
export class FullTextBudget {
  #spent = 0;

  /** Whether `chars` may be sent now. `must`: they are sent in any case, and counted. */
  take(chars: number, must = false): boolean {
    const allowed = LIMITS.streamWholeChars + 2 * chars;
    if (!must && this.#spent + chars > allowed) return false;
    this.#spent += chars;
    return true;
  }
}

const assistantText = (text: string, timestamp: number): Wire => ({ role: "assistant", content: [{ type: "text", text }], timestamp });

/** The last `chat` event of a run. A message that was answered within another run ends without a text of its own. */
function chatEnd(outcome: RunOutcome, merged: boolean): Wire {
  const message = outcome.text !== "" && !merged ? { message: assistantText(outcome.text, outcome.endedAt) } : {};
  if (outcome.status === "aborted") return { state: "aborted", stopReason: "rpc", ...message };
  if (outcome.status === "error")
    return {
      state: "error",
      errorMessage: outcome.error?.message ?? "unknown",
      errorKind: errorKind(outcome.error?.kind),
      ...errorDetail(outcome.error),
      ...message,
    };
  return { state: "final", stopReason: outcome.stopReason, ...message, ...(outcome.usage ? { usage: outcome.usage } : {}) };
}

/** What the provider said, for operators; each field within what the protocol allows. */
function errorDetail(error: RunOutcome["error"]): Wire {
  const detail = error?.detail;
  if (!error || !detail) return {};
  const { provider, model, httpStatus, message } = detail;
  return {
    errorDetail: {
      ...(provider ? { provider: clip(provider, 300) } : {}),
      ...(model ? { model: clip(model, 300) } : {}),
      ...(httpStatus === undefined ? {} : { httpStatus }),
      providerErrorType: error.kind,
      providerErrorMessagePreview: clip(message, 300),
    },
  };
}

const KINDS = ["refusal", "timeout", "rate_limit", "context_length"];
const errorKind = (kind: string | undefined): string =>
  kind === "overloaded" ? "rate_limit" : kind && KINDS.includes(kind) ? kind : "unknown";

function lifecycleEnd(outcome: RunOutcome, startedAt: number): Wire {
  const times = { startedAt, endedAt: outcome.endedAt, executionSettled: true };
  if (outcome.status === "ok") {
    return {
      phase: "end",
      stopReason: outcome.stopReason,
      aborted: false,
      ...times,
      terminalReply: { disposition: outcome.text ? "visible" : "silent", text: outcome.text },
    };
  }
  const aborted = outcome.status === "aborted";
  return {
    phase: "error",
    error: outcome.error?.message ?? "This operation was aborted",
    aborted,
    stopReason: outcome.stopReason,
    ...times,
  };
}

/** `session.message`, also the form in which `chat.history` sends what came after a cursor. */
export function toSessionMessage(message: Message, session: SessionRow | undefined): Wire {
  return {
    sessionKey: message.sessionKey,
    ...(session ? { agentId: session.agent_id } : {}),
    ...(message.body.role === "user" ? { senderIsOwner: message.body.provenance.senderIsOwner } : {}),
    sessionId: message.sessionId,
    message: toMessageRow(message),
    messageId: message.id,
    messageSeq: message.seq,
    updatedAt: message.at,
    ...(session && session.session_id !== message.sessionId ? { stale: true } : {}),
  };
}
