import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import { contextOf, toNewConversation } from "../store/sessions.ts";
import { canWriteNotes, FLUSH_TIMEOUT_MS, isWorthFlush, toFlushSubmission } from "../turns/memory-flush.ts";
import { resolveModels, resolveThinking } from "../turns/settings.ts";
import { approvalsTopic } from "./approval-events.ts";
import { toSnapshot } from "./approval-shapes.ts";
import { mayApprove } from "./approvals.ts";
import { storeAttachments } from "./attachments.ts";
import { operatorSubmission, requireSession, resolveKey, toolsIn, wireRow, type ChatDeps } from "./chat-context.ts";
import { previewOf, toMessageRow, toPage } from "./wire-rows.ts";
import { branchMethods } from "./session-branches.ts";
import { createSession } from "./session-create.ts";
import { checkExpectations, type Expectations } from "./session-guards.ts";
import { listSessions, resolveSession, searchSessions, subscribedList } from "./session-list.ts";
import { entryOf, patchSession, resolvedModel } from "./session-patch.ts";
import { SessionRowCache } from "./session-rows.ts";
import { topicsOf } from "./stream.ts";

/** sessions.*: the list of conversations and what an operator does with them. */
export function sessionMethods(deps: ChatDeps) {
  return { ...readMethods(deps), ...changeMethods(deps), ...branchMethods(deps) } satisfies MethodTable;
}

/** The questions of a session that wait, for a client that has just begun to listen. */
function replayOf({ pendingApprovals, clock }: ChatDeps, key: SessionKey): Record<string, unknown> {
  const approvals = pendingApprovals().filter(({ sessionKey }) => sessionKey === key);
  return { sessionKey: key, updatedAtMs: clock.now(), approvals: approvals.map(toSnapshot), truncated: false };
}

function readMethods(deps: ChatDeps) {
  const rows = new SessionRowCache(deps);
  return {
    "sessions.list": { scope: "operator.read", run: (params) => listSessions(deps, rows, params) },
    "sessions.subscribe": {
      scope: "operator.read",
      run: (params, caller) => {
        deps.hub.watch(caller.conn, "sessions");
        return subscribedList(deps, rows, params);
      },
    },
    "sessions.messages.subscribe": {
      scope: "operator.read",
      run: ({ key: input, agentId, includeApprovals }, caller) => {
        const { key } = resolveKey(deps, input, agentId);
        deps.hub.watch(caller.conn, `session:${key}`);
        // Questions about commands are for those who may answer them; others subscribe without.
        if (!includeApprovals || !mayApprove(caller)) return { subscribed: true, key };
        deps.hub.watch(caller.conn, approvalsTopic(key));
        return { subscribed: true, key, approvalReplay: replayOf(deps, key) };
      },
    },
    "sessions.messages.unsubscribe": {
      scope: "operator.read",
      run: ({ key: input, agentId }, caller) => {
        const { key } = resolveKey(deps, input, agentId);
        deps.hub.unwatch(caller.conn, `session:${key}`);
        deps.hub.unwatch(caller.conn, approvalsTopic(key));
        return { subscribed: false, key };
      },
    },
    "sessions.describe": {
      scope: "operator.read",
      run: ({ key, agentId, includeDerivedTitles, includeLastMessage }) => {
        const session = deps.sessions.get(resolveKey(deps, key, agentId).key);
        const options = { derivedTitles: includeDerivedTitles !== false, lastMessage: includeLastMessage !== false };
        return { session: session ? wireRow(deps, session, options) : null };
      },
    },
    "sessions.get": { scope: "operator.read", run: (params) => getMessages(deps, params) },
    "sessions.preview": { scope: "operator.read", run: (params) => preview(deps, params) },
    "sessions.resolve": { scope: "operator.read", run: (params) => resolveSession(deps, params) },
    "sessions.search": { scope: "operator.read", run: (params) => searchSessions(deps, params) },
  } satisfies MethodTable;
}

const MESSAGES = 200;
const MESSAGES_LIMIT = 1_000;

/** sessions.get: the latest messages of a session, the newest last; OpenClaw's MCP server reads them so. */
function getMessages(deps: ChatDeps, { key: name, agentId, limit = MESSAGES }: MethodParams<"sessions.get">): EncodedJson {
  const { key } = resolveKey(deps, name, agentId);
  const session = deps.sessions.get(key);
  const page = { limit: Math.min(limit, MESSAGES_LIMIT), maxBytes: LIMITS.historyPageBytes };
  const messages = session ? deps.messages.tail(key, session.session_id, page) : [];
  return EncodedJson.from(`{"messages":${toPage(messages.map(toMessageRow), LIMITS.historyPageBytes).json}}`);
}

function changeMethods(deps: ChatDeps) {
  return {
    "sessions.create": {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params, caller) => createSession(deps, params, caller),
    },
    "sessions.patch": {
      scope: "operator.write",
      run: (params, caller) => patchSession(deps, params, caller),
    },
    "sessions.reset": { scope: "operator.admin", run: (params) => reset(deps, params) },
    "sessions.delete": { scope: "operator.admin", run: (params) => remove(deps, params) },
    "sessions.compact": { scope: "operator.admin", run: (params) => compact(deps, params) },
    "sessions.send": {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params, caller) => send(deps, params, caller),
    },
    "sessions.abort": { scope: "operator.write", run: (params) => abort(deps, params) },
  } satisfies MethodTable;
}

async function send(deps: ChatDeps, params: MethodParams<"sessions.send">, caller: Caller): Promise<unknown> {
  const { key, agentId } = resolveKey(deps, params.key, params.agentId);
  requireSession(deps, key);
  deps.hub.watch(caller.conn, `session:${key}`);
  const { message: text, thinking, timeoutMs } = params;
  const admitted = await deps.turns.admission.submit(
    operatorSubmission(deps, {
      source: "rpc",
      key,
      agentId,
      text,
      ...(await storeAttachments(deps.media, params.attachments, toolsIn(deps, key, agentId))),
      idempotencyKey: params.idempotencyKey ?? deps.newId(),
      caller,
      thinking,
      timeoutMs,
    }),
  );
  return { ok: true, runId: admitted.runId, status: admitted.duplicate ? (admitted.outcome ? "ok" : "in_flight") : "started" };
}

function preview(deps: ChatDeps, params: MethodParams<"sessions.preview">): unknown {
  const limit = Math.min(params.limit ?? 12, 50);
  const maxChars = Math.min(params.maxChars ?? 240, 2_000);
  if (params.keys.length > LIMITS.previewKeys)
    throw new GatewayError(
      "INVALID_REQUEST",
      `${params.keys.length} sessions are asked for; at most ${LIMITS.previewKeys} go with one request`,
    );
  const maxBytes = Math.floor(LIMITS.previewBytes / Math.max(1, params.keys.length));
  const previews = params.keys.map((input) => {
    const session = deps.sessions.get(resolveKey(deps, input).key);
    if (!session) return { key: input, status: "missing", items: [] };
    const messages = deps.messages.tail(session.key, session.session_id, { limit, maxBytes });
    const items = messages.flatMap((message) => previewOf(message, maxChars));
    return { key: session.key, status: items.length > 0 ? "ok" : "empty", items };
  });
  return { ts: deps.clock.now(), previews };
}

/** Forgets the conversation. A session that has changed since it was loaded is left alone, and so are its turns. */
async function reset(deps: ChatDeps, params: MethodParams<"sessions.reset">): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const before = requireSession(deps, key);
  checkExpectations(before, params);
  await deps.turns.lanes.drain(key);
  await deps.turns.lanes.withSessionLock(key, async () => {
    const contexts = deps.sessions.contextsOf(before);
    await deps.store.write(() => {
      const session = requireSession(deps, key);
      checkExpectations(session, params);
      deps.sessions.patch(key, {
        ...toNewConversation(session, deps.newId()),
        preview: null,
        status: "done",
        updated_at: deps.clock.now(),
      });
    });
    for (const context of contexts) await deps.runtime.forget(before.agent_id, context);
  });
  deps.bus.emit("session.changed", {
    sessionKey: key,
    reason: params.reason ?? "reset",
    fields: ["session_id", "lifecycle", "context_tokens", "preview", "status", "title", "updated_at"],
  });
  deps.bus.emit("session.renewed", { sessionKey: key });
  const session = requireSession(deps, key);
  return { ok: true, key, entry: entryOf(deps, session), resolved: resolvedModel(deps, session) };
}

/** Deletes a session; its messages stay only when `deleteTranscript` is false. */
async function remove(deps: ChatDeps, params: MethodParams<"sessions.delete">): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const session = deps.sessions.get(key);
  if (!session) return { ok: true, key, deleted: false, archived: [] };
  if (key === resolveKey(deps, "main", session.agent_id).key)
    throw detailError("SESSION_IS_MAIN", `the main session (${key}) cannot be deleted: its agent would have none`, {
      fix: "Use sessions.reset (or /new) to begin a new conversation in it.",
    });
  const { expectedSessionId, expectedLifecycleRevision, expectedSessionUpdatedAt, archivedOnly = false } = params;
  const guards = {
    archivedOnly,
    ...(expectedSessionId === undefined ? {} : { expectedSessionId }),
    ...(expectedLifecycleRevision === undefined ? {} : { expectedLifecycleRevision }),
  };
  checkRemovable(deps, key, { ...guards, ...(expectedSessionUpdatedAt === undefined ? {} : { expectedSessionUpdatedAt }) });
  await deps.turns.lanes.drain(key);
  // Stopping its turns changes the time of the session, which is therefore compared before; everything else again in the transaction.
  await deps.turns.lanes.withSessionLock(key, async () => {
    const contexts = deps.sessions.contextsOf(session);
    await deps.store.write(() => {
      checkRemovable(deps, key, guards);
      deps.sessions.remove(key, params.deleteTranscript === false);
    });
    for (const context of contexts) await deps.runtime.forget(session.agent_id, context);
  });
  deps.bus.emit("session.removed", { sessionKey: key, sessionId: session.session_id });
  return { ok: true, key, deleted: true, archived: [] };
}

function checkRemovable(deps: ChatDeps, key: SessionKey, params: Expectations & { archivedOnly?: boolean }): void {
  const session = requireSession(deps, key);
  checkExpectations(session, params);
  if (params.archivedOnly && session.archived !== 1)
    throw detailError("SESSION_NOT_ARCHIVED", `the session ${key} is not archived`, {
      fix: "Archive it first, or leave archivedOnly out.",
    });
}

async function compact(deps: ChatDeps, params: MethodParams<"sessions.compact">): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  requireSession(deps, key);
  if (deps.turns.runs.inflight(key).length > 0)
    throw new GatewayError("UNAVAILABLE", "an answer is being written in this session; stop it or wait for it", { retryAfterMs: 2_000 });
  await writeNotesFirst(deps, key);
  return deps.turns.lanes.withSessionLock(key, async () => {
    const announce = operationOf(deps, key);
    announce({ phase: "start" });
    try {
      const result = await compactIdle(deps, key);
      announce({ phase: "end", completed: result.compacted, ...("reason" in result ? { reason: result.reason } : {}) });
      return result;
    } catch (err) {
      announce({ phase: "end", completed: false, reason: reasonOf(err) });
      throw err;
    }
  });
}

/** The agent writes its notes first, once for each compaction; what becomes of that does not hinder it. */
async function writeNotesFirst(deps: ChatDeps, key: SessionKey): Promise<void> {
  const session = requireSession(deps, key);
  const settings = deps.flushSettings();
  const tools = toolsIn(deps, key, session.agent_id);
  if (settings === null || !isWorthFlush(session, settings) || !canWriteNotes(tools)) return;
  if (parseRemoteAgent(session.agent_id) !== null || deps.turns.transcript.hasOtherThanOwner(session)) return;
  const { runId } = await deps.turns.admission.submit(toFlushSubmission(session, { settings, tools, id: deps.newId() }));
  await deps.turns.runs.waitForOutcome(runId, FLUSH_TIMEOUT_MS);
}

/** `session.operation` reports the start and the end of a compaction to the clients that watch the session. */
function operationOf(deps: ChatDeps, key: SessionKey): (state: Record<string, unknown>) => void {
  const operation = { operationId: deps.newId(), operation: "compact", sessionKey: key, agentId: parseSessionKey(key)?.agentId };
  return (state) =>
    deps.hub.publish(
      "session.operation",
      { ...operation, ...state, ts: deps.clock.now() },
      { scope: "operator.read", topics: topicsOf(key), droppable: true },
    );
}

type Compaction =
  | { ok: true; key: SessionKey; compacted: false; reason: string }
  | { ok: true; key: SessionKey; compacted: true; result: { summary: string; tokensBefore: number } };

async function compactIdle(deps: ChatDeps, key: SessionKey): Promise<Compaction> {
  const { turns } = deps;
  const session = requireSession(deps, key);
  const settings = deps.settings(session.agent_id);
  const context = {
    sessionKey: key,
    sessionId: contextOf(session),
    agentId: session.agent_id,
    models: resolveModels(settings, session, null),
    thinking: resolveThinking(settings, session, null),
    tools: [],
    workspace: settings.workspace,
    conversationContext: "",
    isPrivate: false,
    checkpoint: session.checkpoint,
    history: () => turns.transcript.buildContext(session, turns.lanes.queuedRuns(session.key)),
  };
  const result = await deps.runtime.compact(context, undefined).catch((err: unknown) => {
    if (err instanceof GatewayError && err.details?.["code"] === "NOTHING_TO_COMPACT") return { nothing: err.message };
    throw err;
  });
  if ("nothing" in result) return { ok: true, key, compacted: false, reason: result.nothing };
  await deps.store.write(() => {
    deps.sessions.patch(key, { checkpoint: result.checkpoint, context_tokens: 0, memory_flushed: 0, updated_at: deps.clock.now() });
    if (result.call) deps.addSummary(result.call, session);
  });
  deps.bus.emit("session.changed", { sessionKey: key, reason: "compact", fields: ["context_tokens", "updated_at"] });
  return { ok: true, key, compacted: true, result: { summary: result.summary, tokensBefore: result.tokensBefore } };
}

/** Stops the running turn, or one run. Messages that wait in the session go on unless `clearQueued`. */
async function abort(deps: ChatDeps, params: MethodParams<"sessions.abort">): Promise<unknown> {
  const row = params.runId === undefined ? undefined : deps.turns.runs.find(params.runId);
  const key: SessionKey | undefined = params.key === undefined ? row?.sessionKey : resolveKey(deps, params.key, params.agentId).key;
  if (!key) throw new GatewayError("INVALID_REQUEST", "one of key and runId is needed, and the run must exist");
  const runId = params.runId === undefined ? deps.turns.lanes.busySessions().get(key) : asId<RunId>(params.runId);
  const isAll = params.runId === undefined && params.clearQueued === true;
  const runIds = isAll
    ? await deps.turns.lanes.abortDurably(key)
    : runId === undefined
      ? []
      : await deps.turns.lanes.abortDurably(key, runId);
  return { ok: true, abortedRunId: runIds[0] ?? null, status: runIds.length > 0 ? "aborted" : "no-active-run", runIds };
}
