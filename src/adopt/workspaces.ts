import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, opendirSync, readFileSync, realpathSync, fstatSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { agentIds, resolveAgent } from "../config/agents.ts";
import type { Config } from "../config/schema.ts";
import { reasonOf } from "../core/errors.ts";
import { ensureDirectorySync, isAtOrBeneath, writeFileAtomicSync } from "../core/files.ts";
import { notTaken, present, taken, type AdoptItem } from "./item.ts";

/** Files of a workspace are copied up to this size each, and together. */
const FILE_BYTES = 16 * 1_048_576;
const WORKSPACE_BYTES = 512 * 1_048_576;
/** What programs make again. */
const SKIPPED = new Set([".git", "node_modules", ".cache"]);

type WorkspaceSource = { readonly dir: string; readonly config: Config };
type WorkspaceTarget = { readonly state: string; readonly config: Config };

/**
 * Copies the workspaces that lie in the state directory of the original. A file that is here already stays as it is. `write: false` only
 * counts.
 */
export function copyWorkspaces(source: WorkspaceSource, target: WorkspaceTarget, write: boolean): AdoptItem[] {
  return agentIds(source.config).flatMap((id): AdoptItem[] => {
    const from = realPath(resolveAgent(source.config, id, source.dir).workspace);
    const to = resolveAgent(target.config, id, target.state).workspace;
    if (from === null || from === to) return [];
    if (!isAtOrBeneath(source.dir, from)) return [present("workspace", from, `${id} uses the same directory`)];
    try {
      return [copyOne(id, from, to, write)];
    } catch (err) {
      return [notTaken("workspace", from, reasonOf(err))];
    }
  });
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null; // The agent has written nothing yet.
  }
}

function copyOne(id: string, from: string, to: string, write: boolean): AdoptItem {
  const found = { copied: 0, same: 0, left: [] as string[], bytes: 0 };
  for (const path of walk(from, found.left)) {
    const name = relative(from, path);
    const problem = copyFile(path, join(to, name), write, found);
    if (problem !== null) found.left.push(`${name}: ${problem}`);
  }
  const left =
    found.left.length === 0
      ? ""
      : `; not copied: ${found.left.slice(0, 10).join(", ")}${found.left.length > 10 ? `, and ${found.left.length - 10} more` : ""}`;
  if (found.copied === 0) return present("workspace", from, `${found.same} files are here already${left}`);
  return taken("workspace", from, `${found.copied} files copied to ${to} for ${id}${left}`);
}

type Counts = { copied: number; same: number; bytes: number };

function copyFile(path: string, to: string, write: boolean, counts: Counts): string | null {
  const existing = lstatSync(to, { throwIfNoEntry: false });
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(descriptor);
    if (existing) {
      if (existing.isFile() && existing.size === size && hashOf(readFileSync(to)) === hashOf(readFileSync(descriptor))) {
        counts.same++;
        return null;
      }
      return "there is another one here";
    }
    if (size > FILE_BYTES) return "it is too large";
    if (counts.bytes + size > WORKSPACE_BYTES) return "the workspace is too large";
    counts.bytes += size;
    counts.copied++;
    if (!write) return null;
    ensureDirectorySync(dirname(to));
    // As a whole: the next adoption takes what is here for finished.
    writeFileAtomicSync(to, readFileSync(descriptor));
    return null;
  } finally {
    closeSync(descriptor);
  }
}

const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The regular files beneath a directory. Links lead elsewhere and are named. */
function* walk(dir: string, left: string[]): Generator<string> {
  const folder = opendirSync(dir);
  const names: string[] = [];
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) if (!SKIPPED.has(entry.name)) names.push(entry.name);
  } finally {
    folder.closeSync();
  }
  for (const name of names.toSorted()) {
    const path = join(dir, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) yield* walk(path, left);
    else if (stats?.isFile()) yield path;
    else left.push(`${name}: it is a link or no file`);
  }
}
