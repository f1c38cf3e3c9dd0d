import { randomBytes } from "node:crypto";
import { closeSync, createReadStream, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ensureDirectorySync } from "../core/files.ts";
import { reasonOf } from "../core/errors.ts";
import { clip } from "../core/text.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { characterStart, formatBytes, incompleteCharacter, keepLastChars } from "./truncation.ts";

/** UTF-8 has at most three bytes for each character of a text. */
const BYTES_PER_CHAR = 3;
/** As much as a result can hold. */
const KEPT_BYTES = BYTES_PER_CHAR * TOOL_LIMITS.commandOutputChars;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** A part of the output for a model. `note`: which part it is, where it is not all that was asked for. */
export type OutputPart = { text: string; note: string | null };

export type CommandOutputOptions = {
  /** Where the file is made. */
  directory: string;
  /** The output is that of a terminal, which ends lines with CR LF. */
  isTerminal?: boolean;
  /** Bytes of the file; what follows is dropped. */
  maxFileBytes?: number;
};

/**
 * The output of a command: its end in memory, the whole in a private file as soon as it is longer than a result. Everything is written
 * synchronously: memory stays bounded, and a result that names the file is true.
 */
export class CommandOutput {
  readonly #options: CommandOutputOptions;
  /** At most twice KEPT_BYTES; only the first `#length` bytes are output. */
  #tail = Buffer.alloc(0);
  #length = 0;
  #totalBytes = 0;
  #newlines = 0;
  #endsWithNewline = true;
  #isFinished = false;
  #file: { path: string; descriptor: number; bytes: number } | null = null;
  #fileProblem: string | null = null;

  constructor(options: CommandOutputOptions) {
    this.#options = options;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#totalBytes += chunk.length;
    // Faster than a search when lines are short.
    for (let at = 0; at < chunk.length; at += 1) if (chunk[at] === NEWLINE) this.#newlines += 1;
    this.#endsWithNewline = chunk.at(-1) === NEWLINE;
    const needsFile = this.#totalBytes > TOOL_LIMITS.commandOutputChars;
    if (needsFile && this.#file === null && this.#fileProblem === null) this.#openFile();
    this.#writeFile(chunk);
    this.#keep(chunk);
  }

  /** Position after the last byte. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** The path of the file with the whole output; null while memory has it, or when it could not be written. */
  get path(): string | null {
    return this.#file?.path ?? null;
  }

  /** The last bytes as they are, at most KEPT_BYTES: what a terminal was sent. */
  get lastBytes(): Buffer {
    return this.#tail.subarray(Math.max(0, this.#length - KEPT_BYTES), this.#length);
  }

  /** The end of the output, in whole lines; an empty text when there was none. */
  tail(maxChars: number = TOOL_LIMITS.commandOutputChars): OutputPart {
    const first = Math.max(0, this.#length - BYTES_PER_CHAR * maxChars);
    const start = characterStart(this.#tail.subarray(0, this.#length), first);
    const isCut = this.#length - start < this.#totalBytes;
    const decoded = this.#toText(this.#tail.subarray(start, this.#length));
    const lineStart = isCut ? decoded.indexOf("\n") + 1 : 0;
    const hasLineStart = lineStart < decoded.length && (lineStart > 0 || !isCut);
    const part = keepLastChars(hasLineStart ? decoded.slice(lineStart) : decoded, maxChars);
    if (!isCut && !part.isCut) return { text: part.text, note: null };
    return { text: part.text, note: this.#describeEnd(hasLineStart ? part.lines : 0, maxChars) };
  }

  /**
   * What follows a position, and the position after it. A character or an escape sequence of which the end is missing is left for the
   * next call, while more can come.
   */
  since(position: number): OutputPart & { position: number } {
    const kept = this.#tail.subarray(0, this.#length);
    const keptFrom = this.#totalBytes - this.#length;
    const start = Math.max(position, keptFrom);
    const bytes = kept.subarray(start - keptFrom);
    const whole = bytes.subarray(0, bytes.length - (this.#isFinished ? 0 : this.#countIncomplete(bytes)));
    const part = keepLastChars(this.#toText(whole), TOOL_LIMITS.commandOutputChars);
    const isCut = start > position || part.isCut;
    return { text: part.text, position: start + whole.length, note: isCut ? "The beginning of this is left out." : null };
  }

  /** `limit` lines from line `offset` on, counted from 1; without `offset` the last ones. Rejects when the file cannot be read. */
  async lines(offset: number | null, limit: number): Promise<OutputPart> {
    if (this.#file === null && this.#fileProblem !== null) return this.tail();
    const total = this.#lines;
    const first = offset ?? Math.max(1, total - limit + 1);
    const dropped = this.#describeDropped();
    if (first > total) return { text: "", note: `The output has ${total} lines${dropped}.` };
    const bytes = await readLines(this.#source(), first, limit);
    const all = this.#toText(bytes);
    const isLong = bytes.length > KEPT_BYTES - BYTES_PER_CHAR || all.length > TOOL_LIMITS.commandOutputChars;
    const text = isLong ? keepFirstChars(all, TOOL_LIMITS.commandOutputChars) : all;
    const last = first + Math.max(0, countLines(text) - 1);
    const cut = isLong && !text.endsWith("\n") ? ` Line ${last} is cut after ${text.length} characters.` : "";
    if (first === 1 && last >= total && dropped + cut === "") return { text, note: null };
    const rest = last < total ? ` Continue with offset=${last + 1}.` : "";
    return { text, note: `Lines ${first} to ${last} of ${total}${dropped}.${cut}${rest}` };
  }

  /** Nothing is appended any more. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#file !== null) closeSync(this.#file.descriptor);
  }

  /** Keeps less in memory of output that is finished: what a poll may still show, or all that there is without a file. */
  shrink(): void {
    const kept = Math.min(this.#length, TOOL_LIMITS.commandOutputChars);
    this.#tail = Buffer.from(this.#tail.subarray(this.#length - kept, this.#length));
    this.#length = kept;
  }

  /** Removes the file. */
  discard(): void {
    this.finish();
    if (this.#file !== null) rmSync(this.#file.path, { force: true });
  }

  get #lines(): number {
    return this.#newlines + (this.#endsWithNewline ? 0 : 1);
  }

  /** Bytes that the file does not have. */
  get #droppedBytes(): number {
    return this.#file === null && this.#fileProblem === null ? 0 : this.#totalBytes - (this.#file?.bytes ?? 0);
  }

  #describeEnd(lines: number, maxChars: number): string {
    const dropped = this.#describeDropped();
    if (lines === 0) return `The end of line ${this.#lines}, which is longer than ${maxChars} characters${dropped}.`;
    return `Lines ${Math.max(1, this.#lines - lines + 1)} to ${this.#lines} of ${this.#lines} (${formatBytes(this.#totalBytes)})${dropped}.`;
  }

  #describeDropped(): string {
    if (this.#fileProblem !== null) return `; the rest was not kept: ${this.#fileProblem}`;
    return this.#droppedBytes === 0 ? "" : `; only the first ${formatBytes(this.#file?.bytes ?? 0)} are kept`;
  }

  /** Bytes at the end that may belong to what comes next. */
  #countIncomplete(bytes: Buffer): number {
    if (this.#options.isTerminal === true && bytes.at(-1) === CARRIAGE_RETURN) return 1;
    return Math.max(incompleteCharacter(bytes), incompleteSequence(bytes));
  }

  #toText(bytes: Buffer): string {
    const text = toHarmlessText(new TextDecoder().decode(bytes));
    return this.#options.isTerminal === true ? text.replaceAll("\r\n", "\n") : text;
  }

  #source(): AsyncIterable<Buffer> | Iterable<Buffer> {
    if (this.#file === null) return [this.#tail.subarray(0, this.#length)];
    return createReadStream(this.#file.path) as AsyncIterable<Buffer>;
  }

  #openFile(): void {
    try {
      ensureDirectorySync(this.#options.directory);
      const path = join(this.#options.directory, `exec-${randomBytes(8).toString("hex")}.log`);
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
    const bytes = chunk.subarray(0, (this.#options.maxFileBytes ?? TOOL_LIMITS.outputFileBytes) - file.bytes);
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

/** The bytes of `count` lines from line `first` on, at most as many as a result can hold. */
async function readLines(source: AsyncIterable<Buffer> | Iterable<Buffer>, first: number, count: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let line = 1;
  let bytes = 0;
  for await (const chunk of source) {
    let from = line >= first ? 0 : -1;
    let to = chunk.length;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) {
      line += 1;
      if (line === first) from = at + 1;
      if (line === first + count) {
        to = at + 1;
        break;
      }
    }
    if (from === -1) continue;
    parts.push(chunk.subarray(from, to));
    bytes += to - from;
    if (line >= first + count || bytes >= KEPT_BYTES) break;
  }
  const all = Buffer.concat(parts);
  const part = all.subarray(0, KEPT_BYTES);
  return part.length < all.length ? part.subarray(0, part.length - incompleteCharacter(part)) : part;
}

/** A final line break ends the last line instead of beginning another one. */
const countLines = (text: string): number => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);

/** The first whole lines of a text, or the beginning of the first line when that one is too long. */
function keepFirstChars(text: string, maxChars: number): string {
  const part = clip(text, maxChars);
  return part.slice(0, part.lastIndexOf("\n") + 1) || part;
}

/** Longer ones are rare, and then a part of one is shown. */
const SEQUENCE_BYTES = 64;
// eslint-disable-next-line no-control-regex
const UNFINISHED_SEQUENCE = /\u001B(?:\[[0-?]*[ -/]*|[\]PX^_][^\u0007\u001B\n]*|[ -/]*)$/;

const incompleteSequence = (bytes: Buffer): number =>
  UNFINISHED_SEQUENCE.exec(bytes.subarray(Math.max(0, bytes.length - SEQUENCE_BYTES)).toString("latin1"))?.[0].length ?? 0;

/** Escape sequences of terminals: parameters and final byte (CSI), strings up to BEL or ST (OSC, DCS, APC, PM, SOS), short ones. */
// eslint-disable-next-line no-control-regex
const ESCAPE_SEQUENCES = /\u001B(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001B\n]*(?:\u0007|\u001B\\)?|[ -/]*[0-~])/g;
/** All control characters but tab, line feed and carriage return; interlinear annotation characters, which break terminals. */
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\uFFF9-\uFFFB]/g;

/** Text without effect on a terminal, a log or a page: escape sequences are removed, other control characters become U+FFFD. Pure. */
export const toHarmlessText = (text: string): string => text.replace(ESCAPE_SEQUENCES, "").replace(CONTROLS, "\uFFFD");
