/** One row per wire code: the HTTP status it maps to and whether repeating the same call can help. */
export const ERRORS = {
  INVALID_REQUEST: { http: 400, retryable: false },
  UNAUTHORIZED: { http: 401, retryable: false },
  FORBIDDEN: { http: 403, retryable: false },
  NOT_PAIRED: { http: 403, retryable: false },
  NOT_FOUND: { http: 404, retryable: false },
  CONFLICT: { http: 409, retryable: false },
  TOO_LARGE: { http: 413, retryable: false },
  RATE_LIMITED: { http: 429, retryable: true },
  UNAVAILABLE: { http: 503, retryable: true },
} as const;

export type ErrorCode = keyof typeof ERRORS;

type DetailRow = {
  /** Wire code that the detail comes with; the HTTP status follows from it. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later, where that differs from the wire code. */
  readonly retryable?: boolean;
  /** What it means, as docs/protocol.md lists it. */
  readonly text: string;
};

/** Every `error.details.code` that this gateway sends. */
export const ERROR_DETAILS = {
  // Sign-in
  AUTH_BOOTSTRAP_TOKEN_INVALID: { code: "INVALID_REQUEST", text: "The sign-in link was used, has expired or is unknown." },
  AUTH_DEVICE_TOKEN_MISMATCH: { code: "INVALID_REQUEST", text: "The device token is not valid." },
  AUTH_IDENTITY_HEADER_REQUIRED: { code: "INVALID_REQUEST", text: "The trusted proxy named no user." },
  AUTH_PASSWORD_MISMATCH: { code: "INVALID_REQUEST", text: "The password is wrong." },
  AUTH_PASSWORD_MISSING: { code: "INVALID_REQUEST", text: "A password is required." },
  AUTH_PASSWORD_NOT_CONFIGURED: { code: "INVALID_REQUEST", text: "The gateway expects a password and none is configured." },
  AUTH_RATE_LIMITED: { code: "INVALID_REQUEST", text: "Too many failed sign-ins; wait for `retryAfterMs`." },
  AUTH_TOKEN_MISMATCH: { code: "INVALID_REQUEST", text: "The token is wrong." },
  AUTH_TOKEN_MISSING: { code: "INVALID_REQUEST", text: "A token is required." },
  AUTH_TOKEN_NOT_CONFIGURED: { code: "INVALID_REQUEST", text: "The gateway expects a token and none is configured." },
  AUTH_UNAUTHORIZED: { code: "INVALID_REQUEST", text: "The role or the user is not allowed." },
  CONTROL_UI_ORIGIN_NOT_ALLOWED: { code: "INVALID_REQUEST", text: "The browser's origin is not in `gateway.controlUi.allowedOrigins`." },
  DEVICE_AUTH_DEVICE_ID_MISMATCH: { code: "INVALID_REQUEST", text: "The device id does not belong to the public key." },
  DEVICE_AUTH_NONCE_MISMATCH: { code: "INVALID_REQUEST", text: "The signature is for another challenge." },
  DEVICE_AUTH_PUBLIC_KEY_INVALID: { code: "INVALID_REQUEST", text: "The public key is not an Ed25519 key." },
  DEVICE_AUTH_SIGNATURE_EXPIRED: { code: "INVALID_REQUEST", text: "The clocks of device and gateway differ too much." },
  DEVICE_AUTH_SIGNATURE_INVALID: { code: "INVALID_REQUEST", text: "The device's signature does not verify." },
  DEVICE_IDENTITY_REQUIRED: { code: "NOT_PAIRED", text: "This connection needs a device identity." },
  PAIRING_REQUIRED: { code: "NOT_PAIRED", text: "The device waits for approval; `requestId` names the request." },
  PROTOCOL_MISMATCH: { code: "INVALID_REQUEST", text: "Client and gateway have no protocol version in common." },
  // Requests
  CONNECTION_QUEUE_FULL: { code: "UNAVAILABLE", text: "Too many requests wait on this connection." },
  FRAME_NOT_JSON: { code: "INVALID_REQUEST", text: "The text is not JSON." },
  IDEMPOTENCY_KEY_REUSED: { code: "INVALID_REQUEST", text: "The idempotency key belongs to another message; `runId` names its run." },
  MISSING_SCOPE: { code: "FORBIDDEN", text: "The caller lacks a scope; `missingScope` names it." },
  PARAM_NOT_SERVED: { code: "INVALID_REQUEST", text: "The parameter has no effect on this gateway; `param` names it." },
  REQUEST_MEMORY_FULL: { code: "UNAVAILABLE", text: "Too many large requests are being handled." },
  REQUEST_TOO_LARGE: { code: "INVALID_REQUEST", text: "The request is larger than its method accepts; `limitBytes` is the limit." },
  // Nodes
  NODE_NOT_FOUND: { code: "NOT_FOUND", text: "No node has this id or name, or several have; `candidates` lists them." },
  NODE_COMMAND_NOT_ALLOWED: { code: "FORBIDDEN", text: "The command does not run on this node; `reason` says why." },
  NODE_COMMAND_FAILED: { code: "UNAVAILABLE", retryable: false, text: "The node answered with an error; `nodeError` has its code." },
  NODE_KEY_REUSED: { code: "INVALID_REQUEST", text: "The idempotency key belongs to another command on this node." },
  NODE_RESULT_NOT_KEPT: {
    code: "UNAVAILABLE",
    retryable: false,
    text: "The result of an earlier call with this key was given once and is not kept.",
  },
  NODE_TIMEOUT: { code: "UNAVAILABLE", retryable: false, text: "The node did not answer in time; whether the command ran is not known." },
  NODE_DISCONNECTED: {
    code: "UNAVAILABLE",
    retryable: false,
    text: "The node went away and did not come back; whether the command ran is not known.",
  },
  NODE_NOT_PLANNED: {
    code: "UNAVAILABLE",
    retryable: true,
    text: "The node did not say in time how it would run the command; nothing was run.",
  },
  NODE_CANCELLED: { code: "UNAVAILABLE", retryable: false, text: "The command was stopped." },
  NODE_APPROVAL_MISMATCH: {
    code: "FORBIDDEN",
    text: "The approval is unknown, used, or about another command, directory, environment or node.",
  },
  NODE_APPROVAL_DENIED: { code: "FORBIDDEN", text: "A person refused the command, or did not answer in time." },
  NOT_CONNECTED: { code: "UNAVAILABLE", text: "The node is not connected; `lastSeenAtMs` says since when." },
  // Links to other gateways
  PEER_CODE_INVALID: { code: "FORBIDDEN", text: "The pairing code was used, has ended or is unknown." },
  PEER_KEY_CHANGED: { code: "FORBIDDEN", text: "The other gateway has another key than the pinned one; `publicKey` is it." },
  PEER_NOT_LINKED: { code: "NOT_FOUND", text: "The gateway has no link of this name or with this key, or it is not in use." },
  PEER_QUEUE_FULL: { code: "UNAVAILABLE", text: "Too many messages wait for the link." },
  PEER_REFUSED: { code: "FORBIDDEN", text: "The link does not allow this message." },
  QUEUED_UNTIL_FOREGROUND: { code: "UNAVAILABLE", retryable: false, text: "The command waits until the node's app is in the foreground." },
  // Agents, sessions and messages
  BRANCH_NOT_FOUND: { code: "NOT_FOUND", text: "No branch of the conversation ends with this message." },
  AGENT_SELECTION_REQUIRED: { code: "NOT_FOUND", text: "No agent can be selected; `agents` lists the configured ones." },
  ATTACHMENT_NOT_USABLE: { code: "INVALID_REQUEST", text: "An attachment is damaged, too large or of an unsupported type." },
  APPROVALS_CHANGED: { code: "CONFLICT", text: "The allowlist of commands was changed since it was read." },
  APPROVAL_ALREADY_RESOLVED: { code: "INVALID_REQUEST", text: "The question was answered before, or has ended; the first answer counts." },
  APPROVAL_DECISION_NOT_OFFERED: { code: "INVALID_REQUEST", text: "The decision is not one of those that the question offers." },
  APPROVAL_NOT_FOUND: { code: "NOT_FOUND", text: "No approval has this id, or several begin with it." },
  CRON_JOB_CHANGED: { code: "CONFLICT", text: "The job was changed since it was read." },
  CRON_JOB_NOT_FOUND: { code: "NOT_FOUND", text: "No job has this id; `jobId` is it." },
  LANE_FULL: { code: "UNAVAILABLE", text: "Too many messages are queued in the session." },
  MODEL_KEY_MISSING: { code: "INVALID_REQUEST", text: "The provider has no key." },
  MODEL_KEY_REFUSED: { code: "INVALID_REQUEST", text: "The key was not kept; `status` says how its test ended." },
  MODEL_PROVIDER_UNKNOWN: { code: "NOT_FOUND", text: "No provider has this name." },
  MODEL_NOT_FOUND: { code: "INVALID_REQUEST", text: "The model is unknown." },
  NOTHING_TO_COMPACT: { code: "UNAVAILABLE", retryable: false, text: "The context is short already." },
  SEND_DENIED: { code: "INVALID_REQUEST", text: "The session's send policy is `deny`." },
  SESSION_CHANGED: { code: "INVALID_REQUEST", text: "The session changed since the client loaded it; `reason` says how." },
  SESSION_IS_MAIN: { code: "INVALID_REQUEST", text: "The main session of an agent cannot be deleted." },
  SESSION_NOT_ARCHIVED: { code: "INVALID_REQUEST", text: "`archivedOnly` was set and the session is not archived." },
  MESSAGE_NOT_FOUND: { code: "INVALID_REQUEST", text: "No stored message has this id." },
  SESSION_NOT_FOUND: { code: "INVALID_REQUEST", text: "The session does not exist." },
  UNKNOWN_AGENT_ID: { code: "INVALID_REQUEST", text: "The agent is not configured." },
  // Channels and sending
  ACCOUNT_INCOMPLETE: { code: "INVALID_REQUEST", text: "The configuration of a channel account is incomplete or invalid." },
  ACTION_FAILED: { code: "UNAVAILABLE", retryable: false, text: "The platform refused the action." },
  ACTION_NOT_SUPPORTED: { code: "INVALID_REQUEST", text: "The channel does not have this action; `actions` lists those that it has." },
  ADDRESS_REFUSED: { code: "INVALID_REQUEST", text: "The address is not on the public internet." },
  CREDENTIAL_REFUSED: { code: "INVALID_REQUEST", text: "The platform refused the account's credential." },
  LOGIN_NOT_STARTED: { code: "INVALID_REQUEST", text: "No interactive login is in progress." },
  LOGIN_NOT_SUPPORTED: { code: "INVALID_REQUEST", text: "The channel has no interactive login." },
  MEDIA_NOT_SUPPORTED: { code: "INVALID_REQUEST", text: "The channel accepts text only." },
  MEDIA_NOT_USABLE: { code: "INVALID_REQUEST", text: "The file cannot be read, is too large or is of an unsupported type." },
  MEDIA_QUOTA: { code: "UNAVAILABLE", retryable: false, text: "The storage quota for media is used up." },
  OUTBOUND_DELIVERY_FAILED: { code: "UNAVAILABLE", retryable: false, text: "The message was not sent." },
  OUTBOUND_HELD: { code: "UNAVAILABLE", retryable: false, text: "The gateway is in shadow mode: the message is held, and never sent." },
  OUTBOUND_DELIVERY_UNKNOWN: {
    code: "UNAVAILABLE",
    retryable: false,
    text: "The outcome of the send is unknown, and it is not repeated. The repeated request gets `CONFLICT`.",
  },
  PAIRING_REQUEST_REPLACED: { code: "NOT_FOUND", text: "The device sent a new pairing request; `replacedBy` names it." },
  PLATFORM_UNREACHABLE: { code: "UNAVAILABLE", text: "The platform could not be reached." },
  SETUP_ADDRESS_LOOPBACK: { code: "INVALID_REQUEST", text: "Other devices cannot reach the gateway's loopback address." },
  // Start and storage
  BIND_WITHOUT_AUTH: { code: "INVALID_REQUEST", text: "The gateway does not listen on this address without a credential." },
  CONFIG_NOT_APPLIED: { code: "UNAVAILABLE", text: "A changed configuration was discarded; the running one stays." },
  PORT_TAKEN: { code: "CONFLICT", text: "Another process listens on the port." },
  STATE_DIR_OWNED: { code: "CONFLICT", text: "Another process uses the state directory." },
  STATE_DIR_UNUSABLE: { code: "UNAVAILABLE", text: "The state directory cannot be used." },
  STORAGE_DAMAGED: { code: "UNAVAILABLE", text: "The database file is damaged." },
  STORAGE_FAILED: { code: "UNAVAILABLE", text: "The database could not be written." },
  STORAGE_FULL: { code: "UNAVAILABLE", text: "The disk is full." },
  STORAGE_READ_ONLY: { code: "UNAVAILABLE", text: "The state directory is read-only." },
  STORAGE_REPLACED: { code: "UNAVAILABLE", text: "The database file was replaced while the gateway runs." },
} as const satisfies Record<string, DetailRow>;

export type DetailCode = keyof typeof ERROR_DETAILS;
