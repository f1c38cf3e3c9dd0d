/** What the checks of `openclaw doctor` found, as `gateway.doctor` answers. */
import { signal } from "@preact/signals";
import type { DoctorReport } from "../../src/core/doctor-report.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

/** A page that is open all day asks again this much later. */
const RECHECK_MS = 600_000;

/** Null while nothing was read. */
export const report = signal<DoctorReport | null>(null);
export const isRunning = signal(false);
/** Why the last run gave no report; null when it did. */
export const failed = signal<string | null>(null);

let askedAt = -Infinity;

/** Asks for a report where the gateway makes them, and the last one is not new. Never throws: `failed` says why there is none. */
export async function loadDoctor({ again = false }: { again?: boolean } = {}): Promise<void> {
  if (!store.isOnline.value || !store.isServed("gateway.doctor") || isRunning.value) return;
  if (!again && performance.now() - askedAt < RECHECK_MS) return;
  askedAt = performance.now();
  isRunning.value = true;
  try {
    report.value = await requireClient().request<DoctorReport>("gateway.doctor", {});
    failed.value = null;
  } catch (error) {
    askedAt = -Infinity;
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  } finally {
    isRunning.value = false;
  }
}
