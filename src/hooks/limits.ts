/** Limits of hooks over HTTP, each with what happens at its edge. */
export const HOOK_LIMITS = {
  /** Requests of one peer in a minute that are not accepted; further ones are answered 429. */
  failuresPerMinute: 20,
  /** Tokens and signatures that are checked in a second for a peer that has reached that limit, so that good requests beside forged ones get in. */
  checksPerSecond: 10,
  /** Peers whose failures are counted; the oldest is forgotten first. */
  peers: 10_000,
  /** How old, or how far in the future, the time of a signature may be, unless the configuration says otherwise. */
  toleranceMs: 300_000,
  /** How long deliveries are known, so that none is taken twice. */
  keptMs: 30 * 86_400_000,
  /** Refused requests that are remembered for lists. */
  refusals: 100,
  /** Items that `forEach` makes runs of; more are refused. */
  items: 20,
  /** Characters of a key of a delivery, of a value in a line of a prompt, and of a whole prompt; longer ones are refused or cut. */
  keyChars: 256,
  inlineChars: 500,
  promptChars: 200_000,
  /** A transform: the bytes of its file and of what it returns, its memory and time; with more it fails. */
  transformBytes: 262_144,
  transformOutputBytes: 1_048_576,
  transformHeapMb: 64,
  transformMs: 5_000,
  /** Transforms that run at the same time; further requests to hooks with one are answered 429. */
  transforms: 4,
  /** Longest wait for the end of a run, and the usual one. */
  maxWaitMs: 600_000,
  waitMs: 120_000,
  /** Requests that wait for the end of their run at the same time; more are answered at once, with the id of the run. */
  waiting: 32,
} as const;
