import type { AgentId, SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";

/** One conversation with one agent. The row is the truth; everything else about a session can be rebuilt from rows. */
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
  /** Wanted model, `provider/id`; null follows the agent. */
  model: string | null;
  /** Model of the last answer. */
  used_model: string | null;
  thinking: string | null;
  queue_mode: string | null;
  activation: string | null;
  /** Where the runtime's context stands; see agents/runtime Turn.checkpoint. */
  checkpoint: string | null;
  context_window: number;
  context_tokens: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  /** JSON Target of the last channel conversation. */
  target: string | null;
};

export type SessionPatch = Partial<Omit<SessionRow, "key">>;

export type SessionQuery = {
  agentId?: string;
  search?: string;
  archived?: boolean | "all";
  updatedAfter?: number;
  label?: string;
  /** Only sessions of these agents. */
  agents?: readonly string[];
  /** Only sessions in which something was said. */
  withMessages?: boolean;
  limit: number;
  offset: number;
};

export type Sessions = ReturnType<typeof createSessions>;

/** The sessions table. Functions that change rows run inside a `store.write`. */
export function createSessions(store: Store) {
  const get = (key: string): SessionRow | undefined => store.get<SessionRow>("SELECT * FROM sessions WHERE key = ?", key);

  function patch(key: string, changes: SessionPatch): void {
    const names = Object.keys(changes).filter((name) => changes[name as keyof SessionPatch] !== undefined);
    if (names.length === 0) return;
    const sql = `UPDATE sessions SET ${names.map((name) => `${name} = ?`).join(", ")} WHERE key = ?`;
    store.run(sql, ...names.map((name) => changes[name as keyof SessionPatch]!), key);
  }

  return {
    get,
    patch,
    bySessionId: (id: string): SessionRow | undefined => store.get<SessionRow>("SELECT * FROM sessions WHERE session_id = ?", id),

    /** The row for `key`, created when it does not exist. */
    ensure(
      key: SessionKey,
      fresh: { sessionId: string; agentId: AgentId; chatKind: SessionRow["chat_kind"]; channel: string; now: number },
    ): SessionRow {
      store.run(
        "INSERT INTO sessions (key, session_id, agent_id, chat_kind, channel, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
        key,
        fresh.sessionId,
        fresh.agentId,
        fresh.chatKind,
        fresh.channel,
        fresh.now,
        fresh.now,
      );
      return get(key)!;
    },

    /** Rows by last activity, newest first, with the number of rows that match without the limit. */
    list(query: SessionQuery): { rows: SessionRow[]; total: number } {
      const { where, params } = filterOf(query);
      const rows = store.all<SessionRow>(
        `SELECT * FROM sessions ${where} ORDER BY pinned DESC, updated_at DESC LIMIT ? OFFSET ?`,
        ...params,
        query.limit,
        query.offset,
      );
      const total = store.get<{ n: number }>(`SELECT count(*) AS n FROM sessions ${where}`, ...params)!.n;
      return { rows, total };
    },

    count: (): number => store.get<{ n: number }>("SELECT count(*) AS n FROM sessions")!.n,

    countByAgent: (agentId: string): number =>
      store.get<{ n: number }>("SELECT count(*) AS n FROM sessions WHERE agent_id = ?", agentId)!.n,

    remove(key: string): boolean {
      store.run("DELETE FROM messages WHERE session_key = ?", key);
      return store.run("DELETE FROM sessions WHERE key = ?", key) > 0;
    },
  };
}

function filterOf(query: SessionQuery): { where: string; params: (string | number)[] } {
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
  if (query.label !== undefined) add("label = ?", query.label);
  if (query.updatedAfter !== undefined) add("updated_at >= ?", query.updatedAfter);
  if (query.search) {
    const like = `%${query.search.replaceAll(/[%_\\]/g, "\\$&")}%`;
    add("(key LIKE ? ESCAPE '\\' OR label LIKE ? ESCAPE '\\' OR title LIKE ? ESCAPE '\\')", like, like, like);
  }
  return { where: terms.length > 0 ? `WHERE ${terms.join(" AND ")}` : "", params };
}
