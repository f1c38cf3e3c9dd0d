import type { Store } from "./open.ts";

/** Inbox rows and outbox parts that wait for one channel account. Times are ms since the epoch. */
export type AccountBacklog = {
  channel: string;
  account: string;
  /** Stored messages without an answer, and the time of the oldest. */
  waiting: number;
  oldestWaitingAt: number | null;
  /** Dead letters of the inbox; they wait for an operator. */
  parked: number;
  outboxWaiting: number;
  outboxOldestAt: number | null;
  /** Parts of replies that failed permanently, and those with an unknown outcome. */
  outboxParked: number;
  outboxUnknown: number;
};

type BacklogCount = { channel: string | null; account: string | null; state: string; n: number; oldest: number };

const INBOX = `SELECT channel, account, state, count(*) AS n, min(received_at) AS oldest FROM inbox
  WHERE state IN ('queued', 'running', 'parked') GROUP BY channel, account, state`;
const OUTBOX = `SELECT json_extract(target, '$.channel') AS channel, json_extract(target, '$.account') AS account, state, count(*) AS n,
  min(created_at) AS oldest FROM outbox
  WHERE state IN ('queued', 'attempting', 'parked', 'unknown') AND json_valid(target) GROUP BY 1, 2, 3`;

/** One row per account with a backlog; read from the tables, so it is also correct after a crash. */
export function listAccountBacklogs(store: Store): readonly AccountBacklog[] {
  const loads = new Map<string, AccountBacklog>();
  const of = ({ channel, account }: BacklogCount): AccountBacklog => {
    const key = JSON.stringify([channel, account]);
    const found = loads.get(key) ?? emptyBacklog(channel ?? "", account ?? "");
    loads.set(key, found);
    return found;
  };
  for (const row of store.all<BacklogCount>(INBOX)) {
    const load = of(row);
    if (row.state === "parked") load.parked = row.n;
    else {
      load.waiting += row.n;
      load.oldestWaitingAt = Math.min(load.oldestWaitingAt ?? row.oldest, row.oldest);
    }
  }
  for (const row of store.all<BacklogCount>(OUTBOX)) {
    const load = of(row);
    if (row.state === "parked") load.outboxParked = row.n;
    else if (row.state === "unknown") load.outboxUnknown = row.n;
    else {
      load.outboxWaiting += row.n;
      load.outboxOldestAt = Math.min(load.outboxOldestAt ?? row.oldest, row.oldest);
    }
  }
  return [...loads.values()];
}

export const emptyBacklog = (channel: string, account: string): AccountBacklog => ({
  channel,
  account,
  waiting: 0,
  oldestWaitingAt: null,
  parked: 0,
  outboxWaiting: 0,
  outboxOldestAt: null,
  outboxParked: 0,
  outboxUnknown: 0,
});
