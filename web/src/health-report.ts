/** How the gateway itself is: the answers of `health`, `status` and `system.info`, with what they were since the page was opened. */
import { locale } from "./locale.ts";
import { computed, signal } from "@preact/signals";
import type { HealthPart, LoopReading } from "../../src/core/health.ts";
import type { Overview } from "../../src/core/overview.ts";
import type { RemoteReport } from "../../src/core/remote-report.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

/** Readings that are kept for the charts. */
const KEPT = 120;

export type AgentHost = {
  kind: string;
  group: string;
  pid: number;
  state: string;
  sessions: number;
  running: number;
  residentBytes?: number;
};
/** As `status` has it; missing from gateways before it did. */
export type TelemetryStatus = {
  enabled: boolean;
  error: string | null;
  signals?: readonly { signal: string; state: string; error: string | null; since: number; protocol: string; waiting: number }[];
  problems?: readonly string[];
};
type Status = {
  runtimeVersion?: string;
  telemetry?: TelemetryStatus;
  remoteAccess?: RemoteReport;
  agentRuntime?: { state: string; cause?: string; restarts: number; busy: number; processes: number; hosts?: readonly AgentHost[] };
};
type System = {
  uptimeMs: number;
  osLabel: string;
  cpuCount: number;
  loadAverage: readonly number[];
  memoryTotalBytes: number;
  memoryFreeBytes: number;
  diskTotalBytes?: number;
  diskAvailableBytes?: number;
};
/** As `backup.status` answers. */
export type Backups = {
  enabled: boolean;
  at: string;
  dir: string;
  isRunning: boolean;
  last: { at: number; ok: boolean; error: string | null } | null;
  lastGoodAt: number | null;
  nextAt: number | null;
  backups: readonly { file: string; kind: string; createdAt: number; bytes: number }[];
};
export type HealthReport = {
  ok: boolean;
  eventLoop: LoopReading;
  parts: readonly HealthPart[];
  status: Status;
  system: System;
  clients: number;
  queue: Overview["queue"];
  methods?: readonly MethodLatency[];
  /** Null: they cannot be read, and the rest is shown nevertheless. */
  backups: Backups | null;
};
/** How long the requests of one method took: upper bounds; null beyond the last one. */
export type MethodLatency = { method: string; count: number; p50Ms: number | null; p95Ms: number | null };
/** One reading, for the charts, which have one axis of time. */
export type Reading = { at: number; delayMs: number; cpu: number; waiting: number };

export const report = signal<HealthReport | null>(null);
export const readings = signal<readonly Reading[]>([]);
export const failed = signal<string | null>(null);
/** The reading under the pointer, in all charts at once; null for the newest. */
export const pointed = signal<number | null>(null);

/** The time under the pointer; null while there is none. */
export const pointedAt = computed(() => (pointed.value === null ? null : (readings.value[pointed.value]?.at ?? null)));

/** Marks the reading that is nearest to a time. */
export function pointTo(at: number): void {
  const distances = readings.value.map((reading) => Math.abs(reading.at - at));
  pointed.value = distances.length === 0 ? null : distances.indexOf(Math.min(...distances));
}

/** Reads everything. Never throws: `failed` says why there is nothing newer. */
export async function loadHealth(): Promise<void> {
  if (!store.isOnline.value) return;
  const client = requireClient();
  try {
    const [health, status, system, presence, overview, backups] = await Promise.all([
      client.request<Pick<HealthReport, "ok" | "eventLoop" | "parts" | "methods">>("health", {}),
      client.request<Status>("status", {}),
      client.request<System>("system.info", {}),
      client.request<readonly { mode?: string }[]>("system-presence", {}),
      client.request<Overview>("gateway.overview", {}),
      client.request<Backups>("backup.status", {}).catch((error: unknown) => {
        if (isConnectionLost(error)) throw error;
        return null;
      }),
    ]);
    const clients = presence.filter(({ mode }) => mode !== "gateway").length;
    report.value = { ...health, status, system, clients, queue: overview.queue, backups };
    const { delayP99Ms, cpuCoreRatio } = health.eventLoop;
    const reading = { at: Date.now(), delayMs: delayP99Ms, cpu: cpuCoreRatio, waiting: overview.queue.waiting };
    readings.value = [...readings.value, reading].slice(-KEPT);
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** "61 MB", "1.2 GB". Pure. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** power;
  return `${value.toLocaleString(locale(), { maximumFractionDigits: value < 10 && power > 1 ? 1 : 0 })} ${units[power]}`;
}
