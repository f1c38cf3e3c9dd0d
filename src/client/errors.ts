/** What went wrong between a client and a gateway, from the client's side. */
export type ClientErrorKind =
  /** No gateway answered there: refused, unknown host, not a gateway, no handshake in time. */
  | "unreachable"
  /** Something listens there and did not prove that it is the gateway that is meant; nothing was sent to it. */
  | "unproven"
  /** Its certificate is not the pinned one, or not trusted; nothing was sent to it. */
  | "untrusted"
  /** The credential was missing, wrong, expired or rate limited. */
  | "auth"
  /** The device is not approved yet; `details.requestId` names the request. */
  | "pairing"
  /** The gateway is starting or stopping; try again after `retryAfterMs`. */
  | "starting"
  /** The gateway refused the handshake for another reason, e.g. a protocol that it does not speak. */
  | "handshake"
  /** The gateway answered a request with an error. */
  | "request"
  /** No answer before the deadline. */
  | "timeout"
  /** The connection ended while a request waited. */
  | "closed";

export type ResponseError = {
  code: string;
  message: string;
  details?: Record<string, unknown>;
  retryable?: boolean;
  retryAfterMs?: number;
};

type Extra = {
  cause?: unknown;
  /** The gateway's own answer, when it gave one. */
  response?: ResponseError;
  /** WebSocket close code. */
  closeCode?: number;
};

/** Every rejection of this module. */
export class ClientError extends Error {
  readonly kind: ClientErrorKind;
  /** The gateway's own answer. */
  readonly response: ResponseError | undefined;
  /** Wire code of the answer, else undefined. */
  readonly code: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  /** The gateway's own words, without the method that was called. */
  readonly gatewayMessage: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly closeCode: number | undefined;

  constructor(kind: ClientErrorKind, message: string, extra: Extra = {}) {
    super(message, { cause: extra.cause });
    this.name = "ClientError";
    this.kind = kind;
    this.response = extra.response;
    this.code = extra.response?.code;
    this.gatewayMessage = extra.response?.message;
    this.details = extra.response?.details ?? {};
    this.retryable =
      extra.response?.retryable ?? (kind === "unreachable" || kind === "unproven" || kind === "starting" || kind === "closed");
    this.retryAfterMs = extra.response?.retryAfterMs;
    this.closeCode = extra.closeCode;
  }

  /** `details.code`: the precise reason, e.g. AUTH_TOKEN_MISMATCH. */
  get reason(): string | undefined {
    const { code } = this.details;
    return typeof code === "string" ? code : undefined;
  }
}

/** The kind of a refused `connect`, from the gateway's answer. */
export function kindOfConnectError(response: ResponseError): ClientErrorKind {
  const reason = typeof response.details?.code === "string" ? response.details.code : "";
  if (reason === "PAIRING_REQUIRED") return "pairing";
  if (reason.startsWith("AUTH_") || reason.startsWith("DEVICE_") || reason.startsWith("PEER_") || response.code === "UNAUTHORIZED")
    return "auth";
  if (response.code === "NOT_PAIRED") return "pairing";
  if (response.code === "UNAVAILABLE") return "starting";
  return "handshake";
}
