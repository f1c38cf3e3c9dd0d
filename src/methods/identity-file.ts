import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../core/files.ts";

export type IdentityFields = { name?: string | undefined; emoji?: string | undefined };

const FILE = "IDENTITY.md";
const MAX_BYTES = 65_536;
/** The line of each field, in the template and as people write it: `- Name: Rosa`, `- **Emoji:** X`. */
const LINES = {
  name: { pattern: /^[-*][ \t]*\**Name:\**.*$/im, label: "Name" },
  emoji: { pattern: /^[-*][ \t]*\**(?:Sign or emoji|Emoji):\**.*$/im, label: "Emoji" },
} as const;

/** The text with the lines of these fields; everything else stays as its owner wrote it. An empty value leaves its line alone. */
export function withIdentity(text: string, fields: IdentityFields): string {
  let next = text;
  for (const [field, { pattern, label }] of Object.entries(LINES)) {
    const value = fields[field as keyof IdentityFields]?.replaceAll(/\s+/g, " ").trim();
    if (!value) continue;
    const line = `- ${label}: ${value}`;
    next = pattern.test(next) ? next.replace(pattern, () => line) : `${next.trimEnd()}${next.trim() === "" ? "" : "\n"}${line}\n`;
  }
  return next;
}

/** Writes name and emoji of an agent into the identity file of its workspace. Without the file, or with something else in its place, nothing is written. */
export async function mirrorIdentity(workspace: string, fields: IdentityFields): Promise<void> {
  const path = join(workspace, FILE);
  const found = await lstat(path).catch((err: unknown) => {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw err;
  });
  if (!found?.isFile() || found.size > MAX_BYTES) return;
  const text = await readFile(path, "utf8");
  const next = withIdentity(text, fields);
  if (next !== text) await writeFileAtomic(path, next, { preserve: true });
}
