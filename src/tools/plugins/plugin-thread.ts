import { Worker } from "node:worker_threads";
import type { Clock } from "../../core/clock.ts";
import { contain } from "../../core/contain.ts";
import { reasonOf } from "../../core/errors.ts";
import { asString, isObject, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { clip, toWellFormed } from "../../core/text.ts";
import { stoppedError } from "../results.ts";
import type { ToolContext } from "../tool.ts";
import type { FromPluginMessage, PluginCallFacts, PluginThreadData, ToPluginMessage } from "./messages.ts";
import { PLUGIN_LIMITS } from "./limits.ts";

export type PluginThreadOptions = {
  data: PluginThreadData;
  /** The whole environment of the code. */
  env: Readonly<Record<string, string>>;
  clock: Pick<Clock, "after">;
  log: Log;
  limits: PluginThreadLimits;
};

export type PluginThreadLimits = { readonly [K in "loadMs" | "graceMs" | "pingMs" | "stuckMs"]: number };

type RunningCall = {
  context: Pick<ToolContext, "update" | "log">;
  onUpdate: (content: unknown) => void;
  resolve: (result: unknown) => void;
  reject: (err: Error) => void;
};

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./plugin-worker.ts" : "./tool-worker.mjs", import.meta.url);
const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * One thread with the code of one plugin, from its start to its end. Whatever that code does, nothing here throws outside of the promises
 * of `loaded` and `call`.
 */
export class PluginThread {
  readonly #options: PluginThreadOptions;
  readonly #worker: Worker;
  readonly #calls = new Map<number, RunningCall>();
  /** Calls that are over for the gateway and whose code has not said so: number -> ends the thread when it takes too long. */
  readonly #leaving = new Map<number, () => void>();
  readonly #loading = Promise.withResolvers<unknown>();
  readonly #exited: Promise<void>;
  readonly #cancelLoad: () => void;
  #lastCall = 0;
  #endReason: string | null = null;
  #cancelPing: (() => void) | null = null;
  #silentMs = 0;

  constructor(options: PluginThreadOptions) {
    this.#options = options;
    const { data, env, clock, log, limits } = options;
    const fail = (err: unknown): void => this.#end(`its thread sent what cannot be read: ${reasonOf(err)}`);
    this.#worker = new Worker(ENTRY, {
      workerData: data,
      env,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: PLUGIN_LIMITS.heapMb, maxYoungGenerationSizeMb: PLUGIN_LIMITS.youngHeapMb },
    });
    this.#exited = new Promise((resolve) => this.#worker.once("exit", (code) => resolve(this.#onExit(code))));
    this.#worker.on("error", (err: unknown) => this.#end(crashReason(err)));
    this.#worker.on("messageerror", fail);
    this.#worker.on(
      "message",
      contain(fail, (message: FromPluginMessage) => this.#onMessage(message)),
    );
    for (const stream of [this.#worker.stdout, this.#worker.stderr])
      stream.on("data", (chunk: Buffer) => log.debug("output of a plugin", { text: chunk.toString().slice(0, PLUGIN_LIMITS.logChars) }));
    this.#cancelLoad = clock.after(limits.loadMs, () => this.#end(`it was not loaded within ${limits.loadMs / 1_000} s`));
    // Rejects before anyone has asked when the code ends its thread at once.
    this.#loading.promise.catch(() => {});
  }

  /** What the plugin says of itself. Rejects with the reason why it was not loaded. */
  get loaded(): Promise<unknown> {
    return this.#loading.promise;
  }

  get isEnded(): boolean {
    return this.#endReason !== null;
  }

  get running(): number {
    return this.#calls.size;
  }

  configure(config: JsonObject): void {
    this.#post({ t: "configure", config });
  }

  /**
   * Runs a tool; resolves to what it returned, unchecked. Rejects with what it threw, when `signal` aborts, and when the thread ends. Code
   * that goes on for longer than `graceMs` after that is ended with its thread.
   */
  call(
    tool: string,
    args: JsonObject,
    facts: PluginCallFacts,
    given: Pick<ToolContext, "update" | "log" | "signal">,
    onUpdate: (content: unknown) => void,
  ): Promise<unknown> {
    if (this.#endReason !== null) return Promise.reject(new Error(this.#endReason));
    const call = ++this.#lastCall;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#calls.set(call, { context: given, onUpdate, resolve, reject });
    const onAbort = (): void => this.#leave(call, given.signal.reason);
    given.signal.addEventListener("abort", onAbort, { once: true });
    this.#worker.ref();
    this.#post({ t: "call", call, tool, args, facts });
    if (given.signal.aborted) onAbort();
    this.#watch();
    return promise.finally(() => given.signal.removeEventListener("abort", onAbort));
  }

  /** Ends the thread; calls that run are rejected. Resolves when it has ended. Never rejects. */
  async stop(reason: string): Promise<void> {
    this.#end(reason);
    await this.#exited;
  }

  #post(message: ToPluginMessage): void {
    // oxlint-disable-next-line require-post-message-target-origin -- a thread of Node, not a window
    this.#worker.postMessage(message);
  }

  #onMessage(message: FromPluginMessage): void {
    if (!isObject(message)) throw new Error("a message is not an object");
    switch (message.t) {
      case "loaded":
        this.#cancelLoad();
        this.#releaseIfIdle();
        return this.#loading.resolve(message.description);
      case "failed":
        return this.#end(shown(message.cause));
      case "pong":
        this.#silentMs = 0;
        return;
      case "update":
        return this.#calls.get(message.call)?.onUpdate(message.content);
      case "log":
        return this.#writeLog(message);
      case "done":
        return this.#settle(message.call, (call) => call.resolve(message.result));
      case "threw":
        return this.#settle(message.call, (call) =>
          call.reject(new Error(shown(message.message) || "the plugin threw an error without a text")),
        );
      default:
        throw new Error("a message has no known kind");
    }
  }

  #writeLog({ call, level, message, fields }: Extract<FromPluginMessage, { t: "log" }>): void {
    const found = LEVELS.find((each) => each === level);
    if (found === undefined) return;
    this.#calls.get(call)?.context.log[found](shown(message), asString(fields) === "" ? {} : { fields: shown(fields) });
  }

  #settle(number: number, settle: (call: RunningCall) => void): void {
    const call = this.#calls.get(number);
    this.#calls.delete(number);
    this.#leaving.get(number)?.();
    this.#leaving.delete(number);
    this.#releaseIfIdle();
    if (call) settle(call);
  }

  /** An idle thread keeps no process alive. */
  #releaseIfIdle(): void {
    if (this.#calls.size === 0) this.#worker.unref();
  }

  /** The call is over for the gateway; its code is asked to stop. */
  #leave(number: number, reason: unknown): void {
    const call = this.#calls.get(number);
    if (!call || this.#endReason !== null) return;
    const { clock, limits } = this.#options;
    this.#settle(number, ({ reject }) => reject(reason instanceof Error && reason.name !== "AbortError" ? reason : stoppedError()));
    const end = (): void => this.#end(`a call went on for ${limits.graceMs / 1_000} s after its end`);
    this.#leaving.set(number, clock.after(limits.graceMs, end));
    this.#post({ t: "abort", call: number });
  }

  /** Asks the thread whether it still answers while calls run. */
  #watch(): void {
    if (this.#cancelPing !== null) return;
    const { clock, limits } = this.#options;
    this.#silentMs = 0;
    const ask = (): void => {
      this.#cancelPing = null;
      if (this.#endReason !== null || this.#calls.size === 0) return;
      if (this.#silentMs >= limits.stuckMs) return this.#end(`its code has blocked its thread for ${limits.stuckMs / 1_000} s`);
      this.#silentMs += limits.pingMs;
      this.#post({ t: "ping" });
      this.#cancelPing = clock.after(limits.pingMs, ask);
    };
    ask();
  }

  #end(reason: string): void {
    if (this.#endReason !== null) return;
    this.#endReason = reason;
    this.#cancelLoad();
    this.#cancelPing?.();
    for (const cancel of this.#leaving.values()) cancel();
    this.#loading.reject(new Error(reason));
    for (const { reject } of this.#calls.values()) reject(new Error(`The plugin was ended: ${reason}.`));
    this.#calls.clear();
    this.#worker.terminate().catch((err: unknown) => this.#options.log.error("a thread could not be ended", { error: err }));
  }

  #onExit(code: number): void {
    this.#end(`its code ended its thread (exit code ${code})`);
  }
}

/** Text of a plugin in a message of the gateway: short, on one line. */
const shown = (text: unknown): string =>
  clip(
    toWellFormed(asString(text))
      .replaceAll(/[\p{Cc}\s]+/gu, " ")
      .trim(),
    PLUGIN_LIMITS.errorChars,
  );

const crashReason = (err: unknown): string =>
  isObject(err) && err["code"] === "ERR_WORKER_OUT_OF_MEMORY"
    ? `it needed more than ${PLUGIN_LIMITS.heapMb} MiB of memory`
    : `its code crashed: ${shown(reasonOf(err))}`;
