import type { RunId } from "../core/ids.ts";
import { SUBAGENT_LIMITS } from "./limits.ts";
import { deliveryKey } from "./plan.ts";
import { hasEnded, type Task } from "./task.ts";

/** What is handed back now, each element in one message, and when to look again. */
export type Deliveries = { due: Task[][]; /** Null: nothing waits for a time. */ nextInMs: number | null };

/**
 * Which results are handed back now. Results of one conversation wait for those of its tasks that still work, but not for long, so that
 * five tasks that end one after the other cause one turn. `isAwaited`: a tool call waits for the task. Pure.
 */
export function dueDeliveries(open: readonly Task[], now: number, isAwaited: (runId: RunId) => boolean): Deliveries {
  const groups = Map.groupBy(
    open.filter((task) => task.delivery === "pending" && !isAwaited(task.runId)),
    deliveryKey,
  );
  const due: Task[][] = [];
  let nextInMs: number | null = null;
  for (const tasks of groups.values()) {
    const ended = tasks.filter(hasEnded).slice(0, SUBAGENT_LIMITS.resultsPerMessage);
    if (ended.length === 0) continue;
    const oldest = Math.min(...ended.map(({ endedAt }) => endedAt!));
    // A clock that was set back makes nothing wait longer.
    const waited = now < oldest ? SUBAGENT_LIMITS.collectMs : now - oldest;
    if (tasks.every(hasEnded) || waited >= SUBAGENT_LIMITS.collectMs) due.push(ended);
    else nextInMs = Math.min(nextInMs ?? Infinity, SUBAGENT_LIMITS.collectMs - waited);
  }
  return { due, nextInMs };
}
