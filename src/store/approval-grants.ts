import type { AgentId, SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** What a grant allows, as people see it. */
export type GrantSubject = {
  commandText: string;
  cwd: string;
  host: "gateway" | "sandbox" | "node";
  /** The programs with their kinds of arguments; empty: the identical command only. */
  patterns: readonly { pattern: string; argPattern: string }[];
};

/** One command, or one kind of command, that runs without a question for some time. */
export type CommandGrantRow = {
  id: string;
  /** The question whose answer it is. */
  approvalId: string;
  agentId: AgentId;
  sessionKey: SessionKey;
  /** It ends with this conversation; null: only its time counts. */
  sessionId: string | null;
  /** SHA-256 over everything that is bound. */
  binding: string;
  subject: GrantSubject;
  createdAt: number;
  expiresAt: number;
  revokedAt: number | null;
  /** Who revoked it. */
  revokedBy: string | null;
  lastUsedAt: number | null;
  useCount: number;
};

const COLUMNS = `id, approval_id AS approvalId, agent_id AS agentId, session_key AS sessionKey, session_id AS sessionId, binding, subject,
  created_at AS createdAt, expires_at AS expiresAt, revoked_at AS revokedAt, revoked_by AS revokedBy, last_used_at AS lastUsedAt,
  use_count AS useCount`;

type SqlRow = Omit<CommandGrantRow, "subject"> & { subject: string };
const keyOf = ({ id }: SqlRow): string => `approval_grants ${id}`;
const toRow = (raw: SqlRow): CommandGrantRow => ({ ...raw, subject: JSON.parse(raw.subject) as GrantSubject });

export type GrantRows = ReturnType<typeof createGrantRows>;

/** What people have allowed for some time. What changes rows runs inside a `store.write`. */
export function createGrantRows(store: Store) {
  return {
    add(row: Omit<CommandGrantRow, "revokedAt" | "revokedBy" | "lastUsedAt" | "useCount">): void {
      store.run(
        `INSERT INTO approval_grants (id, approval_id, agent_id, session_key, session_id, binding, subject, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.approvalId,
        row.agentId,
        row.sessionKey,
        row.sessionId,
        row.binding,
        JSON.stringify(row.subject),
        row.createdAt,
        row.expiresAt,
      );
    },

    /** Those that hold at this time for what is bound. A clock that was set back does not bring one to life before it was given. */
    holding(binding: string, now: number): CommandGrantRow[] {
      const sql = `SELECT ${COLUMNS} FROM approval_grants WHERE binding = ? AND revoked_at IS NULL AND created_at <= ? AND expires_at > ?
        ORDER BY expires_at DESC`;
      return decodeRows(store, store.all<SqlRow>(sql, binding, now, now), keyOf, toRow);
    },

    /** Counts one use; false when it does not hold any more. */
    use: (id: string, now: number): boolean =>
      store.run(
        `UPDATE approval_grants SET use_count = use_count + 1, last_used_at = ?
         WHERE id = ? AND revoked_at IS NULL AND created_at <= ? AND expires_at > ?`,
        now,
        id,
        now,
        now,
      ) > 0,

    get: (id: string): CommandGrantRow | undefined =>
      decodeRow(store, store.get<SqlRow>(`SELECT ${COLUMNS} FROM approval_grants WHERE id = ?`, id), keyOf, toRow),

    /** Those whose id begins with `prefix`, at most two; those that hold come first. */
    find(prefix: string, now: number): CommandGrantRow[] {
      const sql = `SELECT ${COLUMNS} FROM approval_grants WHERE id >= ? AND id < ?
        ORDER BY (revoked_at IS NULL AND expires_at > ?) DESC, created_at DESC LIMIT 2`;
      return decodeRows(store, store.all<SqlRow>(sql, prefix, `${prefix}\u{10FFFF}`, now), keyOf, toRow);
    },

    /** The latest first. */
    list: (limit: number): CommandGrantRow[] =>
      decodeRows(
        store,
        store.all<SqlRow>(`SELECT ${COLUMNS} FROM approval_grants ORDER BY created_at DESC, id LIMIT ?`, limit),
        keyOf,
        toRow,
      ),

    countHolding: (now: number): number =>
      store.get<{ count: number }>("SELECT count(*) AS count FROM approval_grants WHERE revoked_at IS NULL AND expires_at > ?", now)!.count,

    /** False when it was revoked before. */
    revoke: (id: string, by: string, at: number): boolean =>
      store.run("UPDATE approval_grants SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL", at, by, id) > 0,

    /** Removes at most `limit` that ended before. True: more are left. */
    prune: (before: number, limit: number): boolean =>
      store.run(
        "DELETE FROM approval_grants WHERE id IN (SELECT id FROM approval_grants WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
        before,
        limit,
      ) >= limit,
  };
}
