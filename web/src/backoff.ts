import { backoffDelay } from "../../src/core/async.ts";

/**
 * How long to wait before connection attempt `attempt` (0 is the first retry), in milliseconds: doubles from 0.5 s to 10 s, less up to
 * a half at random, so that the tabs of many people do not reconnect at the same moment.
 */
export const backoffMs = (attempt: number, random: number): number =>
  backoffDelay({ minMs: 500, maxMs: 10_000, jitter: 0.5 }, attempt, 1 - random);
