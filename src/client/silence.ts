/**
 * How long the other side was not heard, by two clocks: the wall clock may be set back, and the other one stops while a machine
 * sleeps. The longer time counts.
 */
export class Silence {
  readonly #clocks: readonly (() => number)[];
  #heardAt: readonly number[];

  constructor(clocks: readonly (() => number)[] = [() => Date.now(), () => performance.now()]) {
    this.#clocks = clocks;
    this.#heardAt = clocks.map((now) => now());
  }

  /** The other side was heard. */
  end(): void {
    this.#heardAt = this.#clocks.map((now) => now());
  }

  get ms(): number {
    return Math.max(...this.#clocks.map((now, index) => now() - this.#heardAt[index]!));
  }
}
