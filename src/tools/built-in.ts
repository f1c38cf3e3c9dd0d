import { homedir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "../core/clock.ts";
import type { HoldDirectory } from "../core/held-directory.ts";
import { silentMetrics, type Metrics } from "../core/metrics.ts";
import { createApplyPatchTool } from "./apply-patch/apply-patch.ts";
import { BackgroundCommands } from "./background-commands.ts";
import { AgentBrowsers } from "./browser/agent-browsers.ts";
import { createBrowserTool } from "./browser/browser.ts";
import type { CommandGate } from "./command-gate.ts";
import { createCronTool } from "./cron/cron.ts";
import type { AgentJobs } from "./cron/jobs.ts";
import { createEditTool } from "./edit/edit.ts";
import { createExecTool } from "./exec/exec.ts";
import { FileLocks } from "./file-locks.ts";
import { createFindTool } from "./find/find.ts";
import { createGrepTool } from "./grep/grep.ts";
import { createLsTool } from "./ls/ls.ts";
import { GroupWatcher } from "./group-watcher.ts";
import { createNodesTool } from "./nodes/nodes.ts";
import type { AgentNodes } from "./agent-nodes.ts";
import { createProcessTool } from "./process/process.ts";
import { createMessageTool } from "./message/message.ts";
import type { ChannelMessages } from "./message/messages.ts";
import { createMoreToolsTool, type MoreToolsOptions } from "./more-tools/more-tools.ts";
import { createReadTool } from "./read/read.ts";
import type { BrowserConfig, Config } from "../config/schema.ts";
import { BROWSER_DEFAULTS } from "../config/schema/browser.ts";
import type { Conversations, SessionVisibility } from "./conversations.ts";
import { createMemoryTools } from "./memory/memory-tools.ts";
import type { MemoryNotes } from "./memory/memory-notes.ts";
import { createSessionTools } from "./sessions/sessions.ts";
import { createSubagentTools } from "./subagents/subagents.ts";
import type { AgentTasks } from "./subagents/tasks.ts";
import { createWebFetchTool } from "./web/web-fetch/web-fetch.ts";
import { createWebSearchTool } from "./web/web-search/web-search.ts";
import { webFetchConfig, webSearchConfig } from "./web/web-settings.ts";
import { WebThreads } from "./web/web-threads.ts";
import { WorkspaceFiles } from "./workspace-files.ts";
import { TerminalProgram } from "./terminal-program.ts";
import { describeTools, type Tool, type ToolCaller } from "./tool.ts";
import type { ImageModels } from "./image-models.ts";
import { createViewImageTool } from "./view-image/view-image.ts";
import { guardedFetch } from "./web/guarded-fetch.ts";
import { createWriteTool } from "./write/write.ts";

export type BuiltInToolOptions = {
  /** The whole environment of commands. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in commands. */
  marker: string;
  /** A private directory for output that is longer than a result. */
  tempDir: string;
  config: () => Pick<Config, "tools" | "browser">;
  /** Variables that may have keys of search providers. */
  variables: (name: string) => string | undefined;
  /** The directory of received files, which messages name to agents. */
  mediaDir?: string;
  /** How directories are held; by default in the best way of the system. */
  hold?: HoldDirectory;
  /** The browsers of the agents; with profiles beside the output when they are not given. */
  browsers?: AgentBrowsers;
  /** Decides about every command. */
  gate: CommandGate;
  metrics?: Metrics;
  conversations: Conversations;
  notes: Pick<MemoryNotes, "search" | "read">;
  messages: ChannelMessages;
  images: ImageModels;
  jobs: AgentJobs;
  tasks: AgentTasks;
  nodes: AgentNodes;
  /** See MoreToolsOptions; default: there are none. */
  listSource?: MoreToolsOptions["listSource"];
  /** A command in the background has ended by itself; the text is for the agent that started it. */
  onCommandEnded?: (caller: ToolCaller, text: string) => void;
  clock?: Pick<Clock, "after" | "monotonic">;
};

/** The registry of the tools that every agent may be granted. */
export function createBuiltInTools(options: BuiltInToolOptions): readonly Tool[] {
  const {
    env,
    marker,
    tempDir,
    config,
    variables,
    mediaDir,
    hold,
    gate,
    conversations,
    notes,
    messages,
    jobs,
    tasks,
    nodes,
    clock = systemClock,
  } = options;
  const home = env["HOME"] || homedir();
  const files = new WorkspaceFiles({
    home,
    named: [tempDir, ...(mediaDir === undefined ? [] : [mediaDir])],
    ...(hold && { hold }),
  });
  const locks = new FileLocks();
  const watcher = new GroupWatcher({ clock, marker });
  const commands = new BackgroundCommands({ outputDir: tempDir, watcher, clock, onEnded: options.onCommandEnded });
  const terminal = new TerminalProgram({ env, watcher, clock });
  const threads = new WebThreads();
  const visibility = (): SessionVisibility => config().tools?.sessions?.visibility ?? "agent";
  const { metrics = silentMetrics } = options;
  const browserConfig = (): BrowserConfig => config().browser ?? BROWSER_DEFAULTS;
  const {
    browsers = new AgentBrowsers({
      config: browserConfig,
      directory: join(tempDir, "browser"),
      env,
      marker: `${marker}-browser`,
      metrics,
      clock,
    }),
  } = options;
  const browserTool = createBrowserTool({ browsers, files, locks, metrics });
  // They are stopped in this order: the browser saves its cookies before what commands have left running is killed.
  const tools = [
    browserTool,
    createReadTool(files),
    createLsTool(files),
    createFindTool(files),
    createGrepTool({ files, env, marker, watcher }),
    createWriteTool(files, locks),
    createEditTool(files, locks),
    createApplyPatchTool(files, locks),
    createExecTool({ gate, nodes, env, home, marker, commands, terminal, clock }),
    createProcessTool({ commands }),
    createWebFetchTool({ config: () => webFetchConfig(config()), threads }),
    createWebSearchTool({ config: () => webSearchConfig(config()), variables, threads }),
    ...createSessionTools({ conversations, visibility }),
    ...createMemoryTools({ notes, conversations, visibility }),
    createMessageTool(messages),
    createViewImageTool({ files, models: options.images, fetch: guardedFetch }),
    createCronTool(jobs),
    ...createSubagentTools(tasks),
    createNodesTool(nodes),
  ];
  const { listSource = () => Promise.resolve([]) } = options;
  return [...tools, createMoreToolsTool({ describe: (names) => describeTools(tools, names), listSource })];
}
