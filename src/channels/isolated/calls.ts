import { fromWireError, NeverBegunError, toWireError, type WireError } from "./errors.ts";

/** Requests and answers, the same in both directions. */
export type CallMessage =
  | { t: "call"; id: number; method: string; args: readonly unknown[] }
  | { t: "cancel"; id: number; reason: WireError }
  | { t: "begun"; id: number }
  | { t: "answer"; id: number; value: unknown }
  | { t: "failed"; id: number; error: WireError };

type Pending = { begun: boolean; resolve: (value: unknown) => void; reject: (err: unknown) => void; settled: () => void };
type Post = (message: CallMessage, transfer?: readonly ArrayBuffer[]) => void;
export type Handler = (method: string, args: readonly unknown[], signal: AbortSignal) => Promise<unknown>;

/**
 * Bytes are handed over as a copy: a Buffer is often a view on memory that others use, too, and a clone would take all of it along.
 */
export function withOwnBytes<T>(value: T): T | Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

/** Bytes that have arrived, in the form that they have without a border in between. */
export const asBuffer = <T>(value: T): T | Buffer =>
  value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;

/** Requests to another thread, and those that it makes here. */
export class Calls {
  readonly #post: Post;
  readonly #handle: Handler;
  readonly #pending = new Map<number, Pending>();
  readonly #running = new Map<number, AbortController>();
  #last = 0;
  #ended: string | null = null;
  #quiet: (() => void) | null = null;

  constructor(post: Post, handle: Handler) {
    this.#post = post;
    this.#handle = handle;
  }

  /**
   * Resolves to the answer, or rejects as the other side did. Rejects with NeverBegunError when the other side certainly did not
   * begin; with another error when it ended in the middle, and then nobody knows.
   */
  call(method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(new NeverBegunError(this.#ended));
    const id = ++this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const cancel = (): void => this.#post({ t: "cancel", id, reason: toWireError(signal?.reason) });
    signal?.addEventListener("abort", cancel, { once: true });
    this.#pending.set(id, { begun: false, resolve, reject, settled: () => signal?.removeEventListener("abort", cancel) });
    try {
      this.#post({ t: "call", id, method, args: args.map(withOwnBytes) });
    } catch (err) {
      this.#settle(id, () => reject(err));
      return promise;
    }
    if (signal?.aborted) cancel();
    return promise;
  }

  /** Takes one message of the other side. */
  take(message: CallMessage): void {
    switch (message.t) {
      case "call":
        // Rejects only when the other side is gone, and then nobody waits for the answer.
        this.#run(message.id, message.method, message.args).catch(() => undefined);
        return;
      case "cancel":
        return this.#running.get(message.id)?.abort(fromWireError(message.reason));
      case "begun": {
        const pending = this.#pending.get(message.id);
        if (pending) pending.begun = true;
        return;
      }
      case "answer":
        return this.#settle(message.id, (pending) => pending.resolve(asBuffer(message.value)));
      case "failed":
        return this.#settle(message.id, (pending) => pending.reject(fromWireError(message.error)));
    }
  }

  /** Makes no more requests. Resolves when those that are under way have been answered. */
  finish(reason: string): Promise<void> {
    this.#ended ??= reason;
    return new Promise((resolve) => {
      this.#quiet = resolve;
      if (this.#pending.size === 0) resolve();
    });
  }

  /** The other side is gone. */
  end(reason: string): void {
    this.#ended = reason;
    for (const id of this.#pending.keys())
      this.#settle(id, ({ begun, reject }) =>
        reject(begun ? new Error(`${reason}, in the middle of a request`) : new NeverBegunError(reason)),
      );
    for (const running of this.#running.values()) running.abort(new Error(reason));
  }

  #settle(id: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.settled();
    settle(pending);
    if (this.#pending.size === 0) this.#quiet?.();
  }

  async #run(id: number, method: string, args: readonly unknown[]): Promise<void> {
    const abort = new AbortController();
    this.#running.set(id, abort);
    this.#post({ t: "begun", id });
    try {
      const value = await this.#handle(method, args, abort.signal);
      const own = withOwnBytes(value);
      this.#post({ t: "answer", id, value: own }, own instanceof Uint8Array ? [own.buffer as ArrayBuffer] : []);
    } catch (err) {
      this.#post({ t: "failed", id, error: toWireError(err) });
    } finally {
      this.#running.delete(id);
    }
  }
}
