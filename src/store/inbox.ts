import { crc32 } from "node:zlib";
import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { RunStages } from "../core/stages.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";
import type { Store } from "./open.ts";

/**
 * States of an admitted message: queued -> running -> done | failed | aborted. `merged`: taken into another run. `parked`: a dead
 * letter that waits, with its payload, for an operator. `dropped`: discarded by an operator.
 */
export type InboxState = "queued" | "running" | "done" | "failed" | "aborted" | "merged" | "parked" | "dropped";

/** The provider's error text; for operators, not for people in a chat. */
export type FailureDetail = { message: string; httpStatus?: number; retryAfterMs?: number; provider?: string; model?: string };

/** How a run ended, as reported to its clients; kept so that a repeated request gets the same answer. */
export type RunOutcome = {
  status: "ok" | "error" | "aborted";
  text: string;
  stopReason: string;
  error?: { kind: string; message: string; detail?: FailureDetail };
  /** The end of `text` that the gateway added to the agent's answer. */
  notice?: string;
  model?: string;
  usage?: unknown;
  /** The price of a model that was asked is not known: the cost in `usage` is not what the run cost. */
  isUnpriced?: true;
  endedAt: number;
};

/** How a run ended, for those that keep a row of their own about it; null: it has not. `row`: undefined when it is not in the store. */
export function endOfRun(row: Pick<InboxRow, "state" | "outcome"> | undefined, at: number): RunOutcome | null {
  const lost = (message: string): RunOutcome => ({
    status: "error",
    text: "",
    stopReason: "error",
    error: { kind: "lost", message },
    endedAt: at,
  });
  if (row === undefined) return lost("the message of this run is not in the store any more");
  if (row.outcome !== null || row.state === "queued" || row.state === "running") return row.outcome;
  return lost("the run became a dead letter; openclaw dead-letters list shows it");
}

export type InboxRow<P = unknown> = {
  seq: number;
  runId: RunId;
  channel: string;
  account: string;
  eventId: string;
  sessionKey: SessionKey;
  sessionId: string;
  agentId: AgentId;
  payload: P;
  state: InboxState;
  attempts: number;
  toolsStarted: boolean;
  mergedInto: RunId | null;
  receivedAt: number;
  startedAt: number | null;
  endedAt: number | null;
  outcome: RunOutcome | null;
  /** Null while the run has not ended, and where they were not noted. */
  stages: RunStages | null;
};

export type NewInboxRow<P> = Pick<
  InboxRow<P>,
  "runId" | "channel" | "account" | "eventId" | "sessionKey" | "sessionId" | "agentId" | "payload" | "receivedAt"
> & {
  /** The platform's message that the event is about; see byMessage. */
  messageRef?: string | null;
  state: "queued" | "running" | "done" | "parked";
  startedAt: number | null;
  outcome: RunOutcome | null;
};

type InboxSqlRow = {
  seq: number;
  run_id: string;
  channel: string;
  account: string;
  event_id: string;
  session_key: string;
  session_id: string;
  agent_id: string;
  payload: string;
  crc: number;
  state: InboxState;
  attempts: number;
  tools_started: number;
  merged_into: string | null;
  received_at: number;
  started_at: number | null;
  ended_at: number | null;
  outcome: string | null;
  stages: string | null;
};

/** What figures need of a run that has ended. */
export type EndedRun = Pick<InboxRow, "channel" | "account" | "agentId" | "state" | "receivedAt"> & {
  endedAt: number;
  /** The rule that chose the agent, and the position of its binding; null where no rule was asked, or none matched. */
  rule: string | null;
  binding: number | null;
};

export type Inbox = ReturnType<typeof createInbox>;

/** The durable inbox. Functions that change rows run inside a `store.write`. */
export function createInbox(store: Store) {
  const one = <P>(raw: InboxSqlRow | undefined): InboxRow<P> | undefined => decodeRow(store, raw, inboxRowKey, toInboxRow<P>);
  const many = <P>(rows: readonly InboxSqlRow[]): InboxRow<P>[] => decodeRows(store, rows, inboxRowKey, toInboxRow<P>);

  return {
    /** False when (channel, account, event id) is already there: a repeat is a no-op. */
    add<P>(row: NewInboxRow<P>): boolean {
      const payload = JSON.stringify(row.payload);
      const added = store.run(
        `INSERT INTO inbox (run_id, channel, account, event_id, session_key, session_id, agent_id, payload, crc, state, attempts, received_at, started_at, ended_at, outcome, message_ref)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        row.runId,
        row.channel,
        row.account,
        row.eventId,
        row.sessionKey,
        row.sessionId,
        row.agentId,
        payload,
        crc32(payload),
        row.state,
        row.state === "running" ? 1 : 0,
        row.receivedAt,
        row.startedAt,
        row.state === "done" ? row.receivedAt : null,
        row.outcome && JSON.stringify(row.outcome),
        row.messageRef ?? null,
      );
      return added > 0;
    },

    byEvent: <P>(channel: string, account: string, eventId: string): InboxRow<P> | undefined =>
      one(store.get<InboxSqlRow>("SELECT * FROM inbox WHERE channel = ? AND account = ? AND event_id = ?", channel, account, eventId)),

    /** Rows that were admitted for one platform message, oldest first. */
    byMessage: <P>(channel: string, account: string, ref: string): InboxRow<P>[] =>
      many(
        store.all<InboxSqlRow>(
          "SELECT * FROM inbox WHERE channel = ? AND account = ? AND message_ref = ? ORDER BY seq",
          channel,
          account,
          ref,
        ),
      ),

    replacePayload<P>(runId: RunId, payload: P): void {
      const text = JSON.stringify(payload);
      store.run("UPDATE inbox SET payload = ?, crc = ? WHERE run_id = ?", text, crc32(text), runId);
    },

    remove: (runId: RunId): boolean => store.run("DELETE FROM inbox WHERE run_id = ?", runId) > 0,

    /** The rows that were admitted last, the newest first. */
    listNewest: <P>(limit: number): InboxRow<P>[] => many(store.all<InboxSqlRow>("SELECT * FROM inbox ORDER BY seq DESC LIMIT ?", limit)),
    listEnded: (from: number, before: number, limit: number): EndedRun[] => listEnded(store, from, before, limit),
    byRun: <P>(runId: string): InboxRow<P> | undefined => one(store.get<InboxSqlRow>("SELECT * FROM inbox WHERE run_id = ?", runId)),

    /** All unfinished rows, in order of admission. */
    listOpen: <P>(): InboxRow<P>[] => many(store.all<InboxSqlRow>("SELECT * FROM inbox WHERE state IN ('queued', 'running') ORDER BY seq")),

    listDeadLetters: <P>(limit: number): InboxRow<P>[] =>
      many(store.all<InboxSqlRow>("SELECT * FROM inbox WHERE state = 'parked' ORDER BY seq LIMIT ?", limit)),

    /** Marks rows as taken by a turn, with one more attempt each. */
    start(runIds: readonly RunId[], at: number): void {
      for (const runId of runIds)
        store.run(
          "UPDATE inbox SET state = 'running', attempts = attempts + 1, started_at = ?, merged_into = NULL WHERE run_id = ?",
          at,
          runId,
        );
    },

    /** Steers a queued row into a running turn. Counts as an attempt, because the runtime gets the message next. */
    markSteered: (runId: RunId, into: RunId): number =>
      store.run("UPDATE inbox SET state = 'running', attempts = attempts + 1, merged_into = ? WHERE run_id = ?", into, runId),

    /** The running turn did not take the row: back to the queue, without the attempt. */
    returnToQueue: (runId: RunId): number =>
      store.run(
        "UPDATE inbox SET state = 'queued', attempts = max(attempts - 1, 0), merged_into = NULL WHERE run_id = ? AND outcome IS NULL",
        runId,
      ),

    /** A dead letter waits for a turn again; its attempts are forgotten. */
    retry: (runId: RunId): number =>
      store.run("UPDATE inbox SET state = 'queued', attempts = 0, ended_at = NULL, outcome = NULL WHERE run_id = ?", runId),

    /** An orderly stop does not count as a failed attempt. */
    refundAttempts: (): number => store.run("UPDATE inbox SET attempts = max(attempts - 1, 0) WHERE state = 'running'"),

    /** Back to the queue; finished rows stay finished. */
    requeue: (runId: RunId): number =>
      store.run("UPDATE inbox SET state = 'queued', merged_into = NULL WHERE run_id = ? AND outcome IS NULL", runId),

    /** A row that was taken into another run and ends with it. */
    merge: (runId: RunId, into: RunId): number =>
      store.run("UPDATE inbox SET state = 'running', merged_into = ? WHERE run_id = ?", into, runId),

    listMergedInto: <P>(into: RunId): InboxRow<P>[] => many(store.all<InboxSqlRow>(MERGED_INTO, into)),

    markToolsStarted: (runId: RunId): number => store.run("UPDATE inbox SET tools_started = 1 WHERE run_id = ?", runId),

    /** `stages`: when they were reached; absent: as they were noted before. */
    end: (runId: RunId, state: InboxState, outcome: RunOutcome, stages?: RunStages): void =>
      void store.run(
        "UPDATE inbox SET state = ?, ended_at = ?, outcome = ?, stages = coalesce(?, stages) WHERE run_id = ?",
        state,
        outcome.endedAt,
        JSON.stringify(outcome),
        stages ? JSON.stringify(stages) : null,
        runId,
      ),

    counts: (): { state: string; n: number }[] =>
      store.all("SELECT state, count(*) AS n FROM inbox WHERE state IN ('queued', 'running', 'parked') GROUP BY state"),

    oldestOpenAt: (): number | null =>
      store.get<{ at: number | null }>("SELECT min(received_at) AS at FROM inbox WHERE state IN ('queued', 'running')")!.at,

    prune: (before: number, limit: number): boolean => pruneEnded(store, before, limit),
  };
}

const MERGED_INTO = "SELECT * FROM inbox WHERE merged_into = ? ORDER BY seq";

/** Runs that ended from `from` on and before `before`, the newest first. What an operator dropped is left out. A damaged payload has no rule. */
const listEnded = (store: Store, from: number, before: number, limit: number): EndedRun[] =>
  store.all<EndedRun>(
    `SELECT channel, account, agent_id AS agentId, state, received_at AS receivedAt, ended_at AS endedAt,
       CASE WHEN json_valid(payload) THEN payload ->> '$.route.rule' END AS rule,
       CASE WHEN json_valid(payload) THEN payload ->> '$.route.binding' END AS binding FROM inbox
     WHERE ended_at >= ? AND ended_at < ? AND state <> 'dropped' ORDER BY ended_at DESC LIMIT ?`,
    from,
    before,
    limit,
  );

const inboxRowKey = (raw: InboxSqlRow): string => `inbox ${raw.run_id}`;

/** Null for a damaged payload: the row itself must still be closed. */
function decodePayload<P>({ payload, crc }: InboxSqlRow): P {
  return typeof payload === "string" && crc32(payload) === crc ? (JSON.parse(payload) as P) : (null as P);
}

/** Null for what is damaged: the row itself must still be readable. */
function decodeJson<T>(text: string | null): T | null {
  if (text === null) return null;
  try {
    return JSON.parse(text) as T;
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}
/** Removes at most `limit` rows of each table that are not needed since `before`. True: more are left. */
function pruneEnded(store: Store, before: number, limit: number): boolean {
  const removed = [
    store.run(
      "DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox WHERE ended_at < ? AND state NOT IN ('queued', 'running', 'parked') ORDER BY ended_at LIMIT ?)",
      before,
      limit,
    ),
    store.run(
      "DELETE FROM seen_events WHERE (channel, account, event_id) IN (SELECT channel, account, event_id FROM seen_events WHERE at < ? ORDER BY at LIMIT ?)",
      before,
      limit,
    ),
    store.run(
      "DELETE FROM buttons WHERE token IN (SELECT token FROM buttons WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
      before,
      limit,
    ),
    store.run("DELETE FROM session_notes WHERE at < ? AND seq IN (SELECT seq FROM session_notes ORDER BY seq LIMIT ?)", before, limit),
  ];
  return removed.some((count) => count >= limit);
}

function toInboxRow<P>(raw: InboxSqlRow): InboxRow<P> {
  return {
    seq: raw.seq,
    runId: raw.run_id as RunId,
    channel: raw.channel,
    account: raw.account,
    eventId: raw.event_id,
    sessionKey: raw.session_key as SessionKey,
    sessionId: raw.session_id,
    agentId: raw.agent_id as AgentId,
    payload: decodePayload<P>(raw),
    state: raw.state,
    attempts: raw.attempts,
    toolsStarted: raw.tools_started === 1,
    mergedInto: raw.merged_into as RunId | null,
    receivedAt: raw.received_at,
    startedAt: raw.started_at,
    endedAt: raw.ended_at,
    outcome: decodeJson<RunOutcome>(raw.outcome),
    stages: decodeJson<RunStages>(raw.stages),
  };
}
