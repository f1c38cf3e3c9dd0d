/** The limits of ACP agents: unit at the end of the name, behavior in the comment. */
export const ACP_LIMITS = {
  /** From the start of the process to its answer to `initialize`; then it is ended, and the turn fails. */
  initializeMs: 10_000,
  /** One request before the prompt, such as `session/new` or `session/load`; agents may read a long conversation for it. */
  requestMs: 60_000,
  /** An agent that is to stop a turn may take this long; then it is ended. Below the 10 s of the runtime contract. */
  cancelMs: 5_000,
  /** After a failed request: how long the end of the process, which says more, is waited for. */
  stopMs: 1_000,
  /** Characters of the raw result of a tool call; a longer one is left out. */
  rawResultChars: 16_777_216,
  /** Lines in a row that are no messages; then the agent is ended. */
  garbageLines: 1_000,
  /** Of the first line that is not a message, in a failure. */
  shownLineChars: 120,
  /** After a failure to start: how long it is not started again. Doubles with each failure in a row. */
  minRetryMs: 1_000,
  maxRetryMs: 30_000,
  /** Options of a permission request that are read; further ones are left out. */
  options: 32,
  /** Requests for permission of one agent that may wait at the same time; further ones are cancelled. */
  pendingPermissions: 16,
  /** Characters of a request for permission that a person is shown. A longer one that runs a program is refused. */
  detailChars: 16_384,
  /** Characters of a title or a name that an agent sends. */
  titleChars: 200,
  /** Characters of the result of a call that an agent reports; longer ones are cut. */
  resultChars: 32_768,
  /** Characters of the arguments of a call that an agent reports; longer ones are left out. */
  argumentsChars: 65_536,
  /** Calls of a turn that an agent may report as running at the same time; further ones are not shown. */
  openCalls: 256,
  /** A text file that an agent reads through the gateway. */
  fileBytes: 1_048_576,
  /** Terminals of one agent at the same time; further ones are refused. */
  terminals: 16,
  /** Output of a terminal that is kept; the oldest is dropped. An agent may ask for less. */
  terminalBytes: 1_048_576,
  /** Models and modes of an agent that are remembered. */
  choices: 64,
} as const;
