/** Limits of the Discord channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const DISCORD_LIMITS = {
  /** Characters of one message: a longer text is cut into parts. */
  textChars: 2_000,
  /** Frames of one Discord connection that wait to be stored; with more it is closed, and resumed from what is stored. */
  pendingFrames: 6_000,
  /** Conversations whose last message is kept for reading the gap after a refused resume; the least recently active is forgotten. */
  knownChats: 200,
  /** Own messages whose key is kept, to recognise a part that had arrived; an older one is recognised only by Discord. */
  ownMessages: 50,
  /** Channels and threads whose kind is remembered; one that is forgotten is asked for again. */
  places: 2_000,
  /** Messages of one conversation that are read after a refused resume; what was said before them is not read. */
  backfillMessages: 500,
  /** Rate limits and tokens of native commands that are remembered; the oldest is forgotten, and learnt again. */
  remembered: 1_000,
  /** Characters of an unreadable Discord event that are kept for the operator. */
  rawChars: 64_000,
} as const;
