import { ERROR_DETAILS, type DetailCode, type ErrorCode } from "../core/error-codes.ts";
import type { DeviceFault } from "./device.ts";
import type { PeerGateRefusal } from "./peer-gate.ts";

/** A refused sign-in: what the answer says, and the reason with which the socket closes. */
export type AuthFailure = {
  refused: true;
  code: ErrorCode;
  message: string;
  details: Record<string, unknown>;
  retryAfterMs?: number;
  closeReason: string;
};

function failure(detail: DetailCode, message: string, more: Record<string, unknown> = {}, closeReason: string = message): AuthFailure {
  return { refused: true, code: ERROR_DETAILS[detail].code, message, details: { code: detail, ...more }, closeReason };
}

const unauthorized = (
  what: string,
  detail: DetailCode,
  authReason: string,
  nextStep: string,
  canRetry = false,
  fix?: string,
): AuthFailure =>
  failure(detail, `unauthorized: ${what}`, {
    authReason,
    canRetryWithDeviceToken: canRetry,
    recommendedNextStep: nextStep,
    ...(fix ? { fix } : {}),
  });

const LINK_FIX = "Make a fresh sign-in link on the gateway's machine: openclaw dashboard";

/** Every reason to refuse a sign-in after its params were validated: one row each. */
export const AUTH_ERRORS = {
  invalidRole: (): AuthFailure => ({
    refused: true,
    code: "INVALID_REQUEST",
    message: "invalid role",
    details: {},
    closeReason: "invalid role",
  }),
  unauthorizedRole: (role: string) => failure("AUTH_UNAUTHORIZED", `unauthorized role: ${role}`),
  deviceRequired: () => failure("DEVICE_IDENTITY_REQUIRED", "device identity required"),
  origin: (origin: string | null) =>
    failure(
      "CONTROL_UI_ORIGIN_NOT_ALLOWED",
      `origin not allowed${origin === null ? " (a browser client must send one)" : ""}`,
      {
        reason: origin === null ? "origin missing or invalid" : "origin not allowed",
        ...(origin === null
          ? {}
          : { origin: origin.slice(0, 256), fix: `Add ${JSON.stringify(origin.slice(0, 256))} to gateway.controlUi.allowedOrigins.` }),
      },
      "origin not allowed",
    ),
  device: (fault: DeviceFault) => failure(fault.code, fault.message, { reason: fault.reason }),
  tokenMissing: () =>
    unauthorized("gateway token missing", "AUTH_TOKEN_MISSING", "token_missing", "update_auth_configuration", false, LINK_FIX),
  tokenMismatch: (canRetry: boolean) =>
    unauthorized(
      "gateway token mismatch",
      "AUTH_TOKEN_MISMATCH",
      "token_mismatch",
      canRetry ? "retry_with_device_token" : "update_auth_credentials",
      canRetry,
      LINK_FIX,
    ),
  tokenNotConfigured: () =>
    unauthorized("gateway token not configured", "AUTH_TOKEN_NOT_CONFIGURED", "token_missing_config", "update_auth_configuration"),
  passwordMissing: () => unauthorized("gateway password missing", "AUTH_PASSWORD_MISSING", "password_missing", "update_auth_configuration"),
  passwordMismatch: (canRetry: boolean) =>
    unauthorized(
      "gateway password mismatch",
      "AUTH_PASSWORD_MISMATCH",
      "password_mismatch",
      canRetry ? "retry_with_device_token" : "update_auth_credentials",
      canRetry,
    ),
  passwordNotConfigured: () =>
    unauthorized("gateway password not configured", "AUTH_PASSWORD_NOT_CONFIGURED", "password_missing_config", "update_auth_configuration"),
  deviceTokenMismatch: () =>
    unauthorized(
      "device token mismatch",
      "AUTH_DEVICE_TOKEN_MISMATCH",
      "device_token_mismatch",
      "update_auth_credentials",
      false,
      LINK_FIX,
    ),
  linkInvalid: () =>
    unauthorized(
      "sign-in link used, expired or unknown",
      "AUTH_BOOTSTRAP_TOKEN_INVALID",
      "bootstrap_token_invalid",
      "update_auth_credentials",
      false,
      LINK_FIX,
    ),
  identityMissing: () =>
    unauthorized("the proxy named no user", "AUTH_IDENTITY_HEADER_REQUIRED", "identity_header_missing", "review_auth_configuration"),
  userNotAllowed: () => unauthorized("this user may not sign in", "AUTH_UNAUTHORIZED", "user_not_allowed", "review_auth_configuration"),
  /** Another gateway. Each of the three says what its operator has to do. */
  peer: (refusal: PeerGateRefusal) => {
    if (refusal.kind === "code")
      return failure("PEER_CODE_INVALID", "the pairing code was used, has ended or is unknown", {
        fix: "Make a new one on the other gateway: openclaw peers pair <name>",
      });
    if (refusal.kind === "other-key")
      return failure("PEER_KEY_CHANGED", "this gateway has another key than the pinned one", { publicKey: refusal.publicKey });
    return failure("PEER_NOT_LINKED", "this gateway has no link with this key", {
      fingerprint: refusal.fingerprint,
      fix: "Pair the two gateways: openclaw peers pair <name>",
    });
  },
  rateLimited: (retryAfterMs: number) => ({
    ...unauthorized("too many failed attempts, try later", "AUTH_RATE_LIMITED", "rate_limited", "wait_then_retry"),
    retryAfterMs,
  }),
  pairing: (request: { requestId: string; deviceId: string; role: string; scopes: readonly string[]; reason: string }) => {
    const what =
      request.reason === "not-paired" ? "device is not approved yet" : `device asks for more than was approved (${request.reason})`;
    return failure(
      "PAIRING_REQUIRED",
      `pairing required: ${what}`,
      {
        reason: request.reason,
        requestId: request.requestId,
        remediationHint: `Approve it on a signed-in device: openclaw devices approve ${request.requestId}`,
        deviceId: request.deviceId,
        requestedRole: request.role,
        ...(request.scopes.length > 0 ? { requestedScopes: request.scopes } : {}),
      },
      `pairing required: ${what} (requestId: ${request.requestId})`,
    );
  },
} as const;
