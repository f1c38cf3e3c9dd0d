/** Limits of updates, each with what happens at its edge. */
export const UPDATE_LIMITS = {
  /** How long one step of npm or git may take, where --timeout says nothing else; then the update has failed. */
  stepMs: 20 * 60_000,
  /** How long a question to the registry or the remote repository may take; then the check has failed. */
  askMs: 60_000,
  /** What is kept of the output of a program. */
  outputBytes: 8_388_608,
  /** How long the new version may take until it is ready on a copy of the state; then it is not installed. */
  canaryMs: 120_000,
  /** Between two looks at a gateway that starts. */
  pollMs: 100,
  /** How long a gateway may take to stop; then the update has failed, with nothing changed. */
  stopMs: 30_000,
  /** The record of the last update; a larger file is ignored. */
  recordBytes: 262_144,
} as const;
