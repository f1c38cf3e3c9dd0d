import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { Secret } from "../../core/secret.ts";
import { TerminalError } from "../channel.ts";
import type { FailureHandler } from "../containment.ts";
import { isOpen, openWebSocket, type WebSocket } from "../websocket.ts";
import type { GatewayFrame } from "./inbound.ts";
import type { SessionInfo } from "./state.ts";
import { OPCODE, asObject, textOf, type DiscordObject } from "./protocol.ts";

export type DiscordTimings = {
  /** From the first byte until READY or RESUMED. */
  connectMs: number;
  /** Pause before a new session is asked for after a refused one: at least, and as much again at random. */
  reidentifyMs: number;
  /** A cursor that moved without an event is stored so much later. */
  cursorMs: number;
  /** Pause before storing is tried again. */
  storeRetryMs: number;
};
export const DISCORD_TIMINGS: DiscordTimings = { connectMs: 30_000, reidentifyMs: 1_000, cursorMs: 1_000, storeRetryMs: 1_000 };

/** Closing with 1000 or 1001 would end the session; with this it can be resumed. */
const CLOSE_RESUMABLE = 4_000;
/** Refused sessions in one connection before it is given up; the host comes back later. */
const MAX_INVALID_SESSIONS = 3;

/** A close code that means that the session cannot be resumed. */
export class SessionLostError extends Error {
  override readonly name = "SessionLostError";
}

const RESTART_HINT = `start the account again (openclaw gateway call channels.start --params '{"channel":"discord"}')`;

/** What a close code of the gateway asks for. Pure. */
export function closeError(code: number, reason: string): Error {
  const said = `Discord closed the connection: ${reason || "without a reason"} (${code})`;
  switch (code) {
    case 4004:
      return new TerminalError(
        "Discord rejected the bot's token",
        `Reset the token in the Discord developer portal (Bot), and set channels.discord.token: the account then starts automatically.`,
      );
    case 4010:
    case 4011:
      return new TerminalError("the bot is in too many servers for one connection", "Use a bot that is in fewer than 2,500 servers.");
    case 4012:
      return new TerminalError("Discord no longer supports this version of its gateway", "Update the gateway.");
    case 4013:
      return new TerminalError("Discord rejected the requested intents", "Update the gateway.");
    case 4014:
      return new TerminalError(
        "the bot is not allowed to read message content",
        `Enable "Message Content Intent" in the Discord developer portal (Bot, Privileged Gateway Intents), then ${RESTART_HINT}.`,
      );
    case 4003:
    case 4007:
    case 4009:
      return new SessionLostError(said);
    default:
      return new Error(said);
  }
}

export type GatewayConnectionDeps = {
  token: Secret;
  intents: number;
  timings: DiscordTimings;
  clock: Clock;
  log: Log;
  random: () => number;
  /** The session to resume; null for a new one. */
  resume: SessionInfo | null;
  /** The number of the last stored event: the only one that is acknowledged to Discord. */
  stored(): number | null;
  onFrame(frame: GatewayFrame): void;
  /** Something was read. */
  onRead(): void;
  /** The session was refused; a new one will be asked for. */
  onInvalid(): void;
};

export type SocketRequest = {
  url: string;
  clock: Clock;
  timeoutMs: number;
  /** The HTTP proxy of the account; null: that of the environment, or none. */ proxy: string | null;
  signal: AbortSignal;
  /** Takes what a listener of the socket throws. */
  onFailure: FailureHandler;
};

/** Opens a socket; rejects when it does not open in time. */
export function openGatewaySocket({ url, clock, timeoutMs, proxy, signal, onFailure }: SocketRequest): Promise<WebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  const address = new URL(url);
  address.searchParams.set("v", "10");
  address.searchParams.set("encoding", "json");
  const socket = openWebSocket(address, { handshakeMs: timeoutMs, proxy, fail: onFailure });
  const fail = (why: Error): void => {
    reject(why);
    socket.terminate();
  };
  const abort = (): void => fail(signal.reason as Error);
  const cancel = clock.after(timeoutMs, () => fail(new Error("Discord could not be reached in time")));
  socket.once("open", () => {
    // What comes before someone reads would be lost.
    socket.pause();
    resolve(socket);
  });
  // Also later: an unhandled error event would end the process.
  socket.on("error", () => reject(new Error("the connection to Discord could not be established")));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return promise.finally(() => {
    cancel();
    signal.removeEventListener("abort", abort);
  });
}

/** One connection to the gateway: greeting, session, heart. Ends once, with a cause. */
export class GatewayConnection {
  readonly closed: Promise<Error>;
  /** READY or RESUMED was read. */
  readonly ready: Promise<void>;
  readonly #socket: WebSocket;
  readonly #deps: GatewayConnectionDeps;
  readonly #end = Promise.withResolvers<Error>();
  readonly #helloReceived = Promise.withResolvers<void>();
  #open = true;
  #resume: SessionInfo | null;
  #cancelHeartbeat: (() => void) | null = null;
  #cancelIdentify: (() => void) | null = null;
  #intervalMs = 0;
  #isAcknowledged = true;
  #invalidSessions = 0;
  /** Cancels the deadline for READY or RESUMED. */
  #cancelTimeout: (() => void) | null = null;

  constructor(socket: WebSocket, deps: GatewayConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#resume = deps.resume;
    this.closed = this.#end.promise;
    this.ready = this.#helloReceived.promise;
    // Callers that wait for `ready` also wait for `closed`.
    this.ready.catch(() => undefined);
    socket.resume();
    socket.on("message", (data) => this.#open && this.#read(String(data)));
    socket.once("close", (code, reason) => this.close(closeError(code, String(reason))));
    socket.on("error", () => this.close(new Error("the connection to Discord was lost")));
    this.#awaitLogin();
  }

  get open(): boolean {
    return this.#open;
  }

  /** Ends the connection so that its session can be resumed. Nothing is read after it. */
  close(cause: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#cancelHeartbeat?.();
    this.#cancelIdentify?.();
    this.#cancelTimeout?.();
    this.#end.resolve(cause);
    this.#helloReceived.reject(cause);
    this.#socket.close(CLOSE_RESUMABLE, "bye");
  }

  #awaitLogin(): void {
    this.#cancelTimeout?.();
    const { clock, timings } = this.#deps;
    this.#cancelTimeout = clock.after(timings.connectMs, () => this.close(new Error("Discord did not answer the login in time")));
  }

  #write(op: number, d: unknown): void {
    if (this.#open && isOpen(this.#socket)) this.#socket.send(JSON.stringify({ op, d }));
  }

  #read(data: unknown): void {
    this.#deps.onRead();
    const frame = parseFrame(data);
    if (!frame) return this.#deps.log.warn("Discord sent data that is not a gateway payload; it was dropped");
    switch (frame["op"]) {
      case OPCODE.dispatch:
        return this.#dispatch(frame);
      case OPCODE.heartbeat:
        return this.#heartbeat();
      case OPCODE.heartbeatAck:
        this.#isAcknowledged = true;
        return;
      case OPCODE.hello:
        return this.#onHello(asObject(frame["d"]) ?? {});
      case OPCODE.reconnect:
        return this.close(new Error("Discord asked for a new connection"));
      case OPCODE.invalidSession:
        return this.#onInvalidSession(frame["d"] === true);
      default:
        return;
    }
  }

  #dispatch(frame: DiscordObject): void {
    const { s, t } = frame;
    const data = asObject(frame["d"]) ?? {};
    if (typeof s !== "number" || typeof t !== "string")
      return this.#deps.log.warn("Discord sent an event without a sequence number; it was dropped");
    this.#deps.onFrame({ seq: s, type: t, data });
    if (t !== "READY" && t !== "RESUMED") return;
    this.#cancelTimeout?.();
    this.#cancelTimeout = null;
    this.#helloReceived.resolve();
  }

  #onHello(data: DiscordObject): void {
    const interval = data["heartbeat_interval"];
    if (typeof interval !== "number" || interval < 1) return this.close(new Error("Discord's hello names no heartbeat interval"));
    this.#intervalMs = interval;
    this.#isAcknowledged = true;
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = this.#deps.clock.after(interval * this.#deps.random(), () => this.#tick());
    this.#identifyOrResume();
  }

  #identifyOrResume(): void {
    const token = this.#deps.token.reveal();
    if (this.#resume) return this.#write(OPCODE.resume, { token, session_id: this.#resume.id, seq: this.#resume.seq });
    const properties = { os: process.platform, browser: "openclaw-gateway", device: "openclaw-gateway" };
    this.#write(OPCODE.identify, { token, intents: this.#deps.intents, properties });
  }

  /** A heartbeat that was not answered before the next one is due: the other side is gone, whatever the socket says. */
  #tick(): void {
    if (!this.#isAcknowledged) return this.close(new Error("Discord did not answer a heartbeat"));
    this.#isAcknowledged = false;
    this.#heartbeat();
    this.#cancelHeartbeat = this.#deps.clock.after(this.#intervalMs, () => this.#tick());
  }

  #heartbeat(): void {
    this.#write(OPCODE.heartbeat, this.#deps.stored());
  }

  #onInvalidSession(resumable: boolean): void {
    if (resumable) return this.close(new Error("Discord asked to resume once more"));
    this.#invalidSessions++;
    if (this.#invalidSessions > MAX_INVALID_SESSIONS) return this.close(new SessionLostError("Discord refused every new session"));
    this.#resume = null;
    this.#deps.onInvalid();
    this.#awaitLogin();
    const { reidentifyMs } = this.#deps.timings;
    this.#cancelIdentify = this.#deps.clock.after(reidentifyMs * (1 + this.#deps.random()), () => this.#identifyOrResume());
  }
}

function parseFrame(data: unknown): DiscordObject | null {
  try {
    return asObject(JSON.parse(textOf(data)));
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}
