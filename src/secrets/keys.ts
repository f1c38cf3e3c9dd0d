import { createHash, randomBytes, scrypt, scryptSync } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { GatewayError } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { SECRET_LIMITS } from "./limits.ts";
import { readPrivateText, type KeySpec } from "./sealed-file.ts";

export type KeyKind = KeySpec["kind"];
type Env = Readonly<Record<string, string | undefined>>;

/** The keyring of the desktop. */
export type Keyring = {
  /** Null: it has no such entry. Throws GatewayError when the keyring cannot be used. */
  read(id: string): Promise<string | null>;
  write(id: string, text: string): Promise<void>;
  remove(id: string): Promise<void>;
};

export type KeyDeps = {
  /** `<state>/gateway`. */
  readonly dir: string;
  readonly env: Env;
  readonly keyring?: Keyring;
  /** Asks a person; absent where no one can be asked. */
  readonly askPassphrase?: () => Promise<string>;
};

export type OpenedKey = { readonly spec: KeySpec; readonly master: Buffer };

const deriveKey = promisify<string, Buffer, number, object, Buffer>(scrypt);
const keyPath = (dir: string, id: string): string => join(dir, `secrets-${id}.key`);
const idOf = (master: Buffer): string => createHash("sha256").update("openclaw key id").update(master).digest("hex").slice(0, 16);

const noKey = (message: string, fix: string): GatewayError =>
  new GatewayError("UNAVAILABLE", message, { details: { reason: "secrets-no-key" }, fix });

/** Derived keys of this process: deriving one takes 0.1 s. */
const derived = new Map<string, Buffer>();

/** Makes a new key of a kind, and stores it where that kind is stored. */
export async function createKey(kind: KeyKind, deps: KeyDeps): Promise<OpenedKey> {
  if (kind === "passphrase") {
    const { N, r, p } = SECRET_LIMITS.scrypt;
    const spec: KeySpec = { kind, salt: randomBytes(16).toString("base64url"), N, r, p };
    const passphrase = (await givenPassphrase(deps)) ?? missingPassphrase();
    if ([...passphrase].length < SECRET_LIMITS.passphraseChars)
      throw new GatewayError("INVALID_REQUEST", `the passphrase has fewer than ${SECRET_LIMITS.passphraseChars} characters`, {
        fix: "Use a longer one, for example four random words.",
      });
    return { spec, master: await derivePassphrase(passphrase, spec) };
  }
  const master = randomBytes(32);
  const id = idOf(master);
  if (kind === "file") await writeFileAtomic(keyPath(deps.dir, id), `${master.toString("base64")}\n`, { mode: 0o600 });
  else await requireKeyring(deps).write(id, master.toString("base64"));
  return { spec: { kind, id }, master };
}

/** The key that a file names. Throws GatewayError: it is missing, or it is another one. */
export async function openKey(spec: KeySpec, deps: KeyDeps): Promise<Buffer> {
  if (spec.kind === "passphrase") return await derivePassphrase((await givenPassphrase(deps)) ?? missingPassphrase(), spec);
  const found = openKeySync(spec, deps);
  if (found !== null) return found;
  const text = await requireKeyring(deps).read(spec.id);
  if (text === null)
    throw noKey(
      "the keyring of this system does not have the key of the secrets",
      "Log in to the desktop session that has it, or restore the keyring; without the key, the secrets have to be set again.",
    );
  return matching(Buffer.from(text, "base64"), spec.id, "the keyring");
}

/** As `openKey`, without waiting for a program or a person; null where one would be needed. */
export function openKeySync(spec: KeySpec, { dir, env }: KeyDeps): Buffer | null {
  if (spec.kind === "keyring") return null;
  if (spec.kind === "passphrase") {
    const passphrase = environmentPassphrase(env);
    if (passphrase === null) return null;
    const name = cacheName(passphrase, spec);
    const { salt, N, r, p } = spec;
    const known =
      derived.get(name) ??
      scryptSync(passphrase.normalize("NFC"), Buffer.from(salt, "base64url"), 32, { N, r, p, maxmem: SECRET_LIMITS.scrypt.maxmem });
    derived.set(name, known);
    return known;
  }
  let other: string | null = null;
  for (const path of [...givenKeyFiles(env), keyPath(dir, spec.id)]) {
    const text = readPrivateText(path, SECRET_LIMITS.keyFileBytes);
    if (text === null) continue;
    const master = Buffer.from(text.trim(), "base64");
    if (idOf(master) === spec.id) return master;
    other = path;
  }
  if (other !== null) return matching(Buffer.alloc(0), spec.id, other);
  throw noKey(
    `the key file ${keyPath(dir, spec.id)} does not exist`,
    "Restore it from a backup that has secrets, or name it with OPENCLAW_SECRETS_KEY_FILE; without the key, the secrets have to be set again.",
  );
}

/** Removes a key that no file refers to any longer. */
export async function removeKey(spec: KeySpec, deps: KeyDeps): Promise<void> {
  if (spec.kind === "file") await rm(keyPath(deps.dir, spec.id), { force: true });
  if (spec.kind === "keyring") await requireKeyring(deps).remove(spec.id);
}

function matching(master: Buffer, id: string, place: string): Buffer {
  if (idOf(master) === id) return master;
  throw new GatewayError("UNAVAILABLE", `${place} has another key than the one that the secrets were written with`, {
    details: { reason: "secrets-wrong-key" },
    fix: "Put the right key back. Without it, the secrets have to be set again.",
  });
}

/** Key files that the operator names: by a variable, and by systemd (LoadCredential=openclaw-secrets-key:...). */
function givenKeyFiles(env: Env): string[] {
  const [named, credentials] = [env["OPENCLAW_SECRETS_KEY_FILE"], env["CREDENTIALS_DIRECTORY"]];
  return [...(named ? [named] : []), ...(credentials ? [join(credentials, "openclaw-secrets-key")] : [])];
}

function environmentPassphrase(env: Env): string | null {
  const { OPENCLAW_SECRETS_PASSPHRASE: text, OPENCLAW_SECRETS_PASSPHRASE_FILE: file } = env;
  if (text) return text;
  const content = file ? readPrivateText(file, SECRET_LIMITS.keyFileBytes) : null;
  return content?.replace(/\r?\n$/, "") || null;
}

const givenPassphrase = async (deps: KeyDeps): Promise<string | null> =>
  environmentPassphrase(deps.env) ?? (await deps.askPassphrase?.()) ?? null;

function missingPassphrase(): never {
  throw noKey(
    "the secrets are encrypted with a passphrase, and none was given",
    "Set OPENCLAW_SECRETS_PASSPHRASE_FILE to a file with mode 0600 that holds it, where the gateway is started.",
  );
}

const cacheName = (passphrase: string, spec: KeySpec): string =>
  createHash("sha256")
    .update(JSON.stringify([passphrase, spec]))
    .digest("hex");

async function derivePassphrase(passphrase: string, spec: KeySpec & { kind: "passphrase" }): Promise<Buffer> {
  const name = cacheName(passphrase, spec);
  const known = derived.get(name);
  if (known) return known;
  const { salt, N, r, p } = spec;
  const options = { N, r, p, maxmem: SECRET_LIMITS.scrypt.maxmem };
  const master = await deriveKey(passphrase.normalize("NFC"), Buffer.from(salt, "base64url"), 32, options);
  derived.set(name, master);
  return master;
}

function requireKeyring({ keyring }: KeyDeps): Keyring {
  if (keyring) return keyring;
  throw noKey(
    "the keyring of this system cannot be used here",
    "Install secret-tool, or keep the key elsewhere: openclaw secrets rekey --to file",
  );
}
