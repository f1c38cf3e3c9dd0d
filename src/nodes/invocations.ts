import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { InvocationRow, InvocationState, NodeAnswer, NodeAsker, NodeRows } from "../store/nodes.ts";
import { NODE_LIMITS } from "./limits.ts";

/** One command for one node. */
export type NodeCommand = {
  nodeId: string;
  command: string;
  paramsJSON: string | null;
  timeoutMs: number;
  /** The same key never runs twice on a node. */
  key: string;
  asker: NodeAsker;
  /** Output while it runs. */
  onProgress?: (chunk: string) => void;
};

export type InvocationEnd = { id: string; state: Exclude<InvocationState, "sent">; answer: NodeAnswer | null };

export type InvocationDeps = {
  rows: Pick<NodeRows, "addInvocation" | "invocation" | "invocationByKey" | "openInvocations" | "endInvocation" | "countOpenInvocations">;
  write: <T>(change: () => T) => Promise<T>;
  /** To the connection of a node. False: it has none. */
  send: (nodeId: string, event: string, payload: object) => boolean;
  /** Inside the transaction of the row: the audit of the invocation. */
  record: (row: Pick<InvocationRow, "id" | "nodeId" | "command" | "params" | "asker">, end: InvocationEnd | null) => void;
  crashPoint: (point: string) => void;
  newId: () => string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

type OpenInvocation = {
  row: Pick<InvocationRow, "id" | "nodeId" | "command" | "params" | "key" | "asker" | "deadlineAt">;
  end: PromiseWithResolvers<InvocationEnd>;
  isEnding: boolean;
  cancelDeadline: () => void;
  cancelGone: () => void;
  onProgress: ((chunk: string) => void) | undefined;
  nextSeq: number;
};

/**
 * Commands on nodes. Each is a row before the node hears of it, and ends exactly once: with the node's answer, at its deadline, or as lost
 * when the node does not come back. A repeated key gets the first end, also after a restart.
 */
export class Invocations {
  readonly #deps: InvocationDeps;
  readonly #open = new Map<string, OpenInvocation>();

  constructor(deps: InvocationDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes up what an earlier process left. The node may have an answer for which that was not there any more: it gets the time to give it. */
  recover(): void {
    const { rows, clock } = this.#deps;
    const earliest = clock.now() + NODE_LIMITS.reconnectMs;
    for (const row of rows.openInvocations())
      if (!this.#open.has(row.id)) this.#track({ ...row, deadlineAt: Math.max(row.deadlineAt, earliest) }, undefined);
    for (const nodeId of new Set([...this.#open.values()].map(({ row }) => row.nodeId))) this.nodeGone(nodeId);
  }

  /** Resolves with the end of the command. Rejects when it was not sent, or `signal` aborts. */
  async run(invocation: NodeCommand, signal: AbortSignal): Promise<InvocationEnd> {
    const { rows, write, clock, newId, record, crashPoint, metrics } = this.#deps;
    const { nodeId, key, command, paramsJSON: params, asker, onProgress } = invocation;
    const digest = createHash("sha256")
      .update(JSON.stringify([command, params]))
      .digest("hex");
    const createdAt = clock.now();
    const row = { id: newId(), nodeId, key, command, params, digest, asker, createdAt, deadlineAt: createdAt + invocation.timeoutMs };
    const known = rows.invocationByKey(nodeId, key);
    if (known) return await this.#repeat(known, digest, signal);
    if (this.#countOf(nodeId) >= NODE_LIMITS.openInvocations)
      throw new GatewayError("UNAVAILABLE", `the node runs ${NODE_LIMITS.openInvocations} commands already`, {
        retryAfterMs: 1_000,
        fix: "Wait until some have ended.",
      });
    const open = this.#track(row, onProgress);
    const isNew = await write(() => {
      const added = rows.addInvocation(row);
      if (added) record(row, null);
      return added;
    }).catch((err: unknown) => {
      this.#forget(open);
      throw err;
    });
    if (!isNew) {
      this.#forget(open);
      return await this.#repeat(rows.invocationByKey(nodeId, key)!, digest, signal);
    }
    metrics.count("gateway_nodes_invocations_total", { command: metricLabel(command) });
    crashPoint("nodes:stored");
    if (!this.#request(open)) this.nodeGone(nodeId);
    crashPoint("nodes:sent");
    return await this.#wait(open, signal);
  }

  /** The answer of a node. False: nothing of this id waits for an answer of this node. */
  async answer(nodeId: string, id: string, answer: NodeAnswer): Promise<boolean> {
    const open = this.#open.get(id);
    if (!open || open.row.nodeId !== nodeId || open.isEnding) return false;
    await this.#end(open, "done", answer);
    return true;
  }

  /** A piece of output. Pieces come in order; a repeated one is dropped. */
  progress(nodeId: string, id: string, { seq, chunk }: { seq: number; chunk: string }): boolean {
    const open = this.#open.get(id);
    if (!open || open.row.nodeId !== nodeId || seq < open.nextSeq || seq >= NODE_LIMITS.progressChunks) return false;
    open.nextSeq = seq + 1;
    open.onProgress?.(chunk);
    return true;
  }

  /** The node is connected again. One that keeps its answers gets its commands once more; it runs each id once. */
  nodeBack(nodeId: string, keepsAnswers: boolean): void {
    for (const open of this.#open.values()) {
      if (open.row.nodeId !== nodeId || !keepsAnswers) continue;
      open.cancelGone();
      this.#request(open);
    }
  }

  /** The node has no connection any more: what it runs is lost unless it comes back in time. */
  nodeGone(nodeId: string): void {
    for (const open of this.#open.values()) {
      if (open.row.nodeId !== nodeId) continue;
      open.cancelGone();
      open.cancelGone = this.#deps.clock.after(NODE_LIMITS.reconnectMs, () => this.#endLater(open, "lost"));
    }
  }

  /** What a removed node runs is lost. */
  async nodeRemoved(nodeId: string): Promise<void> {
    await Promise.all([...this.#open.values()].filter(({ row }) => row.nodeId === nodeId).map((open) => this.#end(open, "lost", null)));
  }

  async #repeat(known: InvocationRow, digest: string, signal: AbortSignal): Promise<InvocationEnd> {
    if (known.digest !== digest)
      throw detailError("NODE_KEY_REUSED", "the idempotency key belongs to another command on this node", {
        fix: "Take a new key for each command.",
      });
    const open = this.#open.get(known.id);
    if (open) return await this.#wait(open, signal, false);
    const { id, state, result } = known;
    if (state === "sent") return await this.#wait(this.#track(known, undefined), signal, false);
    return { id, state, answer: result };
  }

  /** Waits for the end. The one who asked first cancels the command by going away. */
  async #wait(open: OpenInvocation, signal: AbortSignal, isFirst = true): Promise<InvocationEnd> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      aborted.reject(new GatewayError("UNAVAILABLE", "the caller has gone away", { retryable: false }));
      if (isFirst && signal.reason === STOP_REASON) this.#cancel(open);
    };
    aborted.promise.catch(() => {});
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([open.end.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #cancel(open: OpenInvocation): void {
    const { id, nodeId } = open.row;
    this.#deps.send(nodeId, "node.invoke.cancel", { id, nodeId });
    this.#endLater(open, "cancelled");
  }

  #request({ row }: OpenInvocation): boolean {
    const { send, clock } = this.#deps;
    const { id, nodeId, command, params, key, deadlineAt } = row;
    const timeoutMs = Math.max(1, deadlineAt - clock.now());
    return send(nodeId, "node.invoke.request", {
      id,
      nodeId,
      command,
      ...(params !== null && { paramsJSON: params }),
      timeoutMs,
      idempotencyKey: key,
    });
  }

  #track(row: OpenInvocation["row"], onProgress: OpenInvocation["onProgress"]): OpenInvocation {
    const { clock, send } = this.#deps;
    const open: OpenInvocation = {
      row,
      end: Promise.withResolvers<InvocationEnd>(),
      isEnding: false,
      cancelGone: () => {},
      cancelDeadline: clock.after(Math.max(0, row.deadlineAt - clock.now()), () => {
        send(row.nodeId, "node.invoke.cancel", { id: row.id, nodeId: row.nodeId });
        this.#endLater(open, "timeout");
      }),
      onProgress,
      nextSeq: 0,
    };
    this.#open.set(row.id, open);
    return open;
  }

  #forget({ row, cancelDeadline, cancelGone }: OpenInvocation): void {
    cancelDeadline();
    cancelGone();
    this.#open.delete(row.id);
  }

  #endLater(open: OpenInvocation, state: "timeout" | "lost" | "cancelled"): void {
    void this.#end(open, state, null);
  }

  /** Stored, then told: the first end counts. */
  async #end(open: OpenInvocation, state: InvocationEnd["state"], answer: NodeAnswer | null): Promise<void> {
    if (open.isEnding) return;
    open.isEnding = true;
    const { rows, write, clock, record, metrics, log, crashPoint } = this.#deps;
    const { id, nodeId, command } = open.row;
    const isKept = JSON.stringify(answer).length <= NODE_LIMITS.keptAnswerChars;
    const end = { id, state, answer };
    crashPoint("nodes:answered");
    try {
      await write(() => {
        if (rows.endInvocation(id, state, isKept ? answer : null, clock.now())) record(open.row, end);
      });
    } catch (err) {
      // The node may send its answer again; who waits longer than the deadline hears of that in any case.
      open.isEnding = state !== "done";
      if (state === "done") throw err;
      log.error("the end of a command on a node could not be stored", { invocation: id, cause: reasonOf(err) });
    }
    this.#forget(open);
    open.end.resolve(end);
    const outcome = state === "done" ? (answer?.ok ? "ok" : "error") : state;
    metrics.count("gateway_nodes_invocations_ended_total", { outcome });
    log.info("a command on a node has ended", { node: nodeId, command, outcome, invocation: id });
  }

  #countOf(nodeId: string): number {
    let count = 0;
    for (const { row } of this.#open.values()) if (row.nodeId === nodeId) count++;
    return count;
  }
}

/** Aborts a call so that its command is cancelled on the node too. Any other abort leaves it running: its key gets the end later. */
export const STOP_REASON = Symbol("the command is stopped");

/** Commands that a node makes up share one label. */
const metricLabel = (command: string): string => (/^[a-z]{2,12}\.[A-Za-z.]{2,24}$/.test(command) ? command.split(".")[0]! : "other");
