import { dirname } from "node:path";
import { ensureDirectory } from "../../core/files.ts";
import { asString, type JsonObject } from "../../core/json.ts";
import { checkWritable, replaceFile, targetOf, type FileLocks } from "../file-changes.ts";
import { resolvePath } from "../paths.ts";
import { fileError, stoppedError, textResult, throwIfStopped } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Relative to the workspace, or absolute" },
    content: { type: "string", description: "The whole new content" },
  },
  required: ["path", "content"],
};

export function createWriteTool({ home, locks }: { home: string; locks: FileLocks }): Tool {
  async function run(args: JsonObject, { workspace, signal }: ToolContext): Promise<ToolResult> {
    const path = asString(args["path"]);
    const content = asString(args["content"]);
    try {
      const target = await targetOf(resolvePath(path, { workspace, home }));
      await locks.withLock(target, async () => {
        throwIfStopped(signal);
        await ensureDirectory(dirname(target));
        await checkWritable(target);
        throwIfStopped(signal);
        await replaceFile(target, content);
      });
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
