import { closeSync, existsSync, fchmodSync, fstatSync, openSync, readSync, renameSync, write, writeSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";

export type LogFileOptions = { path: string; fileBytes?: number; files?: number; queueBytes?: number };

/**
 * Appends lines to a file, in batches and without waiting. The file is 0600, its directory 0700. When it has grown to its
 * maximum size it becomes `.1`, the former `.1` becomes `.2`, and the last is removed. A disk error loses only lines, which are
 * counted; the next batch is tried again.
 */
export class LogFile {
  readonly path: string;
  readonly #fileBytes: number;
  readonly #files: number;
  readonly #queueBytes: number;
  #fd: number | null = null;
  #size = 0;
  #queue: string[] = [];
  #queued = 0;
  /** The batch that the system is writing, and the size of the file before it. */
  #inFlight: { batch: Buffer; at: number; lines: number } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #waiters: (() => void)[] = [];
  #dropped = 0;
  #failure: string | null = null;
  #closed = false;

  constructor(options: LogFileOptions) {
    this.path = options.path;
    this.#fileBytes = options.fileBytes ?? LIMITS.logFileBytes;
    this.#files = options.files ?? LIMITS.logFiles;
    this.#queueBytes = options.queueBytes ?? LIMITS.logQueueBytes;
  }

  /** Lines that never reached the disk. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Why the last write failed; null after a success. */
  get failure(): string | null {
    return this.#failure;
  }

  /** True when no line is pending, so the queue has space again. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Queues one line with its line feed. `now` starts the write at once instead of after LIMITS.logFlushMs. Never throws. */
  append(line: string, now: boolean): void {
    if (this.#closed) return;
    const bytes = Buffer.byteLength(line);
    if (this.#queued + bytes > this.#queueBytes) {
      this.#dropped++;
      return;
    }
    this.#queue.push(line);
    this.#queued += bytes;
    if (this.#inFlight) return; // its end starts the next write
    if (now) return this.#startWrite();
    this.#timer ??= setTimeout(() => this.#startWrite(), LIMITS.logFlushMs).unref();
  }

  /** Resolves when all queued lines are written, or lost and counted. */
  flush(): Promise<void> {
    if (!this.#inFlight && this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      if (!this.#inFlight) this.#startWrite();
    });
  }

  /** Writes pending lines synchronously: for the end of the process, including a crash. Never throws. */
  flushNow(): void {
    try {
      const flying = this.#inFlight;
      if (flying && this.#fd !== null && fstatSync(this.#fd).size < flying.at + flying.batch.length) writeAll(this.#fd, flying.batch);
      this.#inFlight = null;
      const batch = this.#takeBatch();
      if (batch.lines === 0) return;
      this.#openOrRotate();
      writeAll(this.#fd!, batch.bytes);
      this.#size += batch.bytes.length;
    } catch (err) {
      this.#failure = reasonOf(err);
    }
  }

  /** Writes the rest and closes; lines that come later are ignored. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#release();
  }

  #takeBatch(): { bytes: Buffer; lines: number } {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const lines = this.#queue.length;
    const bytes = Buffer.from(this.#queue.join(""));
    this.#queue = [];
    this.#queued = 0;
    return { bytes, lines };
  }

  #startWrite(): void {
    const { bytes, lines } = this.#takeBatch();
    if (lines === 0) return this.#resolveWaiters();
    try {
      this.#openOrRotate();
    } catch (err) {
      this.#recordLoss(lines, err);
      return this.#resolveWaiters();
    }
    this.#inFlight = { batch: bytes, at: this.#size, lines };
    this.#write(this.#fd!, bytes, 0, lines);
  }

  #write(fd: number, bytes: Buffer, from: number, lines: number): void {
    write(fd, bytes, from, bytes.length - from, null, (err, written) => {
      if (this.#fd !== fd) return; // closed or flushed in between
      this.#size += written ?? 0;
      if (err) {
        this.#recordLoss(lines, err);
        this.#release();
      } else if (from + written < bytes.length) return this.#write(fd, bytes, from + written, lines);
      else this.#failure = null;
      this.#inFlight = null;
      if (this.#queue.length > 0) this.#startWrite();
      else this.#resolveWaiters();
    });
  }

  /** Opens the file if necessary, and rotates it if it is full. */
  #openOrRotate(): void {
    // The file or its directory was removed: lines would be lost.
    if (this.#fd !== null && fstatSync(this.#fd).nlink === 0) this.#release();
    if (this.#fd === null) this.#open();
    if (this.#size < this.#fileBytes) return;
    this.#release();
    for (let n = this.#files; n >= 1; n--) {
      const from = n === 1 ? this.path : `${this.path}.${n - 1}`;
      if (existsSync(from)) renameSync(from, `${this.path}.${n}`);
    }
    this.#open();
  }

  #open(): void {
    ensureDirectorySync(dirname(this.path));
    this.#fd = openSync(this.path, "a+", 0o600);
    fchmodSync(this.#fd, 0o600);
    this.#size = fstatSync(this.#fd).size;
    if (this.#size > 0 && !this.#endsWithNewline()) this.#size += writeSync(this.#fd, "\n");
  }

  /** False if the file ends in the middle of a line, after a crash or a full disk: the next line must not be appended to it. */
  #endsWithNewline(): boolean {
    const last = Buffer.alloc(1);
    readSync(this.#fd!, last, 0, 1, this.#size - 1);
    return last[0] === 0x0a;
  }

  #release(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #recordLoss(lines: number, err: unknown): void {
    this.#dropped += lines;
    this.#failure = reasonOf(err);
  }

  #resolveWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let from = 0; from < bytes.length;) from += writeSync(fd, bytes, from);
}
