import { createDevice, type DeviceIdentity } from "../client/device.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { PeerOwnKeyRow, PeerRows } from "../store/peers.ts";
import type { Store } from "../store/open.ts";

/** Where private keys of links are. */
export type KeyFiles = {
  /** On disk when it returns. */
  write: (identity: DeviceIdentity) => void;
  /** Null: there is none. Throws for a damaged one. */
  read: (keyId: string) => DeviceIdentity | null;
  remove: (keyId: string) => void;
  /** Removes all but these. */
  removeOthers: (keyIds: readonly string[]) => void;
};

export type OwnKeysDeps = {
  /** The key of the gateway, for all links whose key was not changed. */
  base: DeviceIdentity;
  files: KeyFiles;
  rows: Pick<PeerRows, "ownKeys" | "saveOwnKey" | "setOwnKeyState">;
  store: Pick<Store, "write">;
  now: () => number;
  log: Log;
};

/** The keys of this gateway, by link. A private key is on disk before its row, and is removed after it. */
export class OwnKeys {
  readonly #deps: OwnKeysDeps;
  #rows: readonly PeerOwnKeyRow[] = [];
  readonly #identities = new Map<string, DeviceIdentity>();
  /** Their files cannot be read; each was reported once. */
  readonly #damaged = new Set<string>();

  constructor(deps: OwnKeysDeps) {
    this.#deps = deps;
    this.#load();
  }

  /** The key that a link has. */
  of(peer: string): DeviceIdentity {
    return this.#read(peer, "current") ?? this.#deps.base;
  }

  /** A key that the other side has not confirmed. */
  pendingOf(peer: string): DeviceIdentity | null {
    return this.#read(peer, "pending");
  }

  /** Ids to which the other side may address: it may not have the newest, or may be the only one that knows it is. */
  acceptedOf(peer: string): readonly string[] {
    return [...this.#rows.filter((row) => row.peer === peer).map(({ keyId }) => keyId), this.#deps.base.id];
  }

  /** An id of this gateway in a path, also one that it had; the one of the gateway when there is none. */
  idIn(path: readonly string[]): string {
    return path.find((id) => this.#rows.some(({ keyId }) => keyId === id)) ?? this.#deps.base.id;
  }

  /** Makes a key for a link, or gives the one that is not confirmed yet. */
  async prepare(peer: string): Promise<DeviceIdentity> {
    const pending = this.pendingOf(peer);
    if (pending !== null) return pending;
    const { files, rows, store, now } = this.#deps;
    const made = createDevice();
    files.write(made);
    await store.write(() => rows.saveOwnKey({ keyId: made.id, peer, state: "pending", createdAt: now() }));
    this.#load();
    return made;
  }

  /** The other side has the key that was made. */
  async confirm(peer: string): Promise<void> {
    const pending = this.pendingOf(peer);
    if (pending === null) return;
    await this.#retire(peer, "current", () => this.#deps.rows.setOwnKeyState(pending.id, "current"));
  }

  /** A process that ended between a file and its row has left a private key that nothing uses. */
  removeLeftovers(): void {
    this.#deps.files.removeOthers(this.#rows.filter(({ state }) => state !== "retired").map(({ keyId }) => keyId));
  }

  /** The link has the key of the gateway again. */
  async reset(peer: string): Promise<void> {
    if (this.#rows.some((row) => row.peer === peer && row.state !== "retired")) await this.#retire(peer, null, () => {});
  }

  async #retire(peer: string, state: PeerOwnKeyRow["state"] | null, then: () => void): Promise<void> {
    const { store, rows, files } = this.#deps;
    const old = this.#rows.filter((row) => row.peer === peer && (state === null ? row.state !== "retired" : row.state === state));
    await store.write(() => {
      for (const { keyId } of old) rows.setOwnKeyState(keyId, "retired");
      then();
    });
    this.#load();
    for (const { keyId } of old) {
      this.#identities.delete(keyId);
      files.remove(keyId);
    }
  }

  #read(peer: string, state: PeerOwnKeyRow["state"]): DeviceIdentity | null {
    const row = this.#rows.find((each) => each.peer === peer && each.state === state);
    if (row === undefined) return null;
    const known = this.#identities.get(row.keyId);
    if (known !== undefined) return known;
    const identity = this.#readFile(row);
    // Its file is gone, e.g. with a backup without credentials: the other side shows that it expects another key.
    if (identity === null) return null;
    this.#identities.set(row.keyId, identity);
    return identity;
  }

  /** A damaged file costs its own link only, which has to be paired again. */
  #readFile({ keyId, peer }: PeerOwnKeyRow): DeviceIdentity | null {
    const { files, log } = this.#deps;
    try {
      return files.read(keyId);
    } catch (err) {
      if (!this.#damaged.has(keyId)) log.error("the key of a link cannot be read; pair it again", { peer, cause: reasonOf(err) });
      this.#damaged.add(keyId);
      return null;
    }
  }

  #load(): void {
    this.#rows = this.#deps.rows.ownKeys();
  }
}
