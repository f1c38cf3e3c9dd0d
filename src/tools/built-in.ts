import { homedir } from "node:os";
import { createBashTool } from "./bash/bash.ts";
import { createEditTool } from "./edit/edit.ts";
import { FileLocks } from "./file-changes.ts";
import { createFindTool } from "./find/find.ts";
import { createGrepTool } from "./grep/grep.ts";
import { createLsTool } from "./ls/ls.ts";
import { GroupWatcher } from "./group-watcher.ts";
import { createReadTool } from "./read/read.ts";
import type { Config } from "../config/schema.ts";
import type { Tool } from "./tool.ts";
import { createWebFetchTool } from "./web-fetch/web-fetch.ts";
import { createWebSearchTool } from "./web-search/web-search.ts";
import { webFetchConfig, webSearchConfig } from "./web-settings.ts";
import { WebThreads } from "./web-threads.ts";
import { createWriteTool } from "./write/write.ts";

export type BuiltInToolOptions = {
  /** The whole environment of commands. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in commands. */
  marker: string;
  /** A private directory for output that is longer than a result. */
  tempDir: string;
  config: () => Pick<Config, "tools">;
  /** Variables that may have keys of search providers. */
  variables: (name: string) => string | undefined;
};

/** The registry of the tools that every agent may be granted. */
export function createBuiltInTools({ env, marker, tempDir, config, variables }: BuiltInToolOptions): readonly Tool[] {
  const home = env["HOME"] || homedir();
  const locks = new FileLocks();
  const watcher = new GroupWatcher();
  const threads = new WebThreads();
  return [
    createReadTool({ home }),
    createLsTool({ home }),
    createFindTool({ home }),
    createGrepTool({ home, env, marker, watcher }),
    createWriteTool({ home, locks }),
    createEditTool({ home, locks }),
    createBashTool({ env, marker, tempDir, watcher }),
    createWebFetchTool({ config: () => webFetchConfig(config()), threads }),
    createWebSearchTool({ config: () => webSearchConfig(config()), variables, threads }),
  ];
}
