/** Every limit is named with its unit at the end, and a comment that says what happens at the limit. */
export const HOST_LIMITS = {
  /** Characters of each of both outputs of a program; the beginning of a longer one is left out. */
  outputChars: 200_000,
  /** Deadline of a program without one of its own, and the longest. */
  runMs: 30_000,
  maxRunMs: 3_600_000,
  /** Programs that run at the same time; one more is refused. */
  running: 16,
  /** Bytes of one file that is read or written; a larger one is refused. */
  fileBytes: 16_777_216,
  /** Entries of a directory in one answer; further ones are left out, and the answer says so. */
  entries: 5_000,
  /** Programs that system.which looks for in one request; further ones are not looked for. */
  bins: 64,
  /** Answers that are kept for a gateway that asks again, and for how long. */
  answers: 1_000,
  answerMs: 7 * 86_400_000,
  /** Characters of an answer that is kept; of a longer one only that it was given. */
  answerChars: 262_144,
  /** Bytes of all answers that are kept; of older ones only that they were given. */
  keptBytes: 33_554_432,
  /** Programs in the list of those that are allowed; one more is refused. */
  allowed: 500,
} as const;
