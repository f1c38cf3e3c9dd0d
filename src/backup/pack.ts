import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { configWithoutSecrets } from "../config/redact.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { errnoOf, fileProblemOf, isAbsent, openBeneath, syncDirectory } from "../core/files.ts";
import { ZipWriter } from "../core/zip.ts";
import { checkCopy, sealCopy, type CopyReport } from "../store/copy.ts";
import { CONFIG_NAME, MANIFEST_NAME, STORE_NAME, type BackupFile, type BackupManifest } from "./manifest.ts";
import { findSources, type BackupSource, type SkippedFile } from "./sources.ts";
import { verifyBackup } from "./verify.ts";

/** What is packed, decided by the one who made the copy of the store; plain JSON. */
export type PackJob = {
  /** The copied store; null: there is none yet, or only the configuration is wanted. */
  readonly store: string | null;
  readonly output: string;
  readonly kind: BackupManifest["kind"];
  readonly createdAt: number;
  readonly version: string;
  readonly state: string;
  readonly gateway: string;
  readonly config: string;
  readonly secrets: boolean;
  readonly onlyConfig: boolean;
  readonly verify: boolean;
  readonly workspaces: readonly { readonly agent: string; readonly path: string }[];
};

export type PackedBackup = {
  readonly file: string;
  readonly bytes: number;
  readonly createdAt: number;
  readonly kind: BackupManifest["kind"];
  readonly files: number;
  readonly messages: number;
  readonly sessions: number;
  readonly secrets: boolean;
  readonly verified: boolean;
  readonly skipped: readonly SkippedFile[];
};

/**
 * Writes the archive beside its place, checks it when that is wanted, and moves it there: a file with the name of a backup is complete.
 * Blocks for as long as the store takes to be checked: not for the process of a gateway.
 */
export async function packBackup(job: PackJob): Promise<PackedBackup> {
  const { output } = job;
  if (existsSync(output))
    throw new GatewayError("CONFLICT", `${output} exists`, { fix: "Choose another name; a backup replaces no file." });
  const temporary = join(dirname(output), `.${basename(output)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const handle = await open(temporary, "wx", 0o600);
    let packed: { bytes: number; manifest: BackupManifest };
    try {
      packed = await pack(job, handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { bytes, manifest } = packed;
    if (job.verify) await verifyBackup(temporary);
    await moveToFreeName(temporary, output);
    await syncDirectory(dirname(output));
    return {
      file: output,
      bytes,
      createdAt: job.createdAt,
      kind: job.kind,
      files: manifest.files.length,
      messages: manifest.rows["messages"] ?? 0,
      sessions: manifest.rows["sessions"] ?? 0,
      secrets: job.secrets,
      verified: job.verify,
      skipped: manifest.skipped,
    };
  } catch (err) {
    if (err instanceof GatewayError) throw err;
    throw new GatewayError("UNAVAILABLE", `the backup ${output} could not be written: ${fileProblemOf(err)}`, {
      cause: err,
      fix:
        errnoOf(err) === "ENOSPC"
          ? "Free some space, or choose another disk with --output or backup.dir."
          : "Check the directory of the backups.",
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

async function moveToFreeName(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (err) {
    // File systems without hard links.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(err)) || existsSync(to)) throw err;
    await rename(from, to);
  }
}

async function pack(job: PackJob, handle: FileHandle): Promise<{ bytes: number; manifest: BackupManifest }> {
  const zip = new ZipWriter(handle);
  const files: BackupFile[] = [];
  const skipped: SkippedFile[] = [];
  const report = await addStore(job, zip, files);
  await addConfig(job, zip, files);
  const workspaces = job.workspaces.map(({ agent, path }) => ({ agent, path, folder: `workspaces/${agent}` }));
  if (!job.onlyConfig) {
    const { state, gateway, secrets, output } = job;
    for await (const source of findSources({ state, gateway, secrets, workspaces, excluded: [dirname(output)] }, skipped))
      await addSource(source, zip, files, skipped);
  }
  const manifest: BackupManifest = {
    schemaVersion: 1,
    createdAt: job.createdAt,
    version: job.version,
    storeFormat: report?.format ?? 0,
    kind: job.kind,
    host: hostname(),
    state: job.state,
    secrets: job.secrets,
    workspaces: job.onlyConfig ? [] : workspaces,
    rows: report?.rows ?? {},
    files,
    skipped,
  };
  await zip.add(MANIFEST_NAME, [Buffer.from(JSON.stringify(manifest))], { changedAt: job.createdAt });
  return { bytes: await zip.finish(), manifest };
}

async function addStore(job: PackJob, zip: ZipWriter, files: BackupFile[]): Promise<CopyReport | null> {
  if (job.store === null) return null;
  sealCopy(job.store, { secrets: job.secrets });
  const report = checkCopy(job.store);
  const handle = await open(job.store, "r");
  try {
    const written = await zip.add(STORE_NAME, handle.createReadStream({ autoClose: false }), { changedAt: job.createdAt });
    files.push({ name: STORE_NAME, ...written });
  } finally {
    await handle.close();
  }
  return report;
}

async function addConfig(job: PackJob, zip: ZipWriter, files: BackupFile[]): Promise<void> {
  const text = await readFile(job.config, "utf8").catch((err: unknown) => {
    if (isAbsent(err)) return null;
    throw err;
  });
  if (text === null) return;
  const kept = job.secrets ? text : configWithoutSecrets(text);
  if (kept === null)
    throw new GatewayError("INVALID_REQUEST", `${job.config} is not JSON5, so where its secrets are is not known`, {
      fix: "Correct it (openclaw config validate), or keep the secrets in the backup.",
    });
  files.push({ name: CONFIG_NAME, ...(await zip.add(CONFIG_NAME, [Buffer.from(kept)], { changedAt: job.createdAt })) });
}

/** Images, audio and archives do not get smaller. */
const IS_SMALL = /(?:^gateway\/media\/|\.(?:png|jpe?g|gif|webp|mp[34]|ogg|zip|gz|zst|xz|7z)$)/i;

/** What can be read of a file when it is opened is what the backup has; a file that is gone is left out. */
async function addSource(source: BackupSource, zip: ZipWriter, files: BackupFile[], skipped: SkippedFile[]): Promise<void> {
  const { name, path, mode, changedAt } = source;
  if (source.link !== null) {
    files.push({ name, ...(await zip.add(name, [Buffer.from(source.link)], { mode, changedAt, pack: false })) });
    return;
  }
  let handle: FileHandle;
  try {
    handle = await openBeneath(dirname(path), path);
  } catch (err) {
    skipped.push({ name, reason: reasonOf(err) });
    return;
  }
  try {
    const content = handle.createReadStream({ autoClose: false });
    files.push({ name, ...(await zip.add(name, content, { mode, changedAt, pack: !IS_SMALL.test(name) })) });
  } finally {
    await handle.close();
  }
}
