import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelContext, WebhookResponse, WebhookRequest, Link, MediaUpload, OutboundPart, SendResult } from "../channel.ts";
import { containedClock } from "../containment.ts";
import { sleep } from "../../core/async.ts";
import { WorkerRpc, copyBytes } from "./rpc.ts";
import { SpoolForwarder } from "./spool-forwarder.ts";
import { deserializeError, NotStartedError, serializeError } from "./errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { serializePart, type LinkMethod, type WorkerStart, type FromWorkerMessage, type ToWorkerMessage } from "./messages.ts";

export type WorkerRunOptions = {
  start: WorkerStart;
  entry: URL;
  host: ChannelContext;
  setLink: (link: Link | null) => void;
  clock: Clock;
};

/** One thread of one account, from its start to its end, as the gateway's own thread sees it. */
export class WorkerRun {
  readonly #options: WorkerRunOptions;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #calls: WorkerRpc;
  readonly #forwarder: SpoolForwarder;
  readonly #heartbeat: Heartbeat;
  readonly #exited: Promise<number>;
  /** Files of parts on their way, by number. */
  readonly #files = new Map<number, MediaUpload>();
  #lastFileId = 0;
  /** Why the thread ends; null: the channel returned. The first reason counts. */
  #endReason: Error | null | undefined;

  constructor(options: WorkerRunOptions) {
    this.#options = options;
    const { start, entry, host } = options;
    const fail = (err: unknown): void => this.#terminate(err instanceof Error ? err : new Error(reasonOf(err)));
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
      contain(fail, (err: unknown) => this.#onCrash(err)),
    );
    this.#calls = new WorkerRpc(
      (message, transfer = []) => port1.postMessage(message, [...transfer]),
      (method, args) => this.#handleCall(method, args),
    );
    this.#forwarder = new SpoolForwarder(host, clock, (seqs) => this.#post({ t: "done", seqs }), fail);
    this.#heartbeat = new Heartbeat(
      clock,
      () => this.#post({ t: "ping" }),
      () => this.#terminate(new Error(`the channel's thread has not answered for ${LIMITS.isolatedStuckMs / 1_000} s and was terminated`)),
    );
    // The thread runs the code of others: what it says is not what it ought to be.
    port1.on(
      "message",
      contain(fail, (message: FromWorkerMessage) => this.#onMessage(message)),
    );
    port1.on("messageerror", (err: unknown) =>
      this.#terminate(new Error(`the channel's thread sent an unreadable message: ${reasonOf(err)}`)),
    );
    this.#post({ t: "start", start });
  }

  /** Resolves when the thread has ended after its channel returned or was stopped; rejects with why it ended otherwise. */
  async run(signal: AbortSignal): Promise<void> {
    const { host } = this.#options;
    const stop = contain(host.fail, () => {
      this.#post({ t: "abort", reason: serializeError(signal.reason) });
      sleep(this.#options.clock, LIMITS.isolatedStopMs)
        .then(() => this.#terminate(null))
        .catch(host.fail);
    });
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      const code = await this.#exited;
      this.#endReason ??= this.#endReason === null ? null : new Error(`the channel ended its thread (exit code ${code})`);
    } finally {
      signal.removeEventListener("abort", stop);
      this.#heartbeat.stop();
      this.#drainMessages();
      this.#calls.close("the channel's thread has ended");
      this.#options.setLink(null);
      await this.#forwarder.stop();
      this.#port.close();
    }
    if (this.#endReason) throw this.#endReason;
  }

  /** Hands in a pushed request. */
  async handleWebhook(request: WebhookRequest): Promise<WebhookResponse> {
    return (await this.#calls.call("receive", [{ ...request, body: copyBytes(request.body) }])) as WebhookResponse;
  }

  #post(message: Exclude<ToWorkerMessage, { t: "call" }>): void {
    this.#port.postMessage(message, []);
  }

  /** What the thread had said before it ended. */
  #drainMessages(): void {
    for (;;) {
      const rest = receiveMessageOnPort(this.#port) as { message: FromWorkerMessage } | undefined;
      if (!rest) return;
      contain(this.#options.host.fail, () => this.#onMessage(rest.message))();
    }
  }

  #onMessage(message: FromWorkerMessage): void {
    const { host, setLink: live } = this.#options;
    switch (message.t) {
      case "batch":
        return this.#forwarder.add(message.seq, message.body);
      case "live":
        return live(this.#createLink(message.link, message.methods));
      case "down":
        return live(null);
      case "state":
        return host.setState(message.state, message.cause);
      case "alive":
        return host.reportActivity();
      case "limited":
        return host.reportRateLimit();
      case "log":
        return LOG_LEVELS.has(message.level) ? host.log[message.level](message.message, message.fields) : undefined;
      case "pong":
        return this.#heartbeat.onPong();
      case "ended":
        this.#endWhenSettled(message.error && deserializeError(message.error)).catch((err: unknown) => this.#terminate(err as Error));
        return;
      default:
        return this.#calls.receive(message);
    }
  }

  /** The channel has ended. Pending requests may still be confirmed: once the thread is terminated, their outcome is unknown. */
  async #endWhenSettled(reason: Error | null): Promise<void> {
    if (this.#endReason === undefined) this.#endReason = reason;
    this.#options.setLink(null);
    const done = new AbortController();
    const late = sleep(this.#options.clock, LIMITS.isolatedLingerMs, done.signal);
    await Promise.race([this.#calls.drain("the connection has ended"), late]);
    done.abort();
    this.#terminate(reason);
  }

  #terminate(reason: Error | null): void {
    if (this.#endReason === undefined) this.#endReason = reason;
    this.#worker.terminate().catch((err: unknown) => this.#options.host.log.error("a thread could not be ended", { error: err }));
  }

  #onCrash(err: unknown): void {
    if (this.#endReason !== undefined) return;
    const outOfMemory = (err as NodeJS.ErrnoException | null)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    this.#endReason = outOfMemory
      ? new Error(`the channel's thread needed more than ${LIMITS.isolatedHeapMib} MiB of memory and was terminated`)
      : new Error(`the channel's code crashed: ${reasonOf(err)}`, { cause: err });
    this.#options.host.log.error("the code of an isolated channel crashed", { error: err });
  }

  async #handleCall(method: string, args: readonly unknown[]): Promise<unknown> {
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
        if (!media) throw new Error("the file of a part was requested after the part was settled");
        return await media.read();
      }
      default:
        throw new Error(`a thread asked for ${method.slice(0, 40)}, which does not exist`);
    }
  }

  /** What senders get: every method that the channel's own link has. */
  #createLink(link: number, methods: readonly string[]): Link {
    const call = async <T>(method: LinkMethod, args: readonly unknown[], signal?: AbortSignal): Promise<T> =>
      (await this.#calls.call(method, [link, ...args], signal)) as T;
    const withPart = async <T>(part: OutboundPart, work: (wire: unknown) => Promise<T>): Promise<T> => {
      let file: number | undefined;
      const wire = serializePart(part, (media) => {
        file = ++this.#lastFileId;
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
      send: (part, signal) => withPart(part, (wire) => refusedIfNotStarted(call<SendResult>("send", [wire], signal))),
      edit: (id, part, signal) => withPart(part, (wire) => refusedIfNotStarted(call<SendResult>("edit", [id, wire], signal))),
      poll: (target, poll) => refusedIfNotStarted(call<SendResult>("poll", [target, poll])),
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

const LOG_LEVELS: ReadonlySet<unknown> = new Set(["debug", "info", "warn", "error"]);

/** A request that the thread certainly did not start is refused; after any other failure the outcome is unknown. */
async function refusedIfNotStarted(result: Promise<SendResult>): Promise<SendResult> {
  try {
    return await result;
  } catch (err) {
    if (!(err instanceof NotStartedError)) throw err;
    return { state: "refused", retryable: true, reason: err.message };
  }
}
