import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkConfigText } from "../config/load.ts";
import { GatewayError } from "../core/errors.ts";
import { errnoOf, fileProblemOf } from "../core/files.ts";
import { ZipError, ZipReader, type ZipEntry } from "../core/zip.ts";
import { checkCopy } from "../store/copy.ts";
import { BACKUP_LIMITS } from "./limits.ts";
import { CONFIG_NAME, MANIFEST_NAME, parseManifest, STORE_NAME, type BackupFile, type BackupManifest } from "./manifest.ts";

export type VerifiedBackup = {
  readonly manifest: BackupManifest;
  /** Bytes of all its files, unpacked. */
  readonly bytes: number;
  /** Errors of its configuration; the gateway ignores such keys. */
  readonly configErrors: number;
};

const REPAIR = "Use another backup: openclaw backup list.";

/** The archive of a backup, with its manifest. */
export type OpenBackup = { readonly zip: ZipReader; readonly manifest: BackupManifest };

/** Opens a backup. Throws GatewayError when it is none, or not complete. The caller closes `zip`. */
export async function openBackup(path: string): Promise<OpenBackup> {
  const zip = await ZipReader.open(path).catch((err: unknown) => {
    const why = err instanceof ZipError ? err.message : fileProblemOf(err);
    throw new GatewayError(errnoOf(err) === "ENOENT" ? "NOT_FOUND" : "INVALID_REQUEST", `the backup ${path} cannot be read: ${why}`, {
      cause: err,
      fix: REPAIR,
    });
  });
  try {
    const entry = zip.entries.get(MANIFEST_NAME);
    if (!entry) throw new GatewayError("INVALID_REQUEST", `${path} is not a backup: it has no ${MANIFEST_NAME}`, { fix: REPAIR });
    const manifest = parseManifest((await zip.readAll(entry, BACKUP_LIMITS.manifestBytes)).toString());
    refuseOtherFiles(path, zip, manifest);
    return { zip, manifest };
  } catch (err) {
    await zip.close();
    throw err instanceof ZipError ? damagedBackup(path, err) : err;
  }
}

export const damagedBackup = (path: string, err: ZipError): GatewayError =>
  new GatewayError("INVALID_REQUEST", `the backup ${path} is damaged: ${err.message}`, { cause: err, fix: REPAIR });

/** The archive and its manifest name the same files. */
function refuseOtherFiles(path: string, zip: ZipReader, { files }: BackupManifest): void {
  const named = new Set(files.map(({ name }) => name));
  const missing = files.find(({ name, bytes }) => zip.entries.get(name)?.bytes !== bytes);
  if (missing) throw new ZipError(`${missing.name} is missing, or has another size`);
  const other = [...zip.entries.keys()].find((name) => name !== MANIFEST_NAME && !named.has(name));
  if (other !== undefined) throw new ZipError(`${other} is in the archive, and not in its manifest`);
}

/** Reads one file and compares its hash. Throws ZipError. */
export async function* readChecked(zip: ZipReader, entry: ZipEntry, { name, sha256 }: BackupFile): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of zip.read(entry)) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest("hex") !== sha256) throw new ZipError(`${name} is not what the manifest says`);
}

/**
 * Reads a whole backup: the hash of every file, its store opened for reading, checked and counted, and its configuration. Throws
 * GatewayError when something is not as it was written. Blocks for as long as the store takes to be checked.
 */
export async function verifyBackup(path: string): Promise<VerifiedBackup> {
  const { zip, manifest } = await openBackup(path);
  const dir = await scratchBeside(path);
  let config: string | null = null;
  try {
    for (const file of manifest.files) {
      const entry = zip.entries.get(file.name)!;
      if (file.name === STORE_NAME) await unpackStore(zip, entry, file, join(dir, "gateway.db"));
      else if (file.name === CONFIG_NAME) config = (await collect(readChecked(zip, entry, file))).toString();
      else for await (const _ of readChecked(zip, entry, file));
    }
    if (manifest.files.some(({ name }) => name === STORE_NAME)) compareRows(path, manifest, checkCopy(join(dir, "gateway.db")).rows);
    return {
      manifest,
      bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
      configErrors: config === null ? 0 : countErrors(config),
    };
  } catch (err) {
    throw err instanceof ZipError ? damagedBackup(path, err) : err;
  } finally {
    await zip.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Secrets and files that the configuration refers to may be on another machine: what cannot be found counts as no error. */
const countErrors = (text: string): number =>
  checkConfigText(text, { path: CONFIG_NAME, env: {} }).issues.filter(
    ({ severity, message }) => severity === "error" && !/not set|does not exist/.test(message),
  ).length;

export function compareRows(path: string, manifest: BackupManifest, rows: Readonly<Record<string, number>>): void {
  const other = Object.entries(manifest.rows).find(([table, count]) => rows[table] !== count);
  if (other)
    throw new GatewayError(
      "INVALID_REQUEST",
      `the backup ${path} is damaged: its table ${other[0]} has ${rows[other[0]] ?? 0} rows instead of ${other[1]}`,
      {
        fix: REPAIR,
      },
    );
}

async function unpackStore(zip: ZipReader, entry: ZipEntry, file: BackupFile, path: string): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(readChecked(zip, entry, file));
  } finally {
    await handle.close();
  }
}

async function collect(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of parts) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** On the disk of the backup when that can be written, because the store may be large. */
async function scratchBeside(path: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(path), ".verify-"));
  } catch (err) {
    if (!["EACCES", "EROFS", "EPERM"].includes(errnoOf(err))) throw err;
    return await mkdtemp(join(tmpdir(), "openclaw-verify-"));
  }
}
