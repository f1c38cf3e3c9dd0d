/** Amounts as people read them, the same on the command line and on the page. */

/** "$0.0055", "$1.20". Pure. */
export const formatCost = (usd: number): string => `$${usd >= 1 ? usd.toFixed(2) : usd.toPrecision(2)}`;

/** "12 ms", "1.5 s", "2 min 5 s". Pure. */
export function formatSpan(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return formatSeconds(ms);
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min ${Math.round((ms % 60_000) / 1_000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "0.80 s", "12.3 s". Pure. */
export const formatSeconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
