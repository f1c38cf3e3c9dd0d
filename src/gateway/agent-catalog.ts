import {
  buildModelCatalog,
  selectModels,
  type CatalogEntry,
  type LocalServer,
  type ModelInputs,
  type ModelSelection,
  type ProviderTable,
} from "../agents/models.ts";
import { ACP_PROVIDER } from "../agents/acp/agent-spec.ts";
import { modelName } from "../agents/runtime.ts";
import { acpAgentNames } from "../config/acp-agents.ts";
import { agentIds, defaultAgentId, isLinkedAgent, resolveAgent, type ResolvedAgent } from "../config/agents.ts";
import type { Config, ToolPolicy } from "../config/schema.ts";
import { asId, type AgentId } from "../core/ids.ts";
import { parseRemoteAgent, PEER_PROVIDER } from "../core/peer-address.ts";
import { LIMITS } from "../core/limits.ts";
import { THINKING_LEVELS_OF_MODEL, toThinkingLevel } from "../core/thinking.ts";
import type { RoomTools } from "../routing/account-policy.ts";
import type { SessionRow } from "../store/sessions.ts";
import { decideTools, grantedTools, type PolicyLayers } from "../tools/policy.ts";
import { usesPlugins } from "../tools/plugins/plugin-report.ts";
import type { ToolName } from "../tools/tool.ts";
import { resolveModels, type AgentSettings } from "../turns/settings.ts";

type Derived = { modelSelection: ModelSelection; models: readonly CatalogEntry[]; settings: AgentSettings };

/** One agent, and what follows from it and the local model servers; null until it is asked for. */
type AgentRecord = { readonly agent: ResolvedAgent; readonly operatorTools: readonly ToolName[]; derived: Derived | null };

export type AgentCatalogDeps = {
  stateDir: string;
  env: NodeJS.ProcessEnv;
  /** The local model servers that are known at the moment. */
  local: { readonly servers: readonly LocalServer[] };
};

const NO_PLUGINS = "plugins.entries, which has no plugin that is used";

/** A timer cannot wait longer than 2^31 ms. */
const NO_TIMEOUT_MS = 2_147_000_000;

/** What follows from one configuration for each agent: models, settings, tools. Derived on first use. */
export class AgentCatalog {
  readonly #config: Config;
  readonly #deps: AgentCatalogDeps;
  /** The configuration does not change: another one has a catalog of its own. */
  readonly #records = new Map<string, AgentRecord>();
  /** The local servers of which the derived part of the records was made. */
  #servers: readonly LocalServer[];
  #version: object = {};

  constructor(config: Config, deps: AgentCatalogDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#servers = deps.local.servers;
  }

  defaultAgent(): AgentId {
    return defaultAgentId(this.#config);
  }

  ids(): readonly AgentId[] {
    return agentIds(this.#config);
  }

  /** Whether messages may name this agent: one of this gateway, or one of another gateway to which there is a link. */
  canAnswer(agentId: AgentId): boolean {
    return this.ids().includes(agentId) || isLinkedAgent(this.#config, agentId);
  }

  /** Every agent as clients list it. */
  list(): { id: string; name: string; isDefault: boolean }[] {
    const isDefault = this.defaultAgent();
    return this.ids().map((id) => ({ id, name: this.name(id), isDefault: id === isDefault }));
  }

  name(agentId: string): string {
    return this.#resolve(agentId).name;
  }

  /** How much of the files of its workspace an agent is given. */
  promptLimits(agentId: string): { fileChars: number; totalChars: number } {
    const agent = this.#resolve(agentId);
    return { fileChars: agent.bootstrapMaxChars, totalChars: agent.bootstrapTotalMaxChars };
  }

  /** The agent of another vendor that runs the turns of an agent; null: Pi does. */
  acpOf(agentId: string): ResolvedAgent["acp"] {
    return this.#resolve(agentId).acp;
  }

  /** Where the sessions of an agent run. */
  hostOf(agentId: string): ReturnType<typeof resolveAgent>["pi"] {
    return this.#resolve(agentId).pi;
  }

  /** What the choice of a model depends on, for one agent. */
  modelInputs(agentId: string): ModelInputs {
    const { agents, models } = this.#config;
    return {
      configured: this.#resolve(agentId).models,
      providers: models.providers as ProviderTable,
      env: this.providerEnv(),
      local: this.usableLocalServers(),
      listed: [...Object.keys(agents.defaults.models), ...Object.keys(agents.entries[agentId]?.models ?? {})],
    };
  }

  /** Where keys of providers are looked up: the environment, then `env.vars`. Empty when only configured providers count. */
  providerEnv(): NodeJS.ProcessEnv {
    if (this.#config.models.mode === "replace") return {};
    const own = Object.entries(this.#config.env.vars).map(([name, value]) => [name, value.reveal()] as const);
    return { ...Object.fromEntries(own), ...this.#deps.env };
  }

  /** The local servers that may be used without being configured. */
  usableLocalServers(): readonly LocalServer[] {
    return this.#config.models.mode === "replace" ? [] : this.#deps.local.servers;
  }

  modelSelection(agentId: string): ModelSelection {
    return this.#derivedFor(agentId).modelSelection;
  }

  settings(agentId: string): AgentSettings {
    return this.#derivedFor(agentId).settings;
  }

  /** Every model that can be named for this agent. */
  models(agentId: string): readonly CatalogEntry[] {
    return this.#derivedFor(agentId).models;
  }

  modelNames(agentId: string): readonly string[] {
    return this.models(agentId).map((entry) => `${entry.provider}/${entry.id}`);
  }

  modelFacts(name: string): { contextWindow: number; thinkingLevels: readonly string[] } {
    const entry = this.models(this.defaultAgent()).find((each) => `${each.provider}/${each.id}` === name);
    return { contextWindow: entry?.contextWindow ?? 0, thinkingLevels: THINKING_LEVELS_OF_MODEL[entry?.reasoning ? "reasoning" : "plain"] };
  }

  /** The model that answers the next message of a session. */
  currentModel(session: Pick<SessionRow, "agent_id" | "model">): string {
    return modelName(resolveModels(this.settings(session.agent_id), session, null)[0]!);
  }

  operatorTools(agentId: AgentId): readonly ToolName[] {
    return this.#record(agentId).operatorTools;
  }

  /** The tools that senders of a channel have with this agent, restricted by the policy of the chat room. */
  channelTools(agentId: AgentId, room: RoomTools | null): readonly ToolName[] {
    if (parseRemoteAgent(agentId)) return [];
    return grantedTools(decideTools("channel", this.policyLayers(agentId, room)));
  }

  /** The policies that decide about the tools of a turn. */
  policyLayers(agentId: AgentId, room: RoomTools | null): PolicyLayers {
    return {
      shared: { key: "tools", policy: this.#config.tools },
      own: { key: `agents.entries.${agentId}.tools`, policy: this.#config.agents.entries[agentId]?.tools },
      room: room === null ? undefined : { key: room.key, policy: room.policy as ToolPolicy },
      off: {
        ...(this.#config.browser?.enabled === false && { browser: "browser.enabled" }),
        ...(!usesPlugins(this.#config.plugins) && { plugins: NO_PLUGINS }),
      },
    };
  }

  #resolve(agentId: string): ResolvedAgent {
    return this.#record(agentId).agent;
  }

  #record(agentId: string): AgentRecord {
    const known = this.#records.get(agentId);
    if (known) return known;
    const record = {
      agent: resolveAgent(this.#config, agentId, this.#deps.stateDir),
      // The tools of an agent of another gateway are that gateway's.
      operatorTools: parseRemoteAgent(agentId)
        ? []
        : grantedTools(decideTools("operator", this.policyLayers(asId<AgentId>(agentId), null))),
      derived: null,
    };
    if (this.#records.size >= LIMITS.agentSettingsCached) this.#records.clear();
    this.#records.set(agentId, record);
    return record;
  }

  /** Another object whenever what is derived may be different. */
  get version(): object {
    this.#dropOutdated();
    return this.#version;
  }

  #dropOutdated(): void {
    if (this.#servers === this.#deps.local.servers) return;
    this.#servers = this.#deps.local.servers;
    this.#version = {};
    this.#records.clear();
  }

  #derivedFor(agentId: string): Derived {
    this.#dropOutdated();
    const record = this.#record(agentId);
    return (record.derived ??= this.#derive(agentId, record.agent));
  }

  #derive(agentId: string, agent: ResolvedAgent): Derived {
    const inputs = this.modelInputs(agentId);
    const modelSelection = agent.acp === null ? selectModels(inputs) : acpSelection(agent.acp.agent);
    const seconds = this.#config.agents.defaults.timeoutSeconds;
    // Its link says how long a message may take.
    const isRemote = parseRemoteAgent(agentId) !== null;
    const settings: AgentSettings = {
      models: isRemote ? [{ provider: PEER_PROVIDER, id: agentId }] : [modelSelection.primary, ...modelSelection.fallbacks],
      thinking: toThinkingLevel(agent.thinking ?? "off")!,
      workspace: agent.workspace,
      timeoutMs: seconds > 0 && !isRemote ? Math.min(seconds * 1000, NO_TIMEOUT_MS) : NO_TIMEOUT_MS,
    };
    return { modelSelection, models: [...buildModelCatalog(inputs), ...acpAgentNames(this.#config).map(acpEntry)], settings };
  }
}

const acpSelection = (id: string): ModelSelection => ({
  primary: { provider: ACP_PROVIDER, id },
  fallbacks: [],
  source: "config",
  note: `The ACP agent ${id} answers, as configured.`,
});

/** An agent of another vendor, as one of the models that a conversation may have. */
const acpEntry = (id: string): CatalogEntry => ({
  id,
  name: `${id} (ACP agent)`,
  provider: ACP_PROVIDER,
  contextWindow: 0,
  reasoning: false,
  input: ["text", "image"],
  available: true,
});
