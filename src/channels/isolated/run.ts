import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelHost, HookAnswer, HookRequest, Link, OutMedia, Part, SendResult } from "../channel.ts";
import { containedClock } from "../containment.ts";
import { pause } from "../pause.ts";
import { Calls, withOwnBytes } from "./calls.ts";
import { Drain } from "./drain.ts";
import { fromWireError, NeverBegunError, toWireError } from "./errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { toWirePart, type LinkMethod, type Start, type ToMain, type ToThread } from "./wire.ts";

export type ThreadRunOptions = {
  start: Start;
  entry: URL;
  host: ChannelHost;
  live: (link: Link | null) => void;
  clock: Clock;
};

/** One thread of one account, from its start to its end, as the gateway's own thread sees it. */
export class ThreadRun {
  readonly #options: ThreadRunOptions;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #calls: Calls;
  readonly #drain: Drain;
  readonly #heartbeat: Heartbeat;
  readonly #exited: Promise<number>;
  /** Files of parts on their way, by number. */
  readonly #files = new Map<number, OutMedia>();
  #lastFile = 0;
  /** Why the thread ends; null: the channel returned. The first reason counts. */
  #reason: Error | null | undefined;

  constructor(options: ThreadRunOptions) {
    this.#options = options;
    const { start, entry, host } = options;
    const fail = (err: unknown): void => this.#end(err instanceof Error ? err : new Error(reasonOf(err)));
    const clock = containedClock(options.clock, fail);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(entry, {
      name: `${start.channel}/${start.account}`,
      workerData: { port: port2 },
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: LIMITS.isolatedHeapMib, maxYoungGenerationSizeMb: LIMITS.isolatedYoungMib },
    });
    this.#exited = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.on(
      "error",
      contain(fail, (err: unknown) => this.#crashed(err)),
    );
    this.#calls = new Calls(
      (message, transfer = []) => port1.postMessage(message, [...transfer]),
      (method, args) => this.#serveThread(method, args),
    );
    this.#drain = new Drain(host, clock, (seqs) => this.#post({ t: "done", seqs }), fail);
    this.#heartbeat = new Heartbeat(
      clock,
      () => this.#post({ t: "ping" }),
      () => this.#end(new Error(`the channel's thread has not answered for ${LIMITS.isolatedStuckMs / 1_000} s and was ended`)),
    );
    // The thread runs the code of others: what it says is not what it ought to be.
    port1.on(
      "message",
      contain(fail, (message: ToMain) => this.#take(message)),
    );
    port1.on("messageerror", (err: unknown) => this.#end(new Error(`the channel's thread said what cannot be read: ${reasonOf(err)}`)));
    this.#post({ t: "start", start });
  }

  /** Resolves when the thread has ended after its channel returned or was stopped; rejects with why it ended otherwise. */
  async serve(signal: AbortSignal): Promise<void> {
    const { host } = this.#options;
    const stop = contain(host.fail, () => {
      this.#post({ t: "abort", reason: toWireError(signal.reason) });
      pause(this.#options.clock, LIMITS.isolatedStopMs)
        .then(() => this.#end(null))
        .catch(host.fail);
    });
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const code = await this.#exited;
      this.#reason ??= this.#reason === null ? null : new Error(`the channel ended its thread (exit code ${code})`);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#heartbeat.stop();
      this.#readRest();
      this.#calls.end("the channel's thread has ended");
      this.#options.live(null);
      await this.#drain.finish();
      this.#port.close();
    }
    if (this.#reason) throw this.#reason;
  }

  /** Hands in a pushed request. */
  async receive(request: HookRequest): Promise<HookAnswer> {
    return (await this.#calls.call("receive", [{ ...request, body: withOwnBytes(request.body) }])) as HookAnswer;
  }

  #post(message: Exclude<ToThread, { t: "call" }>): void {
    this.#port.postMessage(message, []);
  }

  /** What the thread had said before it ended. */
  #readRest(): void {
    for (;;) {
      const rest = receiveMessageOnPort(this.#port) as { message: ToMain } | undefined;
      if (!rest) return;
      contain(this.#options.host.fail, () => this.#take(rest.message))();
    }
  }

  #take(message: ToMain): void {
    const { host, live } = this.#options;
    switch (message.t) {
      case "batch":
        return this.#drain.add(message.seq, message.body);
      case "live":
        return live(this.#linkFor(message.link, message.methods));
      case "down":
        return live(null);
      case "state":
        return host.state(message.state, message.cause);
      case "alive":
        return host.alive();
      case "limited":
        return host.limited();
      case "log":
        return LEVELS.has(message.level) ? host.log[message.level](message.message, message.fields) : undefined;
      case "pong":
        return this.#heartbeat.answered();
      case "ended":
        this.#linger(message.error && fromWireError(message.error)).catch((err: unknown) => this.#end(err as Error));
        return;
      default:
        return this.#calls.take(message);
    }
  }

  /** The channel has ended. Requests that are under way may still be confirmed: a thread that is cut off takes their fate with it. */
  async #linger(reason: Error | null): Promise<void> {
    if (this.#reason === undefined) this.#reason = reason;
    this.#options.live(null);
    const done = new AbortController();
    const late = pause(this.#options.clock, LIMITS.isolatedLingerMs, done.signal);
    await Promise.race([this.#calls.finish("the connection has ended"), late]);
    done.abort();
    this.#end(reason);
  }

  #end(reason: Error | null): void {
    if (this.#reason === undefined) this.#reason = reason;
    this.#worker.terminate().catch((err: unknown) => this.#options.host.log.error("a thread could not be ended", { error: err }));
  }

  #crashed(err: unknown): void {
    if (this.#reason !== undefined) return;
    const outOfMemory = (err as NodeJS.ErrnoException | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    this.#reason = outOfMemory
      ? new Error(`the channel's thread needed more than ${LIMITS.isolatedHeapMib} MiB of memory and was ended`)
      : new Error(`the channel's code crashed: ${reasonOf(err)}`, { cause: err });
    this.#options.host.log.error("the code of an isolated channel crashed", { error: err });
  }

  async #serveThread(method: string, args: readonly unknown[]): Promise<unknown> {
    const { vault } = this.#options.host;
    const key = String(args[0]);
    switch (method) {
      case "vault.read":
        return await vault!.read(key);
      case "vault.write":
        return await vault!.write(key, args[1] as Uint8Array);
      case "vault.clear":
        return await vault!.clear();
      case "media.read": {
        const media = this.#files.get(args[0] as number);
        if (!media) throw new Error("the file of a part is asked for after the part was dealt with");
        return await media.read();
      }
      default:
        throw new Error(`a thread asked for ${method.slice(0, 40)}, which does not exist`);
    }
  }

  /** What senders get: every method that the channel's own link has. */
  #linkFor(link: number, methods: readonly string[]): Link {
    const call = async <T>(method: LinkMethod, args: readonly unknown[], signal?: AbortSignal): Promise<T> =>
      (await this.#calls.call(method, [link, ...args], signal)) as T;
    const withPart = async <T>(part: Part, work: (wire: unknown) => Promise<T>): Promise<T> => {
      let file: number | undefined;
      const wire = toWirePart(part, (media) => {
        file = ++this.#lastFile;
        this.#files.set(file, media);
        return file;
      });
      try {
        return await work(wire);
      } finally {
        if (file !== undefined) this.#files.delete(file);
      }
    };
    const all: Required<Link> = {
      send: (part, signal) => withPart(part, (wire) => orRefused(call<SendResult>("send", [wire], signal))),
      edit: (id, part, signal) => withPart(part, (wire) => orRefused(call<SendResult>("edit", [id, wire], signal))),
      poll: (target, poll) => orRefused(call<SendResult>("poll", [target, poll])),
      lookup: (part) => withPart(part, (wire) => call("lookup", [wire])),
      download: (ref, maxBytes, signal) => call("download", [ref, maxBytes], signal),
      typing: (target) => call("typing", [target]),
      react: (...args) => call("react", args),
      remove: (...args) => call("remove", args),
      pin: (...args) => call("pin", args),
      openThread: (...args) => call("openThread", args),
    };
    return { send: all.send, ...Object.fromEntries(Object.entries(all).filter(([name]) => methods.includes(name))) };
  }
}

const LEVELS: ReadonlySet<unknown> = new Set(["debug", "info", "warn", "error"]);

/** A request that the thread certainly did not begin with is refused; any other failure stays one, and then nobody knows. */
async function orRefused(result: Promise<SendResult>): Promise<SendResult> {
  try {
    return await result;
  } catch (err) {
    if (!(err instanceof NeverBegunError)) throw err;
    return { state: "refused", retryable: true, reason: err.message };
  }
}
