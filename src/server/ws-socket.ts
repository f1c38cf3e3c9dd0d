import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { contain } from "../core/contain.ts";
import { LIMITS } from "../core/limits.ts";
import { CLOSE_CODES } from "../protocol/close-codes.ts";
import type { Disconnect } from "../protocol/disconnects.ts";
import { WsReceiver } from "./ws-receiver.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 0x81;
const CLOSE = 0x88;
const PING = 0x89;
const PONG = 0x8a;
/** A pong is left out while this much waits to be read: a client that only pings must not fill our memory. */
const PONG_BACKLOG_BYTES = 65_536;
/** Frames up to this size leave as one piece; larger ones are not copied once more. */
const ONE_BUFFER_BYTES = 16_384;

/** Shared bytes of a frame up to this size are copied, because that costs less than another buffer of a write. */
const COPIED_BYTES = 4_096;

/** Why an upgrade request is not one, or null. */
export function invalidUpgradeReason(request: IncomingMessage): string | null {
  if (request.method !== "GET") return "an upgrade must be a GET";
  if (request.headers.upgrade?.toLowerCase() !== "websocket") return "only websocket upgrades are served";
  if (request.headers["sec-websocket-version"] !== "13") return "websocket version 13 is required";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(request.headers["sec-websocket-key"] ?? "")) return "invalid websocket key";
  return null;
}

/** The header of a frame from the server: never masked, always final. */
export function frameHeader(kind: number, length: number): Buffer {
  if (length < 126) return Buffer.of(kind, length);
  if (length < 65_536) return Buffer.of(kind, 126, length >> 8, length & 0xff);
  const header = Buffer.allocUnsafe(10);
  header[0] = kind;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** A whole text frame in one piece. */
export function textFrame(text: string, length = Buffer.byteLength(text)): Buffer {
  const header = frameHeader(TEXT, length);
  const frame = Buffer.allocUnsafe(header.length + length);
  header.copy(frame);
  frame.write(text, header.length);
  return frame;
}

/** Cut so that it fits a close frame (123 bytes) without splitting a character. */
function closeReason(reason: string): Buffer {
  let bytes = Buffer.from(reason);
  for (let cut = reason.length; bytes.length > 123; cut--) bytes = Buffer.from(reason.slice(0, cut));
  return bytes;
}

export type WsHandlers = {
  message(data: Buffer): void;
  allowance(head: Buffer, declared: number | null): number;
  oversized(head: Buffer): void;
  frame(): void;
  /** A defect of ours while something of the client was handled; it ends this connection and nothing else. */
  onError(err: unknown): void;
  /** The close frame was written: the socket table destroys this socket after a grace period. */
  closing(): void;
  /** The client has taken all that waited. */
  drained(): void;
  /** Once, when the connection is over, with the close code that was seen or sent (CLOSE_CODES.abnormal when there was none). */
  ended(code: number, reason: string): void;
};

/** One accepted WebSocket. Everything written in one turn of the event loop leaves in one system call. */
export class WsSocket {
  readonly #socket: Socket;
  readonly #receiver: WsReceiver;
  readonly #handlers: WsHandlers;
  #corked = false;
  #closing: { code: number; reason: string } | null = null;
  #ended = false;
  /** Bytes that the client had taken at the last ping. */
  #readByPeer = 0;
  /** Set by every received frame; cleared by the ping that asks for the next sign of life. */
  isAlive = true;

  /** Answers the upgrade. Nothing of the client is handled before `start`. `headers` are lines of the answer, each with its line break. */
  constructor(request: IncomingMessage, socket: Socket, handlers: WsHandlers, headers = "") {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#receiver = new WsReceiver(
      {
        allowance: (bytes, declared) => handlers.allowance(bytes, declared),
        oversized: (bytes) => handlers.oversized(bytes),
        message: (data) => handlers.message(data),
        frame: () => {
          this.isAlive = true;
          handlers.frame();
        },
        ping: (data) => this.#pong(data),
        pong: () => {},
        closed: (code, reason) => this.#peerClosed(code, reason),
        failed: (why) => this.close(why),
      },
      { maxMessageBytes: LIMITS.preAuthFrameBytes, askAboveBytes: LIMITS.requestBytes },
    );
    const accept = createHash("sha1")
      .update(request.headers["sec-websocket-key"] + GUID)
      .digest("base64");
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("error", () => socket.destroy());
    socket.on(
      "close",
      contain(handlers.onError, () => this.#end(CLOSE_CODES.abnormal, "")),
    );
    this.#write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${headers}\r\n`,
    );
  }

  /** Handles what the client sends; `head` is what came right behind its upgrade. */
  start(head: Buffer): void {
    if (this.#ended) return;
    const contained = (fn: () => void): (() => void) => contain(this.#handlers.onError, fn);
    this.#socket.on(
      "data",
      contain(this.#handlers.onError, (chunk: Buffer) => this.#receiver.push(chunk)),
    );
    this.#socket.on(
      "end",
      contained(() => this.#finish()),
    );
    this.#socket.on(
      "drain",
      contained(() => this.#handlers.drained()),
    );
    if (head.length > 0) this.#socket.unshift(head);
  }

  /** Bytes that the client has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** The other end is a socket of this machine. */
  get isLocal(): boolean {
    return this.#socket.remoteAddress === this.#socket.localAddress;
  }

  get isOpen(): boolean {
    return !this.#ended && this.#closing === null;
  }

  /** Lets messages become as large as an authenticated client may send them. */
  raiseLimit(bytes: number): void {
    this.#receiver.maxMessageBytes = bytes;
  }

  sendText(text: string): void {
    const length = Buffer.byteLength(text);
    if (length <= ONE_BUFFER_BYTES) return this.#write(textFrame(text, length));
    this.#write(frameHeader(TEXT, length));
    this.#write(text);
  }

  /** Sends a whole frame, which may be in use for many sockets. `now`: nothing else follows in this turn of the event loop. */
  sendFrame(frame: Buffer, now = false): void {
    if (now && !this.#corked && this.#socket.writable) this.#socket.write(frame);
    else this.#write(frame);
  }

  /** One text frame from parts; `shared` is encoded already and may be used for many sockets. Short frames leave as one piece. */
  sendParts(head: string, shared: Buffer): void {
    const headBytes = Buffer.byteLength(head);
    const length = headBytes + shared.length;
    const header = frameHeader(TEXT, length);
    const isShort = length <= COPIED_BYTES;
    const bytes = Buffer.allocUnsafe(header.length + (isShort ? length : headBytes));
    header.copy(bytes);
    bytes.write(head, header.length);
    if (isShort) shared.copy(bytes, header.length + headBytes);
    this.#write(bytes);
    if (!isShort) this.#write(shared);
  }

  /** Asks for a sign of life. What the client has read since the last time is one as well: its pong may not be read for now. */
  ping(): void {
    const taken = this.#socket.bytesWritten - this.#socket.writableLength;
    this.isAlive = this.#socket.isPaused() && taken !== this.#readByPeer;
    this.#readByPeer = taken;
    this.#write(frameHeader(PING, 0));
  }

  /** Stops and starts reading what the client sends. */
  pause(): void {
    if (this.isOpen) this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends what waits and a close frame, then ends. A client that does not answer is cut after LIMITS.socketCloseMs. */
  close({ code, reason }: Disconnect): void {
    if (this.#ended || this.#closing) return;
    this.#closing = { code, reason };
    this.#receiver.stop();
    this.#writeClose(code, reason);
    this.#finish();
    this.#end(code, reason);
  }

  /** Ends at once; nothing more is sent. */
  destroy(): void {
    this.#receiver.stop();
    this.#socket.destroy();
    this.#end(CLOSE_CODES.abnormal, "");
  }

  #peerClosed(code: number, reason: string): void {
    if (!this.#closing) {
      this.#closing = { code, reason };
      this.#writeClose(code === CLOSE_CODES.noStatus ? CLOSE_CODES.normal : code, "");
    }
    this.#finish();
    this.#end(code, reason);
  }

  #finish(): void {
    this.#socket.end();
    // The rest of what the client sends is thrown away, so that its own end is seen.
    this.#socket.resume();
    this.#handlers.closing();
  }

  #writeClose(code: number, reason: string): void {
    const text = closeReason(reason);
    const payload = Buffer.allocUnsafe(2 + text.length);
    payload.writeUInt16BE(code);
    text.copy(payload, 2);
    this.#write(frameHeader(CLOSE, payload.length));
    this.#write(payload);
    if (this.#corked) this.#flush();
  }

  #pong(data: Buffer): void {
    if (this.#socket.writableLength > PONG_BACKLOG_BYTES) return;
    this.#write(frameHeader(PONG, data.length));
    if (data.length > 0) this.#write(data);
  }

  #write(data: string | Buffer): void {
    if (!this.#socket.writable) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => this.#flush());
    }
    this.#socket.write(data);
  }

  #flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.ended(code, reason);
  }
}
