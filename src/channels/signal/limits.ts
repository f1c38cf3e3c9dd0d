/** Limits of the Signal channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const SIGNAL_LIMITS = {
  /** Characters of one Signal message: a longer text is split. */
  textChars: 4_000,
  /** Files to Signal; a larger one is refused. */
  uploadBytes: 50 * 1024 * 1024,
  /** One message or file to or from signal-cli; after it the outcome is unknown. */
  sendMs: 120_000,
  /** Pause after "rate limit" without a time. */
  retryMs: 60_000,
  /** Bytes of one notification of signal-cli; a longer one ends the connection. */
  eventBytes: 4 * 1024 * 1024,
  /** Messages whose text is kept for quoting; an older one is quoted without its text. */
  quotedTexts: 500,
  /** Last lines of a signal-cli process that are kept to report why it ended. */
  logLines: 20,
} as const;
