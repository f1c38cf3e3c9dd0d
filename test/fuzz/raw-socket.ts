import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type FrameParts = {
  opcode: number;
  payload: Buffer;
  fin?: boolean;
  /** The three reserved bits. */
  reserved?: number;
  masked?: boolean;
  /** Instead of the true length. */
  declared?: bigint;
  /** 0: the shortest form; 2 or 8: that many bytes of length whatever it is. */
  lengthBytes?: 0 | 2 | 8;
};

/** The bytes of one WebSocket frame, right or wrong. */
export function toBytes(frame: FrameParts): Buffer {
  const { payload, masked = true } = frame;
  const length = frame.declared ?? BigInt(payload.length);
  const form = frame.lengthBytes || (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const head = Buffer.alloc(2 + form);
  head[0] = (frame.fin === false ? 0 : 0x80) | ((frame.reserved ?? 0) << 4) | frame.opcode;
  head[1] = (masked ? 0x80 : 0) | (form === 0 ? Number(length & 0x7fn) : form === 2 ? 126 : 127);
  if (form === 2) head.writeUInt16BE(Number(length & 0xffffn), 2);
  if (form === 8) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  const body = Buffer.from(payload);
  for (let at = 0; at < body.length; at++) body[at]! ^= mask[at & 3]!;
  return Buffer.concat([head, mask, body]);
}

export type ReceivedFrame = { text: string } | { pong: Buffer } | { ended: true; code: number; reason: string };

/** A WebSocket client that can do everything wrong. */
export class RawSocket {
  readonly received: ReceivedFrame[] = [];
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #upgraded = false;
  #close: { code: number; reason: string } | null = null;
  #ended = false;
  #wake: (() => void) | null = null;
  /** The answer to the upgrade request. */
  head = "";

  private constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    // What matters is how it ends, and "close" comes after every error.
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#end());
  }

  static async open(port: number, headers: readonly string[] = []): Promise<RawSocket> {
    const raw = new RawSocket(port);
    const lines = [
      "GET / HTTP/1.1",
      `Host: 127.0.0.1:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      "Sec-WebSocket-Version: 13",
      ...headers,
    ];
    raw.#socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    await raw.until(() => raw.#upgraded || raw.#ended, 10_000);
    return raw;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How it ended: close code and reason, 1006 when the socket just went away. */
  get ending(): { code: number; reason: string } {
    return this.#close ?? { code: 1006, reason: "" };
  }

  write(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  text(payload: Buffer | string): void {
    this.write(toBytes({ opcode: OPCODE.text, payload: Buffer.from(payload) }));
  }

  /** Cuts the connection. */
  drop(): void {
    this.#socket.destroy();
  }

  /** False when `ready` did not hold in time. */
  async until(ready: () => boolean, limitMs: number): Promise<boolean> {
    const end = Date.now() + limitMs;
    while (!ready()) {
      const leftMs = end - Date.now();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #end(): void {
    this.#ended = true;
    this.received.push({ ended: true, ...this.ending });
    this.#notify();
  }

  #read(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (!this.#upgraded) {
      const at = this.#rest.indexOf("\r\n\r\n");
      if (at < 0) return;
      this.head = this.#rest.toString("latin1", 0, at);
      if (!this.head.startsWith("HTTP/1.1 101")) return this.#notify();
      this.#rest = this.#rest.subarray(at + 4);
      this.#upgraded = true;
    }
    while (this.#frame());
    this.#notify();
  }

  #frame(): boolean {
    const data = this.#rest;
    if (data.length < 2) return false;
    const short = data[1]! & 0x7f;
    const form = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (data.length < 2 + form) return false;
    const length = form === 0 ? short : form === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2));
    if (data.length < 2 + form + length) return false;
    const payload = Buffer.from(data.subarray(2 + form, 2 + form + length));
    this.#rest = data.subarray(2 + form + length);
    const opcode = data[0]! & 0x0f;
    if (opcode === OPCODE.text) this.received.push({ text: payload.toString("utf8") });
    else if (opcode === OPCODE.pong) this.received.push({ pong: payload });
    else if (opcode === OPCODE.ping) this.write(toBytes({ opcode: OPCODE.pong, payload }));
    else if (opcode === OPCODE.close) {
      this.#close =
        payload.length >= 2 ? { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) } : { code: 1005, reason: "" };
      this.#socket.end(toBytes({ opcode: OPCODE.close, payload: payload.subarray(0, 2) }));
    }
    return true;
  }
}
