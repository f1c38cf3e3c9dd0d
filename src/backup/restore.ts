import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readdir, rename, rm, rmdir, symlink } from "node:fs/promises";
import { dirname, isAbsolute, join, relative } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { ensureDirectory, fileProblemOf, isAbsent, syncDirectory } from "../core/files.ts";
import { ZipError, type ZipEntry } from "../core/zip.ts";
import { checkCopy, parkQueued } from "../store/copy.ts";
import { CONFIG_NAME, STORE_NAME, type BackupFile, type BackupManifest } from "./manifest.ts";
import { isRemade, SERVICE_ENVIRONMENT } from "./sources.ts";
import { compareRows, damagedBackup, openBackup, readChecked, type OpenBackup } from "./verify.ts";

export type RestoreOptions = {
  /** Messages that waited when the backup was made run at the next start. */
  readonly keepQueue: boolean;
};

export type RestoredBackup = {
  readonly target: string;
  readonly manifest: BackupManifest;
  /** What became a dead letter, because it has probably been handled since. */
  readonly deadLetters: { readonly messages: number; readonly replies: number };
  /** Workspaces that were outside of the state directory, and where they are now. */
  readonly movedWorkspaces: readonly { readonly agent: string; readonly from: string; readonly to: string }[];
};

const LINK = 0o120_000;
const TYPE = 0o170_000;

/**
 * Unpacks a backup into a directory that is not there yet, or is empty. Everything is checked beside it before it gets its name: a failure
 * leaves nothing.
 */
export async function restoreBackup(path: string, target: string, options: RestoreOptions): Promise<RestoredBackup> {
  await refuseUsed(target);
  const opened = await openBackup(path);
  const staging = `${target}.restoring-${randomBytes(6).toString("hex")}`;
  try {
    await ensureDirectory(dirname(target));
    await mkdir(staging, { mode: 0o700 });
    await unpack(opened, staging);
    const deadLetters = settleStore(path, opened.manifest, staging, options);
    await rmdir(target).catch((err: unknown) => {
      if (!isAbsent(err)) throw err;
    });
    await rename(staging, target);
    await syncDirectory(dirname(target));
    const { manifest } = opened;
    const movedWorkspaces = manifest.workspaces
      .map(({ agent, path: from }) => ({ agent, from, to: join(target, workspaceAt(manifest, agent)) }))
      .filter(({ from, to }) => relative(manifest.state, from) !== relative(target, to));
    return { target, manifest, deadLetters, movedWorkspaces };
  } catch (err) {
    if (err instanceof ZipError) throw damagedBackup(path, err);
    if (err instanceof GatewayError) throw err;
    throw new GatewayError("UNAVAILABLE", `the backup could not be restored to ${target}: ${fileProblemOf(err)}`, {
      cause: err,
      fix: "Check the disk and the owner of the directory, and restore again: nothing was left there.",
    });
  } finally {
    await opened.zip.close();
    await rm(staging, { recursive: true, force: true });
  }
}

async function refuseUsed(target: string): Promise<void> {
  const names = await readdir(target).catch((err: unknown) => {
    if (isAbsent(err)) return [];
    throw new GatewayError("INVALID_REQUEST", `${target} cannot be used: ${fileProblemOf(err)}`, { fix: "Name a new directory." });
  });
  if (names.length > 0)
    throw new GatewayError("CONFLICT", `${target} is not empty`, {
      fix: "Name a new directory with --target, and start the gateway with OPENCLAW_STATE_DIR set to it; or move the old one away first.",
    });
}

/** A store that is complete and holds what the manifest says. */
function settleStore(
  path: string,
  manifest: BackupManifest,
  staging: string,
  { keepQueue }: RestoreOptions,
): RestoredBackup["deadLetters"] {
  if (!manifest.files.some(({ name }) => name === STORE_NAME)) return { messages: 0, replies: 0 };
  const store = join(staging, STORE_NAME);
  compareRows(path, manifest, checkCopy(store).rows);
  return keepQueue ? { messages: 0, replies: 0 } : parkQueued(store);
}

async function unpack({ zip, manifest }: OpenBackup, staging: string): Promise<void> {
  const links: { entry: ZipEntry; file: BackupFile; path: string }[] = [];
  const made = new Set<string>();
  for (const file of manifest.files) {
    const entry = zip.entries.get(file.name)!;
    const path = join(staging, placeOf(manifest, file.name));
    if (!made.has(dirname(path))) await ensureDirectory(dirname(path));
    made.add(dirname(path));
    // No file is written through a link of the archive: links are made when all files are there.
    if ((entry.mode & TYPE) === LINK) {
      refuseLinkOfGateway(file.name);
      links.push({ entry, file, path });
    } else await unpackFile(readChecked(zip, entry, file), path, modeOf(file.name, entry.mode));
  }
  for (const { entry, file, path } of links) {
    const parts: Buffer[] = [];
    for await (const part of readChecked(zip, entry, file)) parts.push(part);
    await symlink(Buffer.concat(parts).toString(), path);
  }
}

/** What the gateway itself opens and writes: a link there would lead to files beside the restored directory. */
function refuseLinkOfGateway(name: string): void {
  const [folder, inside] = name.split("/");
  if (name === CONFIG_NAME || name === SERVICE_ENVIRONMENT || (folder === "gateway" && isRemade(inside!)))
    throw new ZipError(`${name} is a symbolic link`);
}

async function unpackFile(content: AsyncIterable<Buffer>, path: string, mode: number): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (mode !== 0o600) await chmod(path, mode);
}

/** Files of workspaces keep their mode, without set-user-id and without rights of others to write; all others are private. */
const modeOf = (name: string, mode: number): number => (/^(?:workspaces|skills)\//.test(name) ? (mode & 0o755) | 0o600 : 0o600);

/** Where a file of the archive belongs below the state directory. Throws ZipError for a place that backups do not have. */
function placeOf(manifest: BackupManifest, name: string): string {
  if (name === CONFIG_NAME || name === SERVICE_ENVIRONMENT || /^(?:gateway|skills)\/./.test(name)) return name;
  const inWorkspace = /^workspaces\/([^/]+)\/(.+)$/s.exec(name);
  if (inWorkspace && manifest.workspaces.some(({ agent }) => agent === inWorkspace[1]))
    return join(workspaceAt(manifest, inWorkspace[1]!), inWorkspace[2]!);
  throw new ZipError(`${name} is at a place that backups do not have`);
}

/** A workspace in the state directory keeps its place there; another one is put beside. */
function workspaceAt({ workspaces, state }: BackupManifest, agent: string): string {
  const from = workspaces.find((each) => each.agent === agent)!.path;
  const inside = relative(state, from);
  const keeps = /^workspace[^/\\]*$/.test(inside) && !isAbsolute(inside);
  return keeps ? inside : join("workspaces", agent);
}
