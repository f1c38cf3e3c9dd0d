import { access } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isAbsent } from "../core/files.ts";

/** Spaces of other scripts and no-break spaces, which models copy from names that people see. */
const UNICODE_SPACES = /[\u00A0\u2000-\u200A\u202F\u205F\u3000]/g;

/**
 * The absolute path that a model means: relative to the workspace, `~` for the home directory, `file:` URLs, and without the `@` that
 * marks a file in a prompt. Pure.
 */
export function resolvePath(path: string, { workspace, home }: { workspace: string; home: string }): string {
  const plain = path.replace(UNICODE_SPACES, " ").replace(/^@/, "");
  if (plain === "~") return home;
  if (plain.startsWith("~/")) return join(home, plain.slice(2));
  const local = plain.startsWith("file://") ? fileURLToPath(plain) : plain;
  return isAbsolute(local) ? resolve(local) : resolve(workspace, local);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (err) {
    if (isAbsent(err)) return false;
    throw err;
  }
}

const curly = (name: string): string => name.replaceAll("'", "\u2019");

/** How macOS writes a name: decomposed letters, a curly apostrophe, a narrow no-break space before AM and PM. */
function macosVariants(path: string): string[] {
  const decomposed = path.normalize("NFD");
  return [path.replace(/ (AM|PM)\./gi, "\u202F$1."), decomposed, curly(path), curly(decomposed)];
}

/** The path itself when it exists, else the first of its macOS spellings that does, else the path. */
export async function findExisting(path: string): Promise<string> {
  for (const candidate of new Set([path, ...macosVariants(path)])) if (await exists(candidate)) return candidate;
  return path;
}
