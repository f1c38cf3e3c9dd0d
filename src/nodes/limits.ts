/** Every limit is named with its unit at the end, and a comment that says what happens at the limit. */
export const NODE_LIMITS = {
  /** Nodes that are known; one more is not listed and can run nothing. */
  nodes: 256,
  /** Capabilities, commands and permissions that one node declares; further ones are not read. */
  caps: 64,
  commands: 256,
  permissions: 64,
  /** Characters of each name among these; a longer one is not read. */
  nameChars: 128,
  /** Characters of the search path that a node reports; a longer one is not read. */
  pathEnvChars: 8_192,
  /** Deadline of a command without one of its own, and the longest. */
  invokeMs: 15_000,
  maxInvokeMs: 3_600_000,
  /** Commands that one node runs at the same time; one more is refused. */
  openInvocations: 64,
  /** How long a node may be gone before its commands count as lost. */
  reconnectMs: 30_000,
  /** Characters of the parameters of a command; longer ones are refused. */
  paramsChars: 1_048_576,
  /** Characters of an answer that is kept for a repeated key; a longer one is delivered once. */
  keptAnswerChars: 262_144,
  /** Bytes of all kept answers together; the oldest are emptied at the next cleaning, and are then like longer ones. */
  keptAnswersBytes: 67_108_864,
  /** Characters of an error's text from a node; the rest is cut. */
  errorChars: 2_000,
  /** Bytes of one result: a camera clip of a minute as base64. */
  resultBytes: 26_214_400,
  /** Pieces of output that a command may report; further ones are dropped. */
  progressChunks: 10_000,
  /** How often one node is woken, at most: a phone takes few such messages, and its vendor holds the others back. */
  wakeEveryMs: 15_000,
  /** How long a command waits for a node that was woken. */
  wakeWaitMs: 30_000,
  /** What waits for one node; one more is refused. */
  pendingItems: 64,
  /** How long it waits by default. */
  pendingMs: 86_400_000,
  /** How often the time at which a node was last seen is written, at most. */
  seenMs: 60_000,
  /** Events of one node in a minute; further ones are refused. */
  eventsPerMinute: 240,
  /** Commands that `nodes describe` and the page list of a node. */
  recentInvocations: 20,
  /** How long ended commands are kept, so that a repeated key gets its answer. */
  keptMs: 7 * 86_400_000,
} as const;
