import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, fstatSync } from "node:fs";
import { errnoOf, fileProblemOf, isAbsent, openRegularFileSync, readAtMostSync, writeFileAtomic } from "../core/files.ts";
import { GatewayError } from "../core/errors.ts";
import { asString, fieldsOf, tryParseJson } from "../core/json.ts";
import { SECRET_LIMITS } from "./limits.ts";

/** Where the key of a sealed file is. It is part of what the seal protects. */
export type KeySpec =
  | { readonly kind: "file" | "keyring"; readonly id: string }
  | { readonly kind: "passphrase"; readonly salt: string; readonly N: number; readonly r: number; readonly p: number };

/** A file whose content is encrypted and authenticated as a whole. */
export type SealedFile = {
  readonly key: KeySpec;
  readonly check: string;
  readonly nonce: string;
  readonly data: string;
  readonly tag: string;
};

const FORMAT = "openclaw-sealed-1";
const CIPHER = "aes-256-gcm";

/** The path is in every message, so that a person knows which file is meant. */
const damaged = (path: string, what: string): GatewayError =>
  new GatewayError("UNAVAILABLE", `${path} ${what}`, {
    details: { reason: "secrets-damaged" },
    fix: "Restore the file from a backup, or move it away and set the secrets again.",
  });

const wrongKey = (path: string): GatewayError =>
  new GatewayError("UNAVAILABLE", `the key does not open ${path}`, {
    details: { reason: "secrets-wrong-key" },
    fix: "Use the passphrase or the key that the file was written with. Without it, the secrets have to be set again.",
  });

function derive(master: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, "", `${FORMAT} ${purpose}`, 32));
}

const checkOf = (master: Buffer, key: KeySpec): string =>
  createHmac("sha256", derive(master, "check")).update(JSON.stringify(key)).digest("base64url");

const boundData = (key: KeySpec, check: string): Buffer => Buffer.from(JSON.stringify([FORMAT, key, check]));

/** The content of a file for `text`. Every call uses another nonce. */
export function seal(text: string, key: KeySpec, master: Buffer): string {
  const nonce = randomBytes(12);
  const check = checkOf(master, key);
  const cipher = createCipheriv(CIPHER, derive(master, "data"), nonce);
  cipher.setAAD(boundData(key, check));
  const data = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]).toString("base64");
  const tag = cipher.getAuthTag().toString("base64");
  return `${JSON.stringify({ format: FORMAT, key, check, nonce: nonce.toString("base64"), data, tag })}\n`;
}

/** The text of a sealed file. Throws GatewayError: a wrong key and a changed file are told apart. */
export function unseal(path: string, file: SealedFile, master: Buffer): string {
  const [known, own] = [Buffer.from(file.check), Buffer.from(checkOf(master, file.key))];
  if (known.length !== own.length || !timingSafeEqual(known, own)) throw wrongKey(path);
  const [nonce, tag] = [Buffer.from(file.nonce, "base64"), Buffer.from(file.tag, "base64")];
  if (nonce.length !== 12 || tag.length !== 16) throw damaged(path, "is damaged");
  const decipher = createDecipheriv(CIPHER, derive(master, "data"), nonce, { authTagLength: 16 });
  decipher.setAAD(boundData(file.key, file.check));
  decipher.setAuthTag(tag);
  const data = decipher.update(Buffer.from(file.data, "base64"));
  try {
    return Buffer.concat([data, decipher.final()]).toString("utf8");
  } catch {
    throw damaged(path, "was changed by another program, or is damaged: its seal is broken");
  }
}

/** The file, still sealed; null when there is none. Throws GatewayError when it is not such a file or others may read it. */
export function readSealedFile(path: string): SealedFile | null {
  const text = readPrivateText(path, SECRET_LIMITS.fileBytes);
  if (text === null) return null;
  const { format, key, check, nonce, data, tag } = fieldsOf(tryParseJson(text));
  const spec = toKeySpec(key);
  if (format !== FORMAT || spec === null) throw damaged(path, "is not a file of sealed secrets, or is damaged");
  return { key: spec, check: asString(check), nonce: asString(nonce), data: asString(data), tag: asString(tag) };
}

/** Replaces the file: a reader finds the old or the new content, also after a crash. */
export const writeSealedFile = (path: string, text: string, key: KeySpec, master: Buffer): Promise<void> =>
  writeFileAtomic(path, seal(text, key, master), { mode: 0o600 });

/** A regular file that only its user may read, as text; null when there is none. */
export function readPrivateText(path: string, maxBytes: number): string | null {
  let descriptor: number;
  try {
    descriptor = openRegularFileSync(path);
  } catch (err) {
    if (isAbsent(err)) return null;
    const what = errnoOf(err) === "" ? "it is not a regular file" : fileProblemOf(err);
    throw new GatewayError("UNAVAILABLE", `${path} cannot be read: ${what}`, { cause: err });
  }
  try {
    const stats = fstatSync(descriptor);
    if ((stats.mode & 0o077) !== 0)
      throw new GatewayError("UNAVAILABLE", `${path} can be read or written by other users (mode ${(stats.mode & 0o777).toString(8)})`, {
        fix: `chmod 600 ${path}`,
      });
    if (stats.uid !== 0 && stats.uid !== process.getuid?.())
      throw new GatewayError("UNAVAILABLE", `${path} belongs to another user`, {
        fix: "Give the file to the user of the gateway (chown).",
      });
    const bytes = readAtMostSync(descriptor, maxBytes + 1);
    if (bytes.length > maxBytes) throw damaged(path, `is larger than ${maxBytes} bytes`);
    return bytes.toString("utf8");
  } finally {
    closeSync(descriptor);
  }
}

const isWork = (number: unknown, max: number): number is number =>
  Number.isSafeInteger(number) && Number(number) >= 1 && Number(number) <= max;

function toKeySpec(value: unknown): KeySpec | null {
  const { kind, id, salt, N, r, p } = fieldsOf(value);
  if ((kind === "file" || kind === "keyring") && typeof id === "string" && /^[0-9a-f]{16}$/.test(id)) return { kind, id };
  // A changed file must not make the key derivation take all memory.
  if (kind !== "passphrase" || typeof salt !== "string" || !isWork(N, 1_048_576) || !isWork(r, 16) || !isWork(p, 16)) return null;
  if (128 * N * r > SECRET_LIMITS.scrypt.maxmem) return null;
  return { kind, salt, N, r, p };
}
