import type { SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Payload } from "../turns/submission.ts";
import type { ChatDeps } from "./chat-context.ts";

const PAGE = 50;

/**
 * Messages that wait behind the running turn, the newest of them first asked for: `before` is a place in the queue, and `nextBefore` the
 * one from which the page before this begins. They are in the transcript already; this says that they are still to be answered.
 */
export function pendingInputs(deps: ChatDeps, key: SessionKey, before = Number.MAX_SAFE_INTEGER): Record<string, unknown> {
  const waiting = deps.turns.lanes.queuedRuns(key);
  const end = Math.min(waiting.length, before - 1);
  const items: Record<string, unknown>[] = [];
  let start = end;
  let chars = 0;
  while (start > 0 && end - start < PAGE && chars < LIMITS.pendingInputChars) {
    const runId = waiting[--start]!;
    const row = deps.turns.runs.find(runId);
    if (!row) continue;
    const text = (row.payload as Payload | null)?.text ?? "";
    chars += text.length;
    const message = { role: "user", content: text, timestamp: row.receivedAt };
    items.unshift({ id: runId, runId, message, acceptedAt: row.receivedAt, state: "queued" });
  }
  return { items, total: waiting.length, ...(start > 0 ? { nextBefore: start + 1 } : {}) };
}

/** What became of messages that a client has sent, by their runs; unknown ones are left out. */
export function inputReceipts(deps: ChatDeps, key: SessionKey, runIds: readonly string[]): Record<string, unknown>[] {
  const waiting = new Set<string>(deps.turns.lanes.queuedRuns(key));
  return runIds.flatMap((runId) => {
    const row = deps.turns.runs.find(runId);
    if (row?.sessionKey !== key) return [];
    const message = waiting.has(runId) ? undefined : deps.messages.byRun(runId).find((each) => each.body.role === "user");
    return [message ? { runId, state: "consumed", consumedByEventId: message.id } : { runId, state: "pending" }];
  });
}
