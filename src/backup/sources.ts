import { lstat, readdir, readlink } from "node:fs/promises";
import { join, sep } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { fileProblemOf, isAbsent } from "../core/files.ts";
import { BACKUP_LIMITS } from "./limits.ts";

/** One file of a backup: where it is, and its name in the archive. */
export type BackupSource = {
  readonly name: string;
  readonly path: string;
  readonly mode: number;
  readonly changedAt: number;
  /** Where a symbolic link leads; null: a regular file. */
  readonly link: string | null;
};

export type SkippedFile = { readonly name: string; readonly reason: string };

/**
 * What is in `gateway/` and is not kept: the store is copied on its own, and the rest is made again, belongs to a process that runs, or is
 * the login of a browser.
 */
const NOT_KEPT =
  /^(?:gateway\.db.*|store-(?:ledger|numbers)\.json|owner\.json|ssh-tunnel\.json|logs|pi|cache|agents|browser|backup-staging|diagnostics|\..*\.tmp)$/;
export const isRemade = (name: string): boolean => NOT_KEPT.test(name);
/** Variables of the service, such as keys of model providers. */
export const SERVICE_ENVIRONMENT = "service.env";

/** What of `gateway/` has no credentials. */
const WITHOUT_SECRETS = new Set(["media", "isolated"]);

export type SourceOptions = {
  readonly state: string;
  readonly gateway: string;
  readonly secrets: boolean;
  readonly workspaces: readonly { readonly path: string; readonly folder: string }[];
  /** Directories that are never part of a backup, such as the one of the backups. */
  readonly excluded: readonly string[];
};

/** Finds the files of a backup beside its store and configuration. What cannot be read is reported in `skipped`. */
export async function* findSources(options: SourceOptions, skipped: SkippedFile[]): AsyncGenerator<BackupSource> {
  const { state, gateway, secrets, workspaces } = options;
  let files = 0;
  const walks = [
    walk(gateway, "gateway", (name, depth) => depth > 0 || (!NOT_KEPT.test(name) && (secrets || WITHOUT_SECRETS.has(name)))),
    walk(join(state, "skills"), "skills", () => true),
    ...workspaces.map(({ path, folder }) => walk(path, folder, () => true)),
  ];
  const isExcluded = (path: string): boolean =>
    options.excluded.some((each) => path === each) ||
    // A workspace above the state directory does not contain it a second time.
    (path === state && workspaces.some((each) => state.startsWith(each.path + sep)));
  const environment = secrets ? await look(join(state, SERVICE_ENVIRONMENT), SERVICE_ENVIRONMENT, null) : null;
  if (environment !== null && environment !== "directory") yield environment;
  for (const walked of walks)
    for await (const source of walked(isExcluded, skipped)) {
      if (++files > BACKUP_LIMITS.files)
        throw new GatewayError("INVALID_REQUEST", `the backup would have more than ${BACKUP_LIMITS.files} files`, {
          fix: "Leave the workspaces out (--no-include-workspace), or give the agents smaller ones.",
        });
      yield source;
    }
}

type Walk = (isExcluded: (path: string) => boolean, skipped: SkippedFile[]) => AsyncGenerator<BackupSource>;

function walk(root: string, folder: string, wants: (name: string, depth: number) => boolean): Walk {
  return async function* (isExcluded, skipped) {
    const waiting: { path: string; name: string; depth: number }[] = [{ path: root, name: folder, depth: 0 }];
    for (let at = waiting.pop(); at; at = waiting.pop()) {
      if (isExcluded(at.path)) continue;
      const names = await readdir(at.path).catch((err: unknown) => {
        if (!isAbsent(err)) skipped.push({ name: at!.name, reason: fileProblemOf(err) });
        return [];
      });
      for (const each of names.toSorted()) {
        if (!wants(each, at.depth)) continue;
        const [path, name] = [join(at.path, each), `${at.name}/${each}`];
        const found = await look(path, name, skipped);
        if (found === "directory") waiting.push({ path, name, depth: at.depth + 1 });
        else if (found !== null && !isExcluded(path)) yield found;
      }
    }
  };
}

async function look(path: string, name: string, skipped: SkippedFile[] | null): Promise<BackupSource | "directory" | null> {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) return "directory";
    if (!stats.isFile() && !stats.isSymbolicLink()) return null;
    if (/[\0\\\uFFFD]/.test(name)) {
      skipped?.push({ name, reason: "its name cannot be kept" });
      return null;
    }
    const link = stats.isSymbolicLink() ? await readlink(path) : null;
    return { name, path, mode: stats.mode, changedAt: stats.mtimeMs, link };
  } catch (err) {
    skipped?.push({ name, reason: fileProblemOf(err) });
    return null;
  }
}
