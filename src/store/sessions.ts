import type { AgentId, SessionKey } from "../core/ids.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";
import type { Store } from "./open.ts";

/** One session with one agent. The row is authoritative; everything else about a session can be rebuilt from rows. */
export type SessionRow = {
  key: SessionKey;
  /** Changes at `/new` and `/reset`; older messages stay under their old id. */
  session_id: string;
  agent_id: AgentId;
  chat_kind: "direct" | "group" | "channel" | "global";
  channel: string;
  label: string | null;
  created_at: number;
  updated_at: number;
  last_read_at: number;
  last_message_at: number;
  archived: number;
  pinned: number;
  preview: string | null;
  title: string | null;
  status: "running" | "done" | "killed" | "error";
  last_run_id: string | null;
  started_at: number | null;
  ended_at: number | null;
  /** Selected model, `provider/id`; null uses the agent's. */
  model: string | null;
  /** Model of the last answer. */
  used_model: string | null;
  thinking: string | null;
  /** Mode of the agent of another vendor that answers; null uses the configured one. */
  agent_mode: string | null;
  /** What else was chosen for it, as JSON; null: nothing. */
  agent_options: string | null;
  queue_mode: string | null;
  activation: string | null;
  /** Position of the runtime's context; see agents/runtime Turn.checkpoint. */
  checkpoint: string | null;
  /** The runtime's context where it is not called like the conversation: that of a branch. See `contextOf`. */
  context_id: string | null;
  context_window: number;
  context_tokens: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  /** 1: the agent was asked for its notes since the conversation was last shortened. */
  memory_flushed: number;
  /** JSON Target of the last channel conversation. */
  target: string | null;
  /** Counts resets, archivings and restorations: a client with an older number has not seen the latest one. */
  lifecycle: number;
  /** `read-only`: no tool that writes or executes; `full` and null: all tools that the agent is granted. */
  permission_mode: string | null;
  /** `deny`: clients cannot send into the session, and nothing is sent to its channel. */
  send_policy: string | null;
  verbose_level: string | null;
  /** The session under which this one is listed. */
  parent_key: string | null;
  /** `session_id` of the parent's conversation that was copied. */
  forked_from: string | null;
  marked_unread_at: number | null;
  archived_at: number | null;
  pinned_at: number | null;
  icon: string | null;
  color: string | null;
  category: string | null;
  board_face: string | null;
  board_presentation: string | null;
  status_note: string | null;
  attention: string | null;
  status_expires_at: number | null;
};

export type SessionPatch = Partial<Omit<SessionRow, "key">>;

/** What a new session needs; every other column has a default. */
export type NewSession = Pick<SessionRow, "key" | "session_id" | "agent_id" | "chat_kind" | "channel" | "created_at" | "updated_at"> &
  SessionPatch;

/** Changes of a session reset: older messages stay under their old id, and the runtime starts with an empty context. */
export const toNewConversation = (session: Pick<SessionRow, "lifecycle">, sessionId: string): SessionPatch => ({
  session_id: sessionId,
  lifecycle: session.lifecycle + 1,
  checkpoint: null,
  context_id: null,
  context_tokens: 0,
  memory_flushed: 0,
  title: null,
});

/** The context in which the runtime answers. */
export const contextOf = ({ context_id, session_id }: Pick<SessionRow, "context_id" | "session_id">): string => context_id ?? session_id;

export type SessionOrder = "updatedAt" | "lastInteractionAt" | "activity";

/** `activity` ignores pins: the later of the last message and the end of the last run counts. */
const ORDERS: Readonly<Record<SessionOrder, string>> = {
  updatedAt: "pinned DESC, updated_at DESC",
  lastInteractionAt: "pinned DESC, last_message_at DESC, updated_at DESC, key",
  activity: "max(last_message_at, coalesce(ended_at, 0)) DESC, updated_at DESC, key",
};

export type SessionQuery = {
  agentId?: string;
  search?: string;
  archived?: boolean | "all";
  updatedAfter?: number;
  label?: string;
  /** Only sessions of these agents. */
  agents?: readonly string[];
  /** Only sessions with messages. */
  withMessages?: boolean;
  /** Only sessions of this category; the empty string selects those without one. */
  category?: string;
  pinned?: boolean;
  boardFace?: string;
  /** Only these sessions. */
  keys?: readonly string[];
  /** Excludes keys whose part after the agent has this prefix. */
  without?: readonly string[];
  /** Default `updatedAt`: pinned first, then by last change. */
  order?: SessionOrder;
  limit: number;
  offset: number;
};

export type Sessions = ReturnType<typeof createSessions>;

/** Keys whose rows are kept. */
const MAX_CACHED = 200;

/**
 * What was read of sessions since the last change of any of them: one turn asks for its row a dozen times between two changes. The
 * values are frozen, because all callers get the same ones.
 */
class ReadCache<T> {
  readonly #store: Store;
  readonly #entries = new Map<string, T>();
  #version = -1;

  constructor(store: Store) {
    this.#store = store;
  }

  get(key: string, read: () => T): T {
    const version = this.#store.version("sessions");
    if (version !== this.#version || this.#entries.size >= MAX_CACHED) this.#entries.clear();
    this.#version = version;
    if (this.#entries.has(key)) return this.#entries.get(key)!;
    const value = Object.freeze(read());
    this.#entries.set(key, value);
    return value;
  }
}

/** Changed keys that are remembered between two calls of `takeChanged`; with more, any row counts as changed. */
const MAX_CHANGED = 1_000;

/** Which rows were changed since the last call of `take`. Changes that were not made through `make` count as changes of any row. */
class ChangedRows {
  readonly #store: Store;
  #version = -1;
  #keys = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Runs a change of these rows and of no others. */
  make<T>(keys: readonly string[], change: () => T): T {
    const isComplete = this.#version === this.#store.version("sessions");
    const result = change();
    if (!isComplete || this.#keys.size + keys.length > MAX_CHANGED) return result;
    for (const key of keys) this.#keys.add(key);
    this.#version = this.#store.version("sessions");
    return result;
  }

  take(): ReadonlySet<string> | null {
    const version = this.#store.version("sessions");
    const keys = this.#version === version ? this.#keys : null;
    this.#version = version;
    this.#keys = new Set();
    return keys;
  }
}

/** The keys of the sessions that are listed under one. */
function readChildren(store: Store): (key: string) => readonly string[] {
  const children = new ReadCache<readonly string[]>(store);
  return (key) =>
    children.get(key, () =>
      store.all<{ key: string }>("SELECT key FROM sessions WHERE parent_key = ? ORDER BY key", key).map((row) => row.key),
    );
}

/** Every context of the runtime that belongs to a conversation: of its branches, too. */
const readContexts =
  (store: Store) =>
  ({ key, session_id: id }: Pick<SessionRow, "key" | "session_id">): string[] => {
    const sql = "SELECT context_id FROM session_branches WHERE session_key = ? AND session_id = ?";
    return [...new Set([id, ...store.all<{ context_id: string }>(sql, key, id).map((row) => row.context_id)])];
  };

/** The sessions table. Functions that change rows run inside a `store.write`. */
export function createSessions(store: Store) {
  const changed = new ChangedRows(store);
  const childrenOf = readChildren(store);
  const one = (row: SessionRow | undefined): SessionRow | undefined => decodeRow(store, row, sessionRowKey, checkRow);
  const rows = new ReadCache<SessionRow | undefined>(store);
  const get = (key: string): SessionRow | undefined =>
    rows.get(key, () => one(store.get<SessionRow>("SELECT * FROM sessions WHERE key = ?", key)));

  function patch(key: string, changes: SessionPatch): void {
    const names = Object.keys(changes).filter((name) => changes[name as keyof SessionPatch] !== undefined);
    if (names.length === 0) return;
    const sql = `UPDATE sessions SET ${names.map((name) => `${name} = ?`).join(", ")} WHERE key = ?`;
    changed.make([key], () => store.run(sql, ...names.map((name) => changes[name as keyof SessionPatch]!), key));
  }

  return {
    get,
    patch,
    /** Where a session talked last on a channel; null if it never did, or if the column cannot be read, which is reported. */
    lastTarget<T extends object>(key: string): T | null {
      return decodeRow(store, get(key), sessionRowKey, ({ target }) => (target === null ? null : toTarget<T>(target))) ?? null;
    },
    bySessionId: (id: string): SessionRow | undefined => one(store.get<SessionRow>("SELECT * FROM sessions WHERE session_id = ?", id)),

    /** A new row with these columns; the others get their defaults. */
    insert(row: NewSession): SessionRow {
      const names = Object.keys(row);
      const sql = `INSERT INTO sessions (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")}) RETURNING *`;
      return one(changed.make([row.key], () => store.get<SessionRow>(sql, ...(Object.values(row) as (string | number | null)[]))))!;
    },

    /** The row for `key`, created when it does not exist. */
    ensure(
      key: SessionKey,
      fresh: { sessionId: string; agentId: AgentId; chatKind: SessionRow["chat_kind"]; channel: string; now: number },
    ): SessionRow {
      const { sessionId, agentId, chatKind, channel, now } = fresh;
      const sql =
        "INSERT INTO sessions (key, session_id, agent_id, chat_kind, channel, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING";
      changed.make([key], () => store.run(sql, key, sessionId, agentId, chatKind, channel, now, now));
      return get(key)!;
    },

    /** Pinned rows first, then by last activity, newest first, with the number of rows that match without the limit. */
    list(query: SessionQuery): { rows: SessionRow[]; total: number } {
      const rows = store.all<SessionRow>(...listStatement(query));
      const total = countSessions(store, query);
      return { rows: decodeRows(store, rows, sessionRowKey, checkRow), total };
    },

    /** `list` with nothing but the keys. */
    listKeys(query: SessionQuery): { keys: string[]; total: number } {
      const rows = store.all<Pick<SessionRow, "key">>(...listStatement(query, ORDER_COLUMNS));
      return { keys: rows.map((row) => row.key), total: countSessions(store, query) };
    },

    /** The rows with these keys, in no particular order. */
    withKeys(keys: readonly string[]): SessionRow[] {
      if (keys.length === 0) return [];
      const rows = store.all<SessionRow>("SELECT * FROM sessions WHERE key IN (SELECT value FROM json_each(?))", JSON.stringify(keys));
      return decodeRows(store, rows, sessionRowKey, checkRow);
    },

    /** Keys of the rows that were changed since the last call; null when it may be any. For one caller, which keeps what it made of rows. */
    takeChanged: (): ReadonlySet<string> | null => changed.take(),

    /** Recently used sessions, pinned first, of one agent or of all, including the archive: by index, and only two columns. */
    recent(agentId: string | undefined, limit: number): Pick<SessionRow, "key" | "updated_at">[] {
      const [sql, ...params] = listStatement({ ...(agentId === undefined ? {} : { agentId }), archived: "all", limit, offset: 0 }, RECENT);
      return store.all(sql, ...params);
    },

    count: (): number => queryNumber(store, "SELECT sum(rows) AS n FROM session_counts"),

    countsByAgent: (): Map<string, number> => {
      const rows = store.all<{ agent_id: string; n: number }>("SELECT agent_id, sum(rows) AS n FROM session_counts GROUP BY agent_id");
      return new Map(rows.map((row) => [row.agent_id, row.n]));
    },

    /** Removes the session and, unless `keepMessages`, its messages. Its children stay, without a parent. */
    remove(key: string, keepMessages = false): boolean {
      const removed = keepMessages ? [] : ["messages", "session_branches"];
      for (const table of removed) store.run(`DELETE FROM ${table} WHERE session_key = ?`, key);
      changed.make(childrenOf(key), () => store.run("UPDATE sessions SET parent_key = NULL WHERE parent_key = ?", key));
      return changed.make([key], () => store.run("DELETE FROM sessions WHERE key = ?", key)) > 0;
    },

    /** Keys of the sessions below each parent. */
    children(): Map<string, string[]> {
      const rows = store.all<{ parent_key: string; key: string }>(
        "SELECT parent_key, key FROM sessions WHERE parent_key IS NOT NULL ORDER BY parent_key, key",
      );
      const map = new Map<string, string[]>();
      for (const { parent_key: parent, key } of rows) map.set(parent, [...(map.get(parent) ?? []), key]);
      return map;
    },

    childrenOf,

    contextsOf: readContexts(store),

    /** Sessions of an agent whose key ends with a uuid with this prefix (without dashes). */
    byUuidPrefix: (agentId: string | undefined, prefix: string, limit: number): SessionRow[] =>
      decodeRows(
        store,
        store.all<SessionRow>(
          "SELECT * FROM sessions WHERE (?1 IS NULL OR agent_id = ?1) AND replace(substr(key, -36), '-', '') LIKE ?2 ORDER BY updated_at DESC LIMIT ?3",
          agentId ?? null,
          `${prefix}%`,
          limit,
        ),
        sessionRowKey,
        checkRow,
      ),
  };
}

const sessionRowKey = (row: SessionRow): string => `sessions ${row.key}`;

const NUMBERS = [
  "created_at",
  "updated_at",
  "last_read_at",
  "last_message_at",
  "archived",
  "pinned",
  "context_window",
  "context_tokens",
  "input_tokens",
  "output_tokens",
  "cost_usd",
] as const;

/** Throws for a column that is not a JSON object. Only this program writes it, so that an object has the fields of a target. */
function toTarget<T extends object>(text: string): T {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("target is not an object");
  return value as T;
}

/** Throws TypeError for a row whose content is damaged. */
function checkRow(row: SessionRow): SessionRow {
  const wrong = NUMBERS.find((name) => typeof row[name] !== "number") ?? TEXTS.find((name) => typeof row[name] !== "string");
  if (wrong !== undefined) throw new TypeError(`${wrong} has a value of another type`);
  return row;
}
const TEXTS = ["key", "session_id", "agent_id", "chat_kind", "channel", "status"] as const;

const queryNumber = (store: Store, sql: string, ...params: (string | number)[]): number =>
  store.get<{ n: number | null }>(sql, ...params)?.n ?? 0;

const RECENT = "key, updated_at, pinned";
/** Besides the key, the columns that a list is sorted by. */
const ORDER_COLUMNS = "key, updated_at, pinned, last_message_at, ended_at";

/**
 * The statement of a page. In the default order it uses an index: without a filter for the archive it is a union of two statements,
 * each in order, which SQLite merges.
 */
export function listStatement(query: SessionQuery, columns = "*"): [sql: string, ...params: (string | number)[]] {
  const { order = "updatedAt" } = query;
  const sets = query.archived === "all" && order === "updatedAt" ? [false, true] : [query.archived ?? false];
  const parts = sets.map((archived) => toFilter({ ...query, archived }));
  const selects = parts.map(({ where }) => `SELECT ${columns} FROM sessions ${where}`).join(" UNION ALL ");
  return [`${selects} ORDER BY ${ORDERS[order]} LIMIT ? OFFSET ?`, ...parts.flatMap(({ params }) => params), query.limit, query.offset];
}

const UNCOUNTED = ["label", "updatedAfter", "category", "pinned", "boardFace", "keys"] as const;

/** From the maintained counts, unless the query has a filter that is not counted. */
function countSessions(store: Store, query: SessionQuery): number {
  if (UNCOUNTED.some((name) => query[name] !== undefined) || query.search || query.without?.length) {
    const { where, params } = toFilter(query);
    return queryNumber(store, `SELECT count(*) AS n FROM sessions ${where}`, ...params);
  }
  const { where, params } = toFilter({ ...query, withMessages: false });
  const spoken = query.withMessages ? `${where ? " AND" : "WHERE"} has_messages = 1` : "";
  return queryNumber(store, `SELECT sum(rows) AS n FROM session_counts ${where}${spoken}`, ...params);
}

function toFilter(query: SessionQuery): { where: string; params: (string | number)[] } {
  const terms: string[] = [];
  const params: (string | number)[] = [];
  const add = (term: string, ...values: (string | number)[]): void => {
    terms.push(term);
    params.push(...values);
  };
  if (query.archived !== "all") add("archived = ?", query.archived ? 1 : 0);
  if (query.agentId !== undefined) add("agent_id = ?", query.agentId);
  if (query.agents !== undefined) add(`agent_id IN (${query.agents.map(() => "?").join(", ")})`, ...query.agents);
  if (query.withMessages) add("last_message_at > 0");
  if (query.category !== undefined) add("coalesce(category, '') = ?", query.category);
  if (query.pinned !== undefined) add("pinned = ?", query.pinned ? 1 : 0);
  if (query.boardFace !== undefined) add("coalesce(board_face, 'chat') = ?", query.boardFace);
  if (query.keys !== undefined) add(`key IN (${query.keys.map(() => "?").join(", ")})`, ...query.keys);
  for (const prefix of query.without ?? []) add("key NOT LIKE ? ESCAPE '\\'", `agent:%:${prefix}%`);
  if (query.label !== undefined) add("label = ?", query.label);
  if (query.updatedAfter !== undefined) add("updated_at >= ?", query.updatedAfter);
  if (query.search) {
    const like = `%${query.search.replaceAll(/[%_\\]/g, "\\$&")}%`;
    const columns = ["key", "label", "title", "preview"];
    add(`(${columns.map((column) => `${column} LIKE ? ESCAPE '\\'`).join(" OR ")})`, ...columns.map(() => like));
  }
  return { where: terms.length > 0 ? `WHERE ${terms.join(" AND ")}` : "", params };
}
