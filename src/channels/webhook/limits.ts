/** Limits of the webhook channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const WEBHOOK_LIMITS = {
  /** Download of one file from the peer of a webhook; beyond it the file is not delivered. */
  fileMs: 120_000,
} as const;
