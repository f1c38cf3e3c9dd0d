import { asString, type JsonObject } from "../../core/json.ts";
import type { FileLocks } from "../file-locks.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Relative to the workspace, or absolute" },
    content: { type: "string", description: "The whole new content" },
  },
  required: ["path", "content"],
};

export function createWriteTool(files: WorkspaceFiles, locks: FileLocks): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const { signal } = context;
    const path = asString(args["path"]);
    const content = asString(args["content"]);
    try {
      const target = await files.findTarget(path, context);
      try {
        await locks.withLock(target.key, async () => {
          throwIfStopped(signal);
          await target.makeDirectories();
          await target.checkWritable();
          throwIfStopped(signal);
          await target.replace(content);
        });
      } finally {
        target.close();
      }
    } catch (err) {
      throw signal.aborted ? stoppedError() : fileError("write", path, err);
    }
    return textResult(`Wrote ${Buffer.byteLength(content)} bytes to ${path}.`);
  }

  return {
    name: "write",
    description: "Creates a file or replaces its whole content. Missing directories are created. To change a part of a file, use edit.",
    parameters: PARAMETERS,
    run,
  };
}

export const writeEntry: ToolEntry = {
  facts: { write: { section: "fs", effect: "write", profiles: ["coding"] } },
  create: ({ files, locks }) => [createWriteTool(files, locks)],
};
