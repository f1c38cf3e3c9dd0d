import type { FileHandle } from "node:fs/promises";
import { readAtMost } from "../../core/files.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { readImage } from "../image.ts";
import { IMAGE_HEADER_BYTES, imageTypeOf } from "../image-type.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { readLines } from "./lines.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Relative to the workspace, or absolute" },
    offset: { type: "number", description: "First line, from 1" },
    limit: { type: "number", minimum: 1, description: "Number of lines" },
  },
  required: ["path"],
};

export function createReadTool(files: WorkspaceFiles): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { signal } = context;
    const path = asString(args["path"]);
    let handle: FileHandle;
    try {
      handle = await files.openFile(path, context);
    } catch (err) {
      throw signal.aborted ? stoppedError() : fileError("read", path, err);
    }
    try {
      throwIfStopped(signal);
      const mimeType = imageTypeOf(await readAtMost(handle, IMAGE_HEADER_BYTES));
      if (mimeType !== null) return await readImage(handle, mimeType, context);
      const range = { offset: asNumber(args["offset"]) ?? 1, limit: asNumber(args["limit"]) };
      return textResult(await readLines(handle, range, signal));
    } finally {
      await handle.close();
    }
  }

  return {
    name: "read",
    description:
      "Reads a text file, or an image (jpg, png, gif, webp, bmp). Returns at most 2000 lines or 50 KB; read on with offset and limit.",
    parameters: PARAMETERS,
    run,
  };
}

export const readEntry: ToolEntry = {
  facts: { read: { section: "fs", effect: "read", profiles: ["coding"] } },
  create: ({ files }) => [createReadTool(files)],
};
