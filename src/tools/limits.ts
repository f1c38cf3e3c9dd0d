/** The limits of the built-in tools: unit at the end of the name, behavior in the comment. */
export const TOOL_LIMITS = {
  /** Lines and bytes of one text result. `read` keeps the first of them, `bash` the last; the result says how to get the rest. */
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
  /** `edit` refuses a larger file: it is held in memory several times. */
  editedBytes: 67_108_864,
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
  /** The whole output of a command, in a file; what follows is dropped, and the result says so. */
  outputFileBytes: 67_108_864,
  /** Interval between intermediate results. */
  updateMs: 100,
  /** After the shell has exited: how long its output may be silent, and how long it is read in all, before the result is returned. */
  outputSilenceMs: 100,
  outputDrainMs: 200,
  /** After a kill: how long the exit of a command is waited for. */
  killMs: 1_000,
  /** Interval between looks at processes that finished commands left running; the timer runs only while there are some. */
  leftoverCheckMs: 1_000,
  /** Longest timeout of a command: what a timer can hold. */
  timeoutSeconds: 2_147_483,
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
  /** After a trial that failed: how long its result is kept. */
  sandboxRetryMs: 60_000,
  /** Characters of an argument that an error quotes. */
  quotedChars: 40,
} as const;
