/** Limits of remote access and discovery, each with what happens at its edge. */
export const REMOTE_LIMITS = {
  /** A certificate that expires within this time is reported by the gateway's health and by `openclaw doctor`. */
  certificateWarningMs: 30 * 86_400_000,
  /** How often the gateway looks at the dates of its certificate. */
  certificateCheckMs: 6 * 3_600_000,
} as const;
