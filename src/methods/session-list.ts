import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson, encodeTail } from "../protocol/frames.ts";
import type { MethodParams } from "../protocol/method.ts";
import { toAgentAddress } from "../core/agent-id.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import { textOf, type MessageHit } from "../store/messages.ts";
import type { SessionQuery, SessionRow } from "../store/sessions.ts";
import { chatDefaults, resolveKey, wireRow, type ChatDeps } from "./chat-context.ts";
import type { SessionRowCache } from "./session-rows.ts";

type ListParams = MethodParams<"sessions.list">;

const LIST_LIMIT = 1_000;

/** The answer of sessions.list, and the list of sessions.subscribe. `ts` is the only field that is different each time. */
export function listSessions(deps: ChatDeps, rows: SessionRowCache, params: ListParams): EncodedJson {
  const now = deps.clock.now();
  const make = (): { json: string; untilMs: number } => encodeList(deps, rows, params);
  const name = JSON.stringify(params);
  const tail =
    params.activeMinutes === undefined && name.length <= LIMITS.cachedParamsChars
      ? deps.answers.get({ method: "sessions.list", name, basis: basisOf(deps), now }, make)
      : encodeTail(make().json);
  return new EncodedJson(`{"ts":${now},`, tail);
}

const basisOf = (deps: ChatDeps): readonly unknown[] => [deps.store.version("sessions"), deps.configuration(), runningState(deps)];

/** What session rows show of turns that run or wait; another text whenever a row shows something else. */
function runningState({ turns }: ChatDeps): string {
  let text = "";
  for (const key of turns.lanes.busySessions().keys()) {
    const runs = turns.runs.inflight(key).map((run) => run.runId);
    text += `${key}\n${turns.lanes.queuedRuns(key).length} ${runs.join(" ")}\n`;
  }
  return text;
}

/** The answer without its first field. */
function encodeList(deps: ChatDeps, cache: SessionRowCache, params: ListParams): { json: string; untilMs: number } {
  const limit = Math.min(params.limit ?? 100, LIST_LIMIT);
  const offset = params.offset ?? 0;
  const query = toQuery(deps, params);
  const { keys, total } = query ? deps.sessions.listKeys({ ...query, limit, offset }) : { keys: [], total: 0 };
  const options = { derivedTitles: params.includeDerivedTitles !== false, lastMessage: params.includeLastMessage !== false };
  const { rows, untilMs } = cache.encode(keys, options);
  const hasMore = offset + keys.length < total;
  const page = {
    path: deps.store.path,
    count: rows.length,
    totalCount: total,
    limitApplied: limit,
    nextOffset: hasMore ? offset + keys.length : null,
    hasMore,
    owners: [],
    defaults: chatDefaults(deps),
  };
  return { json: `${JSON.stringify(page).slice(1, -1)},"sessions":[${rows.join(",")}]}`, untilMs };
}

/** The filters as the store knows them; null when no session of this gateway can match. */
function toQuery(deps: ChatDeps, params: Omit<ListParams, "limit" | "offset">): Omit<SessionQuery, "limit" | "offset"> | null {
  if (asksForUnsupported(params)) return null;
  const busy = params.activeOnly ? [...deps.turns.lanes.busySessions().keys()] : undefined;
  if (busy?.length === 0) return null;
  const without = [
    ...(params.excludeSubagents ? ["subagent:"] : []),
    ...(params.excludeCron ? ["cron:"] : []),
    ...(params.excludeSystem ? ["hook:"] : []),
  ];
  return {
    archived: params.archived ?? false,
    without,
    ...(busy === undefined ? {} : { keys: busy }),
    ...(params.configuredAgentsOnly ? { agents: deps.agentIds() } : {}),
    ...(params.requireLastInteraction ? { withMessages: true } : {}),
    ...(params.agentId === undefined ? {} : { agentId: toAgentAddress(params.agentId) }),
    ...(params.search === undefined ? {} : { search: params.search }),
    ...(params.label === undefined ? {} : { label: params.label }),
    ...(params.group === undefined ? {} : { category: params.group }),
    ...(params.pinned === undefined ? {} : { pinned: params.pinned }),
    ...(params.boardFace === undefined ? {} : { boardFace: params.boardFace }),
    ...(params.sortBy === undefined ? {} : { order: params.sortBy }),
    ...(params.activeMinutes === undefined ? {} : { updatedAfter: deps.clock.now() - params.activeMinutes * 60_000 }),
  };
}

/** Filters for what no session of this gateway has: child runs, boards, owners among several people. */
function asksForUnsupported({
  spawnedBy,
  hasBoard,
  creatorId,
  ownerId,
  involvingProfileId,
  profileRelation,
}: Omit<ListParams, "limit">): boolean {
  return hasBoard === true || [spawnedBy, creatorId, ownerId, involvingProfileId, profileRelation].some((id) => id !== undefined);
}

/** sessions.subscribe: with the params of a list, the first list comes with the answer. */
export function subscribedList(deps: ChatDeps, rows: SessionRowCache, params: MethodParams<"sessions.subscribe">): unknown {
  if (Object.keys(params).length === 0) return { subscribed: true };
  return EncodedJson.from(`{"subscribed":true,"list":${listSessions(deps, rows, params).toString()}}`);
}

/** sessions.search: messages that contain the words. */
export function searchSessions(deps: ChatDeps, params: MethodParams<"sessions.search">): Record<string, unknown> {
  const { agentId, sessionKeys, scope } = params;
  if (scope !== undefined && (agentId !== undefined || sessionKeys !== undefined))
    throw new GatewayError("INVALID_REQUEST", "scope excludes agentId and sessionKeys: it has filters of its own");
  const words = params.query.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  const inScope = scope === undefined ? undefined : scopeOf(deps, scope as ListParams);
  const keys = sessionKeys && new Set<string>(sessionKeys.map((key) => resolveKey(deps, key, agentId).key));
  const agent = agentId === undefined ? undefined : toAgentAddress(agentId);
  const isMeant = (key: string): boolean => {
    if (inScope) return inScope.keys.has(key);
    return (!keys || keys.has(key)) && (agent === undefined || parseSessionKey(key)?.agentId === agent);
  };
  const used = words.slice(0, LIMITS.searchWords);
  const { hits, complete } = deps.messages.search(used, params.limit ?? 10, isMeant);
  const truncated = !complete || words.length > used.length || inScope?.complete === false;
  const sessions = new Map(hits.map((hit) => [hit.message.sessionKey, deps.sessions.get(hit.message.sessionKey)]));
  return {
    results: hits.map((hit) => toResult(hit, used)),
    ...(scope === undefined ? {} : { sessions: [...sessions.values()].flatMap((row) => (row ? [wireRow(deps, row)] : [])) }),
    ...(truncated ? { truncated: true } : {}),
  };
}

/** The sessions in which is searched; `complete` is false when there are more than one list may have. */
function scopeOf(deps: ChatDeps, scope: ListParams): { keys: ReadonlySet<string>; complete: boolean } {
  const query = toQuery(deps, { archived: "all", ...scope });
  const { rows, total } = query ? deps.sessions.list({ ...query, limit: LIST_LIMIT, offset: 0 }) : { rows: [], total: 0 };
  return { keys: new Set(rows.map((row) => row.key)), complete: rows.length === total };
}

function toResult({ message, score }: MessageHit, words: readonly string[]): Record<string, unknown> {
  return {
    sessionKey: message.sessionKey,
    sessionId: message.sessionId,
    messageId: message.id,
    role: message.body.role,
    timestamp: message.at,
    snippet: snippetOf(textOf(message.body), words),
    score,
  };
}

/** The text around the first word that is found in it. */
function snippetOf(text: string, words: readonly string[]): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  const lower = line.toLowerCase();
  const at = Math.max(
    0,
    ...words
      .map((word) => lower.indexOf(word))
      .filter((index) => index >= 0)
      .slice(0, 1),
  );
  const from = Math.max(0, at - LIMITS.searchSnippetChars / 4);
  const part = line.slice(from, from + LIMITS.searchSnippetChars).toWellFormed();
  return `${from > 0 ? "…" : ""}${part}${from + part.length < line.length ? "…" : ""}`;
}

/** sessions.resolve: the session that one of several names means. */
export function resolveSession(deps: ChatDeps, params: MethodParams<"sessions.resolve">): unknown {
  if (params.slugHint !== undefined && params.shortId === undefined) throw new GatewayError("INVALID_REQUEST", "slugHint needs shortId");
  const found = findSessions(deps, params);
  if (found.length === 1) return { ok: true, ...toCandidate(found[0]!) };
  if (found.length > 1) return { ok: false, candidates: found.slice(0, 10).map(toCandidate) };
  if (params.allowMissing) return { ok: false };
  throw notFound();
}

const notFound = (): GatewayError =>
  detailError("SESSION_NOT_FOUND", "no session matches", {
    fix: "sessions.list has the sessions.",
  });

/** The one session of a short id, e.g. from the address of a page. Throws INVALID_REQUEST when there is none, or more than one. */
export function requireShortId(deps: ChatDeps, shortId: string, slugHint: string | undefined, agentId: string | undefined): SessionRow {
  const found = byShortId(deps, shortId, slugHint, agentId);
  if (found.length > 1)
    throw new GatewayError("INVALID_REQUEST", "several sessions match this short id", { fix: "Use more of its digits." });
  if (!found[0]) throw notFound();
  return found[0];
}

function findSessions(deps: ChatDeps, params: MethodParams<"sessions.resolve">): SessionRow[] {
  const { key, sessionId, label, shortId, reference, agentId } = params;
  const named = [key, sessionId, label, shortId, reference].filter((each) => each !== undefined);
  if (named.length !== 1)
    throw new GatewayError("INVALID_REQUEST", "exactly one of key, sessionId, label, shortId and reference is needed");
  if (shortId !== undefined) return byShortId(deps, shortId, params.slugHint, agentId);
  if (reference !== undefined) return byReference(deps, reference, agentId);
  const rows = key !== undefined ? [deps.sessions.get(resolveKey(deps, key, agentId).key)] : [];
  if (sessionId !== undefined) rows.push(deps.sessions.bySessionId(sessionId));
  if (label !== undefined)
    rows.push(
      deps.sessions.list({ label, archived: "all", limit: 1, offset: 0, ...(agentId ? { agentId: toAgentAddress(agentId) } : {}) }).rows[0],
    );
  return rows.filter((row) => row !== undefined && (agentId === undefined || row.agent_id === toAgentAddress(agentId))) as SessionRow[];
}

const UUID = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Sessions whose key ends with a uuid that begins with the short id; the hint decides between several. */
function byShortId(deps: ChatDeps, shortId: string, slugHint: string | undefined, agentId: string | undefined): SessionRow[] {
  if (!/^[0-9a-f]{8,32}$/i.test(shortId))
    throw new GatewayError("INVALID_REQUEST", "a short id is 8 to 32 hexadecimal digits of the session's uuid");
  const agent = agentId === undefined ? undefined : toAgentAddress(agentId);
  const found = deps.sessions.byUuidPrefix(agent, shortId.toLowerCase(), 11).filter((row) => UUID.test(row.key));
  if (found.length < 2 || slugHint === undefined) return found;
  const hinted = found.filter((row) => slugOf(nameOf(row)) === slugOf(slugHint));
  return hinted.length > 0 ? hinted : found;
}

/** The exact key wins; then the name of a session that has a uuid. */
function byReference(deps: ChatDeps, reference: { key: string; slug?: string }, agentId: string | undefined): SessionRow[] {
  const parsed = parseSessionKey(reference.key);
  const isOther = agentId !== undefined && parsed !== null && parsed.agentId !== toAgentAddress(agentId);
  const exact = isOther ? undefined : deps.sessions.get(resolveKey(deps, reference.key, parsed ? undefined : agentId).key);
  if (exact) return [exact];
  const slug = slugOf(reference.slug ?? "");
  if (slug === "") return [];
  const { rows } = deps.sessions.list({
    archived: "all",
    limit: LIST_LIMIT,
    offset: 0,
    ...(agentId === undefined ? {} : { agentId: toAgentAddress(agentId) }),
  });
  return rows.filter((row) => UUID.test(row.key) && slugOf(nameOf(row)) === slug);
}

const nameOf = (row: SessionRow): string => row.label ?? row.title ?? "";

const slugOf = (text: string): string =>
  text
    .toLowerCase()
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .replaceAll(/^-+|-+$/g, "");

const toCandidate = (row: SessionRow): Record<string, unknown> => ({
  key: row.key,
  agentId: row.agent_id,
  ...(nameOf(row) ? { displayName: nameOf(row) } : {}),
  ...(row.board_face ? { boardFace: row.board_face } : {}),
  ...(row.board_presentation ? { boardPresentation: row.board_presentation } : {}),
});
