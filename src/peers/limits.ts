/** Every limit is named with its unit at the end, and a comment that says what happens at the limit. */
export const PEER_LIMITS = {
  /** Characters of a request; a longer one is refused before it is sent. */
  textChars: 200_000,
  /** Characters of a reply; the end of a longer one is left out, and the reply says so. */
  replyChars: 400_000,
  /** Characters of an envelope that comes over a link; a longer one is refused. */
  envelopeChars: 4_000_000,
  /** Gateways in the path of a message; a longer path is refused. */
  pathLength: 16,
  /** How far ahead the end of a message may be; one that would live longer is refused. */
  maxLifeMs: 8 * 86_400_000,
  /** How far the clock of another gateway may be ahead. */
  clockSkewMs: 300_000,
  /** Connections of one link at the same time; the oldest is closed with one more. */
  connections: 4,
  /** Deadline of the acknowledgement of a message; then the connection is closed and made again. */
  ackMs: 30_000,
  /** Wait before a message is sent again that the other gateway could not take. */
  busyMs: 2_000,
  /** Wait before another attempt to connect: it grows from the first to the second. */
  dialMinMs: 500,
  dialMaxMs: 30_000,
  /** How long a pairing code can be used. */
  codeMs: 600_000,
  /** How long the key before is accepted once the other gateway has used its new one. */
  drainMs: 600_000,
  /** Pairing codes at the same time; the oldest one ends with one more. */
  codes: 16,
  /** Keys that are kept for a person to compare; the oldest is forgotten with one more. */
  seenKeys: 32,
  /** Expired messages that are ended in one transaction; further ones follow in the next. */
  expiredAtOnce: 200,
  /** How long messages that have ended are kept, beyond the time in which they could be sent again. */
  keptMs: 14 * 86_400_000,
} as const;
