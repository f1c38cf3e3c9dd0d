/** Bytes that may be held at the same time, in all and by one holder. What does not fit is refused; nothing waits. */
export class ByteBudget {
  readonly #total: number;
  readonly #perKey: number;
  readonly #heldByKey = new Map<string, number>();
  #held = 0;

  constructor(total: number, perKey = total) {
    this.#total = total;
    this.#perKey = perKey;
  }

  get held(): number {
    return this.#held;
  }

  /** False, and nothing is taken, when it would be too much. */
  reserve(bytes: number, key = ""): boolean {
    const own = (this.#heldByKey.get(key) ?? 0) + bytes;
    if (this.#held + bytes > this.#total || own > this.#perKey) return false;
    this.#held += bytes;
    this.#heldByKey.set(key, own);
    return true;
  }

  release(bytes: number, key = ""): void {
    this.#held -= bytes;
    const own = (this.#heldByKey.get(key) ?? 0) - bytes;
    if (own > 0) this.#heldByKey.set(key, own);
    else this.#heldByKey.delete(key);
  }
}

/** What one connection or request has taken from a budget. It never gives back more than it took. */
export class BudgetShare {
  readonly #budget: ByteBudget;
  readonly #key: string;
  #bytes = 0;

  constructor(budget: ByteBudget, key = "") {
    this.#budget = budget;
    this.#key = key;
  }

  reserve(bytes: number): boolean {
    if (!this.#budget.reserve(bytes, this.#key)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives a part back; without a number all of it. */
  release(bytes = this.#bytes): void {
    const own = Math.min(bytes, this.#bytes);
    this.#budget.release(own, this.#key);
    this.#bytes -= own;
  }
}
