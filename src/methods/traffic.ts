import { setImmediate as nextTurn } from "node:timers/promises";
import { LIMITS } from "../core/limits.ts";
import type { OverviewEdge, OverviewHour, OverviewTool } from "../core/overview.ts";
import type { EndedRun, Inbox } from "../store/inbox.ts";
import type { Usage } from "../store/usage.ts";

const HOUR_MS = 3_600_000;
const HOURS = 24;

/** Steps of durations: each is a seventh longer than the one before. */
const STEPS_PER_OCTAVE = 5;
const stepOf = (ms: number): number => Math.round(Math.log2(Math.max(1, ms)) * STEPS_PER_OCTAVE);
const durationOf = (step: number): number => Math.round(2 ** (step / STEPS_PER_OCTAVE));

/** How many messages there were, how many failed, and how long answers took: counts by step. */
type Tally = { messages: number; failed: number; steps: Map<number, number> };
const newTally = (): Tally => ({ messages: 0, failed: 0, steps: new Map() });

function addRun(tally: Tally, { state, receivedAt, endedAt }: EndedRun): void {
  tally.messages += 1;
  if (state === "failed" || state === "parked") tally.failed += 1;
  // A command that the gateway answers itself ends as it comes.
  if (state !== "done" || endedAt <= receivedAt) return;
  const step = stepOf(endedAt - receivedAt);
  tally.steps.set(step, (tally.steps.get(step) ?? 0) + 1);
}

function addTally(sum: Tally, other: Tally): void {
  sum.messages += other.messages;
  sum.failed += other.failed;
  for (const [step, count] of other.steps) sum.steps.set(step, (sum.steps.get(step) ?? 0) + count);
}

/** The duration within which this share of the answers came; null where there are none. Pure. */
export function quantile(steps: ReadonlyMap<number, number>, share: number): number | null {
  const total = [...steps.values()].reduce((sum, count) => sum + count, 0);
  let left = Math.ceil(total * share);
  for (const [step, count] of [...steps].toSorted(([a], [b]) => a - b)) {
    left -= count;
    if (left <= 0) return durationOf(step);
  }
  return null;
}

/** Runs that ended in one slot, by channel, account, route and agent. */
type Slot = Map<string, { source: Pick<EndedRun, "channel" | "account" | "agentId" | "rule" | "binding">; tally: Tally }>;

export type Traffic = {
  since: number;
  truncated: boolean;
  messages: number;
  failed: number;
  p50Ms: number | null;
  p95Ms: number | null;
  hours: OverviewHour[];
  edges: OverviewEdge[];
};

/**
 * The figures of the last day, from the rows of runs that have ended. The day is in slots; a slot that is over is read once, so an answer
 * costs the rows of the last minutes. Nothing is kept, and no row is read, before the first question.
 */
export class TrafficWindow {
  readonly #inbox: Pick<Inbox, "listEnded">;
  readonly #slots = new Map<number, Slot>();
  #truncatedBefore = 0;

  constructor(inbox: Pick<Inbox, "listEnded">) {
    this.#inbox = inbox;
  }

  /** Reads what is new, slot by slot, and lets others run in between. */
  async read(now: number): Promise<Traffic> {
    const size = LIMITS.overviewSlotMs;
    const since = Math.floor(now / HOUR_MS) * HOUR_MS - (HOURS - 1) * HOUR_MS;
    for (const at of this.#slots.keys()) if (at < since || at > now) this.#slots.delete(at);
    let rowsLeft = LIMITS.overviewRows;
    let rowsInARow = 0;
    for (let at = Math.floor(now / size) * size; at >= since && at >= this.#truncatedBefore; at -= size) {
      // The end of a run that was under way when its slot ended may be stored a moment later.
      const isFinal = at + size + LIMITS.overviewSettleMs <= now;
      if (isFinal && this.#slots.has(at)) continue;
      const rows = this.#inbox.listEnded(at, at + size, rowsLeft);
      this.#slots.set(at, toSlot(rows));
      rowsLeft -= rows.length;
      if (rowsLeft <= 0) this.#truncatedBefore = at;
      rowsInARow += rows.length;
      if (rowsInARow < LIMITS.overviewRowsAtOnce) continue;
      rowsInARow = 0;
      await nextTurn();
    }
    return this.#summarize(since);
  }

  #summarize(since: number): Traffic {
    const all = newTally();
    const hours = Array.from({ length: HOURS }, newTally);
    const edges: Slot = new Map();
    for (const [at, slot] of this.#slots) {
      const hour = hours[Math.floor((at - since) / HOUR_MS)];
      for (const [key, { source, tally }] of slot) {
        addTally(all, tally);
        if (hour) addTally(hour, tally);
        const edge = edges.get(key) ?? { source, tally: newTally() };
        edges.set(key, edge);
        addTally(edge.tally, tally);
      }
    }
    return {
      since,
      truncated: this.#truncatedBefore > since,
      ...toFigures(all),
      hours: hours.map(({ messages, failed, steps }, index) => ({
        at: since + index * HOUR_MS,
        messages,
        failed,
        p95Ms: quantile(steps, 0.95),
      })),
      edges: [...edges.values()]
        .map(({ source: { channel, account, agentId, rule, binding }, tally }) => ({
          channel,
          account,
          ...toRoute(rule, binding),
          agentId,
          ...toFigures(tally),
        }))
        .toSorted((a, b) => b.messages - a.messages)
        .slice(0, LIMITS.overviewEdges),
    };
  }
}

/** A route as the overview shows it. Pure. */
export const toRoute = (rule: string | null, binding: number | null): { rule?: string; binding?: number } => ({
  ...(rule !== null && { rule }),
  ...(binding !== null && { binding }),
});

const toFigures = ({ messages, failed, steps }: Tally) => ({
  messages,
  failed,
  p50Ms: quantile(steps, 0.5),
  p95Ms: quantile(steps, 0.95),
});

function toSlot(rows: readonly EndedRun[]): Slot {
  const slot: Slot = new Map();
  for (const row of rows) {
    const { channel, account, agentId, rule, binding } = row;
    const key = `${channel}\n${account}\n${rule}\n${binding}\n${agentId}`;
    const known = slot.get(key) ?? { source: { channel, account, agentId, rule, binding }, tally: newTally() };
    slot.set(key, known);
    addRun(known.tally, row);
  }
  return slot;
}

/** Calls of tools in the hours of the last day. An hour that is over is read once. */
export class ToolWindow {
  readonly #usage: Pick<Usage, "toolsOfHour">;
  readonly #hours = new Map<number, OverviewTool[]>();

  constructor(usage: Pick<Usage, "toolsOfHour">) {
    this.#usage = usage;
  }

  read(now: number): OverviewTool[] {
    const current = Math.floor(now / HOUR_MS);
    const first = current - (HOURS - 1);
    for (const hour of this.#hours.keys()) if (hour < first || hour > current) this.#hours.delete(hour);
    const sums = new Map<string, OverviewTool>();
    for (let hour = first; hour <= current; hour += 1) {
      // A call may be counted a moment after its hour.
      const isFinal = hour < current - 1;
      const rows = (isFinal ? this.#hours.get(hour) : undefined) ?? this.#usage.toolsOfHour(hour);
      this.#hours.set(hour, rows);
      for (const { agentId, tool, calls } of rows) {
        const key = `${agentId}\n${tool}`;
        sums.set(key, { agentId, tool, calls: (sums.get(key)?.calls ?? 0) + calls });
      }
    }
    return [...sums.values()].toSorted((a, b) => b.calls - a.calls).slice(0, LIMITS.overviewEdges);
  }
}
