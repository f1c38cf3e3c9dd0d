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
  /** Time for each call of `tailscale`, and what is read of its answer; then the call has failed. */
  tailscaleVersionMs: 3_000,
  tailscaleStatusMs: 5_000,
  tailscaleOutputBytes: 400_000,
  /** How long tailscaled may take to start, and how often it is asked meanwhile. */
  tailscaleStartMs: 90_000,
  tailscaleStartPollMs: 2_000,
  /** How long a claim may take until it is in the status, and how often that is read. */
  tailscaleClaimMs: 15_000,
  tailscaleClaimPollMs: 250,
  /** Delays between claims; they grow while they fail. */
  tailscaleRetry: { minMs: 1_000, maxMs: 300_000, jitter: 0.25 },
  /** A claim that lasted this long was good: the delays begin again. */
  tailscaleGoodClaimMs: 60_000,
  tailscaleStopMs: 1_200,
  /** How long answers of `tailscale whois` are used, how long it may take, and how many are kept; the oldest goes. */
  whoisKeepMs: 60_000,
  whoisFailureKeepMs: 5_000,
  whoisMs: 5_000,
  whoisEntries: 256,
  /** Probes for a name and the time between them, and announcements of it (RFC 6762 8.1, 8.3). */
  mdnsProbes: 3,
  mdnsProbeMs: 250,
  mdnsAnnouncements: 2,
  mdnsAnnounceMs: 1_000,
  /** How long an answer waits, so that others that ask the same share it; an answer is sent at most once in this time. */
  mdnsAnswerDelayMs: 60,
  mdnsAnswerPauseMs: 1_000,
  /** After so many renames in a row the next probe waits. */
  mdnsRenames: 10,
  mdnsRenamePauseMs: 60_000,
  /** How often the network interfaces are looked at while the gateway is announced. */
  mdnsInterfaceCheckMs: 5_000,
  /** How often the addresses for the zone file of wide-area discovery are looked at. */
  zoneCheckMs: 60_000,
  /** Failures of the network are logged once in this time. */
  mdnsLogMs: 60_000,
  /** Gateways that a search keeps; further ones are left out. */
  discoveredGateways: 256,
} as const;
