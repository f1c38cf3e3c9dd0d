/** Limits of links that speak A2A. Every limit is named with its unit at the end, and a comment that says what happens at the limit. */
export const A2A_LIMITS = {
  /** Characters of the text of a message; the end of a longer one is left out, and the text says so. */
  textChars: 65_536,
  /** Characters of an id that the other agent has made; a longer one is refused. */
  idChars: 128,
  /** Requests in one batch; a larger batch is refused. */
  batch: 30,
  /** Requests with a wrong token in a minute, of one address; further ones are answered 429. */
  failuresPerMinute: 20,
  /** Tokens that are checked in a second for an address that has reached that limit. */
  checksPerSecond: 10,
  /** Addresses whose failures are counted; the oldest is forgotten first. */
  peers: 10_000,
  /** Tasks that wait for their end at the same time, also over streams; further ones are answered with the task as it is. */
  waiting: 64,
  /** Time of one request to another agent. */
  requestMs: 30_000,
  /** Bytes of the answer of another agent; a longer one is a failure. */
  answerBytes: 1_048_576,
  /** Pause between two looks at a task of another agent: it grows from the first to the second. */
  pollMinMs: 500,
  pollMaxMs: 5_000,
} as const;
