import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { readAtMost } from "../../core/files.ts";
import { asObjects, asString, isObject, tryParseJson, type JsonObject } from "../../core/json.ts";
import { checkWritable, replaceFile, targetOf, type FileLocks } from "../file-changes.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { resolvePath } from "../paths.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import { applyEdits, type Edit } from "./replace.ts";

const BYTE_ORDER_MARK = "\uFEFF";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Relative to the workspace, or absolute" },
    edits: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        properties: {
          oldText: { type: "string", description: "Occurs exactly once in the file" },
          newText: { type: "string", description: "Replaces it" },
        },
        required: ["oldText", "newText"],
      },
    },
  },
  required: ["path", "edits"],
};

export function createEditTool({ home, locks }: { home: string; locks: FileLocks }): Tool {
  async function run(args: JsonObject, { workspace, signal }: ToolContext): Promise<ToolResult> {
    const path = asString(args["path"]);
    const edits = asObjects(args["edits"]).map((edit) => ({ oldText: asString(edit["oldText"]), newText: asString(edit["newText"]) }));
    const asFileError = (err: unknown): Error => (signal.aborted ? stoppedError() : fileError("edit", path, err));
    let target: string;
    try {
      target = await targetOf(resolvePath(path, { workspace, home }));
    } catch (err) {
      throw asFileError(err);
    }
    await locks.withLock(target, async () => {
      throwIfStopped(signal);
      const content = await readText(target, path, asFileError);
      const changed = editContent(content, edits, path);
      throwIfStopped(signal);
      await replaceFile(target, changed).catch((err: unknown) => {
        throw asFileError(err);
      });
    });
    return textResult(`Replaced ${edits.length} ${edits.length === 1 ? "text" : "texts"} in ${path}.`);
  }

  return {
    name: "edit",
    description:
      "Replaces texts in a file. Each oldText must occur exactly once and is searched in the file as it was before the call; edits may not overlap. Keep oldText short; make one edit of changes to neighboring lines.",
    parameters: PARAMETERS,
    prepare: toEditList,
    run,
  };
}

/** The byte order mark does not belong to the first line, because a model does not see it. Pure. */
function editContent(content: string, edits: readonly Edit[], path: string): string {
  if (!content.startsWith(BYTE_ORDER_MARK)) return applyEdits(content, edits, path);
  return BYTE_ORDER_MARK + applyEdits(content.slice(1), edits, path);
}

async function readText(target: string, path: string, asFileError: (err: unknown) => Error): Promise<string> {
  let bytes: Buffer;
  try {
    await checkWritable(target);
    const handle = await open(target, "r");
    try {
      bytes = await readAtMost(handle, Math.min((await handle.stat()).size, TOOL_LIMITS.editedBytes) + 1);
    } finally {
      await handle.close();
    }
  } catch (err) {
    throw asFileError(err);
  }
  if (bytes.length > TOOL_LIMITS.editedBytes)
    throw new Error(`Cannot edit ${path}: it is larger than ${formatBytes(TOOL_LIMITS.editedBytes)}. Change it with a command.`);
  if (!isUtf8(bytes))
    throw new Error(`Cannot edit ${path}: it is not UTF-8 text, and writing it would damage it. Change it with a command.`);
  return bytes.toString();
}

const isEdit = (value: unknown): boolean => isObject(value) && typeof value["oldText"] === "string" && typeof value["newText"] === "string";

/** Other forms: `edits` as JSON text or as a single edit, and `oldText` and `newText` beside `path`. Pure. */
export function toEditList(args: JsonObject): JsonObject {
  const given = typeof args["edits"] === "string" ? tryParseJson(args["edits"]) : args["edits"];
  const edits = isEdit(given) ? [given] : given;
  const { oldText, newText } = args;
  if (!isEdit({ oldText, newText })) return edits === undefined ? args : { ...args, edits };
  return { ...args, edits: [...(Array.isArray(edits) ? edits : []), { oldText, newText }] };
}
