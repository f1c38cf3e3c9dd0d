import { retentionRules, retentionTimes } from "../config/retention.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { MediaStore } from "../store/media.ts";
import { MediaSweep, type MediaReport } from "../store/media-sweep.ts";
import type { RetentionReport, RetentionRules } from "../store/retention.ts";
import type { Retention } from "../turns/retention.ts";
import type { AgentRuntime } from "../agents/runtime.ts";
import type { GatewayBase } from "./base.ts";
import type { Messaging } from "./messaging.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type GatewayRetentionDeps = GatewayBase &
  Storage & { media: MediaStore; messaging: Messaging; running: RunningConfig; runtime: AgentRuntime };

export type RetentionStatus = {
  readonly rules: { readonly idleMs: number | null; readonly archivedMs: number | null; readonly resetMs: number | null };
  readonly wouldRemove: RetentionReport;
  readonly last: { readonly at: number; readonly removed: RetentionReport } | null;
  readonly media: MediaReport;
};

/** What the gateway keeps, and for how long: conversations and files. */
export class GatewayRetention {
  readonly #deps: GatewayRetentionDeps;
  #retention: Promise<Retention> | null = null;
  #status: Promise<RetentionStatus> | null = null;
  readonly #sweep: MediaSweep;

  constructor(deps: GatewayRetentionDeps) {
    this.#deps = deps;
    const { store, metrics, media, clock } = deps;
    this.#sweep = new MediaSweep({ store, media, clock, metrics, log: deps.log.child({ subsystem: "store" }) });
  }

  /** Conversations; some time after what an earlier process left was taken up. */
  start(): void {
    const { clock, log, messaging } = this.#deps;
    const round = async (): Promise<void> => {
      if (messaging.turns.lanes.isStopping) return;
      try {
        if (Object.values(this.#rules()).some((before) => before !== null)) await (await this.#load()).run();
      } catch (err) {
        log.warn("what is not kept any longer was not removed; the next attempt is in an hour", { cause: reasonOf(err) });
      }
      clock.after(LIMITS.pruneEveryMs, round);
    };
    clock.after(LIMITS.retentionFirstMs, round);
  }

  /** Files. Returns the function that ends it. */
  startSweep(): () => void {
    return this.#sweep.start();
  }

  /** All who ask meanwhile get one answer: it reads the whole store. */
  status(): Promise<RetentionStatus> {
    this.#status ??= this.#look().finally(() => (this.#status = null));
    return this.#status;
  }

  async #look(): Promise<RetentionStatus> {
    const { running } = this.#deps;
    const retention = await this.#load();
    const wouldRemove = await retention.plan();
    return { rules: retentionTimes(running.config), wouldRemove, last: retention.last, media: await this.#sweep.report() };
  }

  async run(): Promise<{ ok: true; removed: RetentionReport; media: MediaReport }> {
    const removed = await (await this.#load()).run();
    return { ok: true, removed, media: await this.#sweep.sweep() };
  }

  /** Without rules nothing of it is loaded. */
  #load(): Promise<Retention> {
    const { store, messaging, log } = this.#deps;
    this.#retention ??= Promise.all([import("../turns/retention.ts"), import("../store/retention.ts")]).then(
      ([{ Retention }, { RetentionRows }]) =>
        new Retention({
          ...this.#deps,
          rows: new RetentionRows(store),
          lanes: messaging.turns.lanes,
          log: log.child({ subsystem: "store" }),
          rules: () => this.#rules(),
          isStopping: () => messaging.turns.lanes.isStopping,
        }),
    );
    return this.#retention;
  }

  #rules(): RetentionRules {
    const { running, clock } = this.#deps;
    return retentionRules(running.config, clock.now());
  }
}

/** For rows that are kept without end. */
export const endless = (ms: number | null): number => ms ?? LIMITS.endlessMs;
