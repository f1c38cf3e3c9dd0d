import { availableParallelism } from "node:os";
import { join } from "node:path";
import { toProviderTable, type ProviderTable } from "../agents/models.ts";
import type { GuideFacts } from "../agents/pi/guide.ts";
import { createPiRuntime } from "../agents/pi/runtime.ts";
import { commandMarker, piDirs } from "../agents/pi/files.ts";
import { RoutedRuntime } from "../agents/routed-runtime.ts";
import type { AgentRuntime } from "../agents/runtime.ts";
import { BROWSER_DEFAULTS } from "../config/schema/browser.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { reasonOf } from "../core/errors.ts";
import { killMarkedProcesses } from "../core/marked-processes.ts";
import { AgentBrowsers } from "../tools/browser/agent-browsers.ts";
import { createBuiltInTools } from "../tools/built-in.ts";
import { createToolExecutor } from "../tools/executor.ts";
import type { CommandGate } from "../tools/command-gate.ts";
import type { MemoryNotes } from "../tools/memory/memory-notes.ts";
import type { ImageModels } from "../tools/image-models.ts";
import type { ChannelMessages } from "../tools/message/messages.ts";
import type { ToolCaller, ToolExecutor } from "../tools/tool.ts";
import type { AgentNodes } from "../tools/agent-nodes.ts";
import type { AgentJobs } from "../tools/cron/jobs.ts";
import type { AgentTasks } from "../tools/subagents/tasks.ts";
import type { GatewayBase } from "./base.ts";
import { listAllowed, type GatedSource } from "./tool-sources.ts";
import type { RunningConfig } from "./running-config.ts";
import { mediaDirOf, type Storage } from "./storage.ts";
import { createConversations } from "./tool-conversations.ts";

/** Asked once: the system reads the limits of the control group for each answer. */
const CORES = availableParallelism();

/** The runtime of all agents, outside of this process: Pi, and `loadAcp` for agents of other vendors. */
export function createAgentRuntime(
  { paths, log, metrics, clock }: GatewayBase,
  running: RunningConfig,
  { tools, guideFacts, loadAcp }: { tools: ToolExecutor; guideFacts: () => GuideFacts; loadAcp: () => Promise<AgentRuntime> },
): AgentRuntime {
  const pi = createPiRuntime({
    stateDir: paths.state,
    models: providerTables(running),
    env: process.env,
    agents: () => running.agents,
    compaction: () => running.config.agents.defaults.compaction,
    guideFacts,
    tools,
    defaultHost: () => running.config.agents.defaults.pi.host,
    shared: () => {
      const { shards, idleSessions, idleMinutes } = running.config.agents.defaults.pi;
      return { shards: Math.min(shards, CORES), maxIdleSessions: idleSessions, idleMs: idleMinutes * 60_000 };
    },
    log: log.child({ subsystem: "agents" }),
    metrics,
    clock,
  });
  return new RoutedRuntime(pi, loadAcp);
}

/** The providers of the configuration and of the local servers that were found, as one table for each of their versions. */
function providerTables(running: RunningConfig): () => ProviderTable {
  let made: { version: object; table: ProviderTable } | null = null;
  return () => {
    const { agents, config } = running;
    const { version } = agents;
    if (made?.version === version) return made.table;
    const table = toProviderTable({ providers: config.models.providers as ProviderTable, local: agents.usableLocalServers() });
    made = { version, table };
    return table;
  };
}

export type ToolsInput = Pick<GatewayBase, "paths" | "log" | "metrics" | "bus" | "clock"> &
  Pick<Storage, "store" | "notes" | "sessions" | "messages"> & {
    running: RunningConfig;
    /** Decides about every command. */
    gate: CommandGate;
    /** What agents have noted. */
    memory: MemoryNotes;
    toolMessages: ChannelMessages;
    toolSchedule: AgentJobs;
    subagents: AgentTasks;
    toolNodes: AgentNodes;
    browsers: AgentBrowsers;
    images: ImageModels;
    /** The tools of MCP servers and of plugins. */
    sources: readonly GatedSource[];
  };

/** The browsers of all agents; no process of them runs before it is needed. */
export function createBrowsers(
  { paths, metrics, clock }: Pick<GatewayBase, "paths" | "metrics" | "clock">,
  running: RunningConfig,
): AgentBrowsers {
  return new AgentBrowsers({
    config: () => running.config.browser ?? BROWSER_DEFAULTS,
    directory: join(paths.state, "gateway", "browser"),
    env: toCommandEnv(process.env, piDirs(paths.state).temp),
    marker: `${commandMarker(paths.state)}-browser`,
    metrics,
    clock,
  });
}

/** The tools of all agents. They are built with the first turn that is granted one. */
export function createTools(input: ToolsInput): ToolExecutor {
  const { paths, log, bus, running } = input;
  const stateDir = paths.state;
  let built: ToolExecutor | null = null;
  const build = (): ToolExecutor => {
    const tempDir = piDirs(stateDir).temp;
    const tools = createBuiltInTools({
      env: toCommandEnv(process.env, tempDir),
      marker: commandMarker(stateDir),
      tempDir,
      config: () => running.config,
      variables: (name) => process.env[name] || (running.config.env.vars[name]?.reveal() ?? process.env[name]),
      mediaDir: mediaDirOf(paths),
      browsers: input.browsers,
      gate: input.gate,
      metrics: input.metrics,
      conversations: createConversations({ ...input, agentIds: () => running.agents.ids() }),
      notes: input.memory,
      messages: input.toolMessages,
      jobs: input.toolSchedule,
      tasks: input.subagents,
      nodes: input.toolNodes,
      images: input.images,
      listSource: (caller, signal) => listAllowed(input.sources, caller, signal),
      onCommandEnded: (caller, text) => noteForNextTurn(input, caller, text),
    });
    return createToolExecutor({ tools, log: log.child({ subsystem: "tools" }), metrics: input.metrics });
  };
  const executor = (): ToolExecutor => (built ??= build());
  // With the conversation ends what its tools have left running: no one knows of it any more.
  bus.on("session.removed", ({ sessionKey }) => built?.endSession(sessionKey));
  bus.on("session.changed", ({ sessionKey, fields }) => {
    if (fields.includes("session_id")) built?.endSession(sessionKey);
  });
  return {
    describe: (names) => (names.length === 0 ? [] : executor().describe(names)),
    run: (call, context) => executor().run(call, context),
    endSession: (sessionKey) => built?.endSession(sessionKey),
    async stop() {
      if (!built) return;
      await built.stop();
      // A command can leave its process group.
      await killMarkedProcesses(commandMarker(stateDir), log);
    },
  };
}

function noteForNextTurn({ store, notes, clock, log }: ToolsInput, { sessionKey }: ToolCaller, text: string): void {
  store
    .write(() => notes.add(sessionKey, text, clock.now()))
    .catch((err: unknown) => log.warn("the end of a command could not be noted for the next turn", { sessionKey, cause: reasonOf(err) }));
}
