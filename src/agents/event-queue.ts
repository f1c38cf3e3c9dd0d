import type { AgentEvent } from "./runtime.ts";

/** Where the events of a turn go. */
export type EventSink = Pick<EventQueue<AgentEvent>, "push" | "drained">;

/** A queue from a producer that must not wait to one consumer that may be slow. Ends when it is closed and empty. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #closed = false;
  #wake: (() => void) | null = null;
  readonly #drainWaiters: (() => void)[] = [];

  push(item: T): void {
    if (this.#closed) return;
    this.#items.push(item);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
    this.#wake?.();
  }

  /** Resolves once the consumer has handled all earlier events and asks for more. */
  drained(): Promise<void> {
    if (this.#closed || (this.#wake !== null && this.#items.length === 0)) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (true) {
      while (this.#items.length > 0) yield this.#items.shift()!;
      if (this.#closed) return;
      for (const resolve of this.#drainWaiters.splice(0)) resolve();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}

/** The events that `run` pushes. It is aborted with `signal`, and when the caller stops iterating; its end is waited for. */
export async function* eventsOf(
  signal: AbortSignal,
  run: (abort: AbortController, sink: EventSink) => Promise<void>,
): AsyncGenerator<AgentEvent> {
  const queue = new EventQueue<AgentEvent>();
  const abort = new AbortController();
  const forward = (): void => abort.abort();
  signal.addEventListener("abort", forward, { once: true });
  if (signal.aborted) forward();
  const done = run(abort, queue).finally(() => queue.close());
  try {
    yield* queue;
  } finally {
    // Reached early when the caller stops iterating: the rest of the turn has no reader.
    forward();
    signal.removeEventListener("abort", forward);
    await done;
  }
}
