import type { SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";
import type { SessionRow } from "./sessions.ts";

/** Moments before which something is removed; null: it is kept. */
export type RetentionRules = {
  /** Sessions that were last used before it. */
  readonly idleBefore: number | null;
  /** Archived sessions that were archived and last used before it. */
  readonly archivedBefore: number | null;
  /** Earlier conversations of a session, whose last message is from before it: a reset began a new one. */
  readonly resetBefore: number | null;
};

/** Something that the rules remove: a whole session, or one earlier conversation of it. */
export type Expired = {
  readonly kind: "idle" | "archived" | "reset";
  readonly key: SessionKey;
  readonly agentId: string;
  /** `session_id` of the messages; null: all of the session. */
  readonly conversation: string | null;
};

/** What was removed, or would be. */
export type RetentionReport = { sessions: number; conversations: number; messages: number; bytes: number };

export const emptyReport = (): RetentionReport => ({ sessions: 0, conversations: 0, messages: 0, bytes: 0 });

export function addToReport(
  report: RetentionReport,
  { conversation }: Expired,
  { messages, bytes }: { messages: number; bytes: number },
): void {
  if (conversation === null) report.sessions++;
  else report.conversations++;
  report.messages += messages;
  report.bytes += bytes;
}

/** The main session of an agent always stays. */
const isMain = ({ key, agent_id: agent }: Candidate): boolean => key === `agent:${agent}:main`;

type Candidate = Pick<SessionRow, "key" | "session_id" | "agent_id">;

const COLUMNS = "key, session_id, agent_id";

/**
 * What the rules remove, and its removal in small steps. Nothing is removed that is pinned, that waits for an answer or for its delivery, that is
 * a dead letter, about which a person is asked, or that a task of a sub-agent belongs to. Functions that change rows run inside a `store.write`.
 */
export class RetentionRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Yields after each look at the store, with what that found; null: nothing yet. */
  *expired(rules: RetentionRules, rowsAtOnce: number): Generator<Expired | null> {
    const busy = this.busyKeys();
    yield null;
    for (const kind of ["archived", "idle"] as const)
      for (const session of this.#sessionsOf(kind, rules, rowsAtOnce))
        yield session === null || busy.has(session.key) || isMain(session)
          ? null
          : { kind, key: session.key, agentId: session.agent_id, conversation: null };
    if (rules.resetBefore === null) return;
    for (const session of this.#allSessions(rowsAtOnce)) {
      if (session === null || busy.has(session.key)) yield null;
      else yield* this.#earlierConversations(session, rules.resetBefore);
    }
  }

  /** What all of it takes. Yields after each look at the store; the report is complete at the end. */
  *count(rules: RetentionRules, rowsAtOnce: number, report: RetentionReport): Generator<void> {
    for (const expired of this.expired(rules, rowsAtOnce)) {
      if (expired !== null) addToReport(report, expired, this.sizeOf(expired));
      yield;
    }
  }

  /** Sessions of which something is not finished. */
  busyKeys(): ReadonlySet<string> {
    const queries = [
      "SELECT session_key AS key FROM inbox WHERE state IN ('queued', 'running')",
      "SELECT session_key AS key FROM inbox WHERE state = 'parked'",
      "SELECT session_key AS key FROM outbox WHERE state IN ('queued', 'attempting', 'parked', 'unknown')",
      "SELECT session_key AS key FROM approvals WHERE status = 'pending'",
      "SELECT child_key AS key FROM subagent_tasks WHERE state IN ('waiting', 'running') OR delivery IN ('pending', 'reading')",
      "SELECT parent_key AS key FROM subagent_tasks WHERE state IN ('waiting', 'running') OR delivery IN ('pending', 'reading')",
    ];
    return new Set(queries.flatMap((sql) => this.#store.all<{ key: string | null }>(sql).flatMap(({ key }) => key ?? [])));
  }

  /** Whether it is still expired: a message may have come since it was found. */
  isStillExpired(expired: Expired, rules: RetentionRules): boolean {
    if (this.busyKeys().has(expired.key)) return false;
    const session = this.#store.get<SessionRow>("SELECT * FROM sessions WHERE key = ?", expired.key);
    if (session === undefined || session.pinned === 1) return false;
    const { kind, conversation } = expired;
    if (kind === "reset")
      return (
        conversation !== null &&
        rules.resetBefore !== null &&
        !this.#currentIds(session).has(conversation) &&
        this.#lastAt(session.key, conversation) < rules.resetBefore
      );
    const before = kind === "idle" ? rules.idleBefore : rules.archivedBefore;
    if (before === null || session.updated_at >= before) return false;
    return kind === "idle" ? session.archived === 0 : session.archived === 1 && (session.archived_at ?? 0) < before;
  }

  /** Removes at most `limit` of its messages, the oldest first. 0: it has none left. */
  removeMessages({ key, conversation }: Expired, limit: number): number {
    const [where, params] = conversation === null ? ["", []] : ["AND session_id = ?", [conversation]];
    return this.#store.run(
      `DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE session_key = ? ${where} ORDER BY seq LIMIT ?)`,
      key,
      ...params,
      limit,
    );
  }

  /** What an earlier conversation leaves besides its messages. */
  removeBranches({ key, conversation }: Expired): void {
    if (conversation !== null)
      this.#store.run("DELETE FROM session_branches WHERE session_key = ? AND (id = ? OR session_id = ?)", key, conversation, conversation);
  }

  /** Messages and bytes of it. */
  sizeOf({ key, conversation }: Expired): { messages: number; bytes: number } {
    const [where, params] = conversation === null ? ["", []] : ["AND session_id = ?", [conversation]];
    const row = this.#store.get<{ messages: number; bytes: number | null }>(
      `SELECT count(*) AS messages, sum(length(body)) AS bytes FROM messages WHERE session_key = ? ${where}`,
      key,
      ...params,
    );
    return { messages: row?.messages ?? 0, bytes: row?.bytes ?? 0 };
  }

  *#sessionsOf(kind: "idle" | "archived", rules: RetentionRules, limit: number): Generator<Candidate | null> {
    const before = kind === "idle" ? rules.idleBefore : rules.archivedBefore;
    if (before === null) return;
    const archived = kind === "idle" ? 0 : 1;
    // Sessions of this time that were given already are told apart by their key.
    for (let at = { updated_at: -1, key: "" as string }; ;) {
      const rows = this.#store.all<Candidate & { updated_at: number; archived_at: number | null }>(
        `SELECT ${COLUMNS}, updated_at, archived_at FROM sessions WHERE archived = ${archived} AND pinned = 0 AND updated_at < ? AND (updated_at, key) > (?, ?) ORDER BY updated_at, key LIMIT ${limit}`,
        before,
        at.updated_at,
        at.key,
      );
      yield null;
      if (rows.length === 0) return;
      for (const row of rows) if (kind === "idle" || (row.archived_at ?? 0) < before) yield row;
      at = rows.at(-1)!;
    }
  }

  *#allSessions(limit: number): Generator<Candidate | null> {
    for (let after = ""; ;) {
      const rows = this.#store.all<Candidate & { pinned: number }>(
        `SELECT ${COLUMNS}, pinned FROM sessions WHERE key > ? ORDER BY key LIMIT ${limit}`,
        after,
      );
      yield null;
      if (rows.length === 0) return;
      for (const row of rows) if (row.pinned === 0) yield row;
      after = rows.at(-1)!.key;
    }
  }

  /** By index: one look for each conversation of the session. */
  *#earlierConversations(session: Candidate, before: number): Generator<Expired | null> {
    const current = this.#currentIds(session);
    for (let after = ""; ;) {
      const next = this.#store.get<{ id: string }>(
        "SELECT session_id AS id FROM messages WHERE session_key = ? AND session_id > ? ORDER BY session_id LIMIT 1",
        session.key,
        after,
      );
      if (next === undefined) return yield null;
      after = next.id;
      const isExpired = !current.has(after) && this.#lastAt(session.key, after) < before;
      yield isExpired ? { kind: "reset", key: session.key, agentId: session.agent_id, conversation: after } : null;
    }
  }

  /** The conversation that goes on, with the branches of it that are not active. */
  #currentIds({ key, session_id: id }: Candidate): ReadonlySet<string> {
    const parts = this.#store.all<{ id: string }>("SELECT id FROM session_branches WHERE session_key = ? AND session_id = ?", key, id);
    return new Set([id, ...parts.map((part) => part.id)]);
  }

  #lastAt(key: string, conversation: string): number {
    const sql = "SELECT at FROM messages WHERE session_key = ? AND session_id = ? ORDER BY seq DESC LIMIT 1";
    return this.#store.get<{ at: number }>(sql, key, conversation)?.at ?? 0;
  }
}
