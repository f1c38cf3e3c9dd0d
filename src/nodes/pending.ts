import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import type { NodeRows, PendingRow } from "../store/nodes.ts";
import { NODE_LIMITS } from "./limits.ts";

export type PendingDeps = {
  rows: Pick<NodeRows, "savePending" | "pending" | "removePending" | "removeExpiredPending">;
  write: <T>(change: () => T) => Promise<T>;
  newId: () => string;
  clock: Clock;
};

export type PendingItem = { type: string; priority: "normal" | "high"; expiresInMs: number };

/** What waits for nodes: rows, so that it outlives a restart; each until its time is over. */
export class PendingQueue {
  readonly #deps: PendingDeps;
  /** By node: changes with each change of its queue. */
  readonly #revisions = new Map<string, number>();

  constructor(deps: PendingDeps) {
    this.#deps = deps;
  }

  revision(nodeId: string): number {
    return this.#revisions.get(nodeId) ?? 0;
  }

  /** A request to report something. One of each type waits; a second one replaces the first. */
  async enqueue(nodeId: string, { type, priority, expiresInMs }: PendingItem): Promise<PendingRow> {
    return await this.#add(nodeId, { kind: "request", slot: type, content: { type, priority }, expiresInMs });
  }

  /** A command that the app of a node runs in the foreground only. */
  async queueAction(
    nodeId: string,
    id: string,
    { command, paramsJSON }: { command: string; paramsJSON: string | null },
  ): Promise<PendingRow> {
    return await this.#add(nodeId, { kind: "action", slot: id, content: { command, paramsJSON }, expiresInMs: NODE_LIMITS.pendingMs });
  }

  /** The requests for a node, urgent ones first; they are removed with this answer. */
  async drain(nodeId: string, limit: number): Promise<{ items: PendingRow[]; hasMore: boolean }> {
    const { rows, write, clock } = this.#deps;
    const waiting = rows.pending(nodeId, "request", clock.now());
    const items = waiting.toSorted((a, b) => urgent(b) - urgent(a)).slice(0, limit);
    if (items.length > 0) await write(() => items.forEach(({ id }) => rows.removePending(nodeId, id)));
    this.#changed(nodeId);
    return { items, hasMore: waiting.length > items.length };
  }

  /** The commands that wait for a node; each stays until the node confirms it. */
  actions(nodeId: string): PendingRow[] {
    return this.#deps.rows.pending(nodeId, "action", this.#deps.clock.now());
  }

  async acknowledge(nodeId: string, ids: readonly string[]): Promise<number> {
    const { rows, write } = this.#deps;
    await write(() => ids.forEach((id) => rows.removePending(nodeId, id)));
    this.#changed(nodeId);
    return this.actions(nodeId).length;
  }

  waiting(nodeId: string): readonly PendingRow[] {
    const { rows, clock } = this.#deps;
    return [...rows.pending(nodeId, "request", clock.now()), ...this.actions(nodeId)];
  }

  async #add(nodeId: string, entry: Pick<PendingRow, "kind" | "slot" | "content"> & { expiresInMs: number }): Promise<PendingRow> {
    const { rows, write, clock, newId } = this.#deps;
    const { kind, slot, content, expiresInMs } = entry;
    const now = clock.now();
    await write(() => {
      rows.removeExpiredPending(now);
      const waiting = rows.pending(nodeId, kind, now);
      if (waiting.length >= NODE_LIMITS.pendingItems && !waiting.some((row) => row.slot === slot))
        throw new GatewayError("UNAVAILABLE", `${NODE_LIMITS.pendingItems} things wait for this node already`, {
          retryable: false,
          fix: "They are taken when the node connects, and expire after a day.",
        });
      rows.savePending({ id: newId(), nodeId, kind, slot, content, createdAt: now, expiresAt: now + expiresInMs });
    });
    this.#changed(nodeId);
    return rows.pending(nodeId, kind, now).find((row) => row.slot === slot)!;
  }

  #changed(nodeId: string): void {
    this.#revisions.set(nodeId, this.revision(nodeId) + 1);
  }
}

const urgent = ({ content }: PendingRow): number => Number("priority" in content && content.priority === "high");
