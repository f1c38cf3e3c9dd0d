import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { MessageId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log, LogFields } from "../../core/log.ts";
import { Secret } from "../../core/secret.ts";
import {
  TerminalError,
  type Channel,
  type ChannelContext,
  type WebhookRequest,
  type Link,
  type MediaRef,
  type ReplyTarget,
  type CredentialVault,
} from "../channel.ts";
import { toBuffer, WorkerRpc, type RpcMessage } from "./rpc.ts";
import { deserializeError, NotStartedError, serializeError } from "./errors.ts";
import {
  deserializeBatch,
  deserializePart,
  LINK_METHODS,
  serializeBatch,
  unpackConfig,
  type LinkMethod,
  type WorkerLogLevel,
  type EventSpool,
  type WorkerStart,
  type FromWorkerMessage,
  type ToWorkerMessage,
  type SerializedPart,
} from "./messages.ts";

export type WorkerDeps = {
  load(start: WorkerStart): Promise<Channel | null>;
  openSpool(path: string, log: Log): EventSpool;
};

/** Serves one account inside of a thread: what the channel sees is a host like every other. Ends with the thread. */
export function runWorker(port: MessagePort, deps: WorkerDeps): void {
  const thread = new ChannelWorker(port, deps);
  port.on("message", (message: ToWorkerMessage) => thread.onMessage(message));
  port.on("messageerror", (err: unknown) => {
    throw err;
  });
}

type RunningChannel = { channel: Channel; account: unknown; host: ChannelContext };

class ChannelWorker {
  readonly #port: MessagePort;
  readonly #deps: WorkerDeps;
  readonly #abort = new AbortController();
  readonly #calls: WorkerRpc;
  readonly #logForwarder: LogForwarder;
  readonly #log: Log;
  readonly #reportActivity: () => void;
  #spool: EventSpool | null = null;
  #cursor: string | null = null;
  #running: RunningChannel | null = null;
  #link: { number: number; link: Link } | null = null;
  #lastLinkId = 0;

  constructor(port: MessagePort, deps: WorkerDeps) {
    this.#port = port;
    this.#deps = deps;
    this.#calls = new WorkerRpc(
      (message, transfer = []) => port.postMessage(message, [...transfer]),
      (method, args, signal) => this.#handle(method, args, signal),
    );
    this.#logForwarder = new LogForwarder((message) => this.#post(message));
    this.#log = this.#logForwarder.log({});
    this.#reportActivity = throttle(LIMITS.isolatedAliveMs, () => this.#post({ t: "alive" }));
  }

  onMessage(message: ToWorkerMessage): void {
    switch (message.t) {
      case "start":
        return void this.#start(message.start);
      case "abort":
        return this.#abort.abort(deserializeError(message.reason));
      case "done":
        return this.#spool?.acknowledge(message.seqs);
      case "ping":
        this.#logForwarder.acknowledged();
        return this.#post({ t: "pong" });
      default:
        return this.#calls.receive(message);
    }
  }

  #post(message: Exclude<FromWorkerMessage, RpcMessage>): void {
    this.#port.postMessage(message, []);
  }

  async #start(start: WorkerStart): Promise<void> {
    try {
      await this.#run(start);
      this.#post({ t: "ended", error: null });
    } catch (err) {
      this.#post({ t: "ended", error: serializeError(err) });
    } finally {
      this.#running = null;
    }
  }

  async #run(start: WorkerStart): Promise<void> {
    const spool = this.#deps.openSpool(start.spool, this.#log);
    this.#spool = spool;
    this.#cursor = start.cursor;
    for (const { seq, body } of spool.pending()) this.#forward(seq, body, deserializeBatch(body).cursor);
    const channel = await this.#deps.load(start);
    if (!channel)
      throw new TerminalError(`there is no channel "${start.channel}"`, "Correct the name, or remove the block from the configuration.");
    const parsed = channel.parse(unpackConfig(start.config));
    if ("issues" in parsed) {
      const words = parsed.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
      throw new TerminalError(
        words,
        parsed.issues.find(({ fix }) => fix !== undefined)?.fix ?? "Correct the configuration of the account.",
      );
    }
    if (this.#abort.signal.aborted) return;
    const host = this.#createContext(start, spool);
    this.#running = { channel, account: parsed.account, host };
    await channel.run(parsed.account, host, (link) => this.#setLink(link), this.#abort.signal);
  }

  #forward(seq: number, body: string, cursor: string | undefined): void {
    if (cursor !== undefined) this.#cursor = cursor;
    this.#post({ t: "batch", seq, body });
  }

  #createContext(start: WorkerStart, spool: EventSpool): ChannelContext {
    const call = this.#calls.call.bind(this.#calls);
    const vault: CredentialVault = {
      read: async (key) => (await call("vault.read", [key])) as Uint8Array | null,
      write: async (key, value) => void (await call("vault.write", [key, value])),
      clear: async () => void (await call("vault.clear", [])),
    };
    return {
      admit: async (events, cursor) => {
        const body = serializeBatch(events, cursor);
        this.#forward(await spool.append(body), body, cursor);
      },
      cursor: () => this.#cursor,
      reportActivity: this.#reportActivity,
      setState: (state, cause) => this.#post({ t: "state", state, cause }),
      reportRateLimit: () => this.#post({ t: "limited" }),
      // The thread serves this account alone: it ends with its cause, and is started again.
      fail: (err) => {
        this.#log.error("a callback of the channel failed; the account connects again", { error: err });
        this.#abort.abort(err);
        this.#post({ t: "ended", error: serializeError(err) });
      },
      commands: start.commands,
      log: this.#log,
      ...(start.vault && { vault }),
    };
  }

  #setLink(link: Link | null): void {
    if (!link) {
      this.#link = null;
      return this.#post({ t: "down" });
    }
    if (this.#link?.link !== link) this.#link = { number: ++this.#lastLinkId, link };
    const methods = LINK_METHODS.filter((name) => typeof link[name] === "function");
    this.#post({ t: "live", link: this.#link.number, methods });
  }

  async #handle(method: string, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    if (method === "receive") {
      const running = this.#running;
      if (!running?.channel.handleWebhook) throw new NotStartedError("the account is not running");
      const request = args[0] as WebhookRequest;
      return await running.channel.handleWebhook(running.account, { ...request, body: toBuffer(request.body) }, running.host);
    }
    const [number, ...rest] = args;
    if (!this.#link || this.#link.number !== number) throw new NotStartedError("the connection was replaced");
    return await this.#callLink(this.#link.link, method as LinkMethod, rest, signal);
  }

  #callLink(link: Link, method: LinkMethod, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const part = (wire: unknown) =>
      deserializePart(wire as SerializedPart, async (file) => (await this.#calls.call("media.read", [file])) as Uint8Array);
    switch (method) {
      case "send":
        return link.send(part(args[0]), signal);
      case "edit":
        return link.edit!(args[0] as MessageId, part(args[1]), signal);
      case "lookup":
        return link.lookup!(part(args[0]));
      case "download":
        return link.download!(args[0] as MediaRef, args[1] as number, signal);
      case "typing":
        return link.typing!(args[0] as ReplyTarget);
      case "react":
        return link.react!(...(args as Parameters<NonNullable<Link["react"]>>));
      case "remove":
        return link.remove!(...(args as Parameters<NonNullable<Link["remove"]>>));
      case "pin":
        return link.pin!(...(args as Parameters<NonNullable<Link["pin"]>>));
      case "openThread":
        return link.openThread!(...(args as Parameters<NonNullable<Link["openThread"]>>));
      case "poll":
        return link.poll!(...(args as Parameters<NonNullable<Link["poll"]>>));
    }
  }
}

/** Calls `tell` at once, and after that at most every `ms`; the last call is never lost. */
function throttle(ms: number, tell: () => void): () => void {
  let last = -Infinity;
  let waiting = false;
  const now = (): void => {
    waiting = false;
    last = performance.now();
    tell();
  };
  return () => {
    if (waiting) return;
    const rest = last + ms - performance.now();
    if (rest <= 0) return now();
    waiting = true;
    systemClock.after(rest, now);
  };
}

/** The log of the thread: lines go to the gateway, and only so many while it does not listen. */
class LogForwarder {
  readonly #post: (message: Extract<FromWorkerMessage, { t: "log" }>) => void;
  #unacknowledged = 0;
  #dropped = 0;

  constructor(post: (message: Extract<FromWorkerMessage, { t: "log" }>) => void) {
    this.#post = post;
  }

  log(fields: LogFields): Log {
    const at =
      (level: WorkerLogLevel) =>
      (message: string, more: LogFields = {}): void =>
        this.#send(level, message, { ...fields, ...more });
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (more) => this.log({ ...fields, ...more }),
    };
  }

  acknowledged(): void {
    this.#unacknowledged = 0;
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#send("warn", "log lines of a channel were dropped", { dropped });
  }

  #send(level: WorkerLogLevel, message: string, fields: LogFields): void {
    if (++this.#unacknowledged > LIMITS.isolatedLogLines) {
      this.#dropped++;
      return;
    }
    this.#post({ t: "log", level, message: String(message), fields: toCloneableFields(fields) });
  }
}

/** Values that survive the way between threads; secrets stay hidden. */
function toCloneableFields(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, toCloneable(value)]));
}

function toCloneable(value: unknown): unknown {
  if (value instanceof Secret) return String(value);
  if (value instanceof Error) return Object.assign(new Error(value.message), { name: value.name, stack: value.stack });
  if (typeof value !== "object" || value === null) return typeof value === "function" || typeof value === "symbol" ? String(value) : value;
  try {
    return JSON.parse(JSON.stringify(value));
  } catch (err) {
    return `[cannot be shown: ${reasonOf(err)}]`;
  }
}
