import type { ErrorShape } from "@openclaw/gateway-protocol";
import { GatewayError, reasonOf, withDescriptorCause } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

export type WireError = Pick<ErrorShape, "code" | "message" | "retryable" | "retryAfterMs"> & { details?: Record<string, unknown> };

/**
 * What a client may know of a failure. An expected one keeps its code, text, details and fix; anything else is a bug: it is
 * logged once with its stack, and the client learns only that it happened.
 */
export function toErrorPayload(thrown: unknown, log: Log, method: string): WireError {
  const err = withDescriptorCause(thrown);
  if (err !== thrown) log.warn("a method failed for lack of file descriptors", { method, cause: reasonOf(thrown) });
  if (!(err instanceof GatewayError)) {
    log.error("a method failed unexpectedly", { method, cause: reasonOf(err), stack: err instanceof Error ? err.stack : undefined });
    return { code: "UNAVAILABLE", message: "internal error", retryable: false };
  }
  const details = err.fix === undefined ? err.details : { ...err.details, fix: err.fix };
  return {
    code: err.code,
    message: err.message,
    ...(details ? { details } : {}),
    ...(err.retryable ? { retryable: true } : {}),
    ...(err.retryAfterMs === undefined ? {} : { retryAfterMs: Math.max(0, Math.round(err.retryAfterMs)) }),
  };
}
