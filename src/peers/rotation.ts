import { GatewayError, reasonOf } from "../core/errors.ts";
import type { PeerKeyRow, PreviousPeerKey } from "../store/peers.ts";
import type { LinkAnswer, PeersContext, UnaddressedEnvelope } from "./context.ts";
import { rotateText, signText, verifyText, type RotateEnvelope } from "./envelope.ts";
import { fingerprintOf, keyIdOf } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";

export type KeyRotationDeps = Pick<PeersContext, "own" | "rows" | "store" | "clock" | "log" | "keyOf" | "newId" | "crashPoint"> & {
  /** Sends over the connection of a link; null: it has none. */
  exchange: (name: string, envelope: UnaddressedEnvelope) => Promise<LinkAnswer> | null;
  /** The link has another key, of this gateway or of the other one: connections are made with it. */
  onChanged: () => void;
  /** Connections of the link with this key have to end. */
  onEnded: (name: string, keyId: string) => void;
  /** Whether a key belongs to this gateway or to another link. */
  isTaken: (name: string, keyId: string) => boolean;
};

export type RotationState = { state: "rotated" | "waiting"; fingerprint: string };

/**
 * Changes of the keys of links. The new key is on disk before it is announced, in a packet that the old key signs and in which the new one
 * signs that it takes its place. The other side accepts both until it has seen the new one, and some time longer; until it has confirmed,
 * this gateway uses the old one. So a crash or a lost answer at any point leaves a link that works.
 */
export class KeyRotation {
  readonly #deps: KeyRotationDeps;
  #previous = new Map<string, PreviousPeerKey>();
  readonly #timers = new Map<string, () => void>();
  readonly #announcing = new Map<string, Promise<void>>();

  constructor(deps: KeyRotationDeps) {
    this.#deps = deps;
    this.reload();
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  /** The rows of keys have changed. */
  reload(): void {
    this.#previous = new Map(this.#deps.rows.previousKeys().map((key) => [key.name, key]));
    for (const { name, keyId, until } of this.#previous.values()) if (until !== null) this.#endAt(name, keyId, until);
  }

  /** The key of the other side, and the one before while it is accepted. */
  keysOf(name: string): readonly Pick<PeerKeyRow, "keyId" | "publicKey">[] {
    const current = this.#deps.keyOf(name);
    if (current === null) return [];
    const previous = this.previousOf(name);
    return previous === null ? [current] : [current, previous];
  }

  previousOf(name: string): PreviousPeerKey | null {
    const previous = this.#previous.get(name);
    return previous === undefined || (previous.until !== null && !this.#isDraining(previous.until)) ? null : previous;
  }

  /** An end that is further away than it can be was set before the clock went back. */
  #isDraining(until: number): boolean {
    const left = until - this.#deps.clock.now();
    return left > 0 && left <= PEER_LIMITS.drainMs;
  }

  /** Makes another key for a link, and announces it when the link is up. */
  async rotate(name: string): Promise<RotationState> {
    const { own, keyOf } = this.#deps;
    if (keyOf(name) === null)
      throw new GatewayError("INVALID_REQUEST", `the link to ${name} is not paired, so that there is no key to replace`, {
        fix: `openclaw peers pair ${name}`,
      });
    const { id } = await own.prepare(name);
    this.#deps.crashPoint("peer-key-made");
    await this.announce(name);
    return { state: own.of(name).id === id ? "rotated" : "waiting", fingerprint: fingerprintOf(id) };
  }

  /** Announces a key that the other side has not confirmed. Never rejects: the next connection tries it again. */
  announce(name: string): Promise<void> {
    const running = this.#announcing.get(name);
    if (running !== undefined) return running;
    const announcing = this.#announce(name)
      .catch((err: unknown) =>
        this.#deps.log.warn("the new key of a link was not confirmed; it is announced again", { peer: name, cause: reasonOf(err) }),
      )
      .finally(() => this.#announcing.delete(name));
    this.#announcing.set(name, announcing);
    return announcing;
  }

  async #announce(name: string): Promise<void> {
    const { own, keyOf, exchange, newId, log } = this.#deps;
    const pending = own.pendingOf(name);
    const key = keyOf(name);
    if (pending === null || key === null) return;
    const proof = signText(pending, rotateText(own.of(name).id, pending.id, key.keyId));
    const answer = await exchange(name, { kind: "rotate", id: newId(), publicKey: pending.publicKey, proof });
    if (answer === null) return;
    this.#deps.crashPoint("peer-key-announced");
    if (answer.status === "stored") return await this.#confirm(name);
    log.warn("the other gateway did not take the new key of a link; the old one stays in use", { peer: name, cause: answer.reason });
  }

  /** A packet or connection of a link was signed with `from` and meant for `to`. */
  async keysUsed(name: string, { from, to }: { from: string; to: string }): Promise<void> {
    const { own, rows, store, clock, keyOf } = this.#deps;
    // Only a gateway that has stored the new key can name it.
    if (own.pendingOf(name)?.id === to) await this.#confirm(name);
    const previous = this.#previous.get(name);
    if (previous === undefined || previous.until !== null || keyOf(name)?.keyId !== from) return;
    const until = clock.now() + PEER_LIMITS.drainMs;
    await store.write(() => void rows.endPreviousKey(name, until));
    this.reload();
  }

  /** The other side has another key. It is taken when the old one has signed it and it has signed itself. */
  async rotated(
    name: string,
    { publicKey, proof, from, to }: RotateEnvelope,
  ): Promise<{ status: "stored" | "refused"; reason: string | null }> {
    const { rows, store, keyOf, log, isTaken, crashPoint } = this.#deps;
    const keyId = keyIdOf(publicKey);
    const current = keyOf(name);
    // The announcement comes again when its answer was lost.
    if (current?.keyId === keyId) return { status: "stored", reason: null };
    if (current?.keyId !== from) return { status: "refused", reason: "the key that announces is not the one of this link any more" };
    if (!verifyText(publicKey, rotateText(from, keyId, to), proof))
      return { status: "refused", reason: "the new key did not sign for itself" };
    if (isTaken(name, keyId)) return { status: "refused", reason: "the new key is the one of another link" };
    await store.write(() => void rows.replaceKey(name, { keyId, publicKey }));
    crashPoint("peer-key-replaced");
    log.info("the other gateway has another key for the link", { peer: name, fingerprint: fingerprintOf(keyId) });
    this.#deps.onChanged();
    return { status: "stored", reason: null };
  }

  async #confirm(name: string): Promise<void> {
    await this.#deps.own.confirm(name);
    this.#deps.log.info("the link has a new key of this gateway", { peer: name, fingerprint: fingerprintOf(this.#deps.own.of(name).id) });
    this.#deps.onChanged();
  }

  #endAt(name: string, keyId: string, until: number): void {
    this.#timers.get(name)?.();
    const { clock, onEnded } = this.#deps;
    const delay = until - clock.now();
    if (!this.#isDraining(until)) return void this.#timers.delete(name);
    const end = (): void => {
      this.#timers.delete(name);
      onEnded(name, keyId);
    };
    this.#timers.set(name, clock.after(delay, end));
  }
}
