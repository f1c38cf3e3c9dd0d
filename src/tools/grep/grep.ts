import { systemClock, type Clock } from "../../core/clock.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { runCommand } from "../command.ts";
import type { GroupWatcher } from "../group-watcher.ts";
import { errorResult, fileError, stoppedError } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { SKIPPED_DIRECTORIES } from "../tree.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { FoundLines } from "./found-lines.ts";
import type { ToolEntry } from "../tool-entry.ts";

export type GrepOptions = {
  files: WorkspaceFiles;
  /** The whole environment of the program. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in its environment. */
  marker: string;
  watcher: GroupWatcher;
  clock?: Pick<Clock, "after">;
};

/** Exit code of a shell that has not found the program. */
const NOT_FOUND = 127;

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    pattern: { type: "string", description: "Extended regular expression" },
    path: { type: "string", description: "File or directory; default: the workspace" },
    include: { type: "string", description: "Only files whose name matches this glob, e.g. *.ts" },
    ignoreCase: { type: "boolean" },
    literal: { type: "boolean", description: "The pattern is plain text" },
    limit: { type: "integer", minimum: 1, description: `Number of lines, ${TOOL_LIMITS.foundLines} by default` },
  },
  required: ["pattern"],
};

/**
 * Lines of files that match a pattern, found by the system's grep: a process of its own, so that no pattern blocks the gateway. It
 * starts in the directory that is held, opens what lies beneath without following links (`-r`), and gets a single file as its input.
 */
export function createGrepTool(options: GrepOptions): Tool {
  const env = { ...options.env, [MARKER_VARIABLE]: options.marker };
  const { clock = systemClock, watcher, files } = options;

  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    if (asString(args["pattern"]) === "") return errorResult("Nothing was searched: the pattern is empty.");
    const limit = Math.min(asNumber(args["limit"]) ?? TOOL_LIMITS.foundLines, TOOL_LIMITS.resultLines);
    const path = asString(args["path"]) || ".";
    const place = await files.openPlace(path, context).catch((err: unknown) => {
      throw fileError("search", path, err);
    });
    if ("directory" in place) {
      try {
        return await search(args, { limit, context, argv: ["-r", "--", "."], cwd: place.directory.self });
      } finally {
        place.directory.close();
      }
    }
    try {
      if (asString(args["include"]) !== "") return errorResult(`Nothing was searched: include is for directories, and ${path} is a file.`);
      // The descriptor and not the path: what lies there meanwhile may be another file.
      return await search(args, { limit, context, argv: [`--label=${place.name}`, "--", "-"], cwd: "/", stdin: place.file.fd });
    } finally {
      await place.file.close();
    }
  }

  async function search(args: JsonObject, { limit, context, argv, cwd, stdin }: Search): Promise<ToolResult> {
    const { signal, log } = context;
    const found = new FoundLines(limit);
    const end = await runCommand({
      argv: ["grep", ...toFlags(args, limit), ...argv],
      cwd,
      input: stdin,
      env,
      timeoutMs: TOOL_LIMITS.grepMs,
      signal: AbortSignal.any([signal, found.enough]),
      watcher,
      clock,
      log,
      onOutput: (chunk) => found.append(chunk),
    });
    if (signal.aborted) throw stoppedError();
    if (end.exitCode === NOT_FOUND) return errorResult("Nothing was searched: grep is not installed on this machine. Use exec or find.");
    return found.toResult(end.reason === "timed out");
  }

  return {
    name: "grep",
    description: `Searches the content of text files, without those of ${SKIPPED_DIRECTORIES.join(" and ")}. Returns path:line: text.`,
    parameters: PARAMETERS,
    run,
  };
}

/** Where grep runs, the end of its arguments, and the descriptor of the one file that it searches. */
type Search = { limit: number; context: ToolContext; argv: readonly string[]; cwd: string; stdin?: number };

function toFlags(args: JsonObject, limit: number): string[] {
  const pattern = asString(args["pattern"]);
  const include = asString(args["include"]);
  return [
    "-nIHs",
    "--null",
    `--max-count=${limit + 1}`,
    ...SKIPPED_DIRECTORIES.map((name) => `--exclude-dir=${name}`),
    ...(include === "" ? [] : [`--include=${include}`]),
    ...(args["ignoreCase"] === true ? ["-i"] : []),
    ...(args["literal"] === true ? ["-F", "-e", pattern] : ["-E", "-e", withDigitClasses(pattern)]),
  ];
}

/** Models write `\d`, which extended regular expressions do not have. Pure. */
function withDigitClasses(pattern: string): string {
  let inBrackets = false;
  return pattern.replaceAll(/\\.|\[|\]/gs, (token) => {
    if (token === "[" || token === "]") inBrackets = token === "[";
    if (token === "\\d") return inBrackets ? "0-9" : "[0-9]";
    return token === "\\D" && !inBrackets ? "[^0-9]" : token;
  });
}

export const grepEntry: ToolEntry = {
  facts: { grep: { section: "fs", effect: "read", profiles: ["coding"] } },
  create: ({ files, env, marker, watcher }) => [createGrepTool({ files, env, marker, watcher })],
};
