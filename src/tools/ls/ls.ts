import type { Dirent } from "node:fs";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { fileError, stoppedError, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { compareNames, markOf, readEntries } from "../tree.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    path: { type: "string", description: "Default: the workspace" },
    limit: { type: "integer", minimum: 1, description: `Number of entries, ${TOOL_LIMITS.listedEntries} by default` },
    after: { type: "string", description: "Continue after this name" },
  },
};

/** The entries of one directory. */
export function createLsTool(files: WorkspaceFiles): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const path = asString(args["path"]) || ".";
    let entries: Dirent[];
    try {
      const directory = await files.openDirectory(path, context);
      try {
        entries = await readEntries(directory);
      } finally {
        directory.close();
      }
    } catch (err) {
      throw context.signal.aborted ? stoppedError() : fileError("list", path, err);
    }
    const after = asString(args["after"]);
    const limit = Math.min(asNumber(args["limit"]) ?? TOOL_LIMITS.listedEntries, TOOL_LIMITS.resultLines);
    return textResult(format(entries, after, limit));
  }

  return {
    name: "ls",
    description: "Lists a directory: a name per line, / marks directories and @ links. Hidden entries are listed, too.",
    parameters: PARAMETERS,
    run,
  };
}

function format(sorted: readonly Dirent[], after: string, limit: number): string {
  const left = after === "" ? sorted : sorted.filter(({ name }) => compareNames(name, after) > 0);
  if (left.length === 0) return after === "" ? "(the directory is empty)" : `(no entry after ${JSON.stringify(after)})`;
  const shown = left.slice(0, limit);
  const lines = shown.map((entry) => `${entry.name}${markOf(entry)}`);
  if (shown.length < left.length)
    lines.push("", `[${shown.length} of ${left.length} entries. Continue with after=${JSON.stringify(shown.at(-1)!.name)}.]`);
  return lines.join("\n");
}

export const lsEntry: ToolEntry = {
  facts: { ls: { section: "fs", effect: "list", profiles: ["coding"] } },
  create: ({ files }) => [createLsTool(files)],
};
