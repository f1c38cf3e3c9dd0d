import { deserializeError, NotStartedError, serializeError, type SerializedError } from "./errors.ts";

/** Requests and answers, the same in both directions. */
export type RpcMessage =
  | { t: "call"; id: number; method: string; args: readonly unknown[] }
  | { t: "cancel"; id: number; reason: SerializedError }
  | { t: "begun"; id: number }
  | { t: "answer"; id: number; value: unknown }
  | { t: "failed"; id: number; error: SerializedError };

type PendingCall = { begun: boolean; resolve: (value: unknown) => void; reject: (err: unknown) => void; settled: () => void };
type PostMessage = (message: RpcMessage, transfer?: readonly ArrayBuffer[]) => void;
export type RpcHandler = (method: string, args: readonly unknown[], signal: AbortSignal) => Promise<unknown>;

/**
 * Bytes are handed over as a copy: a Buffer is often a view on memory that others use, too, and a clone would take all of it along.
 */
export function copyBytes<T>(value: T): T | Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array ? new Uint8Array(value) : value;
}

/** Bytes that have arrived, in the form that they have without a border in between. */
export const toBuffer = <T>(value: T): T | Buffer =>
  value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;

/** Requests to another thread, and those that it makes here. */
export class WorkerRpc {
  readonly #post: PostMessage;
  readonly #handle: RpcHandler;
  readonly #pending = new Map<number, PendingCall>();
  readonly #running = new Map<number, AbortController>();
  #lastId = 0;
  #closeReason: string | null = null;
  #onDrained: (() => void) | null = null;

  constructor(post: PostMessage, handle: RpcHandler) {
    this.#post = post;
    this.#handle = handle;
  }

  /**
   * Resolves to the answer, or rejects as the other side did. Rejects with NotStartedError when the other side certainly did not
   * begin; with another error when it ended in the middle, and then the outcome is unknown.
   */
  call(method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    if (this.#closeReason !== null) return Promise.reject(new NotStartedError(this.#closeReason));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const cancel = (): void => this.#post({ t: "cancel", id, reason: serializeError(signal?.reason) });
    signal?.addEventListener("abort", cancel, { once: true });
    this.#pending.set(id, { begun: false, resolve, reject, settled: () => signal?.removeEventListener("abort", cancel) });
    try {
      this.#post({ t: "call", id, method, args: args.map(copyBytes) });
    } catch (err) {
      this.#settle(id, () => reject(err));
      return promise;
    }
    if (signal?.aborted) cancel();
    return promise;
  }

  /** Takes one message of the other side. */
  receive(message: RpcMessage): void {
    switch (message.t) {
      case "call":
        // Rejects only when the other side has ended, so that no one waits for the answer.
        this.#run(message.id, message.method, message.args).catch(() => undefined);
        return;
      case "cancel":
        return this.#running.get(message.id)?.abort(deserializeError(message.reason));
      case "begun": {
        const pending = this.#pending.get(message.id);
        if (pending) pending.begun = true;
        return;
      }
      case "answer":
        return this.#settle(message.id, (pending) => pending.resolve(toBuffer(message.value)));
      case "failed":
        return this.#settle(message.id, (pending) => pending.reject(deserializeError(message.error)));
    }
  }

  /** Makes no more requests. Resolves when those that are under way have been answered. */
  drain(reason: string): Promise<void> {
    this.#closeReason ??= reason;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      if (this.#pending.size === 0) resolve();
    });
  }

  /** The other side is gone. */
  close(reason: string): void {
    this.#closeReason = reason;
    for (const id of this.#pending.keys())
      this.#settle(id, ({ begun, reject }) =>
        reject(begun ? new Error(`${reason}, in the middle of a request`) : new NotStartedError(reason)),
      );
    for (const running of this.#running.values()) running.abort(new Error(reason));
  }

  #settle(id: number, settle: (pending: PendingCall) => void): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.settled();
    settle(pending);
    if (this.#pending.size === 0) this.#onDrained?.();
  }

  async #run(id: number, method: string, args: readonly unknown[]): Promise<void> {
    const abort = new AbortController();
    this.#running.set(id, abort);
    this.#post({ t: "begun", id });
    try {
      const value = await this.#handle(method, args, abort.signal);
      const own = copyBytes(value);
      this.#post({ t: "answer", id, value: own }, own instanceof Uint8Array ? [own.buffer as ArrayBuffer] : []);
    } catch (err) {
      this.#post({ t: "failed", id, error: serializeError(err) });
    } finally {
      this.#running.delete(id);
    }
  }
}
