/** Values of a log line. The writer escapes and truncates them; a Secret prints as `[secret]`. */
export type LogFields = Record<string, unknown>;

/** The log as modules see it. Implemented in observe/log and passed in. */
export type Log = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each line, e.g. `{ channel: "irc", account: "libera" }`. */
  child(fields: LogFields): Log;
};

const noop = (): void => {};
/** For pure tests and for tools that print by themselves. */
export const silentLog: Log = { debug: noop, info: noop, warn: noop, error: noop, child: () => silentLog };
