import { sep } from "node:path";
import { reasonOf } from "../../core/errors.ts";
import { asString, type JsonObject } from "../../core/json.ts";
import type { FileLocks } from "../file-locks.ts";
import { absentError, directoryError, type FileTarget } from "../file-target.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { fileError, textResult, throwIfStopped } from "../results.ts";
import { changeAfterMark } from "../text-lines.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import { OutsidePathError, type WorkspaceFiles } from "../workspace-files.ts";
import { applyHunks } from "./hunks.ts";
import { parsePatch, type FilePatch } from "./parse.ts";
import { commitChanges, type FileChange } from "./transaction.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: { input: { type: "string", description: "The whole patch" } },
  required: ["input"],
};

const DESCRIPTION = `Changes several files at once; nothing is written unless every part of the patch fits. The format:
*** Begin Patch
*** Add File: new.txt
+content
*** Update File: src/a.ts
*** Move to: src/b.ts
@@ a line above the change
 context
-old line
+new line
*** Delete File: old.txt
*** End Patch
"Move to" and "@@" are optional. Give three lines of context around a change; where it still occurs twice, an @@ line says from where on it is searched. Paths are in the workspace.`;

/** A section of the patch with what its paths lead to; `source`: what a move removes. */
type OpenedPatch = { patch: FilePatch; target: FileTarget; source: FileTarget | null };

/** What a section does, and its line in the result. */
type PreparedPatch = { label: string; changes: readonly FileChange[] };

/** Changes files of the workspace by a patch: all of them, or none. */
export function createApplyPatchTool(files: WorkspaceFiles, locks: FileLocks): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { signal } = context;
    const opened: OpenedPatch[] = [];
    try {
      for (const patch of parse(asString(args["input"]))) opened.push(await open(patch, context));
      checkDistinct(opened);
      const keys = opened.flatMap(({ target, source }) => (source ? [target.key, source.key] : [target.key]));
      const labels = await locks.withLocks(keys, async () => {
        throwIfStopped(signal);
        const prepared = await prepare(opened);
        await commitChanges(
          prepared.flatMap(({ changes }) => changes),
          context,
        );
        return prepared.map(({ label }) => label);
      });
      return textResult(`The patch was applied:\n${labels.join("\n")}`);
    } finally {
      for (const { target, source } of opened) {
        target.close();
        source?.close();
      }
    }
  }

  /** Other directories that the configuration names are for the tools that change one file. */
  async function find(path: string, context: ToolContext, wanted: "file" | "entry"): Promise<FileTarget> {
    try {
      return await files.findTarget(path, { ...context, outside: [] }, wanted);
    } catch (err) {
      if (!(err instanceof OutsidePathError)) throw unchanged(path, err);
      const why = `it is outside of the workspace (${context.workspace}), and apply_patch changes only files in it`;
      throw unchanged(path, new Error(`${why}. Use write or edit for others`, { cause: err }));
    }
  }

  async function open(patch: FilePatch, context: ToolContext): Promise<OpenedPatch> {
    if (patch.action === "delete") return { patch, target: await find(patch.path, context, "entry"), source: null };
    if (patch.action === "add" || patch.moveTo === null) return { patch, target: await find(patch.path, context, "file"), source: null };
    const source = await find(patch.path, context, "entry");
    try {
      return { patch, target: await find(patch.moveTo, context, "file"), source };
    } catch (err) {
      source.close();
      throw err;
    }
  }

  return { name: "apply_patch", description: DESCRIPTION, parameters: PARAMETERS, run };
}

const unchanged = (path: string, err: unknown): Error =>
  new Error(`Nothing was changed. ${fileError("patch", path, err).message}`, { cause: err });

function parse(input: string): readonly FilePatch[] {
  try {
    return parsePatch(input);
  } catch (err) {
    throw new Error(`Nothing was changed: ${reasonOf(err)}.`, { cause: err });
  }
}

/** Each file is named once, and none is in the place of a directory of another one. */
function checkDistinct(opened: readonly OpenedPatch[]): void {
  const paths = new Map<string, string>();
  const add = (key: string, path: string): void => {
    const other = paths.get(key);
    if (other !== undefined)
      throw new Error(`Nothing was changed. ${path} and ${other} are one file: change it in one section of the patch.`);
    paths.set(key, path);
  };
  for (const { patch, target, source } of opened) {
    if (source) add(source.key, patch.path);
    add(target.key, targetPath(patch));
  }
  const sorted = [...paths].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [index, [key, path]] of sorted.entries()) {
    if (sorted[index + 1]?.[0].startsWith(key + sep)) throw new Error(`Nothing was changed. ${path} would be both a file and a directory.`);
  }
}

const targetPath = (patch: FilePatch): string => (patch.action === "update" ? (patch.moveTo ?? patch.path) : patch.path);

/** Rejects when a part of the patch does not fit. */
async function prepare(opened: readonly OpenedPatch[]): Promise<readonly PreparedPatch[]> {
  const prepared: PreparedPatch[] = [];
  let bytes = 0;
  for (const each of opened) {
    const next = await prepareOne(each).catch((err: unknown) => {
      throw unchanged(each.patch.path, err);
    });
    for (const change of next.changes) bytes += change.type === "write" ? change.content.length : 0;
    if (bytes > TOOL_LIMITS.editedBytes) {
      const most = formatBytes(TOOL_LIMITS.editedBytes);
      throw new Error(`Nothing was changed. The files of the patch have more than ${most} together. Make several patches of it.`);
    }
    prepared.push(next);
  }
  return prepared;
}

async function prepareOne({ patch, target, source }: OpenedPatch): Promise<PreparedPatch> {
  const { path } = patch;
  if (patch.action === "delete") {
    const stats = await target.stats();
    if (stats === null) throw absentError();
    if (stats.isDirectory()) throw directoryError();
    await target.checkRemovable();
    return { label: `D ${path}`, changes: [{ type: "remove", path, target }] };
  }
  if (patch.action === "add") {
    await checkFree(target, `it exists. Change it in a section "*** Update File"`);
    return { label: `A ${path}`, changes: [{ type: "write", path, target, content: patch.content }] };
  }
  if (source === null || patch.moveTo === null) {
    const content = applyTo(await target.readText(), patch);
    return { label: `M ${path}`, changes: [{ type: "write", path, target, content }] };
  }
  const stats = await source.checkWritable();
  if (stats === null) throw absentError();
  await source.checkRemovable();
  await checkFree(target, `${patch.moveTo} exists`);
  const content = patch.hunks.length === 0 ? await source.readBytes() : applyTo(await source.readText(), patch);
  return {
    label: `R ${path} -> ${patch.moveTo}`,
    changes: [
      { type: "write", path: patch.moveTo, target, content, mode: stats.mode & 0o777 },
      { type: "remove", path, target: source },
    ],
  };
}

const applyTo = (content: string, { path, hunks }: FilePatch & { action: "update" }): string =>
  changeAfterMark(content, (text) => applyHunks(text, hunks, path));

async function checkFree(target: FileTarget, problem: string): Promise<void> {
  if ((await target.stats()) !== null) throw new Error(problem);
}

export const applyPatchEntry: ToolEntry = {
  facts: { apply_patch: { section: "fs", effect: "write", profiles: ["coding"] } },
  create: ({ files, locks }) => [createApplyPatchTool(files, locks)],
};
