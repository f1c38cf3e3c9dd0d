import { createHash, createHmac, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createDevice, toDevice, type DeviceIdentity } from "../client/device.ts";
import { ensureDirectorySync, isAbsent, writeFileAtomicSync } from "../core/files.ts";
import { Secret } from "../core/secret.ts";
import { secureEquals } from "../core/secure-compare.ts";
import { PEER_LIMITS } from "./limits.ts";
import type { KeyFiles } from "./own-keys.ts";

const FILE = "peer-key.pem";
const LINK_FILE = /^peer-key-[0-9a-f]{32}\.pem$/;
const fileOf = (keyId: string): string => `peer-key-${keyId.slice(0, 32)}.pem`;

/** The key of this gateway for its links; made when it is first needed. Throws when the file is damaged: a key is not replaced silently. */
export function openPeerKey(directory: string): DeviceIdentity {
  const path = join(directory, FILE);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (err) {
    if (!isAbsent(err)) throw err;
    const made = createDevice();
    ensureDirectorySync(directory);
    writeFileAtomicSync(path, made.privateKey.reveal());
    return made;
  }
  return toDevice(new Secret(text));
}

/** Keys of single links, each in a private file of the directory. */
export function keyFilesIn(directory: string): KeyFiles {
  return {
    write: ({ id, privateKey }) => writeFileAtomicSync(join(directory, fileOf(id)), privateKey.reveal()),
    read: (keyId) => {
      try {
        return toDevice(new Secret(readFileSync(join(directory, fileOf(keyId)), "utf8")));
      } catch (err) {
        if (!isAbsent(err)) throw err;
        return null;
      }
    },
    remove: (keyId) => rmSync(join(directory, fileOf(keyId)), { force: true }),
    removeOthers: (keyIds) => {
      const kept = new Set(keyIds.map(fileOf));
      for (const name of readdirSync(directory))
        if (LINK_FILE.test(name) && !kept.has(name)) rmSync(join(directory, name), { force: true });
    },
  };
}

export const keyIdOf = (publicKey: string): string => createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex");

/** The form in which people compare keys. */
export const fingerprintOf = (keyId: string): string => keyId.slice(0, 32).match(/.{4}/g)!.join("-");

/** What the side that connects presents: for whom it is meant, so that it is worth nothing anywhere else. */
export const linkToken = (keyId: string): string => `to:${keyId}`;

const PAIR_PREFIX = "pair:";
const CODE_PREFIX = "ocp_";
const SECRET_BYTES = 16;

/** A pairing code: a secret, and the id of the key of the gateway that made it. */
export type PairingCode = { secret: Buffer; keyId: string };

export const formatCode = ({ secret, keyId }: PairingCode): Secret =>
  new Secret(CODE_PREFIX + Buffer.concat([secret, Buffer.from(keyId, "hex")]).toString("base64url"));

export function parseCode(text: string): PairingCode | null {
  if (!text.startsWith(CODE_PREFIX)) return null;
  const bytes = Buffer.from(text.slice(CODE_PREFIX.length), "base64url");
  if (bytes.length !== SECRET_BYTES + 32) return null;
  return { secret: bytes.subarray(0, SECRET_BYTES), keyId: bytes.subarray(SECRET_BYTES).toString("hex") };
}

/** Proof that the code is known, for one key: a reader on the way cannot use it for another one. The code itself is never sent. */
export const pairingToken = ({ secret, keyId }: PairingCode, ownKeyId: string): string =>
  PAIR_PREFIX + createHmac("sha256", secret).update(`openclaw-peer-pair|1|${ownKeyId}|${keyId}`).digest("base64url");

export const isPairingToken = (token: string): boolean => token.startsWith(PAIR_PREFIX);

type OpenCode = { name: string; secret: Buffer; endsAt: number };

/** Pairing codes that can be used once; they end with the process. */
export class PairingCodes {
  readonly #now: () => number;
  #codes: OpenCode[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Another code for the same link ends the one before. */
  make(name: string, keyId: string): { code: Secret; endsAt: number } {
    const code = { name, secret: randomBytes(SECRET_BYTES), endsAt: this.#now() + PEER_LIMITS.codeMs };
    this.#codes = [...this.#open().filter((each) => each.name !== name), code].slice(-PEER_LIMITS.codes);
    return { code: formatCode({ secret: code.secret, keyId }), endsAt: code.endsAt };
  }

  /** The link whose code the token proves, which is used up with that; null: none. */
  take(token: string, otherKeyId: string, ownKeyId: string): string | null {
    const found = this.#open().find(({ secret }) => secureEquals(token, pairingToken({ secret, keyId: ownKeyId }, otherKeyId)));
    if (!found) return null;
    this.#codes = this.#codes.filter((each) => each !== found);
    return found.name;
  }

  forget(name: string): void {
    this.#codes = this.#codes.filter((each) => each.name !== name);
  }

  #open(): OpenCode[] {
    const now = this.#now();
    return this.#codes.filter(({ endsAt }) => endsAt > now);
  }
}
