/** Limits of the Discord channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const DISCORD_LIMITS = {
  /** Characters of one message: a longer text is cut into parts. */
  textChars: 2_000,
  /** Frames of one Discord connection that wait to be stored; with more it is closed and resumed from the stored position. */
  pendingFrames: 6_000,
  /** Conversations whose last message is stored for backfill after a refused resume; the least recently active is dropped. */
  knownChats: 200,
  /** Own messages whose key is stored, to recognize a part that has arrived; older ones are recognized only by Discord. */
  ownMessages: 50,
  /** Channels and threads whose kind is cached; a dropped one is fetched again. */
  places: 2_000,
  /** Messages of one conversation that are read after a refused resume; earlier ones are not read. */
  backfillMessages: 500,
  /** Rate limits and tokens of native commands that are cached; the oldest is dropped and learned again. */
  remembered: 1_000,
  /** Characters of an unreadable Discord event that are kept for the operator. */
  rawChars: 64_000,
} as const;
