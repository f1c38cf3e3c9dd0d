import type { AgentId } from "../core/ids.ts";
import { toAgentAddress, toAgentId } from "../core/agent-id.ts";
import { asId } from "../core/ids.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import { createPaths, defaultWorkspace } from "./paths.ts";
import type { AgentEntry, Config } from "./schema.ts";

/** One agent as the rest of the gateway needs it: nothing is left to be inherited. */
export type ResolvedAgent = {
  readonly id: AgentId;
  /** For people; the id where the configuration has no name. */
  readonly name: string;
  readonly isDefault: boolean;
  /** Absolute path. */
  readonly workspace: string;
  /** `provider/id`, the wanted one first. Empty when none is configured. */
  readonly models: readonly string[];
  /** Undefined: nothing is configured, and the runtime's own default holds. */
  readonly thinking: NonNullable<AgentEntry["thinkingDefault"]> | undefined;
  readonly identity: NonNullable<AgentEntry["identity"]>;
  /** Sources of case-insensitive regular expressions. */
  readonly mentionPatterns: readonly string[];
  readonly historyLimit: number;
  readonly bootstrapMaxChars: number;
  readonly bootstrapTotalMaxChars: number;
  readonly pi: { readonly host: "shared" | "process"; readonly isolation: "none" | "agent" };
  /** The agent of another vendor that runs its turns; null: Pi does. */
  readonly acp: { readonly agent: string; readonly mode: "persistent" | "oneshot"; readonly cwd: string | undefined } | null;
};

const MAIN_AGENT = asId<AgentId>("main");

type AgentEntries = {
  readonly agents?:
    | { readonly entries?: Readonly<Record<string, { readonly default?: boolean | undefined } | undefined>> | undefined }
    | undefined;
};

/** Ids of the configured agents in the order of the file; `main` when none is configured. */
export function agentIds(config: AgentEntries): readonly AgentId[] {
  const ids = Object.keys(config.agents?.entries ?? {});
  return ids.length > 0 ? ids.map(toAgentId) : [MAIN_AGENT];
}

/** The agent for everything that names no agent and that no binding routes: the one marked `default`, else `main`, else the first. */
export function defaultAgentId(config: AgentEntries): AgentId {
  const ids = agentIds(config);
  const marked = Object.entries(config.agents?.entries ?? {}).find(([, entry]) => entry?.default === true);
  if (marked) return toAgentId(marked[0]);
  return ids.includes(MAIN_AGENT) ? MAIN_AGENT : ids[0]!;
}

/** Whether the configuration has this agent. The case of the id does not matter; a text that would only become an id is none. */
export function hasAgent(config: Config, id: string): boolean {
  return agentIds(config).includes(asId<AgentId>(id.toLowerCase()));
}

type Links = { readonly peers?: Readonly<Record<string, unknown>> | undefined };

/** Whether the id is one of an agent of another gateway to which the configuration has a link. */
export function isLinkedAgent(config: Links, id: string): boolean {
  const remote = parseRemoteAgent(id.toLowerCase());
  return remote !== null && Object.hasOwn(config.peers ?? {}, remote.peer);
}

/**
 * Everything about one agent. An id that is not configured gets the defaults, so that a conversation of a deleted agent can
 * still be read. `stateDir` is where workspaces without a path of their own live; by default that of the environment.
 */
export function resolveAgent(config: Config, id: string, stateDir: string = createPaths(process.env).state): ResolvedAgent {
  const agentId = toAgentAddress(id);
  const entry: Partial<AgentEntry> = config.agents.entries[agentId] ?? {};
  const { defaults } = config.agents;
  const isDefault = agentId === defaultAgentId(config);
  const shared = isDefault ? defaults.workspace : undefined;
  return {
    id: agentId,
    name: entry.name ?? entry.identity?.name ?? agentId,
    isDefault,
    workspace: entry.workspace ?? shared ?? workspaceBeside(defaults.workspace, stateDir, agentId, isDefault),
    models: modelsOf(entry, defaults),
    thinking: entry.thinkingDefault ?? defaults.thinkingDefault,
    identity: entry.identity ?? {},
    mentionPatterns: entry.groupChat?.mentionPatterns ?? config.messages.groupChat.mentionPatterns ?? [],
    historyLimit: entry.groupChat?.historyLimit ?? config.messages.groupChat.historyLimit,
    bootstrapMaxChars: entry.bootstrapMaxChars ?? defaults.bootstrapMaxChars,
    bootstrapTotalMaxChars: entry.bootstrapTotalMaxChars ?? defaults.bootstrapTotalMaxChars,
    pi: { host: entry.pi?.host ?? defaults.pi.host, isolation: entry.pi?.isolation ?? defaults.pi.isolation },
    acp: acpOf(entry, agentId),
  };
}

/** The agent of another vendor that runs the turns of an agent; null: Pi does. */
export function acpOf({ runtime }: Partial<AgentEntry>, id: AgentId): ResolvedAgent["acp"] {
  if (runtime?.type !== "acp") return null;
  const { agent = id, mode = "persistent", cwd } = runtime.acp ?? {};
  return { agent, mode, cwd };
}

/** With a default workspace configured, the other agents live in directories inside of it, named by their ids. */
function workspaceBeside(configured: string | undefined, stateDir: string, id: AgentId, isDefault: boolean): string {
  return configured === undefined ? defaultWorkspace(stateDir, id, isDefault) : `${configured.replace(/\/+$/, "")}/${id}`;
}

/** An agent with a model of its own does not inherit fallbacks: they would answer in the name of another model. */
function modelsOf(entry: Partial<AgentEntry>, defaults: Config["agents"]["defaults"]): readonly string[] {
  const own = entry.model?.primary;
  const primary = own ?? defaults.model?.primary;
  const fallbacks = entry.model?.fallbacks ?? (own === undefined ? defaults.model?.fallbacks : undefined) ?? [];
  const aliases = aliasesOf(entry, defaults);
  const named = [primary, ...fallbacks].filter((model) => model !== undefined);
  return [...new Set(named.map((model) => aliases.get(model.toLowerCase()) ?? model))];
}

/** Short names (lower case) -> `provider/id`; the agent's own come before the shared ones. */
export function modelAliases(config: Config, id: string): ReadonlyMap<string, string> {
  return aliasesOf(config.agents.entries[toAgentId(id)] ?? {}, config.agents.defaults);
}

function aliasesOf(entry: Partial<AgentEntry>, defaults: Config["agents"]["defaults"]): ReadonlyMap<string, string> {
  const aliases = new Map<string, string>();
  for (const catalog of [defaults.models, entry.models ?? {}]) {
    for (const [model, { alias }] of Object.entries(catalog)) if (alias !== undefined) aliases.set(alias.toLowerCase(), model);
  }
  return aliases;
}
