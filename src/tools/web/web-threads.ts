import { Worker } from "node:worker_threads";
import { abortable } from "../../core/async.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { stoppedError } from "../results.ts";
import { WEB_LIMITS } from "./web-limits.ts";
import type { WebJob, WebJobResult } from "./web-worker.ts";

type Result<J extends WebJob> = WebJobResult[J["kind"]];
type Idle = { thread: Worker; cancelEnd: () => void };

export type WebThreadsOptions = { clock?: Pick<Clock, "after">; limits?: Partial<ThreadLimits> };
type ThreadLimits = { readonly [K in "threads" | "jobMs" | "idleThreadMs" | "threadHeapMb"]: number };

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./web-worker.ts" : "./web-worker.mjs", import.meta.url);

/** Heap for what is new, in MiB: a larger one is faster and would double the memory of a thread. */
const NEW_HEAP_MB = 8;

/**
 * Threads that read what is from the web: the time and the memory that it costs are limited, and no parser is loaded in the main thread.
 * At most `threads` run at once, and further jobs wait. A thread without a job ends after `idleThreadMs`.
 */
export class WebThreads {
  readonly #clock: Pick<Clock, "after">;
  readonly #limits: ThreadLimits;
  readonly #stopping = new AbortController();
  readonly #idle: Idle[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor({ clock = systemClock, limits }: WebThreadsOptions = {}) {
    this.#clock = clock;
    this.#limits = { ...WEB_LIMITS, ...limits };
  }

  /** Threads that exist. */
  get size(): number {
    return this.#busy + this.#idle.length;
  }

  /** Resolves with a problem when the job fails or takes too long. Rejects as soon as the signal aborts, and ends the work. */
  async run<J extends WebJob>(job: J, callSignal: AbortSignal): Promise<Result<J>> {
    const signal = AbortSignal.any([callSignal, this.#stopping.signal]);
    await this.#acquire(signal);
    const thread = this.#takeThread();
    let isReusable = false;
    try {
      const answer = await this.#ask(thread, job, signal);
      isReusable = answer.isReusable;
      return answer.result as Result<J>;
    } finally {
      this.#release();
      if (isReusable) await this.#keep(thread);
      else await thread.terminate();
    }
  }

  /** Ends all threads; jobs that run or wait are rejected. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(
      this.#idle.splice(0).map(({ thread, cancelEnd }) => {
        cancelEnd();
        return thread.terminate();
      }),
    );
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw stoppedError();
    if (this.#busy < this.#limits.threads) {
      this.#busy += 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    try {
      // A place is handed over with the count unchanged.
      await abortable(promise, signal);
    } catch {
      const at = this.#waiting.indexOf(resolve);
      if (at === -1) this.#release();
      else this.#waiting.splice(at, 1);
      throw stoppedError();
    }
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#busy -= 1;
  }

  #takeThread(): Worker {
    const idle = this.#idle.pop();
    idle?.cancelEnd();
    const thread = idle?.thread ?? this.#create();
    thread.ref();
    return thread;
  }

  #create(): Worker {
    const resourceLimits = { maxOldGenerationSizeMb: this.#limits.threadHeapMb, maxYoungGenerationSizeMb: NEW_HEAP_MB };
    const thread = new Worker(ENTRY, { env: {}, resourceLimits });
    // An error without a listener would end the process; a job has its own.
    thread.on("error", () => {});
    thread.once("exit", () => this.#forget(thread));
    return thread;
  }

  #forget(thread: Worker): void {
    const at = this.#idle.findIndex((each) => each.thread === thread);
    if (at !== -1) this.#idle.splice(at, 1)[0]!.cancelEnd();
  }

  async #keep(thread: Worker): Promise<void> {
    if (this.#stopping.signal.aborted) return void (await thread.terminate());
    const idle: Idle = {
      thread,
      cancelEnd: this.#clock.after(this.#limits.idleThreadMs, () => {
        this.#forget(thread);
        void thread.terminate();
      }),
    };
    thread.unref();
    this.#idle.push(idle);
  }

  async #ask(thread: Worker, job: WebJob, signal: AbortSignal): Promise<{ result: Result<WebJob>; isReusable: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ result: Result<WebJob>; isReusable: boolean }>();
    const fail = (problem: string): void => resolve({ result: { problem }, isReusable: false });
    const onMessage = (result: Result<WebJob>): void => resolve({ result, isReusable: true });
    const onError = (err: Error): void => fail(`it could not be read (${err.message.slice(0, 100)})`);
    const onExit = (): void => fail("it could not be read");
    const onAbort = (): void => reject(stoppedError());
    const cancel = this.#clock.after(this.#limits.jobMs, () => fail("reading it took too long"));
    thread.on("message", onMessage).on("error", onError).on("exit", onExit);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    // oxlint-disable-next-line require-post-message-target-origin -- a thread of Node, not a window
    else thread.postMessage(job);
    try {
      return await promise;
    } finally {
      cancel();
      thread.off("message", onMessage).off("error", onError).off("exit", onExit);
      signal.removeEventListener("abort", onAbort);
    }
  }
}
