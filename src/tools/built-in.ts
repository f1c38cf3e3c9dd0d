import { homedir } from "node:os";
import { createBashTool } from "./bash/bash.ts";
import { createEditTool } from "./edit/edit.ts";
import { FileLocks } from "./file-changes.ts";
import { createFindTool } from "./find/find.ts";
import { createGrepTool } from "./grep/grep.ts";
import { createLsTool } from "./ls/ls.ts";
import { GroupWatcher } from "./group-watcher.ts";
import { createReadTool } from "./read/read.ts";
import type { Tool } from "./tool.ts";
import { createWriteTool } from "./write/write.ts";

export type BuiltInToolOptions = {
  /** The whole environment of commands. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in commands. */
  marker: string;
  /** A private directory for output that is longer than a result. */
  tempDir: string;
};

/** The registry of the tools that every agent may be granted. */
export function createBuiltInTools({ env, marker, tempDir }: BuiltInToolOptions): readonly Tool[] {
  const home = env["HOME"] || homedir();
  const locks = new FileLocks();
  const watcher = new GroupWatcher();
  return [
    createReadTool({ home }),
    createLsTool({ home }),
    createFindTool({ home }),
    createGrepTool({ home, env, marker, watcher }),
    createWriteTool({ home, locks }),
    createEditTool({ home, locks }),
    createBashTool({ env, marker, tempDir, watcher }),
  ];
}
