/** WebSocket close codes: RFC 6455 below 4000, own codes of the protocol from 4000. */
export const CLOSE_CODES = {
  normal: 1000,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Never sent: the peer's close frame carried no code. */
  noStatus: 1005,
  /** Never sent: the connection ended without a close frame. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  /** Sent by a client that gives up a connection on which nothing arrives. */
  unresponsive: 4000,
  credentialRevoked: 4001,
} as const;

/** Whether the gateway ended the connection because it restarts or is not ready. */
export const isRestartClose = (code: number): boolean => code === CLOSE_CODES.serviceRestart || code === CLOSE_CODES.tryAgainLater;
