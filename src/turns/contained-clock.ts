import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import type { Log } from "../core/log.ts";

/** A clock whose timers end nothing but themselves when they fail. */
export const containedClock = (clock: Clock, log: Log): Clock => ({
  now: () => clock.now(),
  monotonic: () => clock.monotonic(),
  after: (delayMs, fn) =>
    clock.after(
      delayMs,
      contain((err) => log.error("a timer failed", { error: err }), fn),
    ),
});
