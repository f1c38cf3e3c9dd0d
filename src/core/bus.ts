/** A typed, synchronous event bus. A listener that throws is a bug: it is reported and the others still run. */
export class Bus<Events extends Record<string, unknown>> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();
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
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        (listener as (payload: Events[K]) => void)(payload);
      } catch (err) {
        this.#onBug(err, event);
      }
    }
  }
}
