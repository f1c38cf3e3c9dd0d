import { join } from "node:path";
import { foregroundClock, type Clock } from "../core/clock.ts";
import { sleep } from "../core/async.ts";
import { GatewayError } from "../core/errors.ts";
import { ensureDirectory } from "../core/files.ts";
import { asNumber, asObject, asString, fieldsOf, tryParseJson } from "../core/json.ts";
import { tryLock } from "../core/lock-file.ts";
import { Secret } from "../core/secret.ts";
import { createKey, openKey, openKeySync, removeKey, type KeyDeps, type KeyKind } from "./keys.ts";
import { SECRET_LIMITS } from "./limits.ts";
import { readSealedFile, unseal, writeSealedFile, type KeySpec } from "./sealed-file.ts";

export type StoreEntry = { readonly name: string; readonly updatedAt: number; readonly bytes: number };
type Row = { readonly value: string; readonly updatedAt: number };
type Rows = Map<string, Row>;

export type SecretStoreDeps = KeyDeps & {
  readonly now: () => number;
  /** For tests. */
  readonly clock?: Clock;
  readonly crashPoint?: (point: string) => void;
};

export const STORE_FILE = "secrets.sealed";
const NAME = /^[A-Z][A-Z0-9_]{0,127}$/;

/** Secrets by name, in one encrypted file of the state directory. Each change replaces the file as a whole. */
export class SecretStore {
  readonly path: string;
  readonly #deps: SecretStoreDeps;

  constructor(deps: SecretStoreDeps) {
    this.path = join(deps.dir, STORE_FILE);
    this.#deps = deps;
  }

  /** Where the key is; null: there is no store yet. */
  keyKind(): KeyKind | null {
    return readSealedFile(this.path)?.key.kind ?? null;
  }

  async list(): Promise<StoreEntry[]> {
    const { rows } = await this.#open();
    return [...rows]
      .map(([name, { value, updatedAt }]) => ({ name, updatedAt, bytes: Buffer.byteLength(value) }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** All values, by name. */
  async values(): Promise<ReadonlyMap<string, Secret>> {
    return toSecrets((await this.#open()).rows);
  }

  /** As `values`, without a program or a person; null when one has to be asked for the key. */
  valuesSync(): ReadonlyMap<string, Secret> | null {
    const file = readSealedFile(this.path);
    if (file === null) return new Map();
    const master = openKeySync(file.key, this.#deps);
    return master && toSecrets(parseRows(this.path, unseal(this.path, file, master)));
  }

  /** Makes the store where there is none, with a key of `kind`. Resolves to whether the name is new. */
  async set(name: string, value: string, kind: KeyKind = "file"): Promise<{ created: boolean }> {
    checkName(name);
    checkValue(value);
    return await this.#change(async () => {
      const opened = await this.#open(kind);
      const created = !opened.rows.has(name);
      if (created && opened.rows.size >= SECRET_LIMITS.entries)
        throw new GatewayError("INVALID_REQUEST", `the store has ${SECRET_LIMITS.entries} secrets, and takes no more`, {
          fix: "Remove those that are not used: openclaw secrets store rm NAME",
        });
      opened.rows.set(name, { value, updatedAt: this.#deps.now() });
      await this.#write(opened);
      return { created };
    });
  }

  /** Resolves to whether there was such a secret. */
  async remove(name: string): Promise<boolean> {
    return await this.#change(async () => {
      const opened = await this.#open();
      if (!opened.rows.delete(name)) return false;
      await this.#write(opened);
      return true;
    });
  }

  /**
   * Encrypts everything with a new key. The new key is stored first and the old one removed last, so that the file can be opened after a
   * crash at any moment.
   */
  async rekey(kind: KeyKind, next: Partial<KeyDeps> = {}): Promise<{ entries: number }> {
    const { crashPoint } = this.#deps;
    return await this.#change(async () => {
      const { rows, spec } = await this.#open();
      if (spec === null)
        throw new GatewayError("NOT_FOUND", "there are no stored secrets, so there is no key to change", {
          fix: "openclaw secrets store set NAME makes the store.",
        });
      const key = await createKey(kind, { ...this.#deps, ...next });
      crashPoint?.("key-written");
      await writeSealedFile(this.path, encodeRows(rows), key.spec, key.master);
      crashPoint?.("file-written");
      await removeKey(spec, this.#deps);
      crashPoint?.("old-key-removed");
      return { entries: rows.size };
    });
  }

  async #open(kind?: KeyKind): Promise<{ rows: Rows; spec: KeySpec | null; master: Buffer | null }> {
    const file = readSealedFile(this.path);
    if (file !== null) {
      const master = await openKey(file.key, this.#deps);
      return { rows: parseRows(this.path, unseal(this.path, file, master)), spec: file.key, master };
    }
    const key = kind === undefined ? null : await createKey(kind, this.#deps);
    return { rows: new Map(), spec: key?.spec ?? null, master: key?.master ?? null };
  }

  async #write({ rows, spec, master }: { rows: Rows; spec: KeySpec | null; master: Buffer | null }): Promise<void> {
    if (spec === null || master === null) throw new Error("a store without a key cannot be written");
    await writeSealedFile(this.path, encodeRows(rows), spec, master);
  }

  /** One change at a time, also of several processes. The lock of a process that is gone is taken over. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    const { dir, clock = foregroundClock } = this.#deps;
    await ensureDirectory(dir);
    const lock = `${this.path}.lock`;
    const end = clock.monotonic() + SECRET_LIMITS.lockMs;
    let attempt = await tryLock(lock);
    for (; !attempt.isTaken; attempt = await tryLock(lock)) {
      if (clock.monotonic() > end)
        throw new GatewayError("CONFLICT", "another process changes the stored secrets", { fix: `Repeat it later. The lock is ${lock}.` });
      await sleep(clock, SECRET_LIMITS.lockPollMs);
    }
    try {
      return await work();
    } finally {
      await attempt.release();
    }
  }
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new GatewayError(
    "INVALID_REQUEST",
    "the name of a stored secret has capital letters, digits and _ only, and begins with a letter",
    {
      fix: "Write it like TELEGRAM_TOKEN.",
    },
  );
}

function checkValue(value: string): void {
  const bytes = Buffer.byteLength(value);
  if (value !== "" && bytes <= SECRET_LIMITS.valueBytes) return;
  throw new GatewayError(
    "INVALID_REQUEST",
    value === "" ? "the value is empty" : `the value has ${bytes} bytes; at most ${SECRET_LIMITS.valueBytes} are stored`,
    { fix: "Pipe the value in, or type it at the prompt." },
  );
}

const encodeRows = (rows: Rows): string => JSON.stringify({ secrets: Object.fromEntries(rows) });

function parseRows(path: string, text: string): Rows {
  const secrets = asObject(fieldsOf(tryParseJson(text))["secrets"]);
  if (secrets === null) throw new GatewayError("UNAVAILABLE", `${path} was written by another version`, { fix: "Update the gateway." });
  return new Map(
    Object.entries(secrets).map(([name, row]) => {
      const { value, updatedAt } = fieldsOf(row);
      return [name, { value: asString(value), updatedAt: asNumber(updatedAt) ?? 0 }];
    }),
  );
}

const toSecrets = (rows: Rows): ReadonlyMap<string, Secret> => new Map([...rows].map(([name, { value }]) => [name, new Secret(value)]));
