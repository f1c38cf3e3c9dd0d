import { LIMITS } from "../core/limits.ts";
import { PEER_PROVIDER } from "../core/peer-address.ts";

/** What a turn takes a slot for: which provider it asks first, and who waits for it. */
export type SlotRequest = { provider: string; kind: "direct" | "room" | "background" };

/**
 * The turns that may run at the same time. Shares of them keep one provider, or one kind of conversation, from holding all:
 *
 * - while others wait, a provider holds at most half of the slots, and so does a kind;
 * - a provider or a kind that holds none may start one turn beyond the total, up to LIMITS.reserveSlots: a provider that hangs does
 *   not delay the first turn of another one.
 *
 * A turn that another gateway answers takes no slot: it waits for hours where its link is down.
 */
export class TurnSlots {
  readonly #total: () => number;
  readonly #held = new Map<string, SlotRequest>();

  constructor(total: () => number) {
    this.#total = total;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  acquire(key: string, use: SlotRequest): void {
    if (use.provider !== PEER_PROVIDER) this.#held.set(key, use);
  }

  release(key: string): void {
    this.#held.delete(key);
  }

  /** Whether a turn may start now. `others`: what waits besides it; looked at only when it matters. `claimed`: slots that are promised. */
  canStart(use: SlotRequest, others: () => readonly SlotRequest[], claimed = 0): boolean {
    if (use.provider === PEER_PROVIDER) return true;
    const total = this.#total();
    const held = this.heldCount + claimed;
    const isNew = this.#count("provider", use) === 0 || this.#count("kind", use) === 0;
    if (held >= total) return isNew && held < total + LIMITS.reserveSlots;
    const half = Math.max(1, Math.floor(total / 2));
    const fields = (["provider", "kind"] as const).filter((field) => this.#count(field, use) >= half);
    if (fields.length === 0) return true;
    const waiting = others();
    // Others only count if they could start.
    return fields.every((field) => !waiting.some((other) => other[field] !== use[field] && this.#count(field, other) < half));
  }

  #count(field: keyof SlotRequest, use: SlotRequest): number {
    let count = 0;
    for (const each of this.#held.values()) if (each[field] === use[field]) count++;
    return count;
  }
}
