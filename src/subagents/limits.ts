/** Limits of tasks for sub-agents. */
export const SUBAGENT_LIMITS = {
  /** Characters of a task; a longer one is refused. */
  taskChars: 100_000,
  /** Messages between agents that follow from each other: then the agents have to end. */
  hops: 5,
  /** Longest wait for the answer to a message, s, and how long is waited when the agent does not say. */
  maxAnswerSeconds: 300,
  answerSeconds: 60,
  /** Characters of a label; more are cut. */
  labelChars: 80,
  /** Characters of a result that are handed back; the rest is in the session of the task. */
  resultChars: 20_000,
  /** Results of one conversation that are handed back in one message; the others follow in the next. */
  resultsPerMessage: 8,
  /** How long a result waits for those of tasks that still work, ms: what ends together is handed back together. */
  collectMs: 10_000,
  /** After a failed attempt to store something or to hand back a result, ms. */
  retryMs: 5_000,
  /** How long a task is listed after its end, ms. */
  keepMs: 7 * 24 * 3_600_000,
  /** Tasks that an agent reads of its conversation. */
  listed: 32,
} as const;
