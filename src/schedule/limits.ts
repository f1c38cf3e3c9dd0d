/** Limits of the schedule, each with what happens at its edge. */
export const SCHEDULE_LIMITS = {
  /** Jobs; a further one is refused. */
  jobs: 1_000,
  /** Jobs that agents have made, for each agent; a further one is refused. */
  jobsOfAgent: 50,
  /** Shortest time between two runs of one job. Shorter schedules are refused. */
  minIntervalMs: 1_000,
  /** The same for jobs that agents make. */
  minAgentIntervalMs: 60_000,
  /** Longest sleep: after it the wall clock is read again, so that a jump of it is noticed. */
  maxSleepMs: 60_000,
  /** A due time that is noticed within this time is on time, later ones are missed. Longer than the longest sleep. */
  graceMs: 90_000,
  /** Due times that are counted for a job that was missed; of more, the count says only this many. */
  countedDueTimes: 1_000,
  /** Missed runs that `all` makes up for, the newest; older ones are skipped. */
  madeUp: 24,
  /** How far back a missed run is made up for, unless the job says otherwise. */
  missedWindowMs: 24 * 3_600_000,
  /** Claimed runs of one job that wait for an earlier one; a further one is skipped. */
  waitingRuns: 24,
  /** Time between the last start of a heartbeat and one that is asked for; what is asked for before waits until then. */
  wakeSpacingMs: 30_000,
  /** Sessions in which one heartbeat is asked for at a time; further ones wait for the next due time. */
  wakesWaiting: 8,
  /** Characters of HEARTBEAT.md that a heartbeat reads; the rest is left out, and it says so. */
  heartbeatFileChars: 20_000,
  /** Jobs of one transaction; the others follow in the next. */
  jobsPerStep: 20,
  /** Waits before the retries of a failed run; the last one is used for all further ones. */
  retryDelaysMs: [30_000, 60_000, 300_000, 900_000, 3_600_000],
  /** Most retries that a job may ask for. */
  maxRetries: 10,
  /** Failed runs in a row after which a repeating job is disabled. */
  failuresBeforeDisabled: 10,
  /** Time after which a step that the store refused is tried again. */
  storeRetryMs: 5_000,
  /** Age, and number of rows in all, that the log of runs keeps. */
  logRetentionMs: 7 * 86_400_000,
  logRows: 2_000,
  /** Characters of an answer and of an error that the log keeps; the transcript has all. */
  summaryChars: 2_000,
  errorChars: 500,
  /** Characters of names, descriptions and prompts; longer ones are refused. */
  nameChars: 200,
  descriptionChars: 2_000,
  promptChars: 32_000,
  exprChars: 200,
  /** Next times from which the number of runs in a month follows, and runs whose cost is averaged. */
  costTimes: 15,
  costRuns: 10,
  /** Times that a preview shows. */
  previewTimes: 3,
} as const;
