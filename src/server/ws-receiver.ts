import { isUtf8 } from "node:buffer";
import { LIMITS } from "../core/limits.ts";
import { CLOSE_CODES } from "../protocol/close-codes.ts";
import { DISCONNECTS, type Disconnect } from "../protocol/disconnects.ts";

/** What a receiver reports. After `failed` or `closed` it reports nothing more. */
export type WsSink = {
  /** The head of a message that outgrows `askAboveBytes`: how many bytes it may have. `declared`: its size, null when that is open. */
  allowance(head: Buffer, declared: number | null): number;
  /** A message was larger than its allowance; the rest of it is thrown away as it arrives. */
  oversized(head: Buffer): void;
  /** A complete text message, valid UTF-8. */
  message(data: Buffer): void;
  /** Every frame, control frames included, before its payload. */
  frame(): void;
  ping(data: Buffer): void;
  pong(): void;
  closed(code: number, reason: string): void;
  failed(why: Disconnect): void;
};

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const NOTHING = Buffer.alloc(0);

/** XORs the mask over `data`, where `phase` bytes of the same frame came before. */
function unmask(data: Buffer, mask: Buffer, phase: number): void {
  let at = 0;
  const end = data.length;
  const offset = data.byteOffset;
  while (at < end && (offset + at) % 4 !== 0) {
    data[at]! ^= mask[(phase + at) & 3]!;
    at++;
  }
  const words = (end - at) >> 2;
  if (words > 0) {
    const view = new Uint32Array(data.buffer, offset + at, words);
    const key = Buffer.of(mask[(phase + at) & 3]!, mask[(phase + at + 1) & 3]!, mask[(phase + at + 2) & 3]!, mask[(phase + at + 3) & 3]!);
    const word = new Uint32Array(Uint8Array.from(key).buffer)[0]!;
    for (let i = 0; i < words; i++) view[i]! ^= word;
    at += words * 4;
  }
  for (; at < end; at++) data[at]! ^= mask[(phase + at) & 3]!;
}

/**
 * The receiving half of a WebSocket server (RFC 6455, no extensions). Payloads are unmasked as they arrive, in pieces of one
 * socket read, so that a large message never holds the event loop; and a message is refused by its head, before the rest
 * of it is kept.
 */
export class WsReceiver {
  maxMessageBytes: number;
  readonly #askAboveBytes: number;
  readonly #sink: WsSink;
  #unparsed: Buffer = NOTHING;
  #stopped = false;
  // The frame that is being read.
  #inFrame = false;
  #opcode = 0;
  #fin = false;
  #payloadLeft = 0;
  #maskOffset = 0;
  #mask: Buffer = NOTHING;
  #control: Buffer[] = [];
  // The message that its frames make up.
  #inMessage = false;
  #fragments = 0;
  #declared = 0;
  #allowed = 0;
  #discarding = false;
  #parts: Buffer[] = [];
  #received = 0;
  #messageBuffer: Buffer | null = null;

  constructor(sink: WsSink, options: { maxMessageBytes: number; askAboveBytes: number }) {
    this.#sink = sink;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#askAboveBytes = options.askAboveBytes;
  }

  /** Stops reading; everything that follows is ignored. */
  stop(): void {
    this.#stopped = true;
    this.#reset();
  }

  /** Takes what the socket has read. The bytes are changed in place. */
  push(read: Buffer): void {
    if (this.#stopped) return;
    const chunk = this.#unparsed.length > 0 ? Buffer.concat([this.#unparsed, read]) : read;
    this.#unparsed = NOTHING;
    let at = 0;
    while (!this.#stopped) {
      if (!this.#inFrame) {
        const used = this.#header(chunk, at);
        if (used === 0) {
          this.#unparsed = chunk.subarray(at);
          return;
        }
        at += used;
        if (this.#stopped) return;
      }
      const take = Math.min(this.#payloadLeft, chunk.length - at);
      if (take > 0) {
        const piece = chunk.subarray(at, at + take);
        unmask(piece, this.#mask, this.#maskOffset);
        this.#maskOffset += take;
        this.#payloadLeft -= take;
        at += take;
        this.#onPayload(piece);
        if (this.#stopped) return;
      }
      if (this.#payloadLeft > 0) return;
      this.#inFrame = false;
      this.#endFrame();
    }
  }

  #fail(why: Disconnect): void {
    this.stop();
    this.#sink.failed(why);
  }

  /** Reads a frame header; 0 when it is not complete yet. */
  #header(chunk: Buffer, at: number): number {
    const have = chunk.length - at;
    if (have < 2) return 0;
    const first = chunk[at]!;
    const second = chunk[at + 1]!;
    const short = second & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    const size = 2 + extended + 4;
    if ((second & 0x80) === 0) return this.#protocolError(DISCONNECTS.unmaskedFrame);
    if (have < size) return 0;
    const length = extended === 8 ? Number(chunk.readBigUInt64BE(at + 2)) : extended === 2 ? chunk.readUInt16BE(at + 2) : short;
    const shortest = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    if (extended !== shortest) return this.#protocolError(DISCONNECTS.lengthNotShortest);
    this.#fin = (first & 0x80) !== 0;
    this.#opcode = first & 0x0f;
    if ((first & 0x70) !== 0) return this.#protocolError(DISCONNECTS.extensionBits);
    this.#sink.frame();
    if (this.#stopped) return size;
    this.#mask = chunk.subarray(at + size - 4, at + size);
    this.#maskOffset = 0;
    this.#payloadLeft = length;
    this.#inFrame = true;
    if (this.#opcode >= CLOSE) this.#startControl(length);
    else this.#startData(length);
    return size;
  }

  #protocolError(why: Disconnect): number {
    this.#fail(why);
    return 1;
  }

  #startControl(length: number): void {
    if (this.#opcode > PONG) return this.#fail(DISCONNECTS.unknownFrame);
    if (!this.#fin || length > 125) return this.#fail(DISCONNECTS.invalidControlFrame);
    this.#control = [];
  }

  #startData(length: number): void {
    if (this.#opcode === BINARY) return this.#fail(DISCONNECTS.binaryFrame);
    if (this.#opcode > BINARY) return this.#fail(DISCONNECTS.unknownFrame);
    if ((this.#opcode === TEXT) === this.#inMessage) return this.#fail(DISCONNECTS.unexpectedFrame);
    if (!this.#inMessage) {
      this.#reset();
      this.#inMessage = true;
      this.#allowed = this.#askAboveBytes;
    }
    this.#declared += length;
    if (++this.#fragments > LIMITS.messageFragments) return this.#fail(DISCONNECTS.tooManyFragments);
    if (this.#declared > this.maxMessageBytes) return this.#fail(DISCONNECTS.messageTooBig);
  }

  #onPayload(piece: Buffer): void {
    if (this.#opcode >= CLOSE) this.#control.push(piece);
    else if (!this.#discarding) this.#appendPayload(piece);
  }

  #appendPayload(piece: Buffer): void {
    this.#received += piece.length;
    if (this.#messageBuffer) {
      piece.copy(this.#messageBuffer, this.#received - piece.length);
      return;
    }
    this.#parts.push(piece);
    if (this.#declared <= this.#allowed) return;
    if (this.#received < Math.min(LIMITS.frameHeadBytes, this.#declared)) return;
    const head = Buffer.concat(this.#parts);
    if (this.#allowed === this.#askAboveBytes) {
      const whole = this.#fin && this.#fragments === 1 ? this.#declared : null;
      this.#allowed = Math.max(this.#sink.allowance(head, whole), this.#askAboveBytes);
    }
    if (this.#stopped) return;
    if (this.#declared > this.#allowed) {
      this.#discarding = true;
      this.#parts = [];
      this.#sink.oversized(head.subarray(0, LIMITS.frameHeadBytes));
    } else if (this.#fin && this.#fragments === 1) {
      // Its size is known, so that the pages are touched while it arrives and not all at its end.
      this.#messageBuffer = Buffer.allocUnsafeSlow(this.#declared);
      head.copy(this.#messageBuffer);
      this.#parts = [];
    } else {
      this.#parts = [head];
    }
  }

  #endFrame(): void {
    if (this.#opcode >= CLOSE) return this.#endControl();
    if (!this.#fin) return;
    const whole = this.#messageBuffer;
    const data = whole ?? (this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts));
    const discarded = this.#discarding;
    this.#reset();
    if (discarded) return;
    if (!isUtf8(data)) return this.#fail(DISCONNECTS.invalidUtf8);
    this.#sink.message(data);
  }

  #endControl(): void {
    const data = this.#control.length === 1 ? this.#control[0]! : Buffer.concat(this.#control);
    this.#control = [];
    if (this.#opcode === PING) return this.#sink.ping(data);
    if (this.#opcode === PONG) return this.#sink.pong();
    if (data.length === 1) return this.#fail(DISCONNECTS.invalidCloseFrame);
    const code = data.length === 0 ? CLOSE_CODES.noStatus : data.readUInt16BE(0);
    const reason = data.subarray(2);
    if (data.length > 0 && (!isCloseCode(code) || !isUtf8(reason))) return this.#fail(DISCONNECTS.invalidCloseFrame);
    this.stop();
    this.#sink.closed(code, reason.toString("utf8"));
  }

  #reset(): void {
    this.#inMessage = false;
    this.#fragments = 0;
    this.#declared = 0;
    this.#discarding = false;
    this.#parts = [];
    this.#received = 0;
    this.#messageBuffer = null;
  }
}

function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
}
