/** The limits of tool plugins: unit at the end of the name, behavior in the comment. */
export const PLUGIN_LIMITS = {
  /** A plugin that takes longer to load is ended, and its tools are not offered. */
  loadMs: 10_000,
  /** Tools of one plugin; further ones are left out, and the status says so. */
  tools: 32,
  /** JSON of a tool as a model reads it; a tool with more is left out. */
  toolBytes: 4_096,
  /** JSON of everything that a plugin says of itself; one that says more is not loaded. */
  descriptionChars: 262_144,
  /** Depth of the schemas of a plugin. */
  schemaDepth: 16,
  /** Characters of the name of a tool. */
  toolNameChars: 64,
  /** Seconds of a call unless the tool says otherwise, and the most that a tool may say; then the call fails. */
  callSeconds: 60,
  maxCallSeconds: 600,
  /** Calls of one plugin at the same time; a further one fails. */
  calls: 16,
  /** After the end of a call: how long its code may go on; then the thread of the plugin is ended. */
  graceMs: 1_000,
  /** While calls run: interval between questions to the thread, and for how long it may be silent; then it is ended. */
  pingMs: 1_000,
  stuckMs: 5_000,
  /** A thread without a call ends after this time; the next call starts another one. */
  idleMs: 300_000,
  /** Heap of a plugin, in MiB; with more its thread ends. */
  heapMb: 256,
  youngHeapMb: 16,
  /** Text and content parts of one result that leave the thread; the rest is dropped before. */
  resultChars: 1_048_576,
  resultParts: 32,
  /** Interval between two intermediate results. */
  updateMs: 100,
  /** Log lines that one call may write, and characters of each. */
  logLines: 100,
  logChars: 2_000,
  /** Characters of an error of a plugin. */
  errorChars: 2_000,
} as const;
