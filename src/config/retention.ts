import { parseDurationMs } from "./quantity.ts";
import type { Config } from "./schema.ts";

/** How long things are kept, in milliseconds; null: without end. */
export type RetentionTimes = { readonly idleMs: number | null; readonly archivedMs: number | null; readonly resetMs: number | null };

/** `session.maintenance` and `store.retention`. Without `mode: "enforce"` the keys of OpenClaw remove nothing. Pure. */
export function retentionTimes({ session, store }: Pick<Config, "session" | "store">): RetentionTimes {
  const { mode, pruneAfter, resetArchiveRetention } = session.maintenance;
  const isEnforced = mode === "enforce";
  return {
    idleMs: isEnforced ? keptMs(pruneAfter) : null,
    archivedMs: keptMs(store.retention.archivedSessions),
    resetMs: isEnforced ? keptMs(resetArchiveRetention) : null,
  };
}

/** The moments before which things are removed. Pure. */
export function retentionRules(
  config: Pick<Config, "session" | "store">,
  now: number,
): { idleBefore: number | null; archivedBefore: number | null; resetBefore: number | null } {
  const { idleMs, archivedMs, resetMs } = retentionTimes(config);
  const before = (ms: number | null): number | null => (ms === null ? null : now - ms);
  return { idleBefore: before(idleMs), archivedBefore: before(archivedMs), resetBefore: before(resetMs) };
}

/** A bare number is days, as in OpenClaw; `0` keeps it. */
export function keptMs(text: string | undefined): number | null {
  const ms = text === undefined ? null : parseDurationMs(text, "d");
  return ms === null || ms === 0 ? null : ms;
}
