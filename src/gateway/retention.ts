import { retentionRules, retentionTimes } from "../config/retention.ts";
import { LIMITS } from "../core/limits.ts";
import type { MediaStore } from "../store/media.ts";
import { MediaSweep, type MediaReport } from "../store/media-sweep.ts";
import { RetentionRows, type RetentionReport, type RetentionRules } from "../store/retention.ts";
import { Retention } from "../turns/retention.ts";
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
  readonly #retention: Retention;
  readonly #sweep: MediaSweep;

  constructor(deps: GatewayRetentionDeps) {
    this.#deps = deps;
    const { store, messaging, metrics, media, clock } = deps;
    this.#retention = new Retention({
      ...deps,
      rows: new RetentionRows(store),
      lanes: messaging.turns.lanes,
      log: deps.log.child({ subsystem: "store" }),
      rules: () => this.#rules(),
      isStopping: () => messaging.turns.lanes.isStopping,
    });
    this.#sweep = new MediaSweep({ store, media, clock, metrics, log: deps.log.child({ subsystem: "store" }) });
  }

  /** Conversations; after what an earlier process left is taken up. */
  start(): void {
    this.#retention.start();
  }

  /** Files. Returns the function that ends it. */
  startSweep(): () => void {
    return this.#sweep.start();
  }

  async status(): Promise<RetentionStatus> {
    const { running } = this.#deps;
    const wouldRemove = await this.#retention.plan();
    return { rules: retentionTimes(running.config), wouldRemove, last: this.#retention.last, media: await this.#sweep.report() };
  }

  async run(): Promise<{ ok: true; removed: RetentionReport; media: MediaReport }> {
    const removed = await this.#retention.run();
    return { ok: true, removed, media: await this.#sweep.sweep() };
  }

  #rules(): RetentionRules {
    const { running, clock } = this.#deps;
    return retentionRules(running.config, clock.now());
  }
}

/** For rows that are kept without end. */
export const endless = (ms: number | null): number => ms ?? LIMITS.endlessMs;
