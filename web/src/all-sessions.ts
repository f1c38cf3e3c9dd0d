/** All sessions with filters, the words of their messages, and what is done with several of them at once. */
import { signal } from "@preact/signals";
import { deleteSession } from "./actions.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { SessionListRow, SessionsList } from "../../src/client/conversation/protocol-types.ts";

const PAGE_ROWS = 100;
const UNREAD_ROWS = 500;
const HITS = 20;
const SEARCH_MS = 200;

/** Which sessions are shown. */
export type SessionFilter = "all" | "unread" | "running" | "pinned" | "week" | "archived";
export const FILTERS: Readonly<Record<SessionFilter, string>> = {
  all: "all but archived",
  unread: "unread",
  running: "with a running turn",
  pinned: "pinned",
  week: "of the last 7 days",
  archived: "archived",
};

export type MessageHit = { sessionKey: string; messageId: string; role: string; timestamp: number; snippet: string };

export const filter = signal<SessionFilter>("all");
export const words = signal("");
/** Null while nothing was read. */
export const page = signal<{ rows: readonly SessionListRow[]; total: number; next: number | null } | null>(null);
/** Messages with the words; null where no words were given. */
export const hits = signal<readonly MessageHit[] | null>(null);
export const chosen = signal<ReadonlySet<string>>(new Set());
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
export const busy = signal(false);

/** The params of `sessions.list` that a filter stands for. Pure. */
export function toParams(wanted: SessionFilter, search: string, offset: number): Record<string, unknown> {
  const only: Readonly<Record<SessionFilter, Record<string, unknown>>> = {
    all: {},
    // The gateway has no list of unread ones: they are chosen among so many of the newest.
    unread: { limit: UNREAD_ROWS },
    running: { activeOnly: true },
    pinned: { pinned: true },
    week: { activeMinutes: 7 * 24 * 60 },
    archived: { archived: true },
  };
  return {
    includeDerivedTitles: true,
    includeLastMessage: true,
    limit: PAGE_ROWS,
    offset,
    ...only[wanted],
    ...(search === "" ? {} : { search }),
  };
}

let latest = 0;

/** Reads the first page, and the messages with the words. Never throws: `failed` says why there is nothing newer. */
export async function load(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  const search = words.value.trim();
  try {
    const [list, found] = await Promise.all([
      requireClient().request<SessionsList>("sessions.list", toParams(filter.value, search, 0)),
      search === "" ? null : requireClient().request<{ results: readonly MessageHit[] }>("sessions.search", { query: search, limit: HITS }),
    ]);
    if (mine !== latest) return;
    page.value = toPage(list);
    hits.value = found?.results ?? null;
    failed.value = null;
    const listed = new Set(list.sessions.map((row) => row.key));
    chosen.value = new Set([...chosen.value].filter((key) => listed.has(key)));
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

function toPage(list: SessionsList): { rows: readonly SessionListRow[]; total: number; next: number | null } {
  const next = list.nextOffset ?? null;
  if (filter.value !== "unread") return { rows: list.sessions, total: list.totalCount ?? list.sessions.length, next };
  const rows = list.sessions.filter((row) => row.unread === true);
  return { rows, total: rows.length, next };
}

/** Sessions under the names of their groups, in alphabetical order; those without a group last. Pure. */
export function byGroup(rows: readonly SessionListRow[]): readonly (readonly [group: string, rows: readonly SessionListRow[]])[] {
  const groups = Map.groupBy(rows, (row) => row.category ?? "");
  return [...groups].toSorted(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a.localeCompare(b)));
}

export async function loadMore(): Promise<void> {
  const known = page.value;
  if (known === null || known.next === null) return;
  try {
    const list = await requireClient().request<SessionsList>("sessions.list", toParams(filter.value, words.value.trim(), known.next));
    if (page.value !== known) return;
    const rows = new Map([...known.rows, ...list.sessions].map((row) => [row.key, row]));
    page.value = { ...toPage(list), rows: [...rows.values()] };
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

export function choose(wanted: SessionFilter): void {
  filter.value = wanted;
  page.value = null;
  chosen.value = new Set();
  void load();
}

let timer: ReturnType<typeof setTimeout> | undefined;
export function search(text: string): void {
  words.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => void load(), SEARCH_MS);
}

export function toggle(key: string): void {
  const next = new Set(chosen.value);
  if (!next.delete(key)) next.add(key);
  chosen.value = next;
}

/** Main sessions stay: they can be neither archived nor deleted. Pure. */
export const isMovable = (row: SessionListRow): boolean => row.isMain !== true;

export function toggleAll(): void {
  const keys = (page.value?.rows ?? []).filter(isMovable).map((row) => row.key);
  chosen.value = keys.every((key) => chosen.value.has(key)) ? new Set() : new Set(keys);
}

/** Does the same with every chosen session, one after the other, and reads again. What failed stays chosen. */
async function each(what: string, work: (key: string) => Promise<void>): Promise<void> {
  busy.value = true;
  const left = new Set(chosen.value);
  try {
    for (const key of chosen.value) {
      await work(key);
      left.delete(key);
    }
  } catch (error) {
    store.showToast(`${what}: ${isConnectionLost(error) ? "the gateway is not connected." : errorMessage(error)}`);
  }
  chosen.value = left;
  busy.value = false;
  await load();
}

export const archive = (archived: boolean): Promise<void> =>
  each(
    archived ? "Not archived" : "Not restored",
    async (key) => void (await requireClient().request("sessions.patch", { key, archived })),
  );

export const removeChosen = (): Promise<void> => each("Not deleted", deleteSession);

/** The same change of every chosen session. */
const patchAll = (what: string, change: Record<string, unknown>): Promise<void> =>
  each(what, async (key) => void (await requireClient().request("sessions.patch", { key, ...change })));

export const setPinned = (pinned: boolean): Promise<void> => patchAll(pinned ? "Not pinned" : "Not unpinned", { pinned });
export const setUnread = (unread: boolean): Promise<void> => patchAll("Not marked", { unread });
/** An empty name takes sessions out of their groups. */
export const setGroup = (name: string): Promise<void> =>
  patchAll("Not put into the group", { category: name.trim() === "" ? null : name.trim() });
