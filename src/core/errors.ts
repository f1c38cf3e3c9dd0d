import { ERRORS, ERROR_DETAILS, type DetailCode, type ErrorCode } from "./error-codes.ts";

/** Machine-readable part of an error, with a code from the table where there is one. */
export type ErrorDetails = { readonly code?: DetailCode } & Readonly<Record<string, unknown>>;

export type ErrorOptions = {
  cause?: unknown;
  /** Machine-readable detail; reaches the client as `error.details`. Never put a secret here. */
  details?: ErrorDetails;
  retryable?: boolean;
  retryAfterMs?: number;
  /** How to fix it, as one sentence or one command. Shown by CLI and page. */
  fix?: string;
};

/** An expected failure. Anything else that is thrown is a bug and is logged with its stack. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = "GatewayError";
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.fix = options.fix;
  }
}

/** The error of one row of ERROR_DETAILS; `options.details` adds to its code. */
export function detailError(detail: DetailCode, message: string, options: ErrorOptions = {}): GatewayError {
  const row: { code: ErrorCode; retryable?: boolean } = ERROR_DETAILS[detail];
  const retryable = options.retryable ?? row.retryable;
  return new GatewayError(row.code, message, {
    ...options,
    details: { code: detail, ...options.details },
    ...(retryable === undefined ? {} : { retryable }),
  });
}

/** The error of a caller that lacks a scope; methods with a dynamic scope throw the same. */
export const missingScope = (scope: string): GatewayError =>
  detailError("MISSING_SCOPE", `missing scope: ${scope}`, { details: { missingScope: scope, requiredScopes: [scope] } });

/**
 * The same error; for one that was caused by a lack of file descriptors, a GatewayError with that reason. The caller may repeat the
 * request when some are free.
 */
export function withDescriptorCause(err: unknown): unknown {
  for (let each = err, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    const { code } = each as NodeJS.ErrnoException;
    if (code !== "EMFILE" && code !== "ENFILE") continue;
    return new GatewayError("UNAVAILABLE", "the gateway has no free file descriptors", {
      cause: err,
      retryable: true,
      fix: "Close some connections, or raise the limit of open files (ulimit -n) and restart the gateway.",
    });
  }
  return err;
}

/** Process exit codes (sysexits): what a script can rely on. */
export const EXIT = { ok: 0, failure: 1, usage: 2, unavailable: 69, config: 78, noPermission: 77, interrupted: 130 } as const;

/** A command-line failure: one line what, one line why, one line fix. */
export class CliError extends Error {
  readonly exit: number;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor(what: string, options: { why?: string; fix?: string; exit?: number; cause?: unknown } = {}) {
    super(what, { cause: options.cause });
    this.name = "CliError";
    this.exit = options.exit ?? EXIT.failure;
    this.why = options.why;
    this.fix = options.fix;
  }
}

/** The message of a thrown value, on one line. */
export function reasonOf(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err);
  return text.replaceAll(/\s*[\r\n]+\s*/g, " ").slice(0, 500);
}
