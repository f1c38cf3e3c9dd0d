import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import type { Metrics } from "../core/metrics.ts";
import { PROTOCOL_VERSION, VERSION } from "../core/version.ts";
import type { LoopProbe } from "./event-loop.ts";
import type { RootLog } from "./log.ts";

/** Registers the metrics of the process. They are read on scrape and cost nothing otherwise. */
export function sampleProcess(metrics: Metrics, loop: LoopProbe, log: Pick<RootLog, "lostLines" | "suppressedLines">): void {
  metrics.sample("gateway_log_lines_lost_total", () => log.lostLines().lines);
  metrics.sample("gateway_log_lines_suppressed_total", () => log.suppressedLines());
  metrics.sample("gateway_build_info", () => [
    { labels: { version: VERSION, protocol: String(PROTOCOL_VERSION), node: process.versions.node }, value: 1 },
  ]);
  metrics.sample("process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.sample("process_start_time_seconds", () => Math.round(performance.timeOrigin) / 1_000);
  metrics.sample("process_resident_memory_bytes", () => process.memoryUsage.rss());
  metrics.sample("process_heap_bytes", () => process.memoryUsage().heapUsed);
  metrics.sample(
    "process_proportional_memory_bytes",
    readSeldom(() => toRows(proportionalMemoryBytes())),
  );
  metrics.sample("process_open_fds", () => toRows(openFiles()));
  metrics.sample("gateway_loop_active_seconds_total", () => performance.eventLoopUtilization().active / 1_000);
  metrics.sample("gateway_loop_delay_max_seconds", () => loop.read().delayMaxMs / 1_000);
  metrics.sample("gateway_loop_delay_p99_seconds", () => loop.read().delayP99Ms / 1_000);
}

/** A value that the system does not provide is left out instead of shown as 0. */
const toRows = (value: number | null): { labels: Record<string, string>; value: number }[] =>
  value === null ? [] : [{ labels: {}, value }];

/** The kernel walks through all pages of the process for its proportional memory, which takes 2 to 4 ms. */
const PROPORTIONAL_MEMORY_EVERY_MS = 5_000;

/** What was read less than five seconds ago is shown again. */
export function readSeldom<T>(read: () => T, now: () => number = () => performance.now()): () => T {
  let last: { value: T; at: number } | null = null;
  return () => {
    if (last === null || now() - last.at >= PROPORTIONAL_MEMORY_EVERY_MS) last = { value: read(), at: now() };
    return last.value;
  };
}

/** PSS of this process from the kernel's roll-up; null if the system has none. */
function proportionalMemoryBytes(): number | null {
  const match = /^Pss:\s+(\d+) kB$/m.exec(readOrNull(() => readFileSync("/proc/self/smaps_rollup", "utf8")) ?? "");
  return match ? Number(match[1]) * 1_024 : null;
}

function openFiles(): number | null {
  return readOrNull(() => readdirSync("/proc/self/fd").length);
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null; // not Linux, or no access to /proc
  }
}
