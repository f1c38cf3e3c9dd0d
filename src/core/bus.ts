import { contain } from "./contain.ts";

/**
 * A typed, synchronous event bus. A listener that throws is a bug: it is reported and the other listeners still run. `emit` never throws and
 * leaves no rejection unhandled, even when a listener or the error reporter throws.
 */
export class Bus<Events extends Record<string, unknown>> {
  /** By name: a bus of more events can be used where one of fewer events is expected. */
  readonly #listeners = new Map<PropertyKey, Set<(payload: never) => void>>();
  readonly #onBug: (err: unknown, event: string) => void;

  constructor(onBug: (err: unknown, event: string) => void) {
    this.#onBug = onBug;
  }

  /** Returns the function that ends the subscription. */
  on<K extends keyof Events>(event: K, listener: (payload: Events[K]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set);
    set.add(listener as (payload: never) => void);
    return () => set.delete(listener as (payload: never) => void);
  }

  emit<K extends keyof Events & string>(event: K, payload: Events[K]): void {
    const failed = (err: unknown): void => contain(noop, this.#onBug)(err, event);
    for (const listener of this.#listeners.get(event) ?? []) contain(failed, listener as (payload: Events[K]) => unknown)(payload);
  }
}

/** The error reporter failed as well; the error cannot be reported. */
const noop = (): void => {};
