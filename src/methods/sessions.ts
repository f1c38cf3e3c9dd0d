import { GatewayError } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodTable } from "../protocol/method.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";
import { isThinkingLevel, modelsOf, thinkingOf } from "../turns/settings.ts";
import { chatDefaults } from "./chat.ts";
import { operatorSubmission, requireSession, resolveKey, toImages, wireRow, type ChatDeps } from "./context.ts";
import { previewOf, splitModel } from "./rows.ts";

type KeyParams = { key: string; agentId?: string };
type ListParams = {
  limit?: number;
  offset?: number;
  activeMinutes?: number;
  agentId?: string;
  search?: string;
  label?: string;
  archived?: boolean | "all";
  configuredAgentsOnly?: boolean;
  requireLastInteraction?: boolean;
  hasBoard?: boolean;
  boardFace?: "chat" | "dashboard";
  spawnedBy?: string;
  creatorId?: string;
  ownerId?: string;
  involvingProfileId?: string;
};
type PatchParams = KeyParams & {
  expectedSessionId?: string;
  label?: string | null;
  archived?: boolean;
  pinned?: boolean;
  unread?: boolean;
  model?: string | null;
  thinkingLevel?: string | null;
  groupActivation?: "mention" | "always" | null;
};
type CreateParams = {
  key?: string;
  agentId?: string;
  label?: string;
  displayName?: string;
  model?: string;
  thinkingLevel?: string;
  message?: string;
  attachments?: unknown[];
  idempotencyKey?: string;
};

const LIST_LIMIT = 1_000;

/** sessions.*: the list of conversations and what an operator does with them. */
export function sessionMethods(deps: ChatDeps) {
  return { ...readMethods(deps), ...changeMethods(deps) } satisfies MethodTable;
}

function readMethods(deps: ChatDeps) {
  return {
    "sessions.list": { scope: "operator.read", run: (params: ListParams) => list(deps, params) },
    "sessions.subscribe": {
      scope: "operator.read",
      run: (_params: unknown, caller: Caller) => {
        deps.hub.watch(caller.conn, "sessions");
        return { subscribed: true };
      },
    },
    "sessions.messages.subscribe": {
      scope: "operator.read",
      run: ({ key: input, agentId }: KeyParams, caller: Caller) => {
        const { key } = resolveKey(deps, input, agentId);
        deps.hub.watch(caller.conn, `session:${key}`);
        return { subscribed: true, key };
      },
    },
    "sessions.messages.unsubscribe": {
      scope: "operator.read",
      run: ({ key: input, agentId }: KeyParams, caller: Caller) => {
        const { key } = resolveKey(deps, input, agentId);
        deps.hub.unwatch(caller.conn, `session:${key}`);
        return { subscribed: false, key };
      },
    },
    "sessions.describe": {
      scope: "operator.read",
      run: ({ key: input }: KeyParams) => {
        const session = deps.sessions.get(resolveKey(deps, input).key);
        return { session: session ? wireRow(deps, session) : null };
      },
    },
    "sessions.preview": {
      scope: "operator.read",
      run: (params: { keys: string[]; limit?: number; maxChars?: number }) => preview(deps, params),
    },
    "sessions.resolve": { scope: "operator.read", run: (params: ResolveParams) => resolve(deps, params) },
  } satisfies MethodTable;
}

function changeMethods(deps: ChatDeps) {
  return {
    "sessions.create": {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: (params: CreateParams, caller: Caller) => create(deps, params, caller),
    },
    "sessions.patch": { scope: "operator.write", run: (params: PatchParams) => patch(deps, params) },
    "sessions.reset": { scope: "operator.admin", run: (params: KeyParams) => reset(deps, params) },
    "sessions.delete": { scope: "operator.admin", run: (params: KeyParams & { expectedSessionId?: string }) => remove(deps, params) },
    "sessions.compact": { scope: "operator.admin", run: (params: KeyParams) => compact(deps, params) },
    "sessions.send": {
      scope: "operator.write",
      maxBytes: LIMITS.attachmentRequestBytes,
      run: async (
        params: KeyParams & { message: string; thinking?: string; attachments?: unknown[]; timeoutMs?: number; idempotencyKey?: string },
        caller: Caller,
      ) => {
        const { key, agentId } = resolveKey(deps, params.key, params.agentId);
        requireSession(deps, key);
        deps.hub.watch(caller.conn, `session:${key}`);
        const { message: text, thinking, timeoutMs } = params;
        const idempotencyKey = params.idempotencyKey ?? deps.newId();
        const admitted = await deps.turns.submit(
          operatorSubmission(deps, {
            source: "rpc",
            key,
            agentId,
            text,
            images: toImages(params.attachments),
            idempotencyKey,
            caller,
            thinking,
            timeoutMs,
          }),
        );
        return { ok: true, runId: admitted.runId, status: admitted.duplicate ? (admitted.outcome ? "ok" : "in_flight") : "started" };
      },
    },
    "sessions.abort": { scope: "operator.write", run: (params: { key?: string; runId?: string; agentId?: string }) => abort(deps, params) },
  } satisfies MethodTable;
}

function list(deps: ChatDeps, params: ListParams): unknown {
  const limit = Math.min(params.limit ?? 100, LIST_LIMIT);
  const offset = params.offset ?? 0;
  const { rows, total } = asksForOthers(params)
    ? { rows: [], total: 0 }
    : deps.sessions.list({
        limit,
        offset,
        archived: params.archived ?? false,
        ...(params.configuredAgentsOnly ? { agents: deps.agentIds() } : {}),
        ...(params.requireLastInteraction ? { withMessages: true } : {}),
        ...(params.agentId === undefined ? {} : { agentId: params.agentId }),
        ...(params.search === undefined ? {} : { search: params.search }),
        ...(params.label === undefined ? {} : { label: params.label }),
        ...(params.activeMinutes === undefined ? {} : { updatedAfter: deps.clock.now() - params.activeMinutes * 60_000 }),
      });
  const hasMore = offset + rows.length < total;
  return {
    ts: deps.clock.now(),
    path: deps.turns.options.store.path,
    count: rows.length,
    totalCount: total,
    limitApplied: limit,
    nextOffset: hasMore ? offset + rows.length : null,
    hasMore,
    owners: [],
    defaults: chatDefaults(deps),
    sessions: rows.map((row) => wireRow(deps, row)),
  };
}

/** Filters for what no session of this gateway has: child runs, boards, owners among several people. */
function asksForOthers({ spawnedBy, hasBoard, boardFace, creatorId, ownerId, involvingProfileId }: ListParams): boolean {
  return (
    hasBoard === true || boardFace === "dashboard" || [spawnedBy, creatorId, ownerId, involvingProfileId].some((id) => id !== undefined)
  );
}

function preview(deps: ChatDeps, params: { keys: string[]; limit?: number; maxChars?: number }): unknown {
  const limit = Math.min(params.limit ?? 12, 50);
  const maxChars = Math.min(params.maxChars ?? 240, 2_000);
  const previews = params.keys.slice(0, 64).map((input) => {
    const session = deps.sessions.get(resolveKey(deps, input).key);
    if (!session) return { key: input, status: "missing", items: [] };
    const items = deps.messages.tail(session.key, session.session_id, limit).flatMap((message) => previewOf(message, maxChars));
    return { key: session.key, status: items.length > 0 ? "ok" : "empty", items };
  });
  return { ts: deps.clock.now(), previews };
}

type ResolveParams = { key?: string; sessionId?: string; label?: string; agentId?: string; allowMissing?: boolean };

function resolve(deps: ChatDeps, params: ResolveParams): unknown {
  const found = find(deps, params);
  if (found) return { ok: true, key: found.key, agentId: found.agent_id, ...(found.label ? { displayName: found.label } : {}) };
  if (params.allowMissing) return { ok: false };
  throw new GatewayError("INVALID_REQUEST", "no session matches", { details: { code: "SESSION_NOT_FOUND" } });
}

function find(deps: ChatDeps, params: ResolveParams): SessionRow | undefined {
  if (params.key !== undefined) return deps.sessions.get(resolveKey(deps, params.key, params.agentId).key);
  if (params.sessionId !== undefined) return deps.sessions.bySessionId(params.sessionId);
  if (params.label === undefined) throw new GatewayError("INVALID_REQUEST", "one of key, sessionId and label is needed");
  return deps.sessions.list({
    label: params.label,
    archived: "all",
    limit: 1,
    offset: 0,
    ...(params.agentId ? { agentId: params.agentId } : {}),
  }).rows[0];
}

async function create(deps: ChatDeps, params: CreateParams, caller: Caller): Promise<unknown> {
  const { turns, clock } = deps;
  const { key, agentId } = resolveKey(deps, params.key ?? deps.newId(), params.agentId);
  checkModel(deps, params.model);
  checkThinking(params.thinkingLevel);
  const now = clock.now();
  const session = await turns.options.store.write(() => {
    turns.options.sessions.ensure(key, { sessionId: deps.newId(), agentId, chatKind: "direct", channel: "webchat", now });
    const label = params.label ?? params.displayName;
    deps.sessions.patch(key, {
      updated_at: now,
      archived: 0,
      ...(label === undefined ? {} : { label }),
      ...(params.model === undefined ? {} : { model: params.model }),
      ...(params.thinkingLevel === undefined ? {} : { thinking: params.thinkingLevel }),
    });
    return deps.sessions.get(key)!;
  });
  deps.hub.watch(caller.conn, `session:${key}`);
  turns.options.bus.emit("session.changed", {
    sessionKey: key,
    reason: "create",
    fields: ["label", "updated_at", "status", "model", "thinking"],
  });
  const result = { ok: true, key, sessionId: session.session_id, entry: entryOf(session), resolved: resolvedModel(deps, session) };
  if (params.message === undefined) return { ...result, runStarted: false };
  const idempotencyKey = params.idempotencyKey ?? deps.newId();
  const admitted = await turns.submit(
    operatorSubmission(deps, {
      source: "rpc",
      key,
      agentId,
      text: params.message,
      images: toImages(params.attachments),
      idempotencyKey,
      caller,
    }),
  );
  return { ...result, runStarted: true, runId: admitted.runId };
}

const entryOf = (session: SessionRow): Record<string, unknown> => ({
  sessionId: session.session_id,
  createdAt: session.created_at,
  updatedAt: session.updated_at,
  ...(session.label ? { label: session.label } : {}),
  ...(session.model ? { modelOverride: session.model } : {}),
  ...(session.thinking ? { thinkingLevel: session.thinking } : {}),
});

function resolvedModel(deps: ChatDeps, session: SessionRow): { modelProvider: string; model: string } {
  const model = modelsOf(deps.turns.options.settings(session.agent_id), session, null)[0]!;
  return { modelProvider: model.provider, model: model.id };
}

function checkModel(deps: ChatDeps, model: string | null | undefined): void {
  if (!model || deps.modelNames().includes(model)) return;
  throw new GatewayError("INVALID_REQUEST", `there is no model ${JSON.stringify(model.slice(0, 120))}`, {
    details: { code: "MODEL_NOT_FOUND" },
    fix: "`openclaw models list` shows those that can be chosen.",
  });
}

function checkThinking(level: string | null | undefined): void {
  if (level && !isThinkingLevel(level))
    throw new GatewayError("INVALID_REQUEST", `unknown thinking level ${JSON.stringify(level.slice(0, 40))}`);
}

async function patch(deps: ChatDeps, params: PatchParams): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const session = requireSession(deps, key);
  if (params.expectedSessionId !== undefined && params.expectedSessionId !== session.session_id)
    throw new GatewayError("INVALID_REQUEST", "this session was reset since it was loaded", { details: { code: "SESSION_CHANGED" } });
  const model = params.model && !params.model.includes("/") ? nameOf(deps, params.model) : params.model;
  checkModel(deps, model);
  checkThinking(params.thinkingLevel);
  const now = deps.clock.now();
  const changes: SessionPatch = {
    ...(params.label === undefined ? {} : { label: params.label }),
    ...(params.archived === undefined ? {} : { archived: params.archived ? 1 : 0 }),
    ...(params.pinned === undefined ? {} : { pinned: params.pinned ? 1 : 0 }),
    ...(params.unread === undefined ? {} : { last_read_at: params.unread ? 0 : now }),
    ...(model === undefined ? {} : { model }),
    ...(params.thinkingLevel === undefined ? {} : { thinking: params.thinkingLevel }),
    ...(params.groupActivation === undefined ? {} : { activation: params.groupActivation }),
  };
  await deps.turns.options.store.write(() => deps.sessions.patch(key, changes));
  const fields = Object.keys(changes) as (keyof SessionRow)[];
  if (fields.length > 0) deps.turns.options.bus.emit("session.changed", { sessionKey: key, reason: "patch", fields });
  const stored = deps.sessions.get(key)!;
  return { ok: true, path: deps.turns.options.store.path, key, entry: entryOf(stored), resolved: resolvedModel(deps, stored) };
}

/** Some clients send the model's id without its provider. */
const nameOf = (deps: ChatDeps, id: string): string => deps.modelNames().find((name) => splitModel(name).id === id) ?? id;

async function reset(deps: ChatDeps, params: KeyParams): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const before = requireSession(deps, key);
  await deps.turns.quiesce(key);
  await deps.turns.exclusively(key, async () => {
    await deps.turns.options.store.write(() =>
      deps.sessions.patch(key, {
        session_id: deps.newId(),
        checkpoint: null,
        context_tokens: 0,
        preview: null,
        title: null,
        status: "done",
        updated_at: deps.clock.now(),
      }),
    );
    await deps.turns.options.runtime.forget(before.agent_id, before.session_id);
  });
  deps.turns.options.bus.emit("session.changed", {
    sessionKey: key,
    reason: "reset",
    fields: ["session_id", "context_tokens", "preview", "status", "title", "updated_at"],
  });
  const session = deps.sessions.get(key)!;
  return { ok: true, key, entry: entryOf(session), resolved: resolvedModel(deps, session) };
}

async function remove(deps: ChatDeps, params: KeyParams & { expectedSessionId?: string }): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const session = deps.sessions.get(key);
  if (!session) return { ok: true, key, deleted: false, archived: [] };
  if (params.expectedSessionId !== undefined && params.expectedSessionId !== session.session_id)
    throw new GatewayError("INVALID_REQUEST", "this session was reset since it was loaded", { details: { code: "SESSION_CHANGED" } });
  await deps.turns.quiesce(key);
  await deps.turns.exclusively(key, async () => {
    await deps.turns.options.store.write(() => deps.sessions.remove(key));
    await deps.turns.options.runtime.forget(session.agent_id, session.session_id);
  });
  deps.turns.options.bus.emit("session.removed", { sessionKey: key });
  return { ok: true, key, deleted: true, archived: [] };
}

async function compact(deps: ChatDeps, params: KeyParams): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  requireSession(deps, key);
  if (deps.turns.inflight(key).length > 0)
    throw new GatewayError("UNAVAILABLE", "an answer is being written in this session; stop it or wait for it", { retryAfterMs: 2_000 });
  return deps.turns.exclusively(key, () => compactIdle(deps, key));
}

async function compactIdle(deps: ChatDeps, key: SessionKey): Promise<unknown> {
  const { turns } = deps;
  const session = requireSession(deps, key);
  const settings = turns.options.settings(session.agent_id);
  const context = {
    sessionKey: key,
    sessionId: session.session_id,
    agentId: session.agent_id,
    models: modelsOf(settings, session, null),
    thinking: thinkingOf(settings, session, null),
    tools: [],
    workspace: settings.workspace,
    situation: "",
    checkpoint: session.checkpoint,
    history: () => turns.contextOf(session),
  };
  const result = await turns.options.runtime.compact(context, undefined).catch((err: unknown) => {
    if (err instanceof GatewayError && err.details?.["code"] === "NOTHING_TO_COMPACT") return { nothing: err.message };
    throw err;
  });
  if ("nothing" in result) return { ok: true, key, compacted: false, reason: result.nothing };
  await turns.options.store.write(() =>
    deps.sessions.patch(key, { checkpoint: result.checkpoint, context_tokens: 0, updated_at: deps.clock.now() }),
  );
  turns.options.bus.emit("session.changed", { sessionKey: key, reason: "compact", fields: ["context_tokens", "updated_at"] });
  return { ok: true, key, compacted: true, result: { summary: result.summary, tokensBefore: result.tokensBefore } };
}

async function abort(deps: ChatDeps, params: { key?: string; runId?: string; agentId?: string }): Promise<unknown> {
  const row = params.runId === undefined ? undefined : deps.turns.find(params.runId);
  const key: SessionKey | undefined = params.key === undefined ? row?.sessionKey : resolveKey(deps, params.key, params.agentId).key;
  if (!key) throw new GatewayError("INVALID_REQUEST", "one of key and runId is needed, and the run must exist");
  const runIds = await deps.turns.abortDurably(key, params.runId === undefined ? undefined : asId<RunId>(params.runId));
  return { ok: true, abortedRunId: runIds[0] ?? null, status: runIds.length > 0 ? "aborted" : "no-active-run", runIds };
}
