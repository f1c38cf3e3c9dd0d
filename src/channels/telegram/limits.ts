/** Limits of the Telegram channel, each with what happens at its edge. Bytes and characters, unless the name ends in Ms. */
export const TELEGRAM_LIMITS = {
  /** Characters of one Telegram message, and of a caption: a longer text is split, a longer caption follows its file. */
  textChars: 4_096,
  captionChars: 1_024,
  /** Files to Telegram: a larger picture is sent as a document, a larger file is refused. */
  photoBytes: 10 * 1024 * 1024,
  uploadBytes: 50 * 1024 * 1024,
  /** One file from or to Telegram; after it the transfer has failed. */
  fileMs: 120_000,
  /** Pause after "too many requests" without a time. */
  retryMs: 5_000,
} as const;
