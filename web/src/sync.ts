/** What the gateway says, turned into changes of the store: events, first load, reload after a gap. */
import { batch } from "@preact/signals";
import { applyChange, canonicalKey, toSessionPatch, upsertSession } from "../../src/client/conversation/session-row.ts";
import { removeEntry } from "../../src/client/conversation/outbox.ts";
import { applyAgent, applyChat, isActive } from "../../src/client/conversation/live-run.ts";
import { applyOlderPage, applyRow, hasUserRow, isSettled, NO_ROWS } from "../../src/client/conversation/transcript-rows.ts";
import { withNewestPage, withRunChange } from "../../src/client/conversation/session-transcript.ts";
import { isConnectionLost } from "./client.ts";
import * as store from "./state.ts";
import { contentText } from "../../src/client/conversation/protocol-types.ts";
import type { ChatState } from "./state.ts";
import type { GatewayClient } from "./client.ts";
import type { RunView } from "../../src/client/conversation/live-run.ts";
import type { SessionChange } from "../../src/client/conversation/session-row.ts";
import type {
  AgentEventPayload,
  ChatEventPayload,
  CommandRow,
  EventFrame,
  HistoryPayload,
  ModelRow,
  TranscriptRow,
  SessionListRow,
  SessionsList,
} from "../../src/client/conversation/protocol-types.ts";

const PAGE_ROWS = 80;
/** The most that the gateway gives at once. */
const HISTORY_LIMIT = 1_000;
const LIST_ROWS = 300;
/** The most that the gateway gives at once. */
const LIST_LIMIT = 1_000;
const FOUND_ROWS = 100;
const SEARCH_MS = 150;
const MAX_CHATS = 12;
const SETTLE_MS = 1_500;
const LIST_REFRESH_MS = 250;

let client: GatewayClient | null = null;
const subscriptions = new Set<string>();
let refreshTimer: ReturnType<typeof setTimeout> | undefined;
let searching: ReturnType<typeof setTimeout> | undefined;

export function setClient(to: GatewayClient): void {
  client = to;
}

/** The connected client; throws when the page has not been started. */
export function requireClient(): GatewayClient {
  if (client === null) throw new Error("The page has no client yet.");
  return client;
}

export const errorMessage = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The long form of a session key. */
export const toKey = (key: string): string => canonicalKey(key, store.hello.value?.snapshot.sessionDefaults?.defaultAgentId ?? "main");

/** Routes one event. Unknown events are none of our business. */
export function onEvent(frame: EventFrame): void {
  const payload = frame.payload ?? {};
  if (frame.event === "chat") onChat(payload as ChatEventPayload);
  else if (frame.event === "agent" || frame.event === "session.tool") onAgent(payload as AgentEventPayload);
  else if (frame.event === "session.message") onMessage(payload as MessageEvent);
  else if (frame.event === "sessions.changed") onSessions(payload as SessionChange);
  else if (frame.event === "health") store.activity.value += 1;
  else if (frame.event === "cron" || frame.event === "heartbeat") store.jobChanges.value += 1;
  else if (frame.event === "presence" || frame.event.startsWith("node.pair.")) store.nodeChanges.value += 1;
  else if (frame.event === "task") store.taskChanges.value += 1;
  else if (frame.event.startsWith("device.pair.")) store.deviceChanges.value += 1;
  else if (frame.event === "shutdown") store.restarting.value = true;
}

function onChat(event: ChatEventPayload): void {
  const key = toKey(event.sessionKey);
  if (!store.chats.value.has(key)) return;
  patchRun(key, event.runId, event.seq <= 1, (run) => applyChat(run, event));
  if (event.state === "status" || event.state === "delta") return;
  if (key === store.activeKey.value) announceText(event);
  setTimeout(() => void resyncRun(key, event.runId), SETTLE_MS);
}

function onAgent(event: AgentEventPayload & { isHeartbeat?: boolean }): void {
  if (event.sessionKey === undefined || event.isHeartbeat === true) return;
  const key = toKey(event.sessionKey);
  if (store.chats.value.has(key)) patchRun(key, event.runId, event.seq <= 1, (run) => applyAgent(run, event));
}

type MessageEvent = { sessionKey: string; sessionId?: string; message?: TranscriptRow; session?: SessionListRow; stale?: boolean };

function onMessage(event: MessageEvent): void {
  const key = toKey(event.sessionKey);
  const row = event.message;
  if (event.stale === true || isOtherSession(key, event.sessionId)) return void loadChat(key);
  batch(() => {
    if (row !== undefined && store.chats.value.get(key)?.loaded === true) {
      store.patchChat(key, (chat) => ({ ...chat, rows: applyRow(chat.rows, row, event.sessionId) }));
      reconcileOutbox(key);
    }
    if (event.session !== undefined) store.sessions.value = upsertSession(store.sessions.value, { ...event.session, key });
  });
}

function onSessions(change: SessionChange): void {
  store.activity.value += 1;
  const rows = applyChange(
    store.sessions.value,
    change.sessionKey === undefined ? change : { ...change, sessionKey: toKey(change.sessionKey) },
  );
  if (rows === null) return void scheduleSessionsRefresh();
  store.sessions.value = rows;
  const key = change.sessionKey === undefined ? undefined : toKey(change.sessionKey);
  if (key === undefined || !store.chats.value.has(key)) return;
  const patch = toSessionPatch(change);
  // A message was removed, rewritten or moved: no event names it, so everything that is shown is read again.
  if (change.reason === "message-changed") void loadChat(key, store.chats.value.get(key)?.rows.rows.length);
  else if (change.reason === "branch") void loadChat(key, undefined, true);
  else if (change.reason === "reset" || isOtherSession(key, patch.sessionId)) void loadChat(key);
  if (patch.hasActiveRun === false) setTimeout(() => void resyncSession(key), SETTLE_MS);
}

/** The session was reset: what is shown belongs to the conversation before. */
function isOtherSession(key: string, sessionId: string | undefined): boolean {
  const chat = store.chats.value.get(key);
  return sessionId !== undefined && chat?.loaded === true && chat.rows.sessionId !== null && chat.rows.sessionId !== sessionId;
}

function patchRun(key: string, runId: string, whole: boolean, change: (run: RunView) => RunView): void {
  store.patchChat(key, (chat) => withRunChange(chat, runId, whole, change));
}

/** Shows that an answer is on its way before the first event of it. */
export function expectRun(key: string, runId: string): void {
  const chat = store.chats.value.get(key);
  if (chat === undefined || chat.runs.some(isActive)) return;
  patchRun(key, runId, true, (run) => run);
}

function announceText(event: ChatEventPayload): void {
  const said = contentText(event.message?.content).slice(0, 400);
  store.liveAnnouncement.value =
    event.state === "error" ? `The turn failed. ${event.errorMessage ?? ""}` : event.state === "aborted" ? "Stopped." : said;
}

/** The end was announced, but its row never came: read it. */
async function resyncRun(key: string, runId: string): Promise<void> {
  const chat = store.chats.value.get(key);
  const run = chat?.runs.find((one) => one.runId === runId);
  if (chat === undefined || run === undefined || run.state !== "final" || isSettled(run, chat.rows.rows)) return;
  await loadChat(key);
}

/** The session says that nothing runs, but a run here still waits for its end: read what happened. */
async function resyncSession(key: string): Promise<void> {
  const row = store.sessions.value.find((one) => one.key === key);
  const chat = store.chats.value.get(key);
  if (row?.hasActiveRun === false && chat?.runs.some(isActive) === true) await loadChat(key);
}

function reconcileOutbox(key: string): void {
  const chat = store.chats.value.get(key);
  if (chat === undefined) return;
  const arrived = store.outbox.value.filter((entry) => entry.sessionKey === key && hasUserRow(chat.rows.rows, entry.idempotencyKey));
  for (const entry of arrived) store.outbox.value = removeEntry(store.outbox.value, entry.idempotencyKey);
}

const withoutRows = (chat: ChatState): ChatState => ({ ...chat, rows: NO_ROWS, runs: chat.runs.filter(isActive) });

/**
 * Reads the newest rows of a session, one page or more, and what is running in it. Never throws: the chat carries the error. Of another branch
 * nothing that is shown is kept, but what is still running.
 */
export async function loadChat(key: string, rows = PAGE_ROWS, isOtherBranch = false): Promise<void> {
  const before = store.chats.value.get(key) ?? store.NEW_CHAT;
  if (before.draft !== null) return;
  store.patchChat(key, (chat) => ({ ...chat, loading: chat.loaded ? chat.loading : "first", error: null }));
  try {
    const method = before.loaded ? "chat.history" : "chat.startup";
    const limit = Math.min(HISTORY_LIMIT, Math.max(PAGE_ROWS, rows));
    const page = await requireClient().request<HistoryPayload>(method, { sessionKey: key, limit });
    batch(() => {
      store.patchChat(key, (chat) => ({
        ...withNewestPage(isOtherBranch ? withoutRows(chat) : chat, page, isSent),
        loading: null,
        loaded: true,
        stale: false,
        error: null,
      }));
      if (page.sessionInfo !== undefined) store.sessions.value = upsertSession(store.sessions.value, { ...page.sessionInfo, key });
      reconcileOutbox(key);
    });
  } catch (error) {
    store.patchChat(key, (chat) => ({ ...chat, loading: null, stale: true, error: isConnectionLost(error) ? null : errorMessage(error) }));
  }
}

const isSent = (run: RunView): boolean => store.outbox.value.some((entry) => entry.idempotencyKey === run.runId);

/** Reads the page before the oldest row that is shown. */
export async function loadOlder(key: string, limit = PAGE_ROWS): Promise<void> {
  const chat = store.chats.value.get(key);
  if (chat === undefined || chat.loading !== null || !chat.rows.hasMore) return;
  store.patchChat(key, (chat) => ({ ...chat, loading: "older" }));
  try {
    const page = await requireClient().request<HistoryPayload>("chat.history", {
      sessionKey: key,
      limit,
      offset: chat.rows.nextOffset,
    });
    store.patchChat(key, (chat) => ({ ...chat, loading: null, rows: applyOlderPage(chat.rows, page) }));
  } catch (error) {
    store.patchChat(key, (chat) => ({ ...chat, loading: null }));
    if (!isConnectionLost(error)) store.showToast(`Older messages could not be read: ${errorMessage(error)}`);
  }
}

/** Follows the events of one session, and no longer those of sessions that are not shown and have no run. */
export async function subscribe(key: string): Promise<void> {
  if (subscriptions.has(key) || !store.isOnline.value) return;
  const idle = [...subscriptions].filter((one) => store.chats.value.get(one)?.runs.some(isActive) !== true);
  subscriptions.add(key);
  await ignoreConnectionLoss(requireClient().request("sessions.messages.subscribe", { key }));
  for (const one of idle) {
    if (one === store.activeKey.value) continue;
    subscriptions.delete(one);
    if (store.chats.value.has(one)) store.patchChat(one, (chat) => ({ ...chat, stale: chat.draft === null }));
    await ignoreConnectionLoss(requireClient().request("sessions.messages.unsubscribe", { key: one }));
  }
}

/** For calls that improve the page but that it can do without. */
export async function ignoreConnectionLoss(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isConnectionLost(error)) console.info("The gateway does not do this:", errorMessage(error));
  }
}

const listSessions = (more: { limit: number; offset?: number; search?: string }): Promise<SessionsList> =>
  requireClient().request<SessionsList>("sessions.list", {
    includeGlobal: true,
    includeUnknown: false,
    includeDerivedTitles: true,
    includeLastMessage: true,
    ...more,
  });

const restOf = (list: SessionsList): store.PageRest => ({ next: list.nextOffset ?? null, total: list.totalCount ?? list.sessions.length });

const withoutRepeats = (rows: readonly SessionListRow[]): readonly SessionListRow[] => [
  ...new Map(rows.map((row) => [row.key, row])).values(),
];

/** Reads the sessions list again, as far as it was read before. */
export async function loadSessions(): Promise<void> {
  const limit = Math.min(LIST_LIMIT, Math.max(LIST_ROWS, store.sessions.value.length));
  const list = await listSessions({ limit });
  batch(() => {
    store.sessions.value = list.sessions;
    store.sessionsRest.value = restOf(list);
    store.defaults.value = list.defaults ?? {};
    store.sessionsLoaded.value = true;
  });
}

let loadingMore = false;

/** Reads the next part of what the list shows: of all sessions, or of those that were found. */
export async function loadMoreSessions(): Promise<void> {
  const words = store.filter.value.trim();
  const hits = store.searchResults.value;
  const searching = words !== "" && hits?.words === words;
  const { next } = searching ? hits.rest : store.sessionsRest.value;
  if (loadingMore || next === null || !store.isOnline.value || (words !== "" && !searching)) return;
  loadingMore = true;
  try {
    const list = await listSessions({ limit: LIST_ROWS, offset: next, ...(searching ? { search: words } : {}) });
    if (!searching) {
      store.sessions.value = withoutRepeats([...list.sessions, ...store.sessions.value]);
      store.sessionsRest.value = restOf(list);
    } else if (store.searchResults.value === hits) {
      store.searchResults.value = { words, rows: withoutRepeats([...hits.rows, ...list.sessions]), rest: restOf(list) };
    }
  } catch (error) {
    if (!isConnectionLost(error)) store.showToast(`More sessions could not be loaded: ${errorMessage(error)}`);
  } finally {
    loadingMore = false;
  }
}

/** Asks the gateway for sessions with these words: the list holds only the newest ones. */
export function scheduleSessionSearch(filter: string): void {
  clearTimeout(searching);
  const words = filter.trim();
  if (words === "") return void (store.searchResults.value = null);
  searching = setTimeout(() => void ignoreConnectionLoss(searchSessionsNow(words)), SEARCH_MS);
}

async function searchSessionsNow(words: string): Promise<void> {
  const list = await listSessions({ limit: FOUND_ROWS, search: words });
  if (store.filter.value.trim() === words) store.searchResults.value = { words, rows: list.sessions, rest: restOf(list) };
}

function scheduleSessionsRefresh(): void {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => void ignoreConnectionLoss(loadSessions()), LIST_REFRESH_MS);
}

/** Forgets chats that are not shown, the oldest first, so that memory stays bounded. */
function evictChats(): void {
  const idle = [...store.chats.value].filter(
    ([key, chat]) => key !== store.activeKey.value && chat.draft === null && !chat.runs.some(isActive),
  );
  if (store.chats.value.size <= MAX_CHATS) return;
  const kept = new Map(store.chats.value);
  for (const [key] of idle.slice(0, store.chats.value.size - MAX_CHATS)) kept.delete(key);
  store.chats.value = kept;
}

/** Shows a session: from memory at once, then as the server has it. */
export async function showSession(key: string): Promise<void> {
  if (!store.chats.value.has(key)) store.patchChat(key, (chat) => ({ ...chat, loading: "first" }));
  evictChats();
  if (!store.isOnline.value) return;
  const following = subscribe(key);
  if (store.chats.value.get(key)?.stale !== false) await loadChat(key);
  await following;
}

/** After each connect, and after missed events: everything that is shown is read again, in place. */
export async function refreshAll(): Promise<void> {
  subscriptions.clear();
  batch(() => {
    const stale = [...store.chats.value].map(([key, chat]) => [key, { ...chat, stale: chat.draft === null }] as const);
    store.chats.value = new Map(stale);
  });
  const key = store.activeKey.value;
  await Promise.all([
    ignoreConnectionLoss(requireClient().request("sessions.subscribe", {})),
    ignoreConnectionLoss(loadSessions()),
    key === "" ? null : showSession(key),
  ]);
}

/** The lists behind the pickers; read once per connection. */
export async function loadLists(): Promise<void> {
  await ignoreConnectionLoss(
    requireClient()
      .request<{ models: readonly ModelRow[] }>("models.list", { view: "configured" })
      .then((answer) => (store.modelRows.value = answer.models)),
  );
  await ignoreConnectionLoss(
    requireClient()
      .request<{ commands: readonly CommandRow[] }>("commands.list", {})
      .then((answer) => (store.commandRows.value = answer.commands)),
  );
}
