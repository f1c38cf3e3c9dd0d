/** Limits of the terminal interface. */
export const TUI_LIMITS = {
  /** Rows of the history that are read at first, and at most: the gateway gives no more at once. */
  historyRows: 200,
  historyRowsMax: 1_000,
  /** Lines of one tool's arguments or output; of more, the first and the last are shown. */
  toolLines: 200,
  /** Lines of the output of a running tool that are shown while it is folded. */
  foldedLines: 3,
  /** Rows that a picker asks the gateway for; words in its filter find others. */
  pickerRows: 200,
  /** Characters of one text that are drawn; the rest is counted. `/copy` takes all of it. */
  textChars: 400_000,
  /** Bytes of one picture that are sent to the terminal; a larger one is a line with its size. */
  imageBytes: 4 * 1024 * 1024,
  /** Pictures that are kept, the newest ones. */
  images: 32,
  /** Files that a completion of a path shows. */
  pathCompletions: 50,
  /** Bytes of a copy: terminals ignore longer ones. */
  copyBytes: 100_000,
  /** Characters that this program prints beside its screen and that are shown after it; later ones are left out. */
  strayOutputChars: 64_000,
} as const;
