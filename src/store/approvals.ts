import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** `expired`: there was no answer in time. `cancelled`: what asked has ended before. */
export type ApprovalStatus = "pending" | "allowed" | "denied" | "expired" | "cancelled";
export type ApprovalDecision = "allow-once" | "allow-always" | "deny";
export type ApprovalReason = "user" | "timeout" | "run-aborted" | "gateway-restart";

/** Who answered: a device or another credential of a client, or a person on a channel. */
export type ApprovalResolver = { kind: "device" | "channel" | "system"; id?: string };

/** The command that is asked about, as people see it. */
export type ApprovalSubject = {
  commandText: string;
  cwd: string;
  host: "gateway" | "sandbox";
  /** Real path of the first program; null where the text was not understood. */
  resolvedPath: string | null;
  /** What deserves attention, one sentence each. */
  warnings: readonly string[];
  /** What `allow-always` would store, one line for each program; empty where it is not offered. */
  patterns: readonly { pattern: string; argPattern: string }[];
};

/** One question to a person, and its answer. */
export type ApprovalRow = {
  id: string;
  status: ApprovalStatus;
  agentId: AgentId;
  sessionKey: SessionKey;
  /** Null for a call without a turn. */
  runId: RunId | null;
  callId: string;
  subject: ApprovalSubject;
  /** SHA-256 over everything that is bound. */
  digest: string;
  createdAt: number;
  expiresAt: number;
  decision: ApprovalDecision | null;
  reason: ApprovalReason | null;
  resolver: ApprovalResolver | null;
  resolvedAt: number | null;
  /** When the command was started for which this was asked. */
  usedAt: number | null;
};

export type ApprovalEnd = {
  status: Exclude<ApprovalStatus, "pending">;
  decision: ApprovalDecision | null;
  reason: ApprovalReason;
  resolver: ApprovalResolver | null;
  at: number;
};

/** Where a page of the history begins: behind this row. */
export type HistoryCursor = { at: number; id: string };

const COLUMNS = `id, status, agent_id AS agentId, session_key AS sessionKey, run_id AS runId, call_id AS callId, subject, digest,
  created_at AS createdAt, expires_at AS expiresAt, decision, reason, resolver, resolved_at AS resolvedAt, used_at AS usedAt`;

type SqlRow = Omit<ApprovalRow, "subject" | "resolver"> & { subject: string; resolver: string | null };
const keyOf = ({ id }: SqlRow): string => `approvals ${id}`;
const toRow = (raw: SqlRow): ApprovalRow => ({
  ...raw,
  subject: JSON.parse(raw.subject) as ApprovalSubject,
  resolver: raw.resolver === null ? null : (JSON.parse(raw.resolver) as ApprovalResolver),
});

export type ApprovalRows = ReturnType<typeof createApprovalRows>;

/** Questions to people and their answers. What changes rows runs inside a `store.write`. */
export function createApprovalRows(store: Store) {
  return {
    add(row: Omit<ApprovalRow, "status" | "decision" | "reason" | "resolver" | "resolvedAt" | "usedAt">): void {
      store.run(
        `INSERT INTO approvals (id, status, agent_id, session_key, run_id, call_id, subject, digest, created_at, expires_at)
         VALUES (?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.agentId,
        row.sessionKey,
        row.runId,
        row.callId,
        JSON.stringify(row.subject),
        row.digest,
        row.createdAt,
        row.expiresAt,
      );
    },

    /** Those whose id begins with `prefix`, at most two: more would not be unique either. Pending ones come first. */
    find(prefix: string): ApprovalRow[] {
      const rows = store.all<SqlRow>(
        `SELECT ${COLUMNS} FROM approvals WHERE id >= ? AND id < ? ORDER BY status = 'pending' DESC, created_at DESC LIMIT 2`,
        prefix,
        `${prefix}\u{10FFFF}`,
      );
      return decodeRows(store, rows, keyOf, toRow);
    },

    get: (id: string): ApprovalRow | undefined =>
      decodeRow(store, store.get<SqlRow>(`SELECT ${COLUMNS} FROM approvals WHERE id = ?`, id), keyOf, toRow),

    /** Oldest first. */
    pending: (): ApprovalRow[] =>
      decodeRows(store, store.all<SqlRow>(`SELECT ${COLUMNS} FROM approvals WHERE status = 'pending' ORDER BY created_at`), keyOf, toRow),

    /** The answered ones, newest first. */
    history(before: HistoryCursor | null, limit: number): ApprovalRow[] {
      const { at, id } = before ?? { at: Number.MAX_SAFE_INTEGER, id: "" };
      const rows = store.all<SqlRow>(
        `SELECT ${COLUMNS} FROM approvals WHERE resolved_at IS NOT NULL AND (resolved_at < ? OR (resolved_at = ? AND id < ?))
         ORDER BY resolved_at DESC, id DESC LIMIT ?`,
        at,
        at,
        id,
        limit,
      );
      return decodeRows(store, rows, keyOf, toRow);
    },

    /** False when it has ended before: the first answer counts. */
    end: (id: string, { status, decision, reason, resolver, at }: ApprovalEnd): boolean =>
      store.run(
        "UPDATE approvals SET status = ?, decision = ?, reason = ?, resolver = ?, resolved_at = ? WHERE id = ? AND status = 'pending'",
        status,
        decision,
        reason,
        resolver === null ? null : JSON.stringify(resolver),
        at,
        id,
      ) > 0,

    /** False when it was used before, or was not allowed. */
    use: (id: string, at: number): boolean =>
      store.run("UPDATE approvals SET used_at = ? WHERE id = ? AND status = 'allowed' AND used_at IS NULL", at, id) > 0,

    /** Removes at most `limit` that ended before. True: more are left. */
    prune: (before: number, limit: number): boolean =>
      store.run(
        "DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE resolved_at < ? ORDER BY resolved_at LIMIT ?)",
        before,
        limit,
      ) >= limit,
  };
}
