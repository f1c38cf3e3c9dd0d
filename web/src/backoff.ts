const MIN_MS = 500;
const MAX_MS = 10_000;

/**
 * How long to wait before connection attempt `attempt` (0 is the first retry), in milliseconds: doubling from 0.5 s to 10 s, minus up to
 * a half at random, so that the tabs of many people do not come back in the same moment.
 */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(MAX_MS, MIN_MS * 2 ** Math.min(attempt, 10));
  return Math.round(full * (1 - random / 2));
}
