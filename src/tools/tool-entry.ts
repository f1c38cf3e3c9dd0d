import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../core/metrics.ts";
import type { AgentNodes } from "./agent-nodes.ts";
import type { BackgroundCommands } from "./background-commands.ts";
import type { AgentBrowsers } from "./browser/agent-browsers.ts";
import type { CommandGate } from "./command-gate.ts";
import type { Conversations, SessionPolicy } from "./conversations.ts";
import type { AgentJobs } from "./cron/jobs.ts";
import type { FileLocks } from "./file-locks.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import type { ImageModels } from "./image-models.ts";
import type { MemoryNotes } from "./memory/memory-notes.ts";
import type { ChannelMessages } from "./message/messages.ts";
import type { AgentTasks } from "./subagents/tasks.ts";
import type { TerminalProgram } from "./terminal-program.ts";
import type { ToolFacts } from "./tool-facts.ts";
import type { Tool } from "./tool.ts";
import type { GuardedFetch } from "./web/guarded-fetch.ts";
import type { WebThreads } from "./web/web-threads.ts";
import type { WorkspaceFiles } from "./workspace-files.ts";

/** What the tools are made of: each takes what it needs. */
export type ToolParts = {
  /** The whole environment of commands. Its HOME is `~` in paths. */
  env: Readonly<Record<string, string>>;
  home: string;
  /** Value of `OPENCLAW_RUNNER` in commands. */
  marker: string;
  config: () => Pick<Config, "tools" | "browser">;
  /** Variables that may have keys of search providers. */
  variables: (name: string) => string | undefined;
  files: WorkspaceFiles;
  locks: FileLocks;
  watcher: GroupWatcher;
  commands: BackgroundCommands;
  terminal: TerminalProgram;
  threads: WebThreads;
  /** Fetches what content names, from the public internet only. */
  fetch: GuardedFetch;
  browsers: AgentBrowsers;
  /** Decides about every command. */
  gate: CommandGate;
  metrics: Metrics;
  conversations: Conversations;
  /** What the tools for conversations reach. */
  sessionPolicy: () => SessionPolicy;
  notes: Pick<MemoryNotes, "search" | "read">;
  messages: ChannelMessages;
  images: ImageModels;
  jobs: AgentJobs;
  tasks: AgentTasks;
  nodes: AgentNodes;
  clock: Pick<Clock, "after" | "monotonic">;
};

/** The tools of a folder, for the registry. */
export type ToolEntry = {
  /** What the policy and the lists know of each of them, by its name. */
  facts: Readonly<Record<string, ToolFacts>>;
  create: (parts: ToolParts) => readonly Tool[];
};
