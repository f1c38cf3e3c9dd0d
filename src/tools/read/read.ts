import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { readAtMost } from "../../core/files.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { findExisting, resolvePath } from "../paths.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { IMAGE_HEADER_BYTES, imageTypeOf } from "./image-type.ts";
import { readImage } from "./image.ts";
import { readLines } from "./lines.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Relative to the workspace, or absolute" },
    offset: { type: "number", description: "First line, from 1" },
    limit: { type: "number", minimum: 1, description: "Number of lines" },
  },
  required: ["path"],
};

export function createReadTool({ home }: { home: string }): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { workspace, signal } = context;
    const path = asString(args["path"]);
    let handle: FileHandle;
    try {
      handle = await openFile(await findExisting(resolvePath(path, { workspace, home })));
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

/** Never waits for the writer of a pipe, and refuses what has no end. */
async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (stats.isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
    if (!stats.isFile()) throw new Error("it is a device, a pipe or a socket, not a regular file");
    return handle;
  } catch (err) {
    await handle.close();
    throw err;
  }
}
