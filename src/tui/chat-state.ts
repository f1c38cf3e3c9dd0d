import type { ServerEvent } from "../client/protocol-client.ts";
import { isActive, type RunView } from "../client/conversation/live-run.ts";
import { removeEntry, type OutboxEntry } from "../client/conversation/outbox.ts";
import type {
  AgentEventPayload,
  ChatEventPayload,
  HistoryPayload,
  SessionListRow,
  TranscriptRow,
} from "../client/conversation/protocol-types.ts";
import { canonicalKey, toSessionPatch, upsertSession, type SessionChange } from "../client/conversation/session-row.ts";
import { withAgentEvent, withChatEvent, withNewestPage, type SessionTranscript } from "../client/conversation/session-transcript.ts";
import { applyOlderPage, applyRow, hasUserRow, isSettled, NO_ROWS } from "../client/conversation/transcript-rows.ts";

/** The session that is open, and the messages that are on their way to this one and to others. */
export type ChatState = SessionTranscript & {
  readonly sessionKey: string;
  readonly agentId: string;
  readonly isLoaded: boolean;
  /** What the gateway says of it; null before it has said something, and for a session that begins with the next message. */
  readonly session: SessionListRow | null;
  readonly outbox: readonly OutboxEntry[];
};

/** `main` or `agent:work:main`; the agent's id is part of the key. */
export const agentOf = (sessionKey: string): string => /^agent:([^:]+):/.exec(sessionKey)?.[1] ?? "main";

export function openChat(sessionKey: string, outbox: readonly OutboxEntry[] = []): ChatState {
  return { sessionKey, agentId: agentOf(sessionKey), isLoaded: false, session: null, rows: NO_ROWS, runs: [], outbox };
}

export const activeRun = (state: ChatState): RunView | undefined =>
  state.runs.find((run) => isActive(run) && run.state !== "waiting") ?? state.runs.find(isActive);

/** What follows from an event: the state after it, and whether the history has to be read again, because no event says it all. */
export type EventEffect = { readonly state: ChatState; readonly reload: boolean };

/** Applies one event of the gateway; those of other sessions change nothing. */
export function applyEvent(state: ChatState, { event, payload }: ServerEvent, defaultAgentId: string): EventEffect {
  const fields = (payload ?? {}) as { sessionKey?: string; isHeartbeat?: boolean };
  if (fields.sessionKey === undefined || canonicalKey(fields.sessionKey, defaultAgentId) !== state.sessionKey)
    return { state, reload: false };
  switch (event) {
    case "chat":
      return { state: withChatEvent(state, payload as ChatEventPayload), reload: false };
    case "agent":
    case "session.tool":
      return { state: fields.isHeartbeat === true ? state : withAgentEvent(state, payload as AgentEventPayload), reload: false };
    case "session.message":
      return withMessage(state, payload as MessageEvent);
    case "sessions.changed":
      return withChange(state, payload as SessionChange);
    default:
      return { state, reload: false };
  }
}

type MessageEvent = { sessionId?: string; message?: TranscriptRow; session?: SessionListRow; stale?: boolean };

function withMessage(state: ChatState, { sessionId, message, session, stale }: MessageEvent): EventEffect {
  if (stale === true || isOtherSession(state, sessionId)) return { state, reload: true };
  const rows = message === undefined || !state.isLoaded ? state.rows : applyRow(state.rows, message, sessionId);
  return { state: withRow(withoutArrived({ ...state, rows }), session), reload: false };
}

function withChange(state: ChatState, change: SessionChange): EventEffect {
  const patch = toSessionPatch(change);
  const isRewritten = change.reason === "message-changed" || change.reason === "reset" || change.reason === "branch";
  // Of another branch nothing that is shown is kept, but what is still running.
  const base = change.reason === "branch" ? { ...state, rows: NO_ROWS, runs: state.runs.filter(isActive) } : state;
  return { state: withRow(base, patch), reload: isRewritten || isOtherSession(state, patch.sessionId) };
}

/** The session was reset: what is shown belongs to the conversation before. */
const isOtherSession = ({ isLoaded, rows }: ChatState, sessionId: string | undefined): boolean =>
  sessionId !== undefined && isLoaded && rows.sessionId !== null && rows.sessionId !== sessionId;

function withRow(state: ChatState, fields: Partial<SessionListRow> | undefined): ChatState {
  if (fields === undefined) return state;
  const known = state.session === null ? [] : [state.session];
  return { ...state, session: upsertSession(known, { ...fields, key: state.sessionKey })[0]! };
}

/** A message whose row is there is no longer on its way. */
function withoutArrived(state: ChatState): ChatState {
  const arrived = state.outbox.filter(
    (entry) => entry.sessionKey === state.sessionKey && hasUserRow(state.rows.rows, entry.idempotencyKey),
  );
  return { ...state, outbox: arrived.reduce((rest, entry) => removeEntry(rest, entry.idempotencyKey), state.outbox) };
}

/** The newest page of the history, after opening a session, a reconnect or a gap. */
export function withHistory(state: ChatState, page: HistoryPayload): ChatState {
  const isSent = (run: RunView): boolean => state.outbox.some((entry) => entry.idempotencyKey === run.runId);
  return withRow(withoutArrived({ ...withNewestPage(state, page, isSent), isLoaded: true }), page.sessionInfo);
}

export const withOlderHistory = (state: ChatState, page: HistoryPayload): ChatState => ({
  ...state,
  rows: applyOlderPage(state.rows, page),
});

/** A run has ended and its row has not come: the history has it. */
export const isMissingRow = ({ runs, rows }: ChatState, runId: string): boolean =>
  runs.some((run) => run.runId === runId && run.state === "final" && !isSettled(run, rows.rows));
