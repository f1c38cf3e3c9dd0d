import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** `expired`: there was no answer in time. `cancelled`: what asked has ended before. */
export type ApprovalStatus = "pending" | "allowed" | "denied" | "expired" | "cancelled";
export type ApprovalDecision = "allow-once" | "allow-always" | "deny";
export type ApprovalReason = "user" | "timeout" | "run-aborted" | "gateway-restart";

/** What is asked about: a command of an agent, or what another program asks for. */
export type ApprovalKind = "exec" | "plugin";

/** How far an agreement reaches beyond one command: until a time, and `session`: at most as long as the conversation. */
export type ApprovalGrant = { scope: "time" | "session"; until: number };

/** Who answered: a device or another credential of a client, or a person on a channel. */
export type ApprovalResolver = { kind: "device" | "channel" | "system"; id?: string };

/** The command that is asked about, as people see it. */
export type ApprovalSubject = {
  commandText: string;
  cwd: string;
  /** `node`: on the machine or device that `nodeId` names. */
  host: "gateway" | "sandbox" | "node";
  /** Real path of the first program; null where the text was not understood. */
  resolvedPath: string | null;
  /** What deserves attention, one sentence each. */
  warnings: readonly string[];
  /** What `allow-always` would store, one line for each program; empty where it is not offered. */
  patterns: readonly { pattern: string; argPattern: string }[];
  /** SHA-256 over what a grant would be bound to; absent where it may be allowed for this one command only. */
  binding?: string;
  /** What a grant covers, where that is more than what is asked about; shown in lists of grants. */
  grantText?: string;
  /** The node on which it would run. */
  nodeId?: string;
  /** What it reaches, as the one who asks says: whom a message goes to, what is paid. In the protocol's shape. */
  scope?: Readonly<Record<string, unknown>>;
  /** What another program asks for; absent for a command. */
  plugin?: PluginSubject;
  /** The answers that may be given, where the one who asks leaves some out. */
  offered?: readonly ApprovalDecision[];
};

/** What another program asks for. The text is data, and never an instruction. */
export type PluginSubject = {
  title: string;
  description: string;
  detail: string | null;
  severity: "info" | "warning" | "critical";
  pluginId: string | null;
  toolName: string | null;
  mcpTool: { server: string; tool: string } | null;
};

/** One question to a person, and its answer. */
export type ApprovalRow = {
  id: string;
  kind: ApprovalKind;
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
  /** Null: the answer covers one command. */
  grant: ApprovalGrant | null;
};

export type ApprovalEnd = {
  status: Exclude<ApprovalStatus, "pending">;
  decision: ApprovalDecision | null;
  reason: ApprovalReason;
  resolver: ApprovalResolver | null;
  at: number;
  grant?: ApprovalGrant;
};

/** Where a page of the history begins: behind this row. */
export type HistoryCursor = { at: number; id: string };

const COLUMNS = `id, kind, status, agent_id AS agentId, session_key AS sessionKey, run_id AS runId, call_id AS callId, subject, digest,
  created_at AS createdAt, expires_at AS expiresAt, decision, reason, resolver, resolved_at AS resolvedAt, used_at AS usedAt,
  grant_scope AS grantScope, grant_until AS grantUntil`;

type SqlRow = Omit<ApprovalRow, "subject" | "resolver" | "grant"> & {
  subject: string;
  resolver: string | null;
  grantScope: ApprovalGrant["scope"] | null;
  grantUntil: number | null;
};
const keyOf = ({ id }: SqlRow): string => `approvals ${id}`;
const toRow = ({ grantScope, grantUntil, ...raw }: SqlRow): ApprovalRow => ({
  ...raw,
  grant: grantScope === null || grantUntil === null ? null : { scope: grantScope, until: grantUntil },
  subject: JSON.parse(raw.subject) as ApprovalSubject,
  resolver: raw.resolver === null ? null : (JSON.parse(raw.resolver) as ApprovalResolver),
});

export type ApprovalRows = ReturnType<typeof createApprovalRows>;

/** Questions to people and their answers. What changes rows runs inside a `store.write`. */
export function createApprovalRows(store: Store) {
  return {
    add(row: Omit<ApprovalRow, "status" | "decision" | "reason" | "resolver" | "resolvedAt" | "usedAt" | "grant">): void {
      store.run(
        `INSERT INTO approvals (id, kind, status, agent_id, session_key, run_id, call_id, subject, digest, created_at, expires_at)
         VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)`,
        row.id,
        row.kind,
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
    history(before: HistoryCursor | null, limit: number, kind?: ApprovalKind): ApprovalRow[] {
      const { at, id } = before ?? { at: Number.MAX_SAFE_INTEGER, id: "" };
      const rows = store.all<SqlRow>(
        `SELECT ${COLUMNS} FROM approvals WHERE resolved_at IS NOT NULL AND (resolved_at < ?1 OR (resolved_at = ?2 AND id < ?3))
           AND (?4 IS NULL OR kind = ?4) ORDER BY resolved_at DESC, id DESC LIMIT ?5`,
        at,
        at,
        id,
        kind ?? null,
        limit,
      );
      return decodeRows(store, rows, keyOf, toRow);
    },

    /** False when it has ended before: the first answer counts. */
    end: (id: string, { status, decision, reason, resolver, at, grant }: ApprovalEnd): boolean =>
      store.run(
        `UPDATE approvals SET status = ?, decision = ?, reason = ?, resolver = ?, resolved_at = ?, grant_scope = ?, grant_until = ?
         WHERE id = ? AND status = 'pending'`,
        status,
        decision,
        reason,
        resolver === null ? null : JSON.stringify(resolver),
        at,
        grant?.scope ?? null,
        grant?.until ?? null,
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
