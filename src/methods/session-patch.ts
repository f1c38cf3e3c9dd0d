import { detailError, GatewayError, missingScope } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodParams } from "../protocol/method.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";
import { toThinkingLevel } from "../core/thinking.ts";
import { resolveModels } from "../turns/settings.ts";
import { requireSession, resolveKey, wireRow, type ChatDeps } from "./chat-context.ts";
import { splitModel } from "./wire-rows.ts";
import { checkExpectations, checkPermissionMode } from "./session-guards.ts";

type PatchParams = MethodParams<"sessions.patch">;

/** sessions.patch: checks and change are one transaction, so that a guard holds until the change is on disk. */
export async function patchSession(deps: ChatDeps, params: PatchParams, caller: Caller): Promise<unknown> {
  const { key } = resolveKey(deps, params.key, params.agentId);
  const model = qualifiedModelName(deps, params.model);
  checkModel(deps, model);
  checkThinking(params.thinkingLevel);
  checkPermissionMode("sessions.patch", params.permissionMode, caller);
  checkVerbose(params.verboseLevel);
  // Who may only write must not lift what keeps writers out.
  if (params.sendPolicy !== undefined && !caller.scopes.has("operator.admin")) throw missingScope("operator.admin");
  checkUnreadGuard(params);
  const changes = await deps.store.write(() => {
    const session = requireSession(deps, key);
    checkExpectations(session, params);
    // Someone has marked it unread since: the client acknowledges what it has seen, and this it has not.
    const { expectedMarkedUnreadAt } = params;
    if (expectedMarkedUnreadAt !== undefined && expectedMarkedUnreadAt !== session.marked_unread_at) return {};
    const made = { ...toChanges(session, params, deps.clock.now()), ...(model === undefined ? {} : { model }) };
    deps.sessions.patch(key, made);
    return made;
  });
  const fields = Object.keys(changes) as (keyof SessionRow)[];
  if (fields.length > 0) deps.bus.emit("session.changed", { sessionKey: key, reason: "patch", fields });
  // What is put away is not worked on any more.
  if (changes.archived === 1) await deps.turns.lanes.abortDurably(key);
  const stored = requireSession(deps, key);
  return { ok: true, path: deps.store.path, key, entry: entryOf(deps, stored), resolved: resolvedModel(deps, stored) };
}

function toChanges(session: SessionRow, params: PatchParams, now: number): SessionPatch {
  const { archived, pinned, unread } = params;
  return {
    ...toColumns(params),
    ...(archived === undefined || archived === (session.archived === 1)
      ? {}
      : { archived: archived ? 1 : 0, archived_at: archived ? now : null, lifecycle: session.lifecycle + 1 }),
    ...(pinned === undefined ? {} : { pinned: pinned ? 1 : 0, pinned_at: pinned ? (session.pinned_at ?? now) : null }),
    ...(unread === undefined ? {} : unread ? { marked_unread_at: now } : { marked_unread_at: null, last_read_at: now }),
    ...statusOf(session, params, now),
  };
}

/** The status note with its sign and its end. Without a note there is neither. */
function statusOf(session: SessionRow, { statusNote, attention, ttlMinutes }: PatchParams, now: number): SessionPatch {
  if (statusNote === undefined && attention === undefined && ttlMinutes === undefined) return {};
  const note = statusNote === undefined ? session.status_note : (statusNote?.replaceAll(/\s+/g, " ").trim() ?? "") || null;
  const isOver = statusNote === undefined && (session.status_expires_at ?? 0) <= now;
  if (note === null && statusNote !== undefined) return { status_note: null, attention: null, status_expires_at: null };
  if ((note === null || isOver) && attention === null && ttlMinutes === undefined) return {};
  if (note === null || isOver)
    throw new GatewayError("INVALID_REQUEST", "attention and ttlMinutes qualify a status note, and the session has none", {
      fix: "Send statusNote with them.",
    });
  return {
    status_note: note,
    ...(attention === undefined ? {} : { attention }),
    status_expires_at: now + (ttlMinutes ?? LIMITS.statusNoteMinutes) * 60_000,
  };
}

/** Params that are stored as they are; null clears them. */
const COLUMNS = {
  label: "label",
  autoLabel: "title",
  model: "model",
  thinkingLevel: "thinking",
  verboseLevel: "verbose_level",
  permissionMode: "permission_mode",
  sendPolicy: "send_policy",
  groupActivation: "activation",
  icon: "icon",
  color: "color",
  category: "category",
  boardFace: "board_face",
  boardPresentation: "board_presentation",
} as const satisfies Partial<Record<keyof PatchParams, keyof SessionPatch>>;

function toColumns(params: PatchParams): SessionPatch {
  const entries = Object.entries(COLUMNS).map(([param, column]) => [column, params[param as keyof PatchParams]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as SessionPatch;
}

function checkUnreadGuard(params: PatchParams): void {
  if (params.expectedMarkedUnreadAt === undefined) return;
  const others = Object.keys(params).filter(
    (name) => !["key", "agentId", "expectedSessionId", "expectedMarkedUnreadAt", "unread"].includes(name),
  );
  if (params.unread !== false || others.length > 0)
    throw new GatewayError("INVALID_REQUEST", "expectedMarkedUnreadAt goes with unread: false and no other change");
}

function checkVerbose(level: string | null | undefined): void {
  if (level === null || level === undefined || ["off", "on", "full"].includes(level)) return;
  throw new GatewayError("INVALID_REQUEST", `unknown verbose level ${JSON.stringify(level.slice(0, 40))}`, { fix: "Use off, on or full." });
}

/** The session as clients keep it after a change: its row, and what it says of its own. */
export const entryOf = (deps: ChatDeps, session: SessionRow): Record<string, unknown> => ({
  ...wireRow(deps, session),
  ...(session.model ? { modelOverride: session.model } : {}),
});

export function resolvedModel(deps: ChatDeps, session: SessionRow): { modelProvider: string; model: string } {
  const model = resolveModels(deps.settings(session.agent_id), session, null)[0]!;
  return { modelProvider: model.provider, model: model.id };
}

export function checkModel(deps: ChatDeps, model: string | null | undefined): void {
  if (!model || deps.modelNames().includes(model)) return;
  throw detailError("MODEL_NOT_FOUND", `there is no model ${JSON.stringify(model.slice(0, 120))}`, {
    fix: "`openclaw models list` shows those that can be chosen.",
  });
}

export function checkThinking(level: string | null | undefined): void {
  if (level && toThinkingLevel(level) === null)
    throw new GatewayError("INVALID_REQUEST", `unknown thinking level ${JSON.stringify(level.slice(0, 40))}`);
}

/** The name of a model with its provider. Some clients send its id alone. */
export function qualifiedModelName(deps: ChatDeps, model: string | null | undefined): string | null | undefined {
  if (!model || model.includes("/")) return model;
  return deps.modelNames().find((name) => splitModel(name).id === model) ?? model;
}
