import type { AgentId, SessionKey } from "../core/ids.ts";
import { decodeRows } from "./row-decoding.ts";
import type { Store } from "./open.ts";

/** A run of an agent, or a call of a tool. */
export type AuditKind = "run" | "tool";
/** `blocked`: refused before anything ran. `unknown`: the gateway ended before the end was known. */
export type AuditStatus = "started" | "succeeded" | "failed" | "cancelled" | "timed_out" | "blocked" | "unknown";

/** On whose authority something was done: the sender of the first message of the turn. */
export type AuditAuthority = {
  surface: "operator" | "channel";
  channel: string;
  account?: string;
  sender?: string;
  isOwner: boolean;
  /** The program of an operator. */
  client?: string;
};

/** One event. Times are milliseconds since 1970. */
export type AuditRow = {
  /** Grows with each event; never used twice. */
  seq: number;
  at: number;
  kind: AuditKind;
  status: AuditStatus;
  agentId: AgentId;
  sessionKey: SessionKey;
  /** The conversation in the session; null: the session was gone. */
  sessionId: string | null;
  runId: string;
  /** Null for runs. */
  callId: string | null;
  tool: string | null;
  /** Null at the end of a call: its beginning has it. */
  authority: AuditAuthority | null;
  /** The beginning of a call's arguments as JSON. */
  subject: string | null;
  /** SHA-256 in hex: of the arguments at the beginning of a call, of the result at its end. */
  hash: string | null;
};

export type NewAuditRow = Pick<AuditRow, "at" | "kind" | "status" | "agentId" | "sessionKey" | "runId"> &
  Partial<Pick<AuditRow, "sessionId" | "callId" | "tool" | "authority" | "subject" | "hash">>;

export type AuditQuery = {
  agentId?: string;
  sessionKey?: string;
  runId?: string;
  kind?: AuditKind;
  status?: AuditStatus;
  /** Not before this time, and before that one. */
  after?: number;
  before?: number;
  /** Only rows that are older than this one. */
  beforeSeq?: number;
  limit: number;
};

export type Audit = ReturnType<typeof createAudit>;

type SqlRow = Omit<AuditRow, "authority"> & { authority: string | null };
const COLUMNS = `seq, at, kind, status, agent_id AS agentId, session_key AS sessionKey, session_id AS sessionId, run_id AS runId,
  call_id AS callId, tool, authority, subject, hash`;
const keyOf = ({ seq }: SqlRow): string => `audit ${seq}`;
const toRow = (raw: SqlRow): AuditRow => ({
  ...raw,
  authority: raw.authority === null ? null : (JSON.parse(raw.authority) as AuditAuthority),
});

/** The condition of a query, and its parameters. */
const FILTERS: readonly [name: Exclude<keyof AuditQuery, "limit">, condition: string][] = [
  ["agentId", "agent_id = ?"],
  ["sessionKey", "session_key = ?"],
  ["runId", "run_id = ?"],
  ["kind", "kind = ?"],
  ["status", "status = ?"],
  ["after", "at >= ?"],
  ["before", "at < ?"],
  ["beforeSeq", "seq < ?"],
];

/** What agents did, and on whose authority. Rows are added in the transaction of what they are about, and never changed. */
export function createAudit(store: Store) {
  const add = (row: NewAuditRow): void => {
    store.run(
      `INSERT INTO audit (at, kind, status, agent_id, session_key, session_id, run_id, call_id, tool, authority, subject, hash)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.at,
      row.kind,
      row.status,
      row.agentId,
      row.sessionKey,
      row.sessionId ?? null,
      row.runId,
      row.callId ?? null,
      row.tool ?? null,
      row.authority ? JSON.stringify(row.authority) : null,
      row.subject ?? null,
      row.hash ?? null,
    );
  };
  return {
    add,

    /** Ends the calls of a run that have begun and not ended. Inside a `store.write`. */
    endCalls(runId: string, status: AuditStatus, at: number): void {
      const rows = decodeRows(store, store.all<SqlRow>(`SELECT ${COLUMNS} FROM audit WHERE run_id = ? ORDER BY seq`, runId), keyOf, toRow);
      const ended = new Set(rows.flatMap((row) => (row.status === "started" ? [] : [row.callId])));
      const open = rows.filter((row) => row.kind === "tool" && row.status === "started" && !ended.has(row.callId));
      for (const row of open) add({ ...row, authority: null, subject: null, hash: null, status, at });
    },

    /** The newest first. */
    list(query: AuditQuery): AuditRow[] {
      const given = FILTERS.filter(([name]) => query[name] !== undefined);
      const where = given.length === 0 ? "" : `WHERE ${given.map(([, condition]) => condition).join(" AND ")}`;
      const params = given.map(([name]) => query[name]!);
      const rows = store.all<SqlRow>(`SELECT ${COLUMNS} FROM audit ${where} ORDER BY seq DESC LIMIT ?`, ...params, query.limit);
      return decodeRows(store, rows, keyOf, toRow);
    },

    /** Removes at most `limit` rows from before. True: more are left. */
    prune: (before: number, limit: number): boolean =>
      store.run("DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < ? ORDER BY at LIMIT ?)", before, limit) >= limit,
  };
}
