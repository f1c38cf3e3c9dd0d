import { homedir } from "node:os";
import type { HoldDirectory } from "../core/held-directory.ts";
import { createApplyPatchTool } from "./apply-patch/apply-patch.ts";
import { createBashTool } from "./bash/bash.ts";
import { createEditTool } from "./edit/edit.ts";
import { FileLocks } from "./file-locks.ts";
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
import { WorkspaceFiles } from "./workspace-files.ts";
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
  /** The directory of received files, which messages name to agents. */
  mediaDir?: string;
  /** How directories are held; by default in the best way of the system. */
  hold?: HoldDirectory;
};

/** The registry of the tools that every agent may be granted. */
export function createBuiltInTools(options: BuiltInToolOptions): readonly Tool[] {
  const { env, marker, tempDir, config, variables, mediaDir, hold } = options;
  const files = new WorkspaceFiles({
    home: env["HOME"] || homedir(),
    named: [tempDir, ...(mediaDir === undefined ? [] : [mediaDir])],
    ...(hold && { hold }),
  });
  const locks = new FileLocks();
  const watcher = new GroupWatcher();
  const threads = new WebThreads();
  return [
    createReadTool(files),
    createLsTool(files),
    createFindTool(files),
    createGrepTool({ files, env, marker, watcher }),
    createWriteTool(files, locks),
    createEditTool(files, locks),
    createApplyPatchTool(files, locks),
    createBashTool({ env, marker, tempDir, watcher }),
    createWebFetchTool({ config: () => webFetchConfig(config()), threads }),
    createWebSearchTool({ config: () => webSearchConfig(config()), variables, threads }),
  ];
}
