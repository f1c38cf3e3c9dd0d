import { crc32 } from "node:zlib";
import type { RunId, SessionKey } from "../core/ids.ts";
import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** `waiting`: there was no place for it yet. `running`: in the inbox. The others are the end. */
export type SubagentState = "waiting" | "running" | SubagentEnd;
export type SubagentEnd = "ok" | "error" | "aborted" | "timeout";
/**
 * What became of the result. `reading`: a tool call has it, of a run that has not ended. `sent`: a message has it, whose run has not ended.
 * `undelivered`: its conversation is over, or the run of that message did not end well. `none`: it was not asked for.
 */
export type SubagentDelivery = "pending" | "reading" | "sent" | "delivered" | "undelivered" | "none";

/** A task of a sub-agent. What `record` holds is the business of the module `subagents`. */
export type SubagentTaskRow<R = unknown> = {
  seq: number;
  runId: RunId;
  childKey: SessionKey;
  parentKey: SessionKey;
  state: SubagentState;
  delivery: SubagentDelivery;
  /** The run whose tool call, or whose message, has or had the result. */
  reader: RunId | null;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  record: R;
};

export type NewSubagentTask<R> = Pick<SubagentTaskRow<R>, "runId" | "childKey" | "parentKey" | "delivery" | "createdAt" | "record">;

export type SubagentTaskQuery = {
  parentKey?: string;
  /** Of the agent whose session gave the task. */
  agentId?: string;
  /** As the parent or as the child. */
  sessionKey?: string;
  states?: readonly SubagentState[];
  /** Older than this position. */
  beforeSeq?: number;
};

type SqlRow = Omit<SubagentTaskRow, "record"> & { record: string; crc: number };

const COLUMNS = `seq, run_id AS runId, child_key AS childKey, parent_key AS parentKey, state, delivery, reader, created_at AS createdAt,
  started_at AS startedAt, ended_at AS endedAt, record, crc`;
/** As the condition of the index: a task that has not ended, or whose result has not been handed back. */
const OPEN = "(state IN ('waiting', 'running') OR delivery IN ('pending', 'reading', 'sent'))";

/** Characters of an id that name a task where they are unique. */
const SHORT_ID_CHARS = 4;

const keyOf = ({ runId }: SqlRow): string => `subagent_tasks ${runId}`;

/** Throws for a task whose checksum does not match: what it may do is part of it. */
function toRow<R>({ crc, record, ...row }: SqlRow): SubagentTaskRow<R> {
  if (crc32(record) !== crc) throw new TypeError("the checksum does not match");
  return { ...row, record: JSON.parse(record) as R };
}

export type SubagentTasks<R> = ReturnType<typeof createSubagentTasks<R>>;

/** Tasks of sub-agents. What changes rows runs inside a `store.write`. */
export function createSubagentTasks<R>(store: Store) {
  const rows = (found: readonly SqlRow[]): SubagentTaskRow<R>[] => decodeRows(store, found, keyOf, toRow<R>);
  const one = (found: SqlRow | undefined): SubagentTaskRow<R> | undefined => decodeRow(store, found, keyOf, toRow<R>);
  return {
    add({ runId, childKey, parentKey, delivery, createdAt, record }: NewSubagentTask<R>): void {
      const text = JSON.stringify(record);
      store.run(
        `INSERT INTO subagent_tasks (run_id, child_key, parent_key, state, delivery, created_at, record, crc)
         VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?)`,
        runId,
        childKey,
        parentKey,
        delivery,
        createdAt,
        text,
        crc32(text),
      );
    },

    /** The task is in the inbox. */
    start: (runId: RunId, at: number): boolean =>
      store.run("UPDATE subagent_tasks SET state = 'running', started_at = ? WHERE run_id = ? AND state = 'waiting'", at, runId) > 0,

    /** False when it has ended before: the first end counts. */
    end(runId: RunId, state: SubagentEnd, at: number, record: R): boolean {
      const text = JSON.stringify(record);
      const sql =
        "UPDATE subagent_tasks SET state = ?, ended_at = ?, record = ?, crc = ? WHERE run_id = ? AND state IN ('waiting', 'running')";
      return store.run(sql, state, at, text, crc32(text), runId) > 0;
    },

    /** False when the result is not in the state `from` any more. */
    setDelivery: (runId: RunId, from: SubagentDelivery, to: SubagentDelivery, reader: RunId | null = null): boolean =>
      store.run("UPDATE subagent_tasks SET delivery = ?, reader = ? WHERE run_id = ? AND delivery = ?", to, reader, runId, from) > 0,

    /** The result will be handed back again. */
    reopen(runId: RunId, record: R): void {
      const text = JSON.stringify(record);
      store.run(
        "UPDATE subagent_tasks SET delivery = 'pending', record = ?, crc = ? WHERE run_id = ? AND delivery IN ('undelivered', 'none')",
        text,
        crc32(text),
        runId,
      );
    },

    get: (runId: string): SubagentTaskRow<R> | undefined =>
      one(store.get<SqlRow>(`SELECT ${COLUMNS} FROM subagent_tasks WHERE run_id = ?`, runId)),

    /** By its run, or by the beginning of it where that is unique. */
    find(idOrStart: string): SubagentTaskRow<R> | undefined {
      const exact = this.get(idOrStart);
      if (exact || idOrStart.length < SHORT_ID_CHARS) return exact;
      const sql = `SELECT ${COLUMNS} FROM subagent_tasks WHERE run_id >= ? AND run_id < ? LIMIT 2`;
      const found = rows(store.all<SqlRow>(sql, idOrStart, `${idOrStart}\u{10FFFF}`));
      return found.length === 1 ? found[0] : undefined;
    },

    /** The task for which a session was made; of a session of people the first message to it. */
    byChild: (childKey: string): SubagentTaskRow<R> | undefined =>
      one(store.get<SqlRow>(`SELECT ${COLUMNS} FROM subagent_tasks WHERE child_key = ? ORDER BY seq LIMIT 1`, childKey)),

    /** Tasks that have not ended, and those whose result has not been handed back, in their order. */
    open: (): SubagentTaskRow<R>[] => rows(store.all<SqlRow>(`SELECT ${COLUMNS} FROM subagent_tasks WHERE ${OPEN} ORDER BY seq`)),

    hasOpen: (): boolean => store.get(`SELECT 1 AS found FROM subagent_tasks WHERE ${OPEN} LIMIT 1`) !== undefined,

    /** The newest first; at most `limit`. */
    list({ parentKey, agentId, sessionKey, states, beforeSeq }: SubagentTaskQuery, limit: number): SubagentTaskRow<R>[] {
      const where: [sql: string, ...params: (string | number)[]][] = [
        ...(parentKey === undefined ? [] : [["parent_key = ?", parentKey] as [string, string]]),
        ...(agentId === undefined
          ? []
          : [["parent_key >= ? AND parent_key < ?", `agent:${agentId}:`, `agent:${agentId};`] as [string, string, string]]),
        ...(sessionKey === undefined ? [] : [["(parent_key = ? OR child_key = ?)", sessionKey, sessionKey] as [string, string, string]]),
        ...(states === undefined ? [] : [[`state IN (${states.map(() => "?").join(", ")})`, ...states] as [string, ...string[]]]),
        ...(beforeSeq === undefined ? [] : [["seq < ?", beforeSeq] as [string, number]]),
      ];
      const condition = where.length === 0 ? "" : `WHERE ${where.map(([sql]) => sql).join(" AND ")}`;
      const params = where.flatMap(([, ...values]) => values);
      return rows(store.all<SqlRow>(`SELECT ${COLUMNS} FROM subagent_tasks ${condition} ORDER BY seq DESC LIMIT ?`, ...params, limit));
    },

    /** Removes at most `limit` tasks that are not open and ended before. True: more may be left. */
    prune: (before: number, limit: number): boolean =>
      store.run(
        `DELETE FROM subagent_tasks WHERE seq IN (SELECT seq FROM subagent_tasks WHERE ended_at < ? AND NOT ${OPEN} ORDER BY ended_at LIMIT ?)`,
        before,
        limit,
      ) >= limit,
  };
}
