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

export type ErrorOptions = {
  cause?: unknown;
  /** Machine-readable detail; reaches the client as `error.details`. Never put a secret here. */
  details?: Record<string, unknown>;
  retryable?: boolean;
  retryAfterMs?: number;
  /** What the person can do about it, as one sentence or one command. Shown by CLI and page. */
  fix?: string;
};

/** An expected failure. Anything else that is thrown is a bug and is logged with its stack. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
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

/** The text of whatever was thrown, on one line. */
export function reasonOf(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err);
  return text.replaceAll(/\s*[\r\n]+\s*/g, " ").slice(0, 500);
}
