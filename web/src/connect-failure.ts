/** Every way a connection can be refused, in words for the person in front of the page. Pure. */
import type { ConnectErrorDetailCodes } from "@openclaw/gateway-protocol/connect-error-details";
import type { DetailCode } from "../../src/core/error-codes.ts";
import type { ProtocolError } from "../../src/client/conversation/protocol-types.ts";

export type PageCredentialKind = "link" | "token" | "device" | "none";

export type ConnectFailure = {
  code: string;
  title: string;
  text: string;
  /** A command for a terminal on the gateway's machine, or null. */
  command: string | null;
  /** `signin`: ask for a new credential. `wait`: keep trying. `stop`: trying again cannot help until something changes. */
  action: "signin" | "wait" | "stop";
  retryMs: number | null;
  /** The stored device token is worthless and goes away. */
  clearDevice: boolean;
};

const PAIRING_RETRY_MS = 4_000;
const RATE_LIMIT_RETRY_MS = 30_000;
const CLOCK_RETRY_MS = 15_000;

type FailureContext = { origin: string; kind: PageCredentialKind };
type FailureRule = (
  error: ProtocolError,
  context: FailureContext,
) => Omit<ConnectFailure, "code" | "clearDevice"> & { clearDevice?: boolean };

const signin = (title: string, text: string, command: string | null = "openclaw dashboard"): ReturnType<FailureRule> => ({
  title,
  text,
  command,
  action: "signin",
  retryMs: null,
});
const wait = (title: string, text: string, command: string | null, retryMs: number | null): ReturnType<FailureRule> => ({
  title,
  text,
  command,
  action: "wait",
  retryMs,
});
const stop = (title: string, text: string, command: string | null): ReturnType<FailureRule> => ({
  title,
  text,
  command,
  action: "stop",
  retryMs: null,
});

const signInNeeded: FailureRule = () => signin("Sign in", "This gateway does not know this browser yet.");

const badSecret: FailureRule = (_error, { kind }) => {
  if (kind === "device") {
    const gone = signin(
      "This browser was signed out",
      "Its access was revoked, or the gateway's credentials have changed. Sign in again with a new link:",
    );
    return { ...gone, clearDevice: true };
  }
  if (kind === "link") return badLink(_error, { origin: "", kind });
  return signin("That token is not correct", "Check that you copied all of it, or create a new sign-in link with this command:");
};

const badLink: FailureRule = () =>
  signin("This link has been used or has expired", "Sign-in links work once, for 10 minutes. Create a new one with this command:");

const noDevice: FailureRule = () =>
  signin(
    "This address is not secure enough",
    "The gateway wants to recognize this browser by a key, and browsers keep keys only for https:// or localhost. Open the page through https, or forward the port with ssh and use http://localhost.",
    "ssh -N -L 18789:127.0.0.1:18789 user@gateway-host",
  );

const badSignature: FailureRule = () =>
  stop(
    "The gateway could not check this browser's key",
    "The signature that this page sent was refused. Reload the page; if it stays so, remove this browser under devices and sign in again.",
    "openclaw devices list",
  );

const clock: FailureRule = () =>
  wait(
    "This computer's clock is off",
    "It differs from the gateway's clock by more than two minutes. Set the clock; this page keeps trying.",
    null,
    CLOCK_RETRY_MS,
  );

const pairing: FailureRule = (error) => {
  const id = String(error.details?.["requestId"] ?? "");
  const upgrade = error.details?.["reason"] === "scope-upgrade" || error.details?.["reason"] === "role-upgrade";
  const title = upgrade ? "Additional access needs approval" : "This browser is waiting for approval";
  const text = "Approve it on the gateway's machine; this page continues automatically.";
  return wait(title, text, id === "" ? "openclaw devices list" : `openclaw devices approve ${id}`, error.retryAfterMs ?? PAIRING_RETRY_MS);
};

const origin: FailureRule = (_error, context) =>
  stop(
    "This address is not on the gateway's list",
    `The gateway accepts this page only from allowed addresses, and ${context.origin} is not one of them. Allow it, then reload this page.`,
    `openclaw config set gateway.controlUi.allowedOrigins '["${context.origin}"]'`,
  );

const rateLimited: FailureRule = (error) =>
  wait(
    "Too many attempts",
    "Sign-ins from here are paused for a short time. This page tries again automatically.",
    null,
    error.retryAfterMs ?? RATE_LIMIT_RETRY_MS,
  );

const protocol: FailureRule = (error) =>
  stop(
    "This page and the gateway have different versions",
    `The page speaks protocol 4, the gateway ${String(error.details?.["expectedProtocol"] ?? "another one")}. Reload the page; if it stays so, update the gateway.`,
    null,
  );

const notConfigured: FailureRule = () =>
  stop(
    "The gateway has no token to compare with",
    "It asks for one, but none is configured. Let it make one, then open a fresh link.",
    "openclaw dashboard",
  );

/** Codes of this gateway, and of others that speak the same protocol. */
const FAILURE_RULES: Readonly<Record<string, FailureRule>> = {
  AUTH_REQUIRED: signInNeeded,
  AUTH_UNAUTHORIZED: badSecret,
  AUTH_TOKEN_MISSING: signInNeeded,
  AUTH_PASSWORD_MISSING: signInNeeded,
  AUTH_TOKEN_MISMATCH: badSecret,
  AUTH_PASSWORD_MISMATCH: badSecret,
  AUTH_DEVICE_TOKEN_MISMATCH: (error, context) => badSecret(error, { ...context, kind: "device" }),
  AUTH_SCOPE_MISMATCH: (error, context) => badSecret(error, { ...context, kind: "device" }),
  AUTH_BOOTSTRAP_TOKEN_INVALID: badLink,
  AUTH_TOKEN_NOT_CONFIGURED: notConfigured,
  AUTH_PASSWORD_NOT_CONFIGURED: notConfigured,
  AUTH_RATE_LIMITED: rateLimited,
  DEVICE_IDENTITY_REQUIRED: noDevice,
  CONTROL_UI_DEVICE_IDENTITY_REQUIRED: noDevice,
  DEVICE_AUTH_SIGNATURE_EXPIRED: clock,
  DEVICE_AUTH_INVALID: badSignature,
  DEVICE_AUTH_SIGNATURE_INVALID: badSignature,
  DEVICE_AUTH_NONCE_MISMATCH: badSignature,
  DEVICE_AUTH_NONCE_REQUIRED: badSignature,
  DEVICE_AUTH_DEVICE_ID_MISMATCH: badSignature,
  DEVICE_AUTH_PUBLIC_KEY_INVALID: badSignature,
  PAIRING_REQUIRED: pairing,
  CONTROL_UI_ORIGIN_NOT_ALLOWED: origin,
  CONTROL_UI_BUILD_MISMATCH: protocol,
  CLIENT_VERSION_MISMATCH: protocol,
  PROTOCOL_MISMATCH: protocol,
} satisfies Partial<Record<DetailCode | keyof typeof ConnectErrorDetailCodes, FailureRule>>;

/** What to say and do about a refused `connect`. `origin` is the page's own; `kind` the credential that was shown. */
export function toConnectFailure(error: ProtocolError, context: FailureContext): ConnectFailure {
  const code = typeof error.details?.["code"] === "string" ? error.details["code"] : error.code;
  const rule = FAILURE_RULES[code] ?? defaultRule(error);
  return { code, clearDevice: false, ...rule(error, context) };
}

function defaultRule(error: ProtocolError): FailureRule {
  if (error.code === "UNAVAILABLE") {
    const reason = error.details?.["reason"];
    const leaving = reason === "gateway-restarting" || reason === "gateway-suspending";
    return () =>
      leaving
        ? wait("The gateway is restarting", "It will be back in a moment.", null, error.retryAfterMs ?? 1_000)
        : wait("The gateway is starting", "This page connects automatically when it is ready.", null, error.retryAfterMs ?? 500);
  }
  return () => stop("The gateway refused this page", `It said: ${error.message || error.code}. Reload the page to try again.`, null);
}
