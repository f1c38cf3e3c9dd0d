import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

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

const curly = (name: string): string => name.replaceAll("'", "\u2019");

/**
 * A path, and how macOS writes its names: decomposed letters, a curly apostrophe, a narrow no-break space before AM and PM. Where the
 * path itself does not exist, the first of the others that does is meant. Pure.
 */
export function spellingsOf(path: string): readonly string[] {
  const decomposed = path.normalize("NFD");
  return [...new Set([path, path.replace(/ (AM|PM)\./gi, "\u202F$1."), decomposed, curly(path), curly(decomposed)])];
}
