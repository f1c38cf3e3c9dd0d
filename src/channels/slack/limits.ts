/** Limits of the Slack channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const SLACK_LIMITS = {
  /** Characters of one Slack message after rendering: a longer text is split. And of one block; a longer text gets more blocks. */
  textChars: 8_000,
  blockChars: 3_000,
  /** Buttons of one row in Slack; further ones are left out. */
  rowButtons: 25,
  /** One file from or to Slack; after it the transfer has failed. And the largest file that is sent; larger ones are refused. */
  fileMs: 120_000,
  uploadBytes: 100 * 1024 * 1024,
  /** Pause after "ratelimited" without a time. */
  retryMs: 5_000,
  /** How far back, and through how many pages, a part is searched after an interrupted send; beyond that its outcome is unknown. */
  lookupMs: 86_400_000,
  lookupPages: 10,
  /** Conversations and threads whose last message is stored for backfill; the least recently active is dropped. */
  lanes: 200,
  /** Pages of one conversation, and time, for backfill after a gap; the rest is logged and not read. */
  backfillPages: 10,
  backfillMs: 60_000,
} as const;
