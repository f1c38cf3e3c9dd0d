import type { HeldDirectory } from "../../core/held-directory.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, fileError, stoppedError, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { markOf, SKIPPED_DIRECTORIES, walkTree } from "../tree.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { compileGlob, type Glob } from "./glob.ts";
import type { ToolEntry } from "../tool-entry.ts";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    pattern: { type: "string", description: "Glob, e.g. *.ts, src/**/*.{js,css}" },
    path: { type: "string", description: "Where to search; default: the workspace" },
    limit: { type: "integer", minimum: 1, description: `Number of paths, ${TOOL_LIMITS.listedEntries} by default` },
  },
  required: ["pattern"],
};

/** Paths beneath a directory that match a pattern. */
export function createFindTool(files: WorkspaceFiles): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const glob = compileGlob(asString(args["pattern"]));
    if (typeof glob === "string") return errorResult(`Nothing was searched: ${glob}.`);
    const path = asString(args["path"]) || ".";
    const limit = Math.min(asNumber(args["limit"]) ?? TOOL_LIMITS.listedEntries, TOOL_LIMITS.resultLines);
    const { signal } = context;
    try {
      const root = await files.openDirectory(path, context);
      try {
        return textResult(format(await search(root, glob, { limit, signal })));
      } finally {
        root.close();
      }
    } catch (err) {
      throw signal.aborted ? stoppedError() : fileError("search", path, err);
    }
  }

  return {
    name: "find",
    description: `Finds files by a glob pattern, without entering ${SKIPPED_DIRECTORIES.join(" and ")}. Paths are relative to where it searched.`,
    parameters: PARAMETERS,
    run,
  };
}

type Found = { paths: string[]; end: "all" | "limit" | "entries" };

async function search(root: HeldDirectory, glob: Glob, { limit, signal }: { limit: number; signal: AbortSignal }): Promise<Found> {
  const paths: string[] = [];
  let looked = 0;
  for await (const { path, entry } of walkTree(root, signal)) {
    if (++looked > TOOL_LIMITS.walkedEntries) return { paths, end: "entries" };
    if (!glob.matches(path)) continue;
    if (paths.length === limit) return { paths, end: "limit" };
    paths.push(`${path}${markOf(entry)}`);
  }
  return { paths, end: "all" };
}

function format({ paths, end }: Found): string {
  const notice = {
    all: null,
    limit: `[The first ${paths.length} paths. Use a narrower pattern or path, or a higher limit.]`,
    entries: `[The search ended after ${TOOL_LIMITS.walkedEntries} entries. Use a narrower path.]`,
  }[end];
  if (paths.length === 0) return notice ?? "(nothing found)";
  return [...paths, ...(notice === null ? [] : ["", notice])].join("\n");
}

export const findEntry: ToolEntry = {
  facts: { find: { section: "fs", effect: "list", profiles: ["coding"] } },
  create: ({ files }) => [createFindTool(files)],
};
