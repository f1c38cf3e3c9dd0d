import type { Store } from "./open.ts";

export type BootRows = ReturnType<typeof createBoots>;

/** Starts of the gateway, by their boot id. */
export function createBoots(store: Store) {
  return {
    /** Starts after a moment that ended without a stop, the newest first. */
    unclean: (after: number): number[] =>
      store
        .all<{ at: number }>(
          "SELECT started_at AS at FROM gateway_boot_lifecycle WHERE started_at > ? AND ended_at IS NULL ORDER BY started_at DESC LIMIT 100",
          after,
        )
        .map(({ at }) => at),

    /** Inside a `write`. */
    begin(bootId: string, now: number, forgetBefore: number): void {
      store.run("DELETE FROM gateway_boot_lifecycle WHERE started_at < ?", forgetBefore);
      store.run("INSERT OR REPLACE INTO gateway_boot_lifecycle (boot_id, started_at) VALUES (?, ?)", bootId, now);
    },

    /** A stop in good order also settles the starts before it. Inside a `write`. */
    end: (now: number): void => void store.run("UPDATE gateway_boot_lifecycle SET ended_at = ? WHERE ended_at IS NULL", now),
  };
}
