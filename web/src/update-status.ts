/** Versions of the gateway: the answer of `update.status`, and how it reads. */
import { signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

/** As `update.status` answers. */
export type UpdateStatus = {
  sentinel: {
    status: string;
    ts: number;
    message?: string | null;
    stats?: { before?: { version?: string }; after?: { version?: string } | null };
  } | null;
  updateAvailable: { currentVersion: string; latestVersion: string; commitsBehind?: number } | null;
  effectiveChannel: string;
  schedule: { install: { kind: string } };
};

export const status = signal<UpdateStatus | null>(null);
/** Someone has asked for newer versions since the page was opened. */
export const wasAsked = signal(false);
export const isAsking = signal(false);
export const failed = signal<string | null>(null);

export const mayLook = (): boolean => store.mayAdminister.value && store.isServed("update.status");

/** Reads what is known, or asks the registry or repository. Never throws: `failed` says why there is nothing. */
export async function loadUpdates({ ask = false } = {}): Promise<void> {
  if (!store.isOnline.value || !mayLook() || isAsking.value) return;
  isAsking.value = ask;
  try {
    status.value = await requireClient().request<UpdateStatus>("update.status", ask ? { refreshCheckout: true } : {});
    wasAsked.value ||= ask;
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  } finally {
    isAsking.value = false;
  }
}

const KINDS: Readonly<Record<string, string>> = { package: "installed with npm", git: "a clone", unknown: "installed in another way" };

/** Pure. `version`: of the gateway that answers. */
export function updateFacts(
  { sentinel, updateAvailable, effectiveChannel, schedule }: UpdateStatus,
  { version, asked, ago }: { version: string; asked: boolean; ago: (at: number) => string },
): readonly (readonly [string, string])[] {
  const behind = updateAvailable?.commitsBehind;
  const newest =
    updateAvailable === null
      ? asked
        ? "no newer version"
        : "not asked"
      : `version ${updateAvailable.latestVersion}${behind === undefined ? "" : `, ${behind} commits ahead`}`;
  return [
    ["Installed", `version ${version}, ${KINDS[schedule.install.kind] ?? schedule.install.kind}`],
    ["Newest", `${newest} (channel ${effectiveChannel})`],
    ["Last update", sentinel === null ? "none" : lastUpdate(sentinel, ago)],
  ];
}

function lastUpdate({ status: how, ts, message, stats }: NonNullable<UpdateStatus["sentinel"]>, ago: (at: number) => string): string {
  const outcome = how === "ok" ? "succeeded" : how === "running" ? "not ended, or interrupted" : "failed";
  const [from, to] = [stats?.before?.version, stats?.after?.version];
  const versions = from === undefined ? "" : `, ${from} → ${to ?? "?"}`;
  return `${outcome} ${ago(ts)}${versions}${message ? `: ${message}` : ""}`;
}
