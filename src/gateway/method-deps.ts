import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { GUIDE } from "../agents/models.ts";
import { modelName, type AgentRuntime } from "../agents/runtime.ts";
import { createWorkspaceDir, ensureWorkspace } from "../agents/system-prompt.ts";
import type { Auth } from "../auth/open.ts";
import { missingSecrets } from "../config/missing-secrets.ts";
import { asId, type AgentId } from "../core/ids.ts";
import type { AnswerCache } from "../methods/answer-cache.ts";
import { resolveKey, type ChatDeps } from "../methods/chat-context.ts";
import type { ConfigDeps } from "../methods/config-edit.ts";
import type { healthMethods } from "../methods/health.ts";
import type { ModelsDeps } from "../methods/models.ts";
import type { Presence } from "../methods/presence.ts";
import type { StatusDeps } from "../methods/status.ts";
import type { Hub } from "../protocol/hub.ts";
import { queueSettings } from "../routing/queue-mode.ts";
import type { MediaStore } from "../store/media.ts";
import type { GatewayBackups } from "./backups.ts";
import type { GatewayBase } from "./base.ts";
import type { ChannelDirectory } from "./channel-directory.ts";
import type { ConfigApplier } from "./config-applier.ts";
import type { ConfigHistory } from "./config-history.ts";
import { discoverLocalModels, type LocalModels } from "./local-models.ts";
import type { GatewayHooks } from "./hooks.ts";
import type { RemoteAccess } from "./remote-access.ts";
import { flushSettings, type Messaging } from "./messaging.ts";
import type { GatewayNodes } from "./nodes.ts";
import type { GatewayPeers } from "./peers.ts";
import type { PromptContext } from "./prompt-context.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Schedule } from "./schedule.ts";
import type { LazySubagents } from "./subagents.ts";
import type { GatewayTelemetry } from "./telemetry.ts";
import type { GatewayRetention } from "./retention.ts";
import type { GatewayUpdates } from "./updates.ts";
import { readConfig } from "./settings.ts";
import type { Spending } from "./spending.ts";
import type { Storage } from "./storage.ts";
import type { MemoryNotes } from "../tools/memory/memory-notes.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { LazyToolPlugins } from "./tool-plugins.ts";
import type { AgentSkills } from "../skills/agent-skills.ts";
import type { AgentBrowsers } from "../tools/browser/agent-browsers.ts";
import type { ToolExecutor } from "../tools/tool.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import type { Approvals } from "../approvals/approvals.ts";
import type { ApprovalGrants } from "../approvals/grants.ts";
import type { CommandSandboxes } from "./command-sandbox.ts";

/** What the methods of a conversation need. */
export type ChatFamilyDeps = GatewayBase &
  Storage & {
    media: MediaStore;
    running: RunningConfig;
    directory: ChannelDirectory;
    messaging: Messaging;
    prompt: PromptContext;
    allowlist: CommandAllowlist;
    approvals: Approvals;
    grants: ApprovalGrants;
    sandbox: CommandSandboxes;
    memory: MemoryNotes;
    mcp: McpServers;
    plugins: LazyToolPlugins;
    tools: ToolExecutor;
    browsers: AgentBrowsers;
    skills: AgentSkills;
    runtime: AgentRuntime;
    hub: Hub;
    answers: AnswerCache;
    spending: Spending;
  };

/** What all methods need. */
export type MethodsDeps = ChatFamilyDeps & {
  chat: ChatDeps;
  auth: Auth;
  applier: ConfigApplier;
  configHistory: ConfigHistory;
  local: LocalModels;
  health: GatewayBase["health"];
  healthReport: ReturnType<typeof healthMethods>;
  presence: Presence;
  /** The presence list has changed for another reason than a connection. */
  presenceChanged(): void;
  restart(reason: string): void;
  schedule: Schedule;
  backups: GatewayBackups;
  updates: GatewayUpdates;
  retention: GatewayRetention;
  hooks: GatewayHooks;
  subagents: LazySubagents;
  telemetry: Pick<GatewayTelemetry, "report">;
  remote: Pick<RemoteAccess, "report">;
  nodes: GatewayNodes;
  peers: GatewayPeers;
  /** Where clients reach the gateway, and which setting says so. */
  address(): { url: string; source: string };
  deviceAddress(): { url: string; source: string };
  /** Where the gateway listens; 0 before that. */
  port(): number;
};

export function chatDeps({ running, directory, messaging, approvals, spending, prompt, ...rest }: ChatFamilyDeps): ChatDeps {
  return {
    ...rest,
    pendingApprovals: () => approvals.pending(),
    turns: messaging.turns,
    settings: (agentId) => running.agents.settings(agentId),
    configuration: () => running.agents.version,
    newId: randomUUID,
    addSummary: (call, session) => spending.addSummary(call, session),
    flushSettings: () => flushSettings(running.config, () => prompt.day()),
    defaultAgent: () => running.agents.defaultAgent(),
    agentIds: () => running.agents.ids(),
    canAnswer: (agentId) => running.agents.canAnswer(agentId),
    mainKey: () => undefined,
    operatorTools: (agentId) => running.agents.operatorTools(agentId),
    queueMode: (channel) => queueSettings(running.config.messages.queue, channel).mode,
    modelFacts: (name) => running.agents.modelFacts(name),
    modelNames: () => running.agents.modelNames(running.agents.defaultAgent()),
    toTarget: (channel, account, to, thread) => directory.toTarget(channel, account, to, thread),
  };
}

export function configDeps({
  paths,
  running,
  applier,
  answers,
  configHistory,
  secrets,
}: Pick<MethodsDeps, "paths" | "running" | "applier" | "answers" | "configHistory" | "secrets">): ConfigDeps {
  return {
    answers,
    configuration: () => running.agents.version,
    read: () => readConfig(paths, secrets.lookup),
    loaded: () => running.loaded,
    reload: () => applier.apply(),
    writeOptions: { env: process.env, external: secrets.lookup },
    noteAuthor: (hash, author) => configHistory.expect(hash, author),
  };
}

export function modelsDeps(deps: MethodsDeps): ModelsDeps {
  const { running, paths, log, clock } = deps;
  return {
    ...configDeps(deps),
    now: clock.now,
    stateDir: paths.state,
    models: async (refresh) => {
      if (refresh) await discoverLocalModels(deps, log);
      const { agents } = running;
      const agent = agents.defaultAgent();
      return agents.models(agent).map((entry) => ({
        ...entry,
        configured: entry.available && (entry.provider !== GUIDE.provider || agents.modelSelection(agent).source === "guide"),
        thinkingLevels: agents.modelFacts(`${entry.provider}/${entry.id}`).thinkingLevels,
      }));
    },
    modelOf: (agentId) => modelName(running.agents.modelSelection(agentId).primary),
    thinkingDefault: (agentId) => running.agents.settings(asId<AgentId>(agentId)).thinking,
  };
}

export function statusDeps(deps: MethodsDeps): StatusDeps {
  const { running, messaging, approvals, runtime, store, sessions, outbox, keyValue, clock, chat, presence, presenceChanged, uptimeMs } =
    deps;
  return {
    now: clock.now,
    presence,
    presenceChanged,
    uptimeMs,
    agents: () => running.agents.list(),
    sessions,
    storePath: store.path,
    defaultModel: () => {
      const { agents } = running;
      const name = modelName(agents.modelSelection(agents.defaultAgent()).primary);
      return { name, contextWindow: agents.modelFacts(name).contextWindow };
    },
    modelOf: (row) => running.agents.currentModel(row),
    channelLines: () =>
      messaging.supervisor.status().map((each) => `${each.channel}/${each.account}: ${each.state}${each.cause ? ` (${each.cause})` : ""}`),
    missingSecrets: () => [...missingSecrets(running.loaded.issues), ...deps.secrets.degraded],
    slotWaits: () => messaging.turns.lanes.load().slotWaits,
    pendingApprovals: () => approvals.waiting,
    shadow: () => ({
      on: running.config.gateway.shadow,
      held: outbox.counts().find(({ state }) => state === "held")?.n ?? 0,
    }),
    telemetry: () => deps.telemetry.report(),
    remoteAccess: () => deps.remote.report(),
    agentRuntime: () => runtime.status(),
    keyValue,
    write: (change) => store.write(change),
    sessionFor: (sessionKey, agentId) => resolveKey(chat, sessionKey ?? "main", agentId).key,
    heartbeats: deps.schedule.control,
  };
}

/** Prepares the workspace of an agent, with its first files unless they are configured away. */
export async function prepareWorkspace(running: RunningConfig, workspace: string): Promise<void> {
  if (running.config.agents.defaults.skipBootstrap) await createWorkspaceDir(workspace);
  else await ensureWorkspace(workspace);
}

/** A change within this time of the last one may leave the times of a file as they were. */
const MTIME_PRECISION_MS = 1_000;

/** Changes whenever the file may have changed; null while that is unknown. */
export function fileStamp(path: string, now: number): string | null {
  try {
    const seen = statSync(path, { throwIfNoEntry: false });
    if (!seen) return "absent";
    const { dev, ino, size, mtimeMs, ctimeMs } = seen;
    return now - mtimeMs >= MTIME_PRECISION_MS ? `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}` : null;
  } catch {
    return null; // the answer itself says why the file cannot be read
  }
}
