import type { Store } from "./open.ts";

export type SignInFailureRow = { peer: string; kind: string; failures: number; windowStart: number; lockedUntil: number };

/** Rows that are still relevant at `now`; the next save removes the others. */
export function loadSignInFailures(store: Store, now: number, windowMs: number): SignInFailureRow[] {
  return store.all<SignInFailureRow>(
    `SELECT peer, kind, failures, window_start AS windowStart, locked_until AS lockedUntil FROM sign_in_failures
     WHERE locked_until > ? OR window_start > ?`,
    now,
    now - windowMs,
  );
}

export function saveSignInFailures(store: Store, rows: readonly SignInFailureRow[], now: number, windowMs: number): void {
  store.run("DELETE FROM sign_in_failures WHERE locked_until <= ? AND window_start <= ?", now, now - windowMs);
  for (const row of rows) {
    store.run(
      "INSERT OR REPLACE INTO sign_in_failures (peer, kind, failures, window_start, locked_until) VALUES (?, ?, ?, ?, ?)",
      row.peer,
      row.kind,
      row.failures,
      row.windowStart,
      row.lockedUntil,
    );
  }
}
