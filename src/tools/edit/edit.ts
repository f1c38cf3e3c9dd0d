import { asObjects, asString, isObject, tryParseJson, type JsonObject } from "../../core/json.ts";
import type { FileLocks } from "../file-locks.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import { changeAfterMark } from "../text-lines.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { applyEdits } from "./replace.ts";
import type { ToolEntry } from "../tool-entry.ts";

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

export function createEditTool(files: WorkspaceFiles, locks: FileLocks): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { signal } = context;
    const path = asString(args["path"]);
    const edits = asObjects(args["edits"]).map((edit) => ({ oldText: asString(edit["oldText"]), newText: asString(edit["newText"]) }));
    const asFileError = (err: unknown): never => {
      throw signal.aborted ? stoppedError() : fileError("edit", path, err);
    };
    const target = await files.findTarget(path, context).catch(asFileError);
    try {
      await locks.withLock(target.key, async () => {
        throwIfStopped(signal);
        const content = await target.readText().catch(asFileError);
        const changed = changeAfterMark(content, (text) => applyEdits(text, edits, path));
        throwIfStopped(signal);
        await target.replace(changed).catch(asFileError);
      });
    } finally {
      target.close();
    }
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

const isEdit = (value: unknown): boolean => isObject(value) && typeof value["oldText"] === "string" && typeof value["newText"] === "string";

/** Other forms: `edits` as JSON text or as a single edit, and `oldText` and `newText` beside `path`. Pure. */
export function toEditList(args: JsonObject): JsonObject {
  const given = typeof args["edits"] === "string" ? tryParseJson(args["edits"]) : args["edits"];
  const edits = isEdit(given) ? [given] : given;
  const { oldText, newText } = args;
  if (!isEdit({ oldText, newText })) return edits === undefined ? args : { ...args, edits };
  return { ...args, edits: [...(Array.isArray(edits) ? edits : []), { oldText, newText }] };
}

export const editEntry: ToolEntry = {
  facts: { edit: { section: "fs", effect: "write", profiles: ["coding"] } },
  create: ({ files, locks }) => [createEditTool(files, locks)],
};
