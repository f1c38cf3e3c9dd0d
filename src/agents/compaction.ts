/** Models with a smaller window need a smaller reserve: otherwise every turn would begin with a compaction. */
export const SMALL_WINDOW_TOKENS = 65_536;
const RESERVE_TOKENS = 16_384;
const KEPT_TOKENS = 20_000;

/** Tokens of a context window that stay free: with fewer, a conversation is shortened. Pure. */
export const compactionReserve = (contextWindow: number): number =>
  contextWindow < SMALL_WINDOW_TOKENS ? Math.floor(contextWindow / 4) : RESERVE_TOKENS;

/** Tokens of the newest part that stay word for word; a shorter conversation is not shortened. Pure. */
export const keptTokens = (contextWindow: number, wanted: number | undefined): number =>
  contextWindow < SMALL_WINDOW_TOKENS ? Math.min(wanted ?? Infinity, Math.floor(contextWindow / 3)) : (wanted ?? KEPT_TOKENS);

/** As long as notes wait to be written first, a conversation is shortened with half of the reserve only. Pure. */
export const deferredReserve = (reserveTokens: number): number => Math.floor(reserveTokens / 2);
