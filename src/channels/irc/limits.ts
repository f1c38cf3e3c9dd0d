/** Limits of the IRC channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const IRC_LIMITS = {
  /** Bytes of one line from an IRC server; a longer one is dropped. */
  lineBytes: 16_384,
  /** Lines to an IRC server that wait for its flood limit; a part that does not fit is refused and retried. */
  queueLines: 2_000,
} as const;
