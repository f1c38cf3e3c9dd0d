/** The limits of MCP servers: unit at the end of the name, behavior in the comment. */
export const MCP_LIMITS = {
  /** Tools of one server that agents are given; further ones are left out, and the status says so. */
  tools: 64,
  /** JSON of a tool as a model reads it; texts of its schema go first, then its depth, and its description is cut. */
  toolBytes: 2_048,
  /** A description keeps at least this much of that, before the schema is reduced. */
  descriptionBytes: 256,
  /** A tool whose schema is deeper or longer is left out. */
  schemaDepth: 64,
  schemaChars: 262_144,
  /** Characters of the name of a tool; a tool with a longer one is left out. */
  toolNameChars: 64,
  /** Pages of a list of tools that are read. */
  listPages: 32,
  /** Kinds of requests of a server that its status names as refused. */
  refusedKinds: 8,
  /** Resources or prompts of one server that are listed. */
  listedContent: 2_000,
  /** Tools of one server whose hashes are kept, those that agents are offered first. */
  pins: 512,
  /** One message of a server over HTTP; a longer one ends the connection. */
  messageBytes: 16_777_216,
  /** How long lists of tools and calls wait for a server that is starting; it goes on to start. */
  waitMs: 2_000,
  /** How long the end of a session over HTTP may take. */
  stopMs: 1_000,
  /** After a failure: how long it is not started again. Doubles with each failure in a row. */
  minRetryMs: 1_000,
  maxRetryMs: 300_000,
  /** A server that ran this long before it failed is started as after a first failure. */
  stableMs: 60_000,
  /** Shortest interval between two lists of tools that a server asks for with a notification. */
  refreshMs: 1_000,
  /** Characters of the last line of the error output in the cause of a failure, and of other words of a server there. */
  causeChars: 300,
  /** Calls in a row that take too long; then the server is ended. */
  timeouts: 3,
  /** An access token is refreshed this long before it expires; a request that is refused sooner after that is not refreshed again. */
  tokenEarlyMs: 30_000,
  /** One request of a sign-in, and the bytes of its answer. */
  loginMs: 15_000,
  loginBytes: 1_048_576,
  /** JSON of the arguments of a call; longer ones are refused. */
  argumentsChars: 1_048_576,
} as const;
