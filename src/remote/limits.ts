/** Limits of remote access and discovery, each with what happens at its edge. */
export const REMOTE_LIMITS = {
  /** A certificate that expires within this time is reported by the gateway's health and by `openclaw doctor`. */
  certificateWarningMs: 30 * 86_400_000,
  /** How often the gateway looks at the dates of its certificate. */
  certificateCheckMs: 6 * 3_600_000,
  /** How long ssh may take until it forwards; then it is ended and started again. */
  sshReadyMs: 20_000,
  sshPollMs: 50,
  /** Between SIGTERM and SIGKILL of ssh. */
  sshStopMs: 1_500,
  /** Delays between starts of ssh; they grow while it fails. */
  sshRetry: { minMs: 250, maxMs: 30_000, jitter: 0.25 },
  /** What is kept of the messages of ssh. */
  sshOutputChars: 4_096,
  /** How long a connection waits while ssh is down, and how many may; others are closed. */
  sshWaitMs: 10_000,
  sshWaitingConnections: 64,
} as const;
