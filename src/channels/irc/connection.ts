import { IRC_LIMITS } from "./limits.ts";
import { randomBytes } from "node:crypto";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { TerminalError } from "../channel.ts";
import type { IrcAccount } from "./config.ts";
import { parseLine, type IrcLine } from "./message-line.ts";

export type IrcTimings = {
  /** TCP, TLS and registration together. */
  connectMs: number;
  /** Nothing read for so long: a PING of our own. Nothing read for `pongMs` after it: the connection is dead. */
  quietMs: number;
  pongMs: number;
  /** Pause before a nick is tried again, and before a room is joined again (doubles up to five minutes). */
  nickRetryMs: number;
  rejoinMs: number;
  /** A command that the server has not answered by then is taken for unanswered; sending goes on without its answer. */
  answerMs: number;
};
export const IRC_TIMINGS: IrcTimings = {
  connectMs: 30_000,
  quietMs: 60_000,
  pongMs: 30_000,
  nickRetryMs: 60_000,
  rejoinMs: 5_000,
  answerMs: 10_000,
};

/** Bytes of one line with its tags. A longer one is dropped as a whole. */
const LINE_LIMIT = IRC_LIMITS.lineBytes;
/** Lines that may wait for the flood limit; a part that does not fit is refused. */
const QUEUE_LINES = IRC_LIMITS.queueLines;

/** Outgoing lines. `written` counts those that the socket accepted: whether the server received them is unknown. */
export type PendingWrite = { readonly total: number; written: number; cancel(): void; readonly done: Promise<void> };

/** Connects, with TLS verified as configured. Throws TerminalError for a pinned certificate that does not match. */
export async function openIrcSocket(account: IrcAccount, signal: AbortSignal): Promise<Socket> {
  const socket = account.tls ? openTls(account) : connectTcp({ host: account.host, port: account.port });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  socket.once(account.tls ? "secureConnect" : "connect", resolve);
  socket.once("error", reject);
  try {
    if (signal.aborted) throw signal.reason;
    await promise;
    if (account.tls && account.tls.verify === "fingerprint") checkFingerprint(socket as TLSSocket, account.tls.sha256);
    socket.setNoDelay(true);
    return socket;
  } catch (err) {
    socket.on("error", () => socket.destroy());
    socket.destroy();
    throw err;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.off("error", reject);
  }
}

function openTls(account: IrcAccount): TLSSocket {
  const isAddress = /^[\d.]+$|:/.test(account.host);
  const verified = account.tls && account.tls.verify === "authorities";
  return connectTls({
    host: account.host,
    port: account.port,
    rejectUnauthorized: verified,
    ...(!isAddress && { servername: account.host }),
  });
}

function checkFingerprint(socket: TLSSocket, wanted: string): void {
  const seen = socket.getPeerCertificate().fingerprint256?.replaceAll(":", "").toLowerCase();
  if (seen === wanted) return;
  throw new TerminalError(
    `the server's certificate has the fingerprint ${seen ?? "(none)"}, not the configured one`,
    "If the server's owner has changed the certificate, set channels.irc.tlsFingerprint to the new one.",
  );
}

type QueuedLine = { line: string; sending: PendingWrite & { finish: () => void } };

export type IrcConnectionDeps = {
  flood: IrcAccount["flood"];
  timings: IrcTimings;
  clock: Clock;
  onLine(line: IrcLine): void;
  /** A line could not be handled. It is skipped. */
  onUnreadable(text: string, cause: unknown): void;
  /** A callback of the connection has thrown. */
  fail(err: unknown): void;
  /** Bytes were read: proof of life. */
  onRead(): void;
};

/** One TCP connection: lines in, lines out within the flood limit, and the check that the other side is alive. */
export class IrcConnection {
  /** Distinguishes the local message ids of this connection from those of every other. */
  readonly id = randomBytes(9).toString("base64url");
  /** Resolves to the cause when the connection has ended; never rejects. */
  readonly closed: Promise<Error>;
  readonly #socket: Socket;
  readonly #deps: IrcConnectionDeps;
  readonly #end: (cause: Error) => void;
  readonly #queue: QueuedLine[] = [];
  readonly #pongs = new Map<string, (cause: Error | null) => void>();
  #cause: Error | null = null;
  #buffer: Buffer = Buffer.alloc(0);
  #skipping = false;
  #tokens: number;
  #refilledAt: number;
  #cancelPump: (() => void) | null = null;
  #cancelWatchdog: (() => void) | null = null;
  /** Lines that the socket has not taken yet, and the deadline for the next of them. */
  #unwritten = 0;
  #onDrain: (() => void) | null = null;
  #lastReadAt: number;
  #isPingPending = false;
  #tokenCounter = 0;

  constructor(socket: Socket, deps: IrcConnectionDeps) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.closed = promise;
    this.#end = resolve;
    this.#socket = socket;
    this.#deps = deps;
    this.#tokens = deps.flood.burst;
    this.#refilledAt = this.#lastReadAt = deps.clock.monotonic();
    const { fail } = deps;
    socket.on(
      "data",
      contain(fail, (chunk: Buffer) => this.#read(chunk)),
    );
    socket.on(
      "error",
      contain(fail, (err: Error) => this.close(err)),
    );
    socket.on(
      "close",
      contain(fail, () => this.close(new Error("the server closed the connection"))),
    );
    this.#checkIdle();
  }

  get open(): boolean {
    return this.#cause === null;
  }

  /** Ends the connection. The first cause counts. */
  close(cause: Error, farewell?: string): void {
    if (this.#cause) return;
    this.#cause = cause;
    this.#cancelWatchdog?.();
    this.#cancelPump?.();
    this.#onDrain?.();
    if (farewell !== undefined && this.#socket.writable) this.#socket.end(`${farewell}\r\n`);
    else this.#socket.destroy();
    // A peer that never closes its side must not keep the socket.
    this.#deps.clock.after(500, () => this.#socket.destroy());
    for (const { sending } of this.#queue.splice(0)) sending.finish();
    for (const settle of this.#pongs.values()) settle(cause);
    this.#pongs.clear();
    this.#end(cause);
  }

  /** Writes a line at once, past the flood limit: for the few lines that the protocol itself needs. */
  sendNow(line: string): void {
    if (this.open) this.#socket.write(`${line}\r\n`);
  }

  /** Queues lines; they leave in order, and never between the lines of another call. */
  send(lines: readonly string[]): PendingWrite | null {
    if (!this.open || this.#queue.length + lines.length > QUEUE_LINES) return null;
    const { promise, resolve } = Promise.withResolvers<void>();
    const sending = {
      total: lines.length,
      written: 0,
      done: promise,
      finish: resolve,
      cancel: (): void => {
        for (let i = this.#queue.length - 1; i >= 0; i--) if (this.#queue[i]!.sending === sending) this.#queue.splice(i, 1);
        resolve();
      },
    };
    this.#queue.push(...lines.map((line) => ({ line, sending })));
    this.#flushQueue();
    return sending;
  }

  /** Resolves when the server has handled every line written so far; rejects when the connection ends before it says so. */
  confirmDelivery(): Promise<void> {
    if (this.#cause) return Promise.reject(this.#cause);
    const token = `oc-${++this.#tokenCounter}`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.after(this.#deps.timings.pongMs, () => this.close(new Error("the server does not answer")));
    this.#pongs.set(token, (cause) => {
      cancel();
      if (cause) reject(cause);
      else resolve();
    });
    this.sendNow(`PING :${token}`);
    return promise;
  }

  /** The server does not know PING: what it says about it shows that it has handled every line before it. */
  onPingRefused(): void {
    for (const settle of this.#pongs.values()) settle(null);
    this.#pongs.clear();
  }

  /** To be called for each PONG. */
  onPong(token: string): void {
    const settle = this.#pongs.get(token);
    this.#pongs.delete(token);
    settle?.(null);
  }

  /** Stops and resumes reading, for when messages come faster than they can be stored. */
  setReading(on: boolean): void {
    if (on === !this.#socket.isPaused()) return;
    if (on) this.#socket.resume();
    else this.#socket.pause();
    this.#lastReadAt = this.#deps.clock.monotonic();
  }

  #flushQueue(): void {
    const { burst, intervalMs } = this.#deps.flood;
    const now = this.#deps.clock.monotonic();
    if (intervalMs === 0) this.#tokens = Infinity;
    else {
      const fresh = Math.floor((now - this.#refilledAt) / intervalMs);
      this.#tokens = Math.min(burst, this.#tokens + fresh);
      this.#refilledAt = this.#tokens >= burst ? now : this.#refilledAt + fresh * intervalMs;
    }
    while (this.#queue.length > 0 && this.#tokens > 0) {
      const { line, sending } = this.#queue.shift()!;
      this.#tokens--;
      sending.written++;
      const isLast = sending.written === sending.total;
      this.#unwritten++;
      this.#socket.write(
        `${line}\r\n`,
        contain(this.#deps.fail, () => {
          this.#unwritten--;
          this.#watchWrites();
          if (isLast) sending.finish();
        }),
      );
      if (this.#unwritten === 1) this.#watchWrites();
    }
    if (this.#queue.length === 0 || this.#cancelPump || !this.open) return;
    this.#cancelPump = this.#deps.clock.after(Math.max(1, this.#refilledAt + intervalMs - now), () => {
      this.#cancelPump = null;
      this.#flushQueue();
    });
  }

  /** A server that reads nothing would hold up everything that is sent, however much it says itself. */
  #watchWrites(): void {
    this.#onDrain?.();
    this.#onDrain = null;
    if (this.#unwritten === 0 || !this.open) return;
    const late = (): void => this.close(new Error("the server does not read what the gateway sends"));
    this.#onDrain = this.#deps.clock.after(this.#deps.timings.pongMs, late);
  }

  #checkIdle(): void {
    const { quietMs, pongMs } = this.#deps.timings;
    const waitMs = this.#isPingPending ? pongMs : Math.max(1, this.#lastReadAt + quietMs - this.#deps.clock.monotonic());
    this.#cancelWatchdog = this.#deps.clock.after(waitMs, () => {
      if (!this.open) return;
      const quietForMs = this.#deps.clock.monotonic() - this.#lastReadAt;
      const due = quietForMs >= quietMs && !this.#socket.isPaused();
      if (this.#isPingPending && due) return this.close(new Error(`nothing was read for ${Math.round(quietForMs / 1_000)} s`));
      this.#isPingPending = due;
      if (due) this.sendNow("PING :oc-alive");
      this.#checkIdle();
    });
  }

  #read(chunk: Buffer): void {
    this.#lastReadAt = this.#deps.clock.monotonic();
    this.#isPingPending = false;
    this.#deps.onRead();
    let data = this.#buffer.length > 0 ? Buffer.concat([this.#buffer, chunk]) : chunk;
    for (let end = data.indexOf(10); end >= 0 && this.open; end = data.indexOf(10)) {
      const whole = data.subarray(0, end);
      data = data.subarray(end + 1);
      if (!this.#skipping && whole.length <= LINE_LIMIT) this.#line(whole);
      this.#skipping = false;
    }
    if (data.length > LINE_LIMIT) {
      this.#skipping = true;
      data = Buffer.alloc(0);
    }
    this.#buffer = Buffer.from(data);
  }

  #line(bytes: Buffer): void {
    const text = decodeLine(bytes).replace(/\r$/, "");
    try {
      const line = parseLine(text);
      if (line) this.#deps.onLine(line);
    } catch (err) {
      this.#deps.onUnreadable(text, err);
    }
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** UTF-8 where it is valid, else Latin-1, as old clients send it. */
function decodeLine(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (err) {
    if (err instanceof TypeError) return bytes.toString("latin1");
    throw err;
  }
}
