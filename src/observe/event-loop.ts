import { performance } from "node:perf_hooks";
import { systemClock, type Clock } from "../core/clock.ts";

/** How the event loop did in the last `intervalMs`. Shape of `eventLoop` in channels.status and of /readyz. */
export type LoopReading = {
  degraded: boolean;
  reasons: ("event_loop_delay" | "event_loop_utilization")[];
  intervalMs: number;
  delayP99Ms: number;
  delayMaxMs: number;
  /** Share of the interval in which the loop was working, 0 to 1. */
  utilization: number;
  /** CPU time of the process per wall time; above 1 with several threads. */
  cpuCoreRatio: number;
};

type Anchor = { at: number; loop: ReturnType<typeof performance.eventLoopUtilization>; cpu: NodeJS.CpuUsage };

/** Readings reach back at least this far, however many people look. */
const WINDOW_MS = 15_000;
/** Delays are sampled this long after somebody looked, then sampling stops. */
const ARMED_MS = 300_000;
const SAMPLE_MS = 1_000;
const DEGRADED_DELAY_MS = 500;
const DEGRADED_UTILIZATION = 0.95;

export type LoopProbe = { read(): LoopReading; stop(): void };

function anchor(): Anchor {
  return { at: performance.now(), loop: performance.eventLoopUtilization(), cpu: process.cpuUsage() };
}

/**
 * Watches the event loop without waking an idle process. Utilisation and CPU are counters of the runtime: reading them twice is
 * enough. Delays need a timer: one per second, and only while somebody has looked within the last five minutes. The first
 * reading therefore knows utilisation since the start, and no delay yet.
 */
export function createLoopProbe(clock: Clock = systemClock): LoopProbe {
  let older = anchor();
  let newer = older;
  let delays: { at: number; ms: number }[] = [];
  let armedUntil = 0;
  let cancel: (() => void) | null = null;

  function tick(due: number): void {
    const now = performance.now();
    delays.push({ at: now, ms: Math.max(0, now - due) });
    if (delays.length > (2 * ARMED_MS) / SAMPLE_MS) delays = delays.slice(-ARMED_MS / SAMPLE_MS);
    cancel = now < armedUntil ? clock.after(SAMPLE_MS, () => tick(now + SAMPLE_MS)) : null;
  }

  return {
    read() {
      const now = anchor();
      armedUntil = now.at + ARMED_MS;
      cancel ??= clock.after(SAMPLE_MS, () => tick(now.at + SAMPLE_MS));
      if (now.at - newer.at >= WINDOW_MS) {
        older = newer;
        newer = now;
        delays = delays.filter((delay) => delay.at >= older.at);
      }
      return toReading(
        older,
        now,
        delays.map((delay) => delay.ms).toSorted((a, b) => a - b),
      );
    },
    stop() {
      cancel?.();
      cancel = null;
      armedUntil = 0;
    },
  };
}

function toReading(from: Anchor, to: Anchor, sortedDelaysMs: readonly number[]): LoopReading {
  const intervalMs = Math.max(1, to.at - from.at);
  const cpuMs = (to.cpu.user + to.cpu.system - from.cpu.user - from.cpu.system) / 1_000;
  const { utilization } = performance.eventLoopUtilization(to.loop, from.loop);
  const delayMaxMs = sortedDelaysMs.at(-1) ?? 0;
  const delayP99Ms = sortedDelaysMs[Math.max(0, Math.ceil(sortedDelaysMs.length * 0.99) - 1)] ?? 0;
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
