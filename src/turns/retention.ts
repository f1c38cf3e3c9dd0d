import type { AgentRuntime } from "../agents/runtime.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import {
  addToReport,
  emptyReport,
  type Expired,
  type RetentionReport,
  type RetentionRows,
  type RetentionRules,
} from "../store/retention.ts";
import type { Sessions } from "../store/sessions.ts";
import type { Store } from "../store/store.ts";
import type { TurnEvents } from "./events.ts";

export type RetentionDeps = {
  readonly store: Store;
  readonly rows: RetentionRows;
  readonly sessions: Sessions;
  readonly lanes: { withSessionLock<T>(key: Expired["key"], work: () => Promise<T>): Promise<T> };
  readonly runtime: Pick<AgentRuntime, "forget">;
  readonly bus: Bus<TurnEvents>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** As the configuration says now. */
  readonly rules: () => RetentionRules;
  readonly isStopping: () => boolean;
  /** A mark for crash tests: a step is stored. */
  readonly crashPoint: (point: string) => void;
};

/**
 * Removes what the rules of the configuration do not keep, beside the turns: each look and each removal is one small step, whose size follows the time
 * that the last one took, with a pause after it. A step is one transaction, so a crash leaves whole messages only.
 */
export class Retention {
  readonly #deps: RetentionDeps;
  #batch: number = LIMITS.retentionRows;
  #running: Promise<RetentionReport> | null = null;
  #last: { at: number; removed: RetentionReport } | null = null;

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
  }

  get last(): { at: number; removed: RetentionReport } | null {
    return this.#last;
  }

  /** Removes everything that is expired now; a run that goes on already is joined. */
  run(): Promise<RetentionReport> {
    this.#running ??= this.#removeAll().finally(() => (this.#running = null));
    return this.#running;
  }

  /** What a run would remove. */
  async plan(): Promise<RetentionReport> {
    const report = emptyReport();
    for (const _ of this.#deps.rows.count(this.#deps.rules(), LIMITS.retentionRows, report)) await this.#pause();
    return report;
  }

  async #removeAll(): Promise<RetentionReport> {
    const { rows, rules, clock, log, isStopping, store } = this.#deps;
    const removed = emptyReport();
    const current = rules();
    if (Object.values(current).every((before) => before === null)) return removed;
    for (const expired of rows.expired(current, LIMITS.retentionRows)) {
      // Damage may hide why something has to stay.
      if (isStopping() || store.damage !== null) break;
      if (expired !== null) await this.#remove(expired, removed);
      await this.#pause();
    }
    this.#last = { at: clock.now(), removed };
    if (removed.messages + removed.sessions > 0) log.info("old conversations were removed", { ...removed });
    return removed;
  }

  async #remove(expired: Expired, removed: RetentionReport): Promise<void> {
    const { lanes, bus, metrics, sessions } = this.#deps;
    const size = this.#deps.rows.sizeOf(expired);
    const session = sessions.get(expired.key);
    const isGone = await lanes.withSessionLock(expired.key, () => this.#removeLocked(expired));
    if (!isGone) return;
    addToReport(removed, expired, size);
    metrics.count("gateway_retention_removed_total", { kind: expired.kind });
    if (expired.conversation === null && session) bus.emit("session.removed", { sessionKey: expired.key, sessionId: session.session_id });
  }

  /** False: it is not expired any more. */
  async #removeLocked(expired: Expired): Promise<boolean> {
    const { store, rows, rules, sessions, runtime, clock, isStopping, crashPoint } = this.#deps;
    const session = sessions.get(expired.key);
    if (!session) return false;
    const contexts = expired.conversation === null ? sessions.contextsOf(session) : [];
    for (;;) {
      if (isStopping()) return false;
      const step = await store.write((): "kept" | "more" | "removed" => {
        const began = clock.monotonic();
        if (!rows.isStillExpired(expired, rules())) return "kept";
        const count = rows.removeMessages(expired, this.#batch);
        if (count === this.#batch) {
          const took = clock.monotonic() - began;
          this.#batch = Math.min(LIMITS.retentionRows, Math.max(1, Math.floor((this.#batch * LIMITS.retentionStepMs) / Math.max(took, 1))));
          return "more";
        }
        if (expired.conversation === null) sessions.remove(expired.key);
        else rows.removeBranches(expired);
        return "removed";
      });
      if (step === "kept") return false;
      crashPoint("retention-step");
      if (step === "removed") break;
      await this.#pause();
    }
    for (const context of contexts)
      await runtime.forget(asId<AgentId>(expired.agentId), context).catch((err: unknown) => {
        if (!(err instanceof GatewayError)) throw err;
        this.#deps.log.warn("the context of a removed session stays", { session: expired.key, cause: reasonOf(err) });
      });
    return true;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(LIMITS.retentionPauseMs, resolve));
  }
}
