/** The limits of the built-in tools: unit at the end of the name, behavior in the comment. */
export const TOOL_LIMITS = {
  /** Lines and bytes of one text result of a tool for files, which keeps the first of them; the result says how to get the rest. */
  resultLines: 2_000,
  resultBytes: 51_200,
  /** Entries that `ls` and `find` return unless a call says otherwise; at most `resultLines`. */
  listedEntries: 500,
  /** Entries that a search of a tree looks at. */
  walkedEntries: 200_000,
  /** Matching lines that `grep` returns unless a call says otherwise, the characters of each, and the bytes of output that are read. */
  foundLines: 100,
  foundLineChars: 500,
  grepOutputBytes: 4_194_304,
  grepMs: 30_000,
  /** A larger file is not read to its end only to count its lines. */
  countedBytes: 268_435_456,
  /** `edit` and `apply_patch` refuse a larger file: it is held in memory several times. */
  editedBytes: 67_108_864,
  /** Files of one patch, whose directories are open until all of them are changed; all contents together have at most `editedBytes`. */
  patchedFiles: 100,
  /** `read` refuses a larger image file before it is decoded. */
  imageFileBytes: 67_108_864,
  /** Pixels that are decoded, 4 bytes each; an image with more is left out. */
  imagePixels: 100_000_000,
  /** Width and height of an image in a result; a larger one is scaled down. */
  imageSide: 2_000,
  /** Characters of base64 of an image in a result, below the 5 MB that providers accept; a larger one is scaled down. */
  imageChars: 4_718_592,
  /** Then the image is left out. */
  imageMs: 30_000,
  /** Characters of the output of a command in one result, which keeps the last of them; the result says how to get the rest. */
  commandOutputChars: 32_000,
  /** Characters of output in an intermediate result, the last ones, and the interval between two. */
  updateChars: 8_000,
  updateMs: 100,
  /** The whole output of a command, in a file; what follows is dropped, and the result says so. */
  outputFileBytes: 134_217_728,
  /** Lines of output that `process log` returns unless a call says otherwise; at most `resultLines`. */
  loggedLines: 200,
  /** After the shell has exited: how long its output may be silent, and how long it is read in all, before the result is returned. */
  outputSilenceMs: 100,
  outputDrainMs: 200,
  /**
   * Of a process that speaks JSON-RPC: one message, and what may wait to be read by it; a process that writes a longer one is ended. The end
   * of its error output that is kept, the text of what ended it, and how long it may take to end until it is killed.
   */
  rpcMessageBytes: 16_777_216,
  rpcStderrBytes: 2_048,
  rpcCauseChars: 300,
  rpcStopMs: 1_000,
  /** After a kill: how long the exit of a command is waited for. */
  killMs: 1_000,
  /** How often it is tried to find what a killed command has started, while there are no file descriptors to see it. */
  killAttempts: 10,
  /** Interval between looks at processes that finished commands left running; the timer runs only while there are some. */
  leftoverCheckMs: 1_000,
  /** Seconds until a command is killed unless a call says otherwise, and the most that a call may say: what a timer can hold. */
  commandTimeoutSeconds: 1_800,
  timeoutSeconds: 2_147_483,
  /** How long `exec` waits unless a call says otherwise, and the most that a call may say; then the command goes on in the background. */
  yieldMs: 10_000,
  maxYieldMs: 120_000,
  /** Size of the terminal of a command. */
  terminalRows: 40,
  terminalColumns: 120,
  /** How long the program that makes terminals may take to say its version; then it is not used. */
  terminalProgramMs: 5_000,
  /** Commands of one session, and of all, that run in the background. Above, `exec` starts none there, and waits for the end of others. */
  backgroundCommands: 16,
  backgroundCommandsTotal: 64,
  /** How long the output of a command that has ended is kept, and of how many commands of one session and of all; the oldest go first. */
  endedCommandMs: 1_800_000,
  endedCommands: 32,
  endedCommandsTotal: 128,
  /** Longest wait of `process poll`, and how long it goes on after the first output, so that one result has more of it. */
  pollMs: 30_000,
  pollGatherMs: 1_000,
  /** How long a write to a command waits until the command has read it, and the bytes that may wait; then more is refused. */
  inputMs: 1_000,
  inputBytes: 1_048_576,
  /** Characters of a command in lists and notes. */
  shownCommandChars: 80,
  /** Processes and threads of a sandboxed command at the same time; then it cannot start another one. */
  sandboxProcesses: 1_024,
  /** A sandboxed command that makes a file larger gets SIGXFSZ. */
  sandboxFileBytes: 4_294_967_296,
  /** Private memory of one process of a sandboxed command; then an allocation fails. */
  sandboxProcessBytes: 8_589_934_592,
  /** Content of /tmp, of the home directory and of /dev/shm in a sandbox, each in memory; then they are full. */
  sandboxTemporaryBytes: 536_870_912,
  sandboxHomeBytes: 536_870_912,
  sandboxSharedBytes: 67_108_864,
  /** The trial of the sandbox is killed when it takes longer, and there is no sandbox. */
  sandboxTrialMs: 20_000,
  /** Connections through a proxy for browsers or sandboxed commands at the same time; further ones are refused. */
  egressConnections: 256,
  /** A connection on which nothing is sent ends, and how long one to a host may take. */
  egressSilentMs: 600_000,
  egressConnectMs: 20_000,
  /** Hosts whose last refusal is known. */
  egressRefusals: 100,
  /** Lists of hosts that have a proxy; the one that was used first is closed for another. */
  egressProxies: 16,
  /** A command line of podman or docker is killed when it takes longer, and has failed; the setup of a container has more time. */
  engineMs: 60_000,
  containerSetupMs: 600_000,
  /** Bytes of its output that are kept. */
  engineOutputBytes: 4_194_304,
  /** Settings of containers whose trials are remembered; then all are forgotten. */
  containerProbes: 16,
  /** Open files of a process in a container, at most as many as the gateway may have. */
  containerOpenFiles: 65_536,
  /** A container without a command ends after this time; the next command starts it again. */
  containerIdleMs: 600_000,
  /** What a command has left in a container that others use is looked for this often, and the time between. */
  containerSweeps: 4,
  containerSweepMs: 150,
  /** After a trial that failed: how long its result is kept. */
  sandboxRetryMs: 60_000,
  /** Sessions and messages that the tools for conversations return at most, and the characters of each. */
  listedSessions: 100,
  sessionLineChars: 200,
  shownMessages: 200,
  shownMessageChars: 2_000,
  /** Bytes of stored messages that are read for one page. */
  readMessageBytes: 2_097_152,
  foundMessages: 25,
  foundTextChars: 400,
  /** Words of a query that count. */
  searchedWords: 8,
  /** Notes of one agent that are searched, the directories that hold them, and how deep these lie; what is beyond is left out. */
  notes: 20_000,
  noteDirectories: 500,
  noteDepth: 8,
  /** Of a larger note only the beginning is searched, and `memory_get` shows no more. */
  noteBytes: 262_144,
  /** Characters of the part of a note that is found as one, and of it in a result. */
  noteChunkChars: 1_600,
  foundNoteChars: 800,
  /** Notes that a search returns unless a call says otherwise, and the most that a call may say. */
  foundNotes: 6,
  maxFoundNotes: 25,
  /** Parts of notes that match a query and are ranked: those that were indexed last. */
  rankedNotes: 500,
  /** Every search looks at the notes that changed last, and at all of them when none has for so long. */
  recentNotes: 64,
  noteScanMs: 5_000,
  /** How long a search waits for notes to be indexed; then it answers with what there is, and says so. */
  noteIndexMs: 10_000,
  /** Text that is indexed, and notes that are looked at, before others have their turn on the event loop. */
  noteBatchChars: 16_384,
  noteBatchFiles: 256,
  /** After so many days a dated note counts half as much as today's, and never less than the share. */
  noteHalfLifeDays: 30,
  leastNoteShare: 0.25,
  /** Parts of notes in one request for their vectors, and how long that and an answer may be. */
  embeddingTexts: 64,
  embeddingMs: 20_000,
  embeddingAnswerBytes: 16_777_216,
  embeddingQuoteChars: 200,
  vectorNumbers: 8_192,
  /** How long a search waits for vectors; then words alone decide, and the answer says so. */
  vectorWaitMs: 4_000,
  /** After a failure the server is not asked for so long: twice as long after each further one, up to the second figure. */
  embeddingRetryMs: 30_000,
  embeddingRetryMaxMs: 900_000,
  /** Vectors that are compared before others have their turn on the event loop, and the most alike ones that are ranked. */
  vectorBatch: 512,
  likeNotes: 100,
  /** Characters of an argument, and of a path, that an error quotes. */
  quotedChars: 40,
  errorPathChars: 300,
} as const;
