/** The stored rows of one session: pages, live additions, identity. Pure. */
import { isActive } from "./live-run.ts";
import type { RunView } from "./live-run.ts";
import { contentText } from "./protocol-types.ts";
import type { HistoryPayload, TranscriptRow } from "./protocol-types.ts";

export type TranscriptRows = {
  sessionId: string | null;
  rows: readonly TranscriptRow[];
  hasMore: boolean;
  /** Where the next older page begins, counted from the newest message. */
  nextOffset: number;
};

export const NO_ROWS: TranscriptRows = { sessionId: null, rows: [], hasMore: false, nextOffset: 0 };

/** The identity of a row; two rows with the same one are the same message. */
export function rowId(row: TranscriptRow): string {
  return row.__openclaw?.id ?? row.idempotencyKey ?? `${row.role}:${row.timestamp ?? 0}:${contentText(row.content).slice(0, 64)}`;
}

export const seqOf = (row: TranscriptRow): number | undefined => row.__openclaw?.seq;
export const keyOf = (row: TranscriptRow): string | undefined => row.idempotencyKey ?? row.__openclaw?.idempotencyKey;
export const runOf = (row: TranscriptRow): string | undefined => row.__openclaw?.runId;

/** What comes from the gateway is shown as far as it can be; a row that is none would take all others with it. */
const isRow = (row: unknown): row is TranscriptRow =>
  typeof row === "object" && row !== null && typeof (row as TranscriptRow).role === "string";

/** Adds or replaces rows by id and keeps them in the order of the server's sequence. */
export function mergeRows(current: readonly TranscriptRow[], incoming: readonly TranscriptRow[]): readonly TranscriptRow[] {
  const byId = new Map(current.map((row) => [rowId(row), row]));
  for (const row of incoming) if (isRow(row)) byId.set(rowId(row), row);
  const merged = [...byId.values()];
  const ordered = merged.every((row) => seqOf(row) !== undefined);
  return ordered ? merged.toSorted((a, b) => (seqOf(a) ?? 0) - (seqOf(b) ?? 0)) : merged;
}

/**
 * Takes the newest page of the history as the truth: from its first message on, what the server does not have goes away. Older
 * pages that were already loaded stay as long as the server has older messages. Another session id means that the session was reset: nothing old stays.
 */
export function applyNewestPage(current: TranscriptRows, page: HistoryPayload): TranscriptRows {
  const sessionId = page.sessionId || null;
  const first = page.messages.find((row) => isRow(row) && seqOf(row) !== undefined);
  const sameSession = current.sessionId === sessionId && first !== undefined && page.hasMore === true;
  const older = sameSession ? current.rows.filter((row) => (seqOf(row) ?? Infinity) < (seqOf(first) ?? 0)) : [];
  const kept = older.length > 0;
  return {
    sessionId,
    rows: mergeRows(older, page.messages),
    hasMore: kept ? current.hasMore : page.hasMore === true,
    nextOffset: older.length + (page.nextOffset ?? page.messages.length),
  };
}

/** Puts an older page in front. */
export function applyOlderPage(current: TranscriptRows, page: HistoryPayload): TranscriptRows {
  const rows = mergeRows(page.messages, current.rows);
  return {
    ...current,
    rows,
    hasMore: page.hasMore === true && page.messages.length > 0,
    nextOffset: page.nextOffset ?? current.nextOffset + page.messages.length,
  };
}

/** One row that arrived live. */
export function applyRow(current: TranscriptRows, row: TranscriptRow, sessionId: string | null = null): TranscriptRows {
  return {
    ...current,
    sessionId: current.sessionId ?? sessionId,
    rows: mergeRows(current.rows, [row]),
    nextOffset: current.nextOffset + (hasRow(current, row) ? 0 : 1),
  };
}

const hasRow = (current: TranscriptRows, row: TranscriptRow): boolean => current.rows.some((known) => rowId(known) === rowId(row));

/** True when the server has stored the message that was sent with this idempotency key. */
export function hasUserRow(rows: readonly TranscriptRow[], idempotencyKey: string): boolean {
  return rows.some((row) => row.role === "user" && keyOf(row) === `${idempotencyKey}:user`);
}

/** A run whose whole answer is in the rows needs no live copy any more. */
export function isSettled(run: RunView, rows: readonly TranscriptRow[]): boolean {
  if (isActive(run)) return false;
  // A message that was answered within another turn ends without a text of its own.
  if (run.state === "final" && run.blocks.length === 0) return true;
  const last = rows.findLast((row) => row.role === "assistant" && runOf(row) === run.runId);
  return last !== undefined && last.stopReason !== "toolUse";
}
