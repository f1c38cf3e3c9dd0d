import { GatewayError, reasonOf, type ErrorCode } from "../../core/errors.ts";
import { NotSentError } from "../api.ts";
import { TerminalError, UnknowableError } from "../channel.ts";

/** The other thread has ended, or its connection was replaced, before it began with a request: nothing of it was done. */
export class NeverBegunError extends NotSentError {}

/** What crosses the border of a thread in place of an error: its class is lost there, and the class is what callers go by. */
export type WireError = {
  kind: "terminal" | "unknowable" | "never-begun" | "not-sent" | "gateway" | "type" | "range" | "plain";
  message: string;
  name?: string;
  stack?: string;
  /** `code` of a GatewayError, or of an error of Node. */
  code?: string;
  fix?: string;
  retryable?: boolean;
  retryAfterMs?: number;
};

function kindOf(err: Error): WireError["kind"] {
  if (err instanceof TerminalError) return "terminal";
  if (err instanceof UnknowableError) return "unknowable";
  if (err instanceof NeverBegunError) return "never-begun";
  if (err instanceof NotSentError) return "not-sent";
  if (err instanceof GatewayError) return "gateway";
  if (err instanceof TypeError) return "type";
  return err instanceof RangeError ? "range" : "plain";
}

/** Takes an error apart. */
export function toWireError(err: unknown): WireError {
  if (!(err instanceof Error)) return { kind: "plain", message: reasonOf(err) };
  const { name, message, stack, code, fix, retryable, retryAfterMs } = err as Error & Partial<WireError>;
  return {
    kind: kindOf(err),
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
export function fromWireError(wire: WireError): Error {
  const err = remade(wire);
  if (wire.stack !== undefined) err.stack = wire.stack;
  return err;
}

function remade({ kind, message, name, code, fix, retryable, retryAfterMs }: WireError): Error {
  switch (kind) {
    case "terminal":
      return new TerminalError(message, fix ?? "");
    case "unknowable":
      return new UnknowableError(message);
    case "never-begun":
      return new NeverBegunError(message);
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
