import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { createBoots, type BootRows } from "../store/boots.ts";
import type { GatewayBase } from "./base.ts";
import type { Storage } from "./storage.ts";

type CrashLoopDeps = Pick<GatewayBase, "clock" | "log" | "health" | "bootId"> & Pick<Storage, "store">;

const PART = "crash-loop";

/**
 * Under a service manager, a gateway that keeps ending without a stop is started again and again. After a few such starts in a row it
 * serves its clients and leaves its channels and jobs down, until the starts are some minutes ago. Counts nothing elsewhere.
 */
export class CrashLoop {
  readonly #deps: CrashLoopDeps;
  readonly #rows: BootRows | null;
  #holdUntil = 0;

  constructor(deps: CrashLoopDeps, env: Readonly<Record<string, string | undefined>>) {
    this.#deps = deps;
    this.#rows = env["OPENCLAW_SERVICE_MARKER"] ? createBoots(deps.store) : null;
  }

  /** Notes this start. A store that fails holds nothing back. */
  begin(): void {
    if (this.#rows === null) return;
    const { clock, log, health, store, bootId } = this.#deps;
    const rows = this.#rows;
    const now = clock.now();
    try {
      const unclean = rows.unclean(now - LIMITS.crashLoopWindowMs);
      const decisive = unclean[LIMITS.crashLoopBoots - 1];
      store
        .write(() => rows.begin(bootId, now, now - LIMITS.crashLoopKeepMs))
        .catch((err: unknown) => log.warn("this start could not be noted", { cause: reasonOf(err) }));
      if (decisive === undefined) return;
      this.#holdUntil = decisive + LIMITS.crashLoopWindowMs;
      const cause = `the gateway ended ${unclean.length} times within ${LIMITS.crashLoopWindowMs / 60_000} minutes without a stop; channels and jobs stay down until ${new Date(this.#holdUntil).toISOString()}`;
      const fix = "openclaw logs --level error shows why it ended; openclaw gateway restart connects the channels at once";
      log.error(cause, { fix });
      health.report(PART, "degraded", `${cause}. ${fix}`);
    } catch (err) {
      log.warn("earlier starts could not be counted", { cause: reasonOf(err) });
    }
  }

  /** How long channels and jobs stay down; 0: they may start. */
  holdMs(): number {
    const left = this.#holdUntil - this.#deps.clock.now();
    if (left <= 0) this.#deps.health.forget(PART);
    return Math.min(Math.max(left, 0), LIMITS.crashLoopWindowMs);
  }

  /** A stop in good order. Blocks: the store is closed next. */
  end(): void {
    if (this.#rows === null) return;
    const rows = this.#rows;
    this.#deps.store.writeNow(() => rows.end(this.#deps.clock.now()));
  }
}
