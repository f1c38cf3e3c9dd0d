import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Health } from "../observe/health.ts";

export type TurnReadinessDeps = {
  clock: Clock;
  health: Health;
  /** What every turn does before the model is asked, by name; each throws when it fails. */
  checks: Readonly<Record<string, () => void | Promise<void>>>;
  /** Parts that degrade the gateway and prevent no turn; each returns the cause, or null. */
  warnings: Readonly<Record<string, () => string | null>>;
};

/** The part of the health that says whether a turn could start. */
const PART = "turns";

/**
 * Tries what every turn needs before its model is asked, so that the gateway is not ready while every turn fails. A check costs
 * nothing while the last one is younger than LIMITS.preparationCheckMs.
 */
export class TurnReadiness {
  readonly #deps: TurnReadinessDeps;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;

  constructor(deps: TurnReadinessDeps) {
    this.#deps = deps;
  }

  /** Begins a check when the last one is old. Never throws; the result is in the health. */
  checkIfStale(): void {
    if (this.#deps.clock.monotonic() - this.#checkedAt >= LIMITS.preparationCheckMs) void this.check();
  }

  /** Resolves when a check is done. */
  check(): Promise<void> {
    this.#checkedAt = this.#deps.clock.monotonic();
    this.#running ??= this.#check().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #check(): Promise<void> {
    const { health, checks: steps, warnings: notes } = this.#deps;
    for (const [part, look] of Object.entries(notes)) this.#reportWarning(part, look);
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step();
      } catch (err) {
        const fix = err instanceof GatewayError && err.fix ? ` ${err.fix}` : "";
        return health.report(PART, "failing", `no turn can start: ${name} fails: ${reasonOf(err)}.${fix}`);
      }
    }
    health.report(PART, "ready");
  }

  /** Such a part is listed only while something is wrong with it. */
  #reportWarning(part: string, look: () => string | null): void {
    const { health } = this.#deps;
    let cause: string | null;
    try {
      cause = look();
    } catch (err) {
      cause = reasonOf(err);
    }
    if (cause === null) health.forget(part);
    else health.report(part, "degraded", cause);
  }
}
