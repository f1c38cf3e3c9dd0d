import type { LoopReading } from "../core/health.ts";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { systemClock, type Clock } from "../core/clock.ts";

type LoopSnapshot = { at: number; loop: ReturnType<typeof performance.eventLoopUtilization>; cpu: NodeJS.CpuUsage };

/** Readings cover at least this time, regardless of the number of readers. */
const WINDOW_MS = 15_000;
/** Delays are measured for this time after a reading, then measuring stops. */
const ARMED_MS = 300_000;
/** Sampling interval of the runtime: the resolution of a delay; a sample costs about ten microseconds. */
const RESOLUTION_MS = 100;
const DEGRADED_DELAY_MS = 500;
const DEGRADED_UTILIZATION = 0.95;

export type LoopProbe = {
  /** The state, and delays are measured for a while from now on. */
  read(): LoopReading;
  /** The state, with delays only where they are being measured already. */
  peek(): LoopReading;
  stop(): void;
};

function takeSnapshot(): LoopSnapshot {
  return { at: performance.now(), loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() };
}

const noop = (): void => {};
type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>;

/** Delays of one window, in the runtime's own histogram: no stall falls between two samples of it. */
function beginWindow(): IntervalHistogram {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  return delays;
}

/**
 * Watches the event loop without waking an idle process. Utilization and CPU are counters of the runtime: reading them twice is
 * enough. Delays need a timer of the runtime, which runs only for five minutes after a reading. The first
 * reading therefore has the utilization since the start and no delay.
 */
export function createLoopProbe(clock: Clock = systemClock): LoopProbe {
  let older = takeSnapshot();
  let newer = older;
  /** Of the window since `older`, and of the one since `newer`. */
  let [earlier, current]: [IntervalHistogram | null, IntervalHistogram | null] = [null, null];
  let cancel = noop;

  const stop = (): void => {
    cancel();
    earlier?.disable();
    current?.disable();
    [earlier, current] = [null, null];
  };

  const reading = (): LoopReading => {
    const now = takeSnapshot();
    const delays = delaysOf([earlier, current]);
    if (now.at - newer.at >= WINDOW_MS) {
      older = newer;
      newer = now;
      earlier?.disable();
      earlier = current;
      earlier?.disable();
      current = earlier && beginWindow();
    }
    return toReading(older, now, delays);
  };

  return {
    read() {
      cancel();
      cancel = clock.after(ARMED_MS, stop);
      current ??= beginWindow();
      return reading();
    },
    peek: reading,
    stop,
  };
}

type Delays = { p99Ms: number; maxMs: number };

const delay = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);

/** The histograms contain intervals between samples: the excess over the configured interval is the delay. The worse of two windows counts. */
function delaysOf(windows: readonly (IntervalHistogram | null)[]): Delays {
  const known = windows.filter((window) => window !== null && window.count > 0);
  return {
    p99Ms: Math.max(0, ...known.map((window) => delay(window!.percentile(99)))),
    maxMs: Math.max(0, ...known.map((window) => delay(window!.max))),
  };
}

function toReading(from: LoopSnapshot, to: LoopSnapshot, { p99Ms: delayP99Ms, maxMs: delayMaxMs }: Delays): LoopReading {
  const intervalMs = Math.max(1, to.at - from.at);
  const cpuMs = (to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system) / 1_000;
  const { utilization } = performance.eventLoopUtilization(to.loop, from.loop);
  const reasons: LoopReading["reasons"] = [];
  if (delayP99Ms > DEGRADED_DELAY_MS) reasons.push("event_loop_delay");
  if (utilization > DEGRADED_UTILIZATION && intervalMs >= WINDOW_MS) reasons.push("event_loop_utilization");
  return {
    degraded: reasons.length > 0,
    reasons,
    intervalMs: Math.round(intervalMs),
    delayP99Ms: round(delayP99Ms),
    delayMaxMs: round(delayMaxMs),
    utilization: round(Number.isFinite(utilization) ? utilization : 0),
    cpuCoreRatio: round(cpuMs / intervalMs),
  };
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
