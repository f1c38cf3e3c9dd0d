import { chatMedia } from "./chat-media.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import { storeAttachments } from "./attachments.ts";
import { contextOfSend, guardOfSend } from "./chat-send-context.ts";
import { chatDefaults, operatorSubmission, resolveKey, toolsIn, wireRow, type ChatDeps } from "./chat-context.ts";
import { statusExpiry, truncateTexts, toPage, toMessageRow } from "./wire-rows.ts";
import { HistoryPageCache } from "./history-pages.ts";
import { inputReceipts, pendingInputs } from "./pending-inputs.ts";
import { requireShortId } from "./session-list.ts";
import { toSessionMessage } from "./stream.ts";

type SendParams = MethodParams<"chat.send">;
/** chat.startup may name the session by a short id instead of its key. */
type HistoryParams = MethodParams<"chat.startup">;

const HISTORY_LIMIT = 1_000;

export type ChatMethodsDeps = ChatDeps & {
  /** The lists of models.list and commands.list, for chat.metadata. */
  models: (agentId: string) => Promise<readonly unknown[]>;
  commands: (agentId: string) => Promise<readonly unknown[]>;
};

/** chat.*: the conversation of one session. */
export function chatMethods(deps: ChatMethodsDeps) {
  const pages = new HistoryPageCache();
  return {
    "chat.startup": { scope: "operator.read", run: (params, caller) => history(deps, pages, params, caller) },
    "chat.history": { scope: "operator.read", run: (params, caller) => history(deps, pages, params, caller) },
    "chat.send": {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params, caller) => send(deps, params, caller),
    },
    "chat.abort": {
      scope: "operator.write",
      run: async ({ sessionKey, agentId, runId }) => {
        const { key } = resolveKey(deps, sessionKey, agentId);
        const runIds = await deps.turns.lanes.abortDurably(key, runId === undefined ? undefined : asId<RunId>(runId));
        return { ok: true, aborted: runIds.length > 0, runIds };
      },
    },
    "chat.inject": {
      scope: "operator.admin",
      run: (params) => inject(deps, params),
    },
    "chat.media": { scope: "operator.read", run: (params) => chatMedia(deps, params) },
    "chat.metadata": {
      scope: "operator.read",
      run: async ({ agentId, sessionKey }) => {
        const agent = agentId ?? (sessionKey === undefined ? undefined : parseSessionKey(resolveKey(deps, sessionKey).key)?.agentId);
        const id = agent ?? deps.defaultAgent();
        return { models: await deps.models(id), commands: await deps.commands(id) };
      },
    },
  } satisfies MethodTable;
}

function history(deps: ChatDeps, pages: HistoryPageCache, params: HistoryParams, caller: Caller): unknown {
  const { key } = resolveKey(deps, keyOf(deps, params), params.agentId);
  deps.hub.watch(caller.conn, `session:${key}`);
  const { cursor, inputRunIds } = params;
  const name = JSON.stringify({ ...params, sessionKey: key });
  // What a running turn shows is different with each piece of its text.
  const isSettled = deps.turns.runs.inflight(key).length === 0 && deps.turns.lanes.queuedRuns(key).length === 0;
  if (!isSettled || cursor !== undefined || inputRunIds !== undefined || name.length > LIMITS.cachedParamsChars)
    return toPayload(readHistory(deps, pages, key, params).answer);
  const basis = [deps.store.version("sessions"), deps.store.version("messages"), deps.configuration()];
  const request = { method: "chat.history", name, basis, now: deps.clock.now() } as const;
  const known = deps.answers.find(request);
  if (known) return new EncodedJson("", known);
  const { answer, untilMs } = readHistory(deps, pages, key, params);
  return typeof answer === "string" ? new EncodedJson("", deps.answers.add(request, { json: answer, untilMs })) : answer;
}

const toPayload = (answer: unknown): unknown => (typeof answer === "string" ? EncodedJson.from(answer) : answer);

/** `answer`: a text is JSON already. `untilMs`: when it is another one without a change. */
function readHistory(
  deps: ChatDeps,
  pages: HistoryPageCache,
  key: SessionKey,
  params: HistoryParams,
): { answer: unknown; untilMs: number } {
  const session = deps.sessions.get(key);
  const common = {
    sessionKey: key,
    defaults: chatDefaults(deps),
    pendingInputs: pendingInputs(deps, key, params.pendingBefore),
    ...(params.inputRunIds ? { inputReceipts: inputReceipts(deps, key, params.inputRunIds) } : {}),
  };
  const empty = { sessionId: "", messages: [], deltaCursor: toCursor("", 0), hasMore: false, totalMessages: 0 };
  if (!session) return { answer: { ...common, ...empty }, untilMs: Infinity };
  const untilMs = statusExpiry(session, deps.clock.now());
  const sessionId = params.sessionId ?? session.session_id;
  const lastSeq = deps.messages.lastSeq(key, sessionId);
  const state = {
    ...common,
    sessionId,
    deltaCursor: toCursor(sessionId, lastSeq),
    sessionInfo: wireRow(deps, session),
    ...inFlight(deps, key),
  };
  if (params.cursor !== undefined) return { answer: delta(deps, key, session.session_id, params.cursor, state), untilMs };
  return { answer: fullHistory(deps, pages, { key, sessionId, lastSeq }, params, state), untilMs };
}

function fullHistory(
  deps: ChatDeps,
  pages: HistoryPageCache,
  { key, sessionId, lastSeq }: { key: SessionKey; sessionId: string; lastSeq: number },
  params: HistoryParams,
  state: Record<string, unknown>,
): string {
  const limit = Math.min(params.limit ?? 200, HISTORY_LIMIT);
  const total = deps.messages.count(key, sessionId);
  const offset = params.offset ?? 0;
  const before = beforeSeq(deps, key, sessionId, offset, params.messageId);
  const maxBytes = Math.min(params.maxBytes ?? LIMITS.historyPageBytes, LIMITS.historyPageBytes);
  const { maxChars } = params;
  const page = pages.get([key, sessionId, before, limit, maxBytes, maxChars, lastSeq, total].join("|"), () => {
    const stored = deps.messages.tail(key, sessionId, { limit, beforeSeq: before, maxBytes });
    const rows = stored.map(toMessageRow);
    const made = toPage(maxChars === undefined ? rows : rows.map((row) => truncateTexts(row, maxChars)), maxBytes);
    const first = stored.at(-made.count)?.seq;
    return { ...made, truncated: first !== undefined && made.count < limit && deps.messages.seqOf(key, sessionId, 0, first) !== undefined };
  });
  const next = offset + page.count;
  const hasMore = params.messageId === undefined ? next < total : page.truncated || page.count === limit;
  const rest = { ...state, hasMore, ...(hasMore ? { nextOffset: next } : {}), totalMessages: total };
  return `{"messages":${page.json},${JSON.stringify(rest).slice(1)}`;
}

function keyOf(deps: ChatDeps, { sessionKey, shortId, slugHint, agentId }: HistoryParams): string {
  if (sessionKey !== undefined) return sessionKey;
  // The schema asks for one of the two.
  return requireShortId(deps, shortId!, slugHint, agentId).key;
}

/** The sequence number below which a page begins: after `offset` newest messages, or around one message. */
function beforeSeq(deps: ChatDeps, key: SessionKey, sessionId: string, offset: number, messageId: string | undefined): number | undefined {
  if (messageId !== undefined) {
    const message = deps.messages.byId(messageId);
    if (!message || message.sessionKey !== key)
      throw new GatewayError("INVALID_REQUEST", `there is no message ${JSON.stringify(messageId.slice(0, 80))} in this session`);
    return message.seq + 1;
  }
  if (offset === 0) return undefined;
  return deps.messages.seqOf(key, sessionId, offset - 1) ?? 0;
}

const toCursor = (sessionId: string, seq: number): string => Buffer.from(JSON.stringify([sessionId, seq])).toString("base64url");

function parseCursor(cursor: string): [string, number] | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    return Array.isArray(value) && typeof value[0] === "string" && Number.isSafeInteger(value[1]) ? [value[0], value[1] as number] : null;
  } catch {
    return null; // not a cursor of this gateway: the client loads from the start
  }
}

/** What came after the cursor; `reset` when it belongs to another conversation or lies too far back. */
function delta(deps: ChatDeps, key: SessionKey, sessionId: string, cursor: string, state: Record<string, unknown>): unknown {
  const known = parseCursor(cursor);
  if (!known || known[0] !== sessionId) return { kind: "reset" };
  // The last message that the client has is on another branch.
  if (known[1] > 0 && !deps.branches.holds(key, sessionId, known[1])) return { kind: "reset" };
  const { count, bytes } = deps.messages.sizeAfter(key, sessionId, known[1], HISTORY_LIMIT + 1);
  if (count > HISTORY_LIMIT || bytes > LIMITS.historyPageBytes) return { kind: "reset" };
  const rows = deps.messages.after(key, sessionId, known[1], HISTORY_LIMIT);
  const session = deps.sessions.get(key);
  const { sessionInfo, deltaCursor, inFlightRun, pendingInputs: pending, inputReceipts: receipts } = state;
  return {
    kind: "delta",
    messages: rows.map((row) => toSessionMessage(row, session)),
    deltaCursor,
    sessionInfo,
    pendingInputs: pending,
    ...(receipts ? { inputReceipts: receipts } : {}),
    ...(inFlightRun ? { inFlightRun } : {}),
  };
}

function inFlight(deps: ChatDeps, key: SessionKey): Record<string, unknown> {
  const run = deps.turns.runs.inflight(key)[0];
  return run ? { inFlightRun: { runId: run.runId, startedAt: run.startedAt, text: run.text, seq: run.seq } } : {};
}

async function send(deps: ChatDeps, params: SendParams, caller: Caller): Promise<unknown> {
  const { key, agentId } = resolveKey(deps, params.sessionKey, params.agentId);
  const files = await storeAttachments(deps.media, params.attachments, toolsIn(deps, key, agentId));
  if (params.message.trim() === "" && files.images.length + files.attached.length === 0)
    throw new GatewayError("INVALID_REQUEST", "the message is empty");
  deps.hub.watch(caller.conn, `session:${key}`);
  const admitted = await deps.turns.admission.submit(
    operatorSubmission(deps, {
      source: "rpc",
      key,
      agentId,
      text: params.message,
      ...files,
      context: contextOfSend(deps, key, params),
      guard: guardOfSend(deps, params),
      idempotencyKey: params.idempotencyKey,
      caller,
      queueMode: params.queueMode,
      thinking: params.thinking,
      timeoutMs: params.timeoutMs,
      literal: params.suppressCommandInterpretation,
    }),
  );
  if (!admitted.duplicate) return { runId: admitted.runId, status: "started" };
  const { outcome } = admitted;
  if (!outcome) return { runId: admitted.runId, status: "in_flight" };
  return {
    runId: admitted.runId,
    status: outcome.status === "ok" ? "ok" : outcome.status === "aborted" ? "aborted" : "error",
    ...(outcome.error ? { error: outcome.error.message } : {}),
  };
}

async function inject(deps: ChatDeps, params: MethodParams<"chat.inject">): Promise<unknown> {
  const { key } = resolveKey(deps, params.sessionKey, params.agentId);
  const { store, bus } = deps;
  const text = params.label ? `[${params.label}] ${params.message}` : params.message;
  const message = await store.write(() => {
    const session = deps.sessions.get(key);
    if (!session) throw detailError("SESSION_NOT_FOUND", `there is no session ${key}`);
    return deps.turns.transcript.addReply({ runId: null, session, text, now: deps.clock.now(), origin: "inject" });
  });
  bus.emit("message.added", { message });
  bus.emit("session.changed", { sessionKey: key, reason: "inject", fields: ["updated_at", "preview", "last_message_at"] });
  return { ok: true, messageId: message.id };
}
