import { createHash } from "node:crypto";
import { GatewayError } from "../core/errors.ts";
import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodParams } from "../protocol/method.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";
import { sessionTitle } from "../turns/submission.ts";
import { storeAttachments } from "./attachments.ts";
import { operatorSubmission, requireSession, resolveKey, toolsIn, type ChatDeps } from "./chat-context.ts";
import { checkPermissionMode } from "./session-guards.ts";
import { checkModel, checkThinking, qualifiedModelName, entryOf, resolvedModel } from "./session-patch.ts";

type CreateParams = MethodParams<"sessions.create">;
type ResolvedKey = ReturnType<typeof resolveKey>;

/** sessions.create: makes a session, or takes up the one that has the key; with a message it runs the first turn. */
export async function createSession(deps: ChatDeps, params: CreateParams, caller: Caller): Promise<unknown> {
  const model = qualifiedModelName(deps, params.model);
  checkModel(deps, model);
  checkThinking(params.thinkingLevel);
  checkPermissionMode("sessions.create", params.permissionMode, caller);
  const parent = params.parentSessionKey === undefined ? null : requireSession(deps, resolveKey(deps, params.parentSessionKey).key);
  if (params.fork && !parent) throw new GatewayError("INVALID_REQUEST", "fork needs parentSessionKey");
  if (params.forkFrom !== undefined && !params.fork) throw new GatewayError("INVALID_REQUEST", "forkFrom needs fork");
  const place = resolveTargetKey(deps, params, parent);
  // Before anything is stored: files that cannot be used refuse the whole request.
  const files = await storeAttachments(deps.media, params.attachments, toolsIn(deps, place.key, place.agentId));
  const session = await storeSession(deps, params, place, parent, model);
  deps.hub.watch(caller.conn, `session:${place.key}`);
  deps.bus.emit("session.changed", { sessionKey: place.key, reason: "create", fields: CREATED_COLUMNS });
  if (parent) deps.bus.emit("session.changed", { sessionKey: parent.key, reason: "create", fields: [] });
  if (parent && params.emitCommandHooks) deps.bus.emit("session.renewed", { sessionKey: parent.key });
  const result = {
    ok: true,
    key: place.key,
    sessionId: session.session_id,
    entry: entryOf(deps, session),
    resolved: resolvedModel(deps, session),
  };
  const message = params.message ?? "";
  // Some clients send an empty first message when the real one follows by itself.
  if (message.trim() === "" && files.images.length + files.attached.length === 0) return { ...result, runStarted: false };
  try {
    const admitted = await deps.turns.admission.submit(
      operatorSubmission(deps, {
        source: "rpc",
        ...place,
        text: message,
        ...files,
        idempotencyKey: params.idempotencyKey ?? deps.newId(),
        caller,
        timeoutMs: params.timeoutMs,
      }),
    );
    return { ...result, runStarted: true, runId: admitted.runId };
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    // The session is there: the client keeps the message and sends it again to this key.
    return {
      ...result,
      runStarted: false,
      runError: { code: err.code, message: err.message, ...(err.details ? { details: err.details } : {}) },
    };
  }
}

const CREATED_COLUMNS: readonly (keyof SessionRow)[] = [
  "label",
  "title",
  "category",
  "updated_at",
  "status",
  "model",
  "thinking",
  "permission_mode",
  "parent_key",
];

/** A key that the client leaves to us: the same one when the same request comes again. */
function resolveTargetKey(deps: ChatDeps, params: CreateParams, parent: SessionRow | null): ResolvedKey {
  const agentId = params.agentId ?? (params.key === undefined ? parent?.agent_id : undefined);
  if (params.key !== undefined) return resolveKey(deps, params.key, agentId);
  const { idempotencyKey } = params;
  const uuid = idempotencyKey === undefined ? deps.newId() : toUuid(`${agentId ?? ""}|${idempotencyKey}`);
  return resolveKey(deps, `dashboard:${uuid}`, agentId);
}

/** The title that a first message with this text would give. */
const titleFrom = (text: string): string | null =>
  sessionTitle({ text, target: null, chatKind: "direct", provenance: { channel: "webchat", senderIsOwner: true } });

/** A uuid (version 8) that stands for a text. */
function toUuid(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function storeSession(
  deps: ChatDeps,
  params: CreateParams,
  { key, agentId }: ResolvedKey,
  parent: SessionRow | null,
  model: string | null | undefined,
): Promise<SessionRow> {
  const { clock } = deps;
  const now = clock.now();
  return deps.store.write(() => {
    const known = deps.sessions.get(key);
    if (params.fork && known) {
      // The same request again has been done already.
      if (known.parent_key === parent!.key && known.forked_from !== null && params.idempotencyKey !== undefined) return known;
      throw new GatewayError("CONFLICT", `there is a session ${key} already`, { fix: "Leave the key out, or choose another one." });
    }
    const sessionId = known?.session_id ?? deps.newId();
    const title = params.displayName ?? titleFrom(params.titleSource ?? "");
    const changes: SessionPatch = {
      ...(known?.archived === 1 ? { archived: 0, archived_at: null, lifecycle: known.lifecycle + 1 } : {}),
      ...(params.label === undefined ? {} : { label: params.label }),
      ...(title && !known?.title ? { title } : {}),
      ...(params.category === undefined ? {} : { category: params.category }),
      ...(model === undefined ? {} : { model }),
      ...(params.thinkingLevel === undefined ? {} : { thinking: params.thinkingLevel }),
      ...(params.permissionMode === undefined ? {} : { permission_mode: params.permissionMode }),
      ...(parent && parent.key !== key && !known ? { parent_key: parent.key } : {}),
    };
    const times = { created_at: now, updated_at: now };
    if (!known) {
      const row = { key, session_id: sessionId, agent_id: agentId, chat_kind: "direct", channel: "webchat", ...times, ...changes } as const;
      const session = deps.sessions.insert(row);
      if (!params.fork) return session;
    } else deps.sessions.patch(key, { updated_at: now, ...changes });
    if (params.fork) forkTranscript(deps, params, parent!, { key, sessionId });
    return requireSession(deps, key);
  });
}

/** Copies the parent's transcript as of this transaction, and the settings of its next turn. */
function forkTranscript(deps: ChatDeps, params: CreateParams, parent: SessionRow, to: { key: SessionKey; sessionId: string }): void {
  const current = requireSession(deps, parent.key);
  const { session_id: sessionId } = current;
  const count = deps.messages.count(parent.key, sessionId);
  if (count > LIMITS.forkMessages)
    throw new GatewayError("INVALID_REQUEST", `the conversation has ${count} messages; at most ${LIMITS.forkMessages} can be copied`, {
      fix: "Begin a new session, and tell it what it has to know.",
    });
  const upToSeq = params.forkFrom === undefined ? Number.MAX_SAFE_INTEGER : deps.messages.lastAnswerSeq(parent.key, sessionId);
  deps.messages.copy({ key: parent.key, sessionId, upToSeq }, to);
  deps.sessions.patch(to.key, {
    forked_from: sessionId,
    preview: current.preview,
    last_message_at: current.last_message_at,
    last_read_at: current.last_message_at,
    ...(requireSession(deps, to.key).title ? {} : { title: current.title }),
    ...(params.model === undefined ? { model: current.model } : {}),
    ...(params.thinkingLevel === undefined ? { thinking: current.thinking } : {}),
    ...(params.permissionMode === undefined ? { permission_mode: current.permission_mode } : {}),
  });
}
