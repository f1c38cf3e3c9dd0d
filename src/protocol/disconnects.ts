import { CLOSE_CODES } from "./close-codes.ts";

/** Why a WebSocket is closed: what the close frame carries, and what the client can do about it. */
export type Disconnect = {
  readonly code: number;
  /** Text of the close frame. */
  readonly reason: string;
  /** Whether the same client may connect again unchanged. */
  readonly retryable: boolean;
  /** What the client does before it connects again. */
  readonly hint: string;
};

const FIX_CLIENT = "Correct the client's WebSocket implementation.";
const FIX_FRAME = "Correct the client: send one JSON text frame for each request.";
const BACK_OFF = "Reconnect with a growing delay.";

const protocolError = (reason: string, hint = FIX_CLIENT): Disconnect => ({
  code: CLOSE_CODES.protocolError,
  reason,
  retryable: false,
  hint,
});
const policyViolation = (reason: string, retryable: boolean, hint: string): Disconnect => ({
  code: CLOSE_CODES.policyViolation,
  reason,
  retryable,
  hint,
});
const tryAgainLater = (reason: string): Disconnect => ({ code: CLOSE_CODES.tryAgainLater, reason, retryable: true, hint: BACK_OFF });

/** Every close that the gateway starts. The rows `refused` and `notServing` close with the message of the refused `connect` as reason. */
export const DISCONNECTS = {
  unmaskedFrame: protocolError("frames from a client must be masked"),
  lengthNotShortest: protocolError("the length of a frame must be in its shortest form"),
  extensionBits: protocolError("extensions were not negotiated"),
  unknownFrame: protocolError("unknown frame type"),
  invalidControlFrame: protocolError("invalid control frame"),
  unexpectedFrame: protocolError("unexpected frame"),
  invalidCloseFrame: protocolError("invalid close frame"),
  protocolMismatch: protocolError("protocol mismatch", "Use a client that speaks protocol v4."),
  binaryFrame: { code: CLOSE_CODES.unsupportedData, reason: "binary frames are not accepted", retryable: false, hint: FIX_FRAME },
  invalidUtf8: { code: CLOSE_CODES.invalidPayload, reason: "invalid UTF-8", retryable: false, hint: FIX_FRAME },
  tooManyFragments: policyViolation("too many fragments", false, "Send a message in fewer frames."),
  invalidRequestFrame: policyViolation("invalid request frame", false, FIX_FRAME),
  notJson: policyViolation("invalid request frame: not JSON", false, FIX_FRAME),
  handshakeTimeout: policyViolation("handshake timeout", true, "Reconnect and answer `connect.challenge` at once."),
  tooManyPreAuthFrames: policyViolation("too many frames before the handshake ended", true, "Wait for the answer to `connect`."),
  slowConsumer: policyViolation("slow consumer", true, "Reconnect, read faster, and load the history."),
  refused: policyViolation("connect refused", false, "Act on `error.details.code` of the refused `connect`."),
  messageTooBig: {
    code: CLOSE_CODES.messageTooBig,
    reason: "message too large",
    retryable: false,
    hint: "Keep messages below `policy.maxPayload` of hello-ok.",
  },
  internalError: { code: CLOSE_CODES.internalError, reason: "internal error", retryable: true, hint: BACK_OFF },
  serviceRestart: { code: CLOSE_CODES.serviceRestart, reason: "service restart", retryable: true, hint: BACK_OFF },
  notServing: tryAgainLater("gateway starting"),
  tooManyPreAuthConnections: tryAgainLater("too many connections that have not signed in"),
  credentialRevoked: {
    code: CLOSE_CODES.credentialRevoked,
    reason: "credential ended",
    retryable: false,
    hint: "Sign in again with another credential.",
  },
} as const satisfies Record<string, Disconnect>;

/** The row with a reason of its own in the close frame. */
export const withReason = (row: Disconnect, reason: string): Disconnect => ({ ...row, reason });
