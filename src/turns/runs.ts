import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import type { RunStages } from "../core/stages.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Inbox, InboxRow, RunOutcome } from "../store/inbox.ts";
import type { RunRef, TurnEvents } from "./events.ts";
import { OutcomeWaiters } from "./outcome-waiters.ts";
import type { RunRecorder, Stages } from "./stages.ts";
import type { Payload } from "./submission.ts";

/** A run whose agent works: `text` is what it has said, `seq` the number of its last event. */
export type InflightRun = { runId: RunId; sessionKey: SessionKey; startedAt: number; text: string; seq: number; recorder: RunRecorder };

export type RunRegistryDeps = { inbox: Inbox; bus: Bus<TurnEvents>; clock: Clock; metrics: Metrics; stages: Pick<Stages, "processed"> };

/** Which runs are in flight, and how runs ended. */
export class RunRegistry {
  readonly #deps: RunRegistryDeps;
  readonly #inflight = new Map<RunId, InflightRun>();
  /** Those who wait for a run; settled directly where its end could not be stored. */
  readonly waiters: OutcomeWaiters;

  constructor(deps: RunRegistryDeps) {
    this.#deps = deps;
    this.waiters = new OutcomeWaiters(deps.clock);
  }

  /** The stored run, for clients; undefined for ids that were never admitted. */
  find(runId: string): InboxRow<Payload> | undefined {
    return this.#deps.inbox.byRun<Payload>(runId);
  }

  begin(run: InflightRun): void {
    this.#inflight.set(run.runId, run);
  }

  /** The run is not in flight any more. Returns the number of its last event. */
  finish(runId: RunId): number {
    const seq = this.#inflight.get(runId)?.seq ?? 0;
    this.#inflight.delete(runId);
    return seq;
  }

  inflight(sessionKey: SessionKey): InflightRun[] {
    return [...this.#inflight.values()].filter((each) => each.sessionKey === sessionKey);
  }

  /** What is known of the stages of a run that has not ended. */
  stagesOf(runId: RunId): RunStages | null {
    return this.#inflight.get(runId)?.recorder.stages ?? null;
  }

  get inflightCount(): number {
    return this.#inflight.size;
  }

  /** Resolves with the outcome of a run, at once when it has ended; null after `timeoutMs` or when `signal` aborts. */
  waitForOutcome(runId: RunId, timeoutMs: number, signal?: AbortSignal): Promise<RunOutcome | null> {
    const done = this.find(runId)?.outcome;
    if (done) return Promise.resolve(done);
    return this.waiters.wait(runId, timeoutMs, signal);
  }

  /** Tells those who watch a run that it waits for a person, or no longer. */
  noteApproval(ref: RunRef, note: { phase: "waiting" | "resolved"; approvalId: string; callId: string }): void {
    const run = this.#inflight.get(ref.runId);
    if (!run) return;
    run.recorder.onApproval(note);
    this.#deps.bus.emit("turn.note", { ...ref, seq: ++run.seq, kind: "approval", ...note });
  }

  /** Tells that a person has stopped a session: what its turns have started ends too. */
  noteStopped(sessionKey: SessionKey): void {
    this.#deps.bus.emit("session.stopped", { sessionKey });
  }

  /** Announces the end of a run whose outcome is on disk. */
  emitEnded(ref: RunRef, seq: number, outcome: RunOutcome, mergedInto?: RunId): void {
    this.#deps.metrics.count("gateway_turns_ended_total", { status: outcome.status });
    this.#deps.bus.emit("turn.ended", { ...ref, seq, outcome, ...(mergedInto ? { mergedInto } : {}) });
    const row = this.find(ref.runId);
    if (row) this.#deps.stages.processed(row, outcome, mergedInto ?? null);
    this.waiters.settle(ref.runId, outcome);
  }
}
