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
  type ChannelHost,
  type HookRequest,
  type Link,
  type MediaRef,
  type Target,
  type Vault,
} from "../channel.ts";
import { asBuffer, Calls, type CallMessage } from "./calls.ts";
import { fromWireError, NeverBegunError, toWireError } from "./errors.ts";
import {
  fromBody,
  fromWirePart,
  LINK_METHODS,
  toBody,
  unpackConfig,
  type LinkMethod,
  type LogLevel,
  type SpoolFile,
  type Start,
  type ToMain,
  type ToThread,
  type WirePart,
} from "./wire.ts";

export type ThreadDeps = {
  load(start: Start): Promise<Channel | null>;
  openSpool(path: string, log: Log): SpoolFile;
};

/** Serves one account inside of a thread: what the channel sees is a host like every other. Ends with the thread. */
export function serveThread(port: MessagePort, deps: ThreadDeps): void {
  const thread = new Thread(port, deps);
  port.on("message", (message: ToThread) => thread.take(message));
  port.on("messageerror", (err: unknown) => {
    throw err;
  });
}

type Running = { channel: Channel; account: unknown; host: ChannelHost };

class Thread {
  readonly #port: MessagePort;
  readonly #deps: ThreadDeps;
  readonly #abort = new AbortController();
  readonly #calls: Calls;
  readonly #lines: LogLine;
  readonly #log: Log;
  readonly #alive: () => void;
  #spool: SpoolFile | null = null;
  #cursor: string | null = null;
  #running: Running | null = null;
  #link: { number: number; link: Link } | null = null;
  #links = 0;

  constructor(port: MessagePort, deps: ThreadDeps) {
    this.#port = port;
    this.#deps = deps;
    this.#calls = new Calls(
      (message, transfer = []) => port.postMessage(message, [...transfer]),
      (method, args, signal) => this.#handle(method, args, signal),
    );
    this.#lines = new LogLine((message) => this.#post(message));
    this.#log = this.#lines.log({});
    this.#alive = atMostEvery(LIMITS.isolatedAliveMs, () => this.#post({ t: "alive" }));
  }

  take(message: ToThread): void {
    switch (message.t) {
      case "start":
        return void this.#serve(message.start);
      case "abort":
        return this.#abort.abort(fromWireError(message.reason));
      case "done":
        return this.#spool?.acknowledge(message.seqs);
      case "ping":
        this.#lines.heard();
        return this.#post({ t: "pong" });
      default:
        return this.#calls.take(message);
    }
  }

  #post(message: Exclude<ToMain, CallMessage>): void {
    this.#port.postMessage(message, []);
  }

  async #serve(start: Start): Promise<void> {
    try {
      await this.#run(start);
      this.#post({ t: "ended", error: null });
    } catch (err) {
      this.#post({ t: "ended", error: toWireError(err) });
    } finally {
      this.#running = null;
    }
  }

  async #run(start: Start): Promise<void> {
    const spool = this.#deps.openSpool(start.spool, this.#log);
    this.#spool = spool;
    this.#cursor = start.cursor;
    for (const { seq, body } of spool.pending()) this.#stored(seq, body, fromBody(body).cursor);
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
    const host = this.#hostFor(start, spool);
    this.#running = { channel, account: parsed.account, host };
    await channel.run(parsed.account, host, (link) => this.#live(link), this.#abort.signal);
  }

  #stored(seq: number, body: string, cursor: string | undefined): void {
    if (cursor !== undefined) this.#cursor = cursor;
    this.#post({ t: "batch", seq, body });
  }

  #hostFor(start: Start, spool: SpoolFile): ChannelHost {
    const call = this.#calls.call.bind(this.#calls);
    const vault: Vault = {
      read: async (key) => (await call("vault.read", [key])) as Uint8Array | null,
      write: async (key, value) => void (await call("vault.write", [key, value])),
      clear: async () => void (await call("vault.clear", [])),
    };
    return {
      admit: async (events, cursor) => {
        const body = toBody(events, cursor);
        this.#stored(await spool.append(body), body, cursor);
      },
      cursor: () => this.#cursor,
      alive: this.#alive,
      state: (state, cause) => this.#post({ t: "state", state, cause }),
      limited: () => this.#post({ t: "limited" }),
      // The thread serves this account alone: it ends with its cause, and is started again.
      fail: (err) => {
        this.#log.error("a callback of the channel failed; the account connects again", { error: err });
        this.#abort.abort(err);
        this.#post({ t: "ended", error: toWireError(err) });
      },
      commands: start.commands,
      log: this.#log,
      ...(start.vault && { vault }),
    };
  }

  #live(link: Link | null): void {
    if (!link) {
      this.#link = null;
      return this.#post({ t: "down" });
    }
    if (this.#link?.link !== link) this.#link = { number: ++this.#links, link };
    const methods = LINK_METHODS.filter((name) => typeof link[name] === "function");
    this.#post({ t: "live", link: this.#link.number, methods });
  }

  async #handle(method: string, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    if (method === "receive") {
      const running = this.#running;
      if (!running?.channel.receive) throw new NeverBegunError("the account is not running");
      const request = args[0] as HookRequest;
      return await running.channel.receive(running.account, { ...request, body: asBuffer(request.body) }, running.host);
    }
    const [number, ...rest] = args;
    if (!this.#link || this.#link.number !== number) throw new NeverBegunError("the connection was replaced");
    return await this.#onLink(this.#link.link, method as LinkMethod, rest, signal);
  }

  #onLink(link: Link, method: LinkMethod, args: readonly unknown[], signal: AbortSignal): Promise<unknown> {
    const part = (wire: unknown) =>
      fromWirePart(wire as WirePart, async (file) => (await this.#calls.call("media.read", [file])) as Uint8Array);
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
        return link.typing!(args[0] as Target);
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
function atMostEvery(ms: number, tell: () => void): () => void {
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
class LogLine {
  readonly #post: (message: Extract<ToMain, { t: "log" }>) => void;
  #since = 0;
  #dropped = 0;

  constructor(post: (message: Extract<ToMain, { t: "log" }>) => void) {
    this.#post = post;
  }

  log(fields: LogFields): Log {
    const at =
      (level: LogLevel) =>
      (message: string, more: LogFields = {}): void =>
        this.#say(level, message, { ...fields, ...more });
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (more) => this.log({ ...fields, ...more }),
    };
  }

  heard(): void {
    this.#since = 0;
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#say("warn", "log lines of a channel were dropped", { dropped });
  }

  #say(level: LogLevel, message: string, fields: LogFields): void {
    if (++this.#since > LIMITS.isolatedLogLines) {
      this.#dropped++;
      return;
    }
    this.#post({ t: "log", level, message: String(message), fields: plain(fields) });
  }
}

/** Values that survive the way between threads; secrets stay hidden. */
function plain(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (value instanceof Secret) return String(value);
  if (value instanceof Error) return Object.assign(new Error(value.message), { name: value.name, stack: value.stack });
  if (typeof value !== "object" || value === null) return typeof value === "function" || typeof value === "symbol" ? String(value) : value;
  try {
    return JSON.parse(JSON.stringify(value));
  } catch (err) {
    return `[cannot be shown: ${reasonOf(err)}]`;
  }
}
