import type { ErrorCode } from "../../core/error-codes.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { NotSentError } from "../api.ts";
import { TerminalError, UnknownOutcomeError } from "../channel.ts";

/** The other thread has ended, or its connection was replaced, before it began with a request: nothing of it was done. */
export class NotStartedError extends NotSentError {}

/** What crosses the border of a thread in place of an error: its class is lost there, and the class is what callers go by. */
export type SerializedError = {
  kind: "terminal" | "unknowable" | "not-started" | "not-sent" | "gateway" | "type" | "range" | "plain";
  message: string;
  name?: string;
  stack?: string;
  /** `code` of a GatewayError, or of an error of Node. */
  code?: string;
  fix?: string;
  retryable?: boolean;
  retryAfterMs?: number;
};

function errorKindOf(err: Error): SerializedError["kind"] {
  if (err instanceof TerminalError) return "terminal";
  if (err instanceof UnknownOutcomeError) return "unknowable";
  if (err instanceof NotStartedError) return "not-started";
  if (err instanceof NotSentError) return "not-sent";
  if (err instanceof GatewayError) return "gateway";
  if (err instanceof TypeError) return "type";
  return err instanceof RangeError ? "range" : "plain";
}

/** Takes an error apart. */
export function serializeError(err: unknown): SerializedError {
  if (!(err instanceof Error)) return { kind: "plain", message: reasonOf(err) };
  const { name, message, stack, code, fix, retryable, retryAfterMs } = err as Error & Partial<SerializedError>;
  return {
    kind: errorKindOf(err),
    message,
    name,
    ...(stack !== undefined && { stack }),
    ...(typeof code === "string" && { code }),
    ...(typeof fix === "string" && { fix }),
    ...(typeof retryable === "boolean" && { retryable }),
    ...(typeof retryAfterMs === "number" && { retryAfterMs }),
  };
}

/** Makes an error again, of the class that it had. */
export function deserializeError(wire: SerializedError): Error {
  const err = restoreError(wire);
  if (wire.stack !== undefined) err.stack = wire.stack;
  return err;
}

function restoreError({ kind, message, name, code, fix, retryable, retryAfterMs }: SerializedError): Error {
  switch (kind) {
    case "terminal":
      return new TerminalError(message, fix ?? "");
    case "unknowable":
      return new UnknownOutcomeError(message);
    case "not-started":
      return new NotStartedError(message);
    case "not-sent":
      return new NotSentError(message);
    case "gateway":
      return new GatewayError(code as ErrorCode, message, {
        ...(fix !== undefined && { fix }),
        ...(retryable !== undefined && { retryable }),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    case "type":
      return new TypeError(message);
    case "range":
      return new RangeError(message);
    case "plain": {
      const err = Object.assign(new Error(message), code !== undefined && { code });
      if (name !== undefined) err.name = name;
      return err;
    }
  }
}
