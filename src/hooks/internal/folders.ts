import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isAbsent, openBeneath, readAtMost, UnsafePathError } from "../../core/files.ts";
import { listOf, textOf } from "../../skills/header-values.ts";
import { parseFrontMatter } from "../../skills/front-matter.ts";
import { clip } from "../../core/text.ts";
import { INTERNAL_LIMITS, isInternalEvent } from "./events.ts";

export type InternalHookSource = "workspace" | "managed";

/** A folder with a `HOOK.md` and a handler. */
export type InternalHook = {
  name: string;
  description: string;
  emoji: string | null;
  homepage: string | null;
  events: readonly string[];
  source: InternalHookSource;
  baseDir: string;
  filePath: string;
  handlerPath: string | null;
  /** Of everything that is in it; what a person has enabled is this content. */
  hash: string;
  /** The code that has this hash. */
  code: string;
  language: "js" | "ts";
  /** Why it cannot be used. */
  problem: string | null;
};

const HANDLERS = ["handler.ts", "handler.js", "handler.mjs", "index.ts", "index.js"] as const;

/** The hooks of a directory, by name. A missing directory has none. */
export async function readHookFolders(directory: string, source: InternalHookSource): Promise<readonly InternalHook[]> {
  let names: string[];
  try {
    names = (await readdir(directory, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) !== "") return [];
    throw err;
  }
  const hooks = await Promise.all(
    names
      .toSorted()
      .slice(0, INTERNAL_LIMITS.folders)
      .map((name) => readHook(directory, name, source)),
  );
  return hooks.filter((hook) => hook !== null);
}

async function readText(directory: string, path: string): Promise<string | null> {
  try {
    const file = await openBeneath(directory, path);
    try {
      const bytes = await readAtMost(file, INTERNAL_LIMITS.fileBytes + 1);
      return bytes.length > INTERNAL_LIMITS.fileBytes ? null : bytes.toString("utf8");
    } finally {
      await file.close();
    }
  } catch (err) {
    if (err instanceof UnsafePathError || errnoOf(err) !== "") return null;
    throw err;
  }
}

/** Null for a directory without a `HOOK.md`. */
async function readHook(directory: string, folder: string, source: InternalHookSource): Promise<InternalHook | null> {
  const text = await readText(directory, `${folder}/HOOK.md`);
  if (text === null) return null;
  const parsed = parseFrontMatter(text);
  const fields = "fields" in parsed ? parsed.fields : {};
  const metadata = "fields" in parsed ? parsed.metadata : {};
  const name = textOf(fields["name"]) || folder;
  let handler: string | null = null;
  let code: string | null = null;
  for (const candidate of HANDLERS) {
    code = await readText(directory, `${folder}/${candidate}`);
    if (code === null) continue;
    handler = candidate;
    break;
  }
  const events = listOf(metadata["events"] ?? fields["events"]);
  const baseDir = join(directory, folder);
  return {
    name,
    description: clip(textOf(fields["description"]), 500),
    emoji: clip(textOf(metadata["emoji"]), 16) || null,
    homepage: textOf(metadata["homepage"] ?? fields["homepage"]) || null,
    events,
    source,
    baseDir,
    filePath: join(baseDir, "HOOK.md"),
    handlerPath: handler === null ? null : join(baseDir, handler),
    hash: createHash("sha256")
      .update(JSON.stringify([text, handler, code]))
      .digest("hex"),
    code: code ?? "",
    language: handler?.endsWith(".ts") === true ? "ts" : "js",
    problem: "problem" in parsed ? parsed.problem : problemOf(name, events, handler),
  };
}

function problemOf(name: string, events: readonly string[], handler: string | null): string | null {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return "its name has other characters than letters, digits, dots, - and _";
  if (handler === null)
    return `it has no ${HANDLERS.slice(0, 3).join(" or ")}, or the file is larger than ${INTERNAL_LIMITS.fileBytes} bytes`;
  if (events.length === 0) return "metadata.openclaw.events is empty";
  const unknown = events.find((event) => !isInternalEvent(event));
  return unknown === undefined ? null : `the event ${JSON.stringify(unknown.slice(0, 60))} does not happen here`;
}
