import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ensureDirectorySync } from "../../core/files.ts";
import { reasonOf } from "../../core/errors.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { characterStart, formatBytes, keepLastLines } from "../truncation.ts";

/** More than a result can hold, so that removed control sequences do not shorten it. */
const KEPT_BYTES = 2 * TOOL_LIMITS.resultBytes;
const NEWLINE = 10;

/**
 * The output of a command: its end in memory, the whole in a private file as soon as it is longer than a result. Everything is written
 * synchronously: memory stays bounded, and a result that names the file is true.
 */
export class CommandOutput {
  readonly #directory: string;
  /** At most twice KEPT_BYTES; only the first `#length` bytes are output. */
  #tail = Buffer.alloc(0);
  #length = 0;
  #totalBytes = 0;
  #newlines = 0;
  #endsWithNewline = true;
  #file: { path: string; descriptor: number; bytes: number } | null = null;
  #fileProblem: string | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#totalBytes += chunk.length;
    // Faster than a search when lines are short.
    for (let at = 0; at < chunk.length; at += 1) if (chunk[at] === NEWLINE) this.#newlines += 1;
    this.#endsWithNewline = chunk.at(-1) === NEWLINE;
    if (this.#file === null && this.#fileProblem === null && this.#exceedsResult) this.#openFile();
    this.#writeFile(chunk);
    this.#keep(chunk);
  }

  /** The end of the output for a model, with a notice when it is not all; an empty string when there was none. */
  toText(): string {
    const cut = this.#length < this.#totalBytes;
    const start = cut ? characterStart(this.#tail.subarray(0, this.#length), Math.max(0, this.#length - KEPT_BYTES)) : 0;
    const decoded = new TextDecoder().decode(this.#tail.subarray(start, this.#length));
    const firstLine = cut ? decoded.indexOf("\n") + 1 : 0;
    const part = keepLastLines(toHarmlessText(decoded.slice(firstLine)));
    if (!this.#exceedsResult && part.limit === null) return part.text;
    // Few bytes can still be a long text: each invalid one becomes a character of three.
    if (this.#file === null && this.#fileProblem === null) this.#openFile();
    return `${part.text.replace(/\n$/, "")}\n\n[${this.#describePart(part.lines)} ${this.#describeFile()}]`;
  }

  /** Closes the file; nothing may be appended afterwards. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file.descriptor);
  }

  get #lines(): number {
    return this.#newlines + (this.#endsWithNewline ? 0 : 1);
  }

  get #exceedsResult(): boolean {
    return this.#totalBytes > TOOL_LIMITS.resultBytes || this.#lines > TOOL_LIMITS.resultLines;
  }

  #describePart(lines: number): string {
    if (lines === 0) return `The end of line ${this.#lines}, which is longer than ${formatBytes(TOOL_LIMITS.resultBytes)}.`;
    return `Lines ${Math.max(1, this.#lines - lines + 1)} to ${this.#lines} of ${this.#lines} (${formatBytes(this.#totalBytes)}).`;
  }

  #describeFile(): string {
    if (this.#fileProblem !== null) return `The rest was not kept: ${this.#fileProblem}.`;
    const path = this.#file?.path ?? "";
    if (this.#totalBytes <= TOOL_LIMITS.outputFileBytes) return `Full output: ${path}`;
    return `The first ${formatBytes(TOOL_LIMITS.outputFileBytes)} of the output: ${path}`;
  }

  #openFile(): void {
    try {
      ensureDirectorySync(this.#directory);
      const path = join(this.#directory, `bash-${randomBytes(8).toString("hex")}.log`);
      this.#file = { path, descriptor: openSync(path, "wx", 0o600), bytes: 0 };
    } catch (err) {
      this.#fileProblem = reasonOf(err);
      return;
    }
    this.#writeFile(this.#tail.subarray(0, this.#length));
  }

  #writeFile(chunk: Buffer): void {
    const file = this.#file;
    if (file === null || this.#fileProblem !== null) return;
    const bytes = chunk.subarray(0, TOOL_LIMITS.outputFileBytes - file.bytes);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file.descriptor, bytes, at);
      file.bytes += bytes.length;
    } catch (err) {
      this.#fileProblem = `writing ${file.path} failed, ${reasonOf(err)}`;
    }
  }

  #keep(chunk: Buffer): void {
    const kept = chunk.subarray(Math.max(0, chunk.length - KEPT_BYTES));
    if (this.#length + kept.length > 2 * KEPT_BYTES) {
      this.#tail.copyWithin(0, this.#length - KEPT_BYTES, this.#length);
      this.#length = KEPT_BYTES;
    }
    const needed = this.#length + kept.length;
    if (needed > this.#tail.length) {
      const larger = Buffer.alloc(Math.min(2 * KEPT_BYTES, Math.max(4_096, needed, 2 * this.#tail.length)));
      this.#tail.copy(larger, 0, 0, this.#length);
      this.#tail = larger;
    }
    kept.copy(this.#tail, this.#length);
    this.#length = needed;
  }
}

/** Escape sequences of terminals: parameters and final byte (CSI), strings up to BEL or ST (OSC, DCS, APC, PM, SOS), short ones. */
// eslint-disable-next-line no-control-regex
const ESCAPE_SEQUENCES = /\u001B(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001B\n]*(?:\u0007|\u001B\\)?|[ -/]*[0-~])/g;
/** All control characters but tab, line feed and carriage return; interlinear annotation characters, which break terminals. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFFF9-\uFFFB]/g;

/** Text without effect on a terminal, a log or a page: escape sequences are removed, other control characters become U+FFFD. Pure. */
export const toHarmlessText = (text: string): string => text.replace(ESCAPE_SEQUENCES, "").replace(CONTROLS, "\uFFFD");
