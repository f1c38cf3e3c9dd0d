/** Heartbeats and hooks, as `heartbeat.status` and `hooks.deliveries` say it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

type Spent = { requests: number; usd: number; requestsOfUnknownCost: number };

export type HeartbeatRow = {
  agentId: string;
  every: string;
  activeHours: { tz: string } | null;
  instructions: "present" | "empty" | "missing";
  enabled: boolean;
  nextRunAtMs: number | null;
  emptyRuns: number;
  pausedAtMs: number | null;
  lastStatus: string | null;
  lastError: string | null;
  runsPerDay: number;
  spent: { today: Spent; week: Spent };
  estimate: { basis: "measured" | "price"; perDayUsd: number | null };
};
export type HookRow = { id: string; path: string; action: string; auth: string; trust: string; problem?: string };
export type HookDeliveryRow = { seq: number; at: number; hook: string; peer: string; bytes: number; runIds: readonly string[] };
export type HookRefusalRow = { at: number; hook: string; peer: string; reason: string };

type Heartbeats = { enabled: boolean; agents: readonly HeartbeatRow[] };
type Hooks = { enabled: boolean; hooks: readonly HookRow[]; deliveries: readonly HookDeliveryRow[]; refused: readonly HookRefusalRow[] };

const answer = signal<{ heartbeats: Heartbeats; hooks: Hooks } | null>(null);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** Heartbeats are being switched. */
export const busy = signal(false);
export const heartbeats = computed(() => answer.value?.heartbeats ?? null);
export const hooks = computed(() => answer.value?.hooks ?? null);

const ROWS = 10;

/** What people see of the state of heartbeats. Pure. */
export function heartbeatState({ enabled, pausedAtMs, emptyRuns, lastStatus, instructions }: HeartbeatRow): string {
  if (pausedAtMs !== null) return `Paused after ${emptyRuns} runs that did nothing`;
  if (!enabled) return "Disabled";
  if (instructions !== "present") return `On; HEARTBEAT.md is ${instructions}`;
  return lastStatus === "error" ? "Last one failed" : "On";
}

const usd = (value: number): string => `$${value.toFixed(value > 0 && value < 0.01 ? 6 : 2)}`;

/** What a day costs, and what this one has cost. Pure. */
export function costText({ estimate, spent, runsPerDay }: Pick<HeartbeatRow, "estimate" | "spent" | "runsPerDay">): string {
  const day = estimate.perDayUsd === null ? "cost of a day unknown" : `${usd(estimate.perDayUsd)} a day`;
  const { requests, usd: today, requestsOfUnknownCost } = spent.today;
  const made = `${requests} ${requests === 1 ? "request" : "requests"}`;
  const so = requestsOfUnknownCost > 0 ? `${made} of unknown cost` : `${usd(today)} for ${made}`;
  return `${day} for ${runsPerDay} heartbeats${estimate.basis === "price" ? ", by the price of the model" : ""}; today ${so}`;
}

let latest = 0;

/** Reads both. Never throws: `failed` says why there is nothing newer. */
export async function loadAutomation(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const [beats, taken] = await Promise.all([
      client.request<Heartbeats>("heartbeat.status", {}),
      client.request<Hooks>("hooks.deliveries", { limit: ROWS }),
    ]);
    if (mine !== latest) return;
    answer.value = { heartbeats: beats, hooks: taken };
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Switches all heartbeats on, which also ends pauses, or off. */
export async function switchHeartbeats(enabled: boolean): Promise<void> {
  busy.value = true;
  try {
    await requireClient().request("set-heartbeats", { enabled });
    await loadAutomation();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = false;
}
