import { homedir } from "node:os";
import { join } from "node:path";
import { BROWSER_DEFAULTS } from "../config/schema/browser.ts";
import { systemClock } from "../core/clock.ts";
import type { HoldDirectory } from "../core/held-directory.ts";
import { silentMetrics } from "../core/metrics.ts";
import { BackgroundCommands } from "./background-commands.ts";
import { AgentBrowsers } from "./browser/agent-browsers.ts";
import { sessionPolicyOf } from "./conversations.ts";
import { FileLocks } from "./file-locks.ts";
import { GroupWatcher } from "./group-watcher.ts";
import { createMoreToolsTool, type MoreToolsOptions } from "./more-tools/more-tools.ts";
import * as registry from "./registry.ts";
import { TerminalProgram } from "./terminal-program.ts";
import type { ToolEntry, ToolParts } from "./tool-entry.ts";
import { describeTools, type Tool, type ToolCaller } from "./tool.ts";
import { guardedFetch } from "./web/guarded-fetch.ts";
import { WebThreads } from "./web/web-threads.ts";
import { WorkspaceFiles } from "./workspace-files.ts";

/** What is given to all tools. */
type GivenParts = Pick<
  ToolParts,
  "env" | "marker" | "config" | "variables" | "gate" | "conversations" | "notes" | "messages" | "images" | "jobs" | "tasks" | "nodes"
>;

export type BuiltInToolOptions = GivenParts & {
  /** A private directory for output that is longer than a result. */
  tempDir: string;
  /** The directory of received files, which messages name to agents. */
  mediaDir?: string;
  /** How directories are held; by default in the best way of the system. */
  hold?: HoldDirectory;
  /** The browsers of the agents; with profiles beside the output when they are not given. */
  browsers?: AgentBrowsers;
  metrics?: ToolParts["metrics"];
  /** See MoreToolsOptions; default: there are none. */
  listSource?: MoreToolsOptions["listSource"];
  /** A command in the background has ended by itself; the text is for the agent that started it. */
  onCommandEnded?: (caller: ToolCaller, text: string) => void;
  clock?: ToolParts["clock"];
};

/** The folders with tools. */
export const TOOL_ENTRIES: readonly ToolEntry[] = Object.values(registry);

/** The tools that every agent may be granted. */
export function createBuiltInTools(options: BuiltInToolOptions): readonly Tool[] {
  const parts = toParts(options);
  const tools = TOOL_ENTRIES.flatMap(({ create }) => create(parts));
  const { listSource = () => Promise.resolve([]) } = options;
  return [...tools, createMoreToolsTool({ describe: (names) => describeTools(tools, names), listSource })];
}

function toParts(options: BuiltInToolOptions): ToolParts {
  const { env, marker, tempDir, config, mediaDir, hold, clock = systemClock, metrics = silentMetrics } = options;
  const home = env["HOME"] || homedir();
  const watcher = new GroupWatcher({ clock, marker });
  return {
    ...options,
    home,
    files: new WorkspaceFiles({ home, named: [tempDir, ...(mediaDir === undefined ? [] : [mediaDir])], ...(hold && { hold }) }),
    locks: new FileLocks(),
    watcher,
    commands: new BackgroundCommands({ outputDir: tempDir, watcher, clock, onEnded: options.onCommandEnded }),
    terminal: new TerminalProgram({ env, watcher, clock }),
    threads: new WebThreads(),
    fetch: guardedFetch,
    browsers:
      options.browsers ??
      new AgentBrowsers({
        config: () => config().browser ?? BROWSER_DEFAULTS,
        directory: join(tempDir, "browser"),
        env,
        marker: `${marker}-browser`,
        metrics,
        clock,
      }),
    sessionPolicy: () => sessionPolicyOf(config()),
    metrics,
    clock,
  };
}
