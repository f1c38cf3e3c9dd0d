import { isAscii } from "node:buffer";
import { randomBytes } from "node:crypto";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** A plain string from this length on is taken out of the text before it is parsed. */
const LONG_STRING_BYTES = 16_384;
/** Strings shorter than this are walked in script; longer ones with native search. */
const SHORT_STRING_BYTES = 48;

const invalidFrame = (text: string): GatewayError => new GatewayError("INVALID_REQUEST", `invalid request frame: ${text}`);
/** Thrown for text that is not JSON: its sender cannot be answered by id. */
const notJson = (): GatewayError => detailError("FRAME_NOT_JSON", "invalid request frame: not JSON");

/** The bytes of a key, each as one character; escapes are decoded first, so that two spellings of a key are equal. */
function keyOf(frame: Buffer, start: number, end: number, isEscaped: boolean): string {
  if (!isEscaped) return frame.toString("latin1", start, end);
  try {
    return Buffer.from(JSON.parse(`"${frame.toString("utf8", start, end)}"`) as string).toString("latin1");
  } catch {
    throw notJson();
  }
}

/**
 * Walks over JSON text and counts, without building anything: nesting, values, key lengths, duplicate keys. It stops at the
 * first limit, and can stop in between (`step`), so that a large frame never holds the event loop. It does not check the
 * grammar; `JSON.parse` does.
 */
export class JsonScanner {
  /** Start and end of the long plain strings, without their quotes. */
  readonly longStrings: [number, number][] = [];
  readonly #frame: Buffer;
  /** The keys of each open object, by depth. */
  readonly #keys: (Set<string> | undefined)[] = [];
  readonly #kinds = new Uint8Array(LIMITS.jsonDepth + 1);
  #at = 0;
  #depth = 0;
  #nodes = 0;
  #keyNext = false;
  #stringStart = -1;
  #escaped = false;
  #nextQuote = -1;
  #nextBackslash = -1;
  #longBytes = 0;

  constructor(frame: Buffer) {
    this.#frame = frame;
  }

  /** Goes on for about `work` bytes; true when the end is reached. Throws GatewayError when a limit is passed. */
  step(work: number): boolean {
    const frame = this.#frame;
    let left = work;
    while (this.#at < frame.length) {
      if (left <= 0) return false;
      if (this.#stringStart >= 0) {
        left -= this.#stringPiece();
        continue;
      }
      const byte = frame[this.#at]!;
      left--;
      if (byte === QUOTE) this.#stringStart = this.#at + 1;
      else if (byte === COMMA) this.#comma();
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#open(byte);
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#close();
      this.#at++;
    }
    if (this.#stringStart >= 0) throw notJson();
    if (frame.length - this.#longBytes > LIMITS.parsedBytes)
      throw invalidFrame(`more than ${LIMITS.parsedBytes} bytes beside its attachments`);
    return true;
  }

  #open(byte: number): void {
    if (this.#depth >= LIMITS.jsonDepth) throw invalidFrame(`nested deeper than ${LIMITS.jsonDepth} levels`);
    this.#count();
    this.#depth++;
    this.#kinds[this.#depth] = byte;
    this.#keys[this.#depth] = undefined;
    this.#keyNext = byte === OPEN_OBJECT;
  }

  #close(): void {
    if (this.#depth === 0) throw notJson();
    this.#depth--;
    this.#keyNext = false;
  }

  #comma(): void {
    this.#count();
    this.#keyNext = this.#kinds[this.#depth] === OPEN_OBJECT;
  }

  #count(): void {
    if (++this.#nodes > LIMITS.jsonNodes) throw invalidFrame(`more than ${LIMITS.jsonNodes} values`);
  }

  /** Goes to the end of the string, or over its next escape. Returns the work done, in bytes walked. */
  #stringPiece(): number {
    const frame = this.#frame;
    const from = this.#at;
    const nearEnd = Math.min(from + SHORT_STRING_BYTES, frame.length);
    for (let at = from; at < nearEnd; at++) {
      const byte = frame[at];
      if (byte === QUOTE) {
        this.#endString(at);
        return at - from + 1;
      }
      if (byte === BACKSLASH) {
        this.#escaped = true;
        at++;
      }
      this.#at = at + 1;
    }
    if (this.#nextQuote < this.#at) this.#nextQuote = indexOfOr(frame, QUOTE, this.#at);
    if (this.#nextQuote === frame.length) throw notJson();
    if (this.#nextBackslash < this.#at) this.#nextBackslash = indexOfOr(frame, BACKSLASH, this.#at);
    if (this.#nextBackslash < this.#nextQuote) {
      this.#escaped = true;
      this.#at = this.#nextBackslash + 2;
    } else {
      this.#endString(this.#nextQuote);
    }
    return SHORT_STRING_BYTES * 4 + ((this.#at - from) >> 5);
  }

  #endString(end: number): void {
    const start = this.#stringStart;
    const length = end - start;
    if (this.#keyNext) {
      if (length > LIMITS.jsonKeyBytes) throw invalidFrame(`a key of more than ${LIMITS.jsonKeyBytes} bytes`);
      const key = keyOf(this.#frame, start, end, this.#escaped);
      const keys = (this.#keys[this.#depth] ??= new Set());
      if (keys.has(key)) throw invalidFrame(`duplicate key '${this.#frame.toString("utf8", start, Math.min(end, start + 64))}'`);
      keys.add(key);
      this.#keyNext = false;
    } else if (length >= LONG_STRING_BYTES && !this.#escaped && isAscii(this.#frame.subarray(start, end))) {
      this.longStrings.push([start, end]);
      this.#longBytes += length;
    }
    this.#stringStart = -1;
    this.#escaped = false;
    this.#at = end + 1;
  }
}

function indexOfOr(frame: Buffer, byte: number, from: number): number {
  const at = frame.indexOf(byte, from);
  return at < 0 ? frame.length : at;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notJson();
  }
}

/** Parses a frame of up to LIMITS.requestBytes in one go. Throws GatewayError INVALID_REQUEST. */
export function readFrame(frame: Buffer): unknown {
  new JsonScanner(frame).step(Infinity);
  return parse(frame.toString("utf8"));
}

/** Scan work between two turns of the event loop. */
const SLICE_BYTES = 262_144;

/**
 * Parses a large frame without holding the event loop: it is scanned in slices, and its long plain strings (attachments) are
 * taken out, made one by one and put back, so that `JSON.parse` sees only the small rest.
 */
export async function readLargeFrame(frame: Buffer, pause: () => Promise<void>): Promise<unknown> {
  const scan = new JsonScanner(frame);
  while (!scan.step(SLICE_BYTES)) await pause();
  await pause();
  const mark = randomBytes(12).toString("hex");
  const pieces: Buffer[] = [];
  const strings = new Map<string, string>();
  let at = 0;
  for (const [index, [start, end]] of scan.longStrings.entries()) {
    const name = `${mark}:${index}`;
    pieces.push(frame.subarray(at, start), Buffer.from(name));
    strings.set(name, frame.toString("latin1", start, end));
    at = end;
    await pause();
  }
  pieces.push(frame.subarray(at));
  const rest = parse(Buffer.concat(pieces).toString("utf8"));
  return strings.size === 0 ? rest : restoreStrings(rest, mark, strings);
}

/** Replaces the marks by the strings that they stand for. Depth and size were limited by the scan. */
function restoreStrings(value: unknown, mark: string, strings: ReadonlyMap<string, string>): unknown {
  if (typeof value === "string") return value.startsWith(mark) ? (strings.get(value) ?? value) : value;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) value[index] = restoreStrings(item, mark, strings);
  } else if (typeof value === "object" && value !== null) {
    const record = value as Record<string, unknown>;
    for (const key of Object.keys(record)) {
      const own = record[key];
      if (typeof own === "string" || typeof own === "object") {
        const changed = restoreStrings(own, mark, strings);
        if (changed !== own) Object.defineProperty(record, key, { value: changed, writable: true, enumerable: true, configurable: true });
      }
    }
  }
  return value;
}

export type FrameHead = { id: string | null; method: string | null };

/**
 * Id and method from the first bytes of a request, before the rest is read or even received: enough to refuse an oversized
 * one with an answer that its sender can match. Null for fields that do not precede the params.
 */
export function readHead(bytes: Buffer): FrameHead {
  const text = bytes.toString("latin1", 0, LIMITS.frameHeadBytes);
  const pattern = /\s*[{,]\s*"([a-z]{1,16})"\s*:\s*("(?:[^"\\]|\\.){0,1024}")/y;
  const head: FrameHead = { id: null, method: null };
  for (let found = pattern.exec(text); found; found = pattern.exec(text)) {
    const [, key, raw] = found as unknown as [string, string, string];
    if (key === "id" || key === "method") head[key] = stringOrNull(Buffer.from(raw, "latin1").toString("utf8"));
  }
  if (head.id !== null && !isUsableId(head.id)) head.id = null;
  return head;
}

function stringOrNull(json: string): string | null {
  try {
    return JSON.parse(json) as string;
  } catch {
    return null;
  }
}

/** Ids are echoed and logged: bounded, well-formed, without NUL. */
export function isUsableId(id: string): boolean {
  return id.length > 0 && id.length <= LIMITS.idChars && id.isWellFormed() && !id.includes("\0");
}
