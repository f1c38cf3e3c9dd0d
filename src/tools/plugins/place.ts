import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { PluginEntry } from "../../config/schema.ts";
import { asString, fieldsOf, tryParseJson } from "../../core/json.ts";
import { findPluginFile, moduleOfFile, moduleOfPackage, PluginLoadError, type PluginModule } from "../../core/plugin-module.ts";

export type PlaceOptions = { stateDir: string; /** `plugins.load.paths` */ paths: readonly string[] };

/**
 * The code of a plugin: its package, else what a path of the configuration has, else what is in the state directory. Throws
 * PluginLoadError when there is none, or when it may not be used.
 */
export function findPluginModule(id: string, entry: PluginEntry, { stateDir, paths }: PlaceOptions): PluginModule {
  if (entry.package !== undefined) return moduleOfPackage(stateDir, entry.package, `plugins.entries.${id}.package`, `openclaw-${id}`);
  for (const path of [...paths, join(stateDir, "tools")]) {
    const file = findFile(path, id);
    if (file !== null) return moduleOfFile(file);
  }
  throw new PluginLoadError(
    "there is no code for it; entries of plugins that are part of OpenClaw have no effect here",
    `Put it into ${join(stateDir, "tools", `${id}.mjs`)}, name its package in plugins.entries.${id}.package, or remove the entry.`,
  );
}

/** The file of a plugin: the path itself, a file of that directory, or the entry of a folder there. */
function findFile(path: string, id: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  if (!found.isDirectory()) return basename(path, extname(path)) === id ? path : null;
  const file = findPluginFile(path, id);
  if (file !== null) return file;
  if (basename(path) === id) return entryOf(path);
  return existsSync(join(path, id)) ? entryOf(join(path, id)) : null;
}

/** The file that a folder is entered by: `main` of its package.json, or `index`. */
function entryOf(folder: string): string | null {
  const manifest = join(folder, "package.json");
  if (existsSync(manifest)) {
    const main = asString(fieldsOf(tryParseJson(readFileSync(manifest, "utf8")))["main"]);
    if (main !== "" && existsSync(join(folder, main))) return join(folder, main);
  }
  return findPluginFile(folder, "index");
}
