import { join } from "node:path";
import { systemClock, type Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log, LogFields } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { LogFile, type LogFileOptions } from "./log-file.ts";
import { toEntry, toJsonLine, type LogEntry, type LogLevel } from "./log-line.ts";
import { LogRate } from "./log-rate.ts";
import { hasColour, toTerminalLine } from "./log-terminal.ts";
import { KnownSecrets, toSafeText } from "./redact.ts";

export type { LogLevel } from "./log-line.ts";

const RANK: Readonly<Record<LogLevel | "silent", number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

export type LogOptions = {
  /** Directory of `gateway.log`, usually `<state>/gateway/logs`; null: no file. */
  dir: string | null;
  /** Minimum level of the file. */
  level: LogLevel | "silent";
  /** A terminal stream; `style` json writes the lines of the file instead. */
  terminal?: {
    stream: { write(text: string): unknown; isTTY?: boolean };
    level: LogLevel | "silent";
    style?: "pretty" | "json";
    env?: Readonly<Record<string, string | undefined>>;
  };
  clock?: Clock;
  /** Overrides of path, size and number of files. */
  file?: Partial<LogFileOptions>;
};

/** The log of the process. Modules get it as a plain `Log`. */
export interface RootLog extends Log {
  /** Absolute path of the current file; null without one. */
  readonly file: string | null;
  /** Applies from the next line on, also to `child` logs. */
  setLevel(level: LogLevel | "silent"): void;
  setTerminalLevel(level: LogLevel | "silent"): void;
  /** Hides this secret by value in all later lines. */
  registerSecret(secret: Secret): void;
  /** The same for every Secret inside a value, e.g. a configuration. */
  registerSecrets(value: unknown): void;
  /** Hides matches of these regular expressions in later lines; replaces the previous ones. */
  setPatterns(sources: readonly string[]): void;
  /** A text without credentials and invisible characters, at most this long. */
  safeText(text: string, limitChars: number): string;
  /** Lines with a `runId` get the trace that this returns as `traceId`. */
  setTraceOf(traceOf: (runId: string) => string): void;
  /** Lines that were not written because the same message came too often. */
  suppressedLines(): number;
  /** The newest lines as written, oldest first. */
  recent(limit: number): string[];
  /** Called with each line that is written, without its line feed. Returns a function that unsubscribes. */
  onLine(listener: (line: string) => void): () => void;
  /** Lines that never reached the disk, and why the last write failed. */
  lostLines(): { lines: number; cause: string | null };
  /** Resolves when all lines so far are on disk, or counted as lost. */
  flush(): Promise<void>;
  /** Writes pending lines and closes the file; later lines go to the terminal only. */
  close(): Promise<void>;
}

/** Opens the log. Nothing is created before the first line; an unwritable directory disables the file, not the log. */
export function openLog(options: LogOptions): RootLog {
  const sink = new LogSink(options);
  return Object.assign(createLog(sink, {}), {
    file: sink.file?.path ?? null,
    setLevel: (level: LogLevel | "silent") => void (sink.level = RANK[level]),
    setTerminalLevel: (level: LogLevel | "silent") => void (sink.terminalLevel = RANK[level]),
    registerSecret: (secret: Secret) => sink.known.add(secret),
    registerSecrets: (value: unknown) => secretsIn(value, (secret) => sink.known.add(secret)),
    setPatterns: (sources: readonly string[]) => sink.known.setPatterns(sources),
    safeText: (text: string, limitChars: number) => toSafeText(text, limitChars, sink.known),
    setTraceOf: (traceOf: (runId: string) => string) => void (sink.traceOf = traceOf),
    suppressedLines: () => sink.rate.total,
    recent: (limit: number) => (limit > 0 ? sink.recent.slice(-limit) : []),
    onLine: (listener: (line: string) => void) => sink.listen(listener),
    lostLines: () => ({ lines: sink.file?.dropped ?? 0, cause: sink.file?.failure ?? null }),
    flush: () => sink.file?.flush() ?? Promise.resolve(),
    close: () => sink.close(),
  });
}

/** Walks plain objects and lists; a Config is a tree, so this ends. */
function secretsIn(value: unknown, found: (secret: Secret) => void): void {
  if (value instanceof Secret) found(value);
  else if (typeof value === "object" && value !== null) for (const item of Object.values(value)) secretsIn(item, found);
}

function createLog(sink: LogSink, base: LogFields): Log {
  const say = (level: LogLevel) => (message: string, fields?: LogFields) => sink.write(level, message, base, fields);
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: (fields) => createLog(sink, { ...base, ...fields }),
  };
}

/** Outputs of lines: file, terminal, memory, listeners. */
class LogSink {
  level: number;
  terminalLevel: number;
  readonly known = new KnownSecrets(LIMITS.knownSecrets);
  readonly file: LogFile | null;
  readonly recent: string[] = [];
  readonly rate = new LogRate();
  traceOf: ((runId: string) => string) | null = null;
  readonly #options: LogOptions;
  readonly #clock: Clock;
  readonly #color: boolean;
  readonly #listeners = new Set<(line: string) => void>();
  readonly #atExit = (): void => this.file?.flushNow();
  #reportedLoss = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.level = RANK[options.level];
    this.terminalLevel = RANK[options.terminal?.level ?? "silent"];
    this.#color = options.terminal ? hasColour(options.terminal.stream, options.terminal.env ?? {}) : false;
    this.file = options.dir === null ? null : new LogFile({ path: join(options.dir, "gateway.log"), ...options.file });
    if (this.file) process.once("exit", this.#atExit);
  }

  write(level: LogLevel, message: string, base: LogFields, fields: LogFields | undefined): void {
    const rank = RANK[level];
    if (rank < this.level && rank < this.terminalLevel) return;
    const now = this.#clock.monotonic();
    const due = this.rate.takeDue(now);
    for (const { message: kind, lines } of due) this.#put("warn", "log lines were suppressed", { kind, lines });
    const entry = toEntry(this.#clock.now(), level, message, this.#withTrace(fields ? { ...base, ...fields } : base), this.known);
    const line = toJsonLine(entry);
    if (this.rate.admit(message, line.length, now)) this.#write(rank, entry, line);
  }

  #put(level: LogLevel, message: string, fields: LogFields): void {
    const entry = toEntry(this.#clock.now(), level, message, fields, this.known);
    this.#write(RANK[level], entry, toJsonLine(entry));
  }

  #withTrace(fields: LogFields): LogFields {
    const { runId } = fields;
    return this.traceOf && typeof runId === "string" ? { ...fields, traceId: this.traceOf(runId) } : fields;
  }

  #write(rank: number, entry: LogEntry, line: string): void {
    const { level } = entry;
    if (rank >= this.terminalLevel) this.#print(entry, line);
    if (rank >= this.level) this.#writeToFile(line, level === "error");
  }

  listen(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const { message, lines } of this.rate.takeDue(Infinity)) this.#put("warn", "log lines were suppressed", { kind: message, lines });
    await this.file?.close();
    process.off("exit", this.#atExit);
    this.#listeners.clear();
  }

  #print(entry: LogEntry, line: string): void {
    const terminal = this.#options.terminal!;
    terminal.stream.write(terminal.style === "json" ? line : toTerminalLine(entry, this.#color));
  }

  #writeToFile(line: string, now: boolean): void {
    this.#reportLoss();
    this.file?.append(line, now);
    const bare = line.slice(0, -1);
    this.recent.push(bare);
    // Trimmed in steps, because shifting a long array for each line costs more than the line.
    if (this.recent.length >= LIMITS.logRecentLines * 2) this.recent.splice(0, this.recent.length - LIMITS.logRecentLines);
    for (const listener of this.#listeners) this.#notify(listener, bare);
  }

  /** A listener that throws is a bug of its module: it is logged once, and the listener gets no more lines. */
  #notify(listener: (line: string) => void, line: string): void {
    try {
      listener(line);
    } catch (err) {
      this.#listeners.delete(listener);
      this.file?.append(toJsonLine(toEntry(this.#clock.now(), "error", "a log listener failed", { err }, this.known)), false);
    }
  }

  /** Logs the number of lost lines as soon as writing succeeds again. */
  #reportLoss(): void {
    const file = this.file;
    if (!file?.isEmpty || file.dropped === this.#reportedLoss || file.failure !== null) return;
    const lines = file.dropped - this.#reportedLoss;
    this.#reportedLoss = file.dropped;
    file.append(toJsonLine(toEntry(this.#clock.now(), "warn", "log lines were lost", { lines }, this.known)), false);
  }
}
