import { access, rename } from "node:fs/promises";
import { join } from "node:path";
import type { ToolName } from "../agents/runtime.ts";
import { agentEntryKeys, agentListIds, agentPath } from "../config/agent-path.ts";
import { agentIds, defaultAgentId, hasAgent, resolveAgent, type ResolvedAgent } from "../config/agents.ts";
import { getAt, setAt, unsetAt } from "../config/edit.ts";
import { expandPath } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { AgentId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson } from "../protocol/frames.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { toAgentId } from "../core/agent-id.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import { permittedTools } from "../turns/permissions.ts";
import { editConfig, type ConfigDeps } from "./config-edit.ts";
import type { IdentityFields } from "./identity-file.ts";
import { requireAgent } from "./require-agent.ts";

export type AgentsDeps = ConfigDeps & {
  now: () => number;
  stateDir: string;
  home: string;
  /** Makes the directory of an agent and its first files, where they are missing. */
  ensureWorkspace: (workspace: string) => Promise<void>;
  /** Removes what the gateway has made from the notes of an agent. */
  forgetNotes: (agentId: AgentId) => Promise<void>;
  /** Writes name and emoji into the identity file of the workspace. Never throws: the configuration, which takes precedence, is saved already. */
  mirrorIdentity: (workspace: string, fields: IdentityFields) => Promise<void>;
  /** The model that would answer for this agent now, also when none is configured. */
  modelOf: (agentId: AgentId) => string | null;
  /** The tools of an operator's session with this agent. */
  toolsOf: (agentId: AgentId) => readonly ToolName[];
  /** Thinking levels of a model, and the default one. */
  thinkingOf: (model: string | null, agentId: AgentId) => { levels: readonly string[]; default: string };
};

type CreateParams = MethodParams<"agents.create">;
type UpdateParams = MethodParams<"agents.update">;
type DeleteParams = MethodParams<"agents.delete">;

/** agents.*: who can answer. Agents live in the configuration file; sessions of a deleted agent stay readable. */
export function agentsMethods(deps: AgentsDeps) {
  return {
    "agents.list": { scope: "operator.read", run: () => encodedList(deps) },
    "agents.create": { scope: "operator.admin", run: (params) => create(deps, params) },
    "agents.update": { scope: "operator.admin", run: (params) => update(deps, params) },
    "agents.delete": { scope: "operator.admin", run: (params) => remove(deps, params) },
    "agent.identity.get": {
      scope: "operator.read",
      run: ({ agentId, sessionKey }) => identity(deps, agentId, sessionKey),
    },
  } satisfies MethodTable;
}

const configOf = (deps: AgentsDeps): Config => deps.loaded().config;

function encodedList(deps: AgentsDeps): EncodedJson {
  const request = { method: "agents.list", name: "", basis: [deps.loaded(), deps.configuration()], now: deps.now() } as const;
  return new EncodedJson(
    "",
    deps.answers.get(request, () => ({ json: JSON.stringify(list(deps)) })),
  );
}

function list(deps: AgentsDeps): Record<string, unknown> {
  const config = configOf(deps);
  const ids = agentIds(config);
  return {
    defaultId: defaultAgentId(config),
    ownership: ids.length > 1 ? "explicit" : "sole",
    selectionRequired: false,
    mainKey: "main",
    scope: config.session.scope,
    agents: ids.map((id) => toSummary(deps, resolveAgent(config, id, deps.stateDir))),
  };
}

function toSummary(deps: AgentsDeps, agent: ResolvedAgent): Record<string, unknown> {
  const primary = deps.modelOf(agent.id);
  const thinking = deps.thinkingOf(primary, agent.id);
  const who = toIdentity(agent);
  return {
    id: agent.id,
    kind: "agent",
    // Clients show a name of their own for an agent that was given none.
    ...(agent.name === agent.id ? {} : { name: agent.name }),
    ...(Object.keys(who).length > 0 ? { identity: who } : {}),
    ...defaultMode(deps.toolsOf(agent.id)),
    workspace: agent.workspace,
    ...(primary === null ? {} : { model: { primary, fallbacks: agent.models.filter((model) => model !== primary) } }),
    agentRuntime: { id: "pi", cloudPlacementSupported: false, devicePlacementSupported: false, source: "implicit" },
    thinkingLevels: thinking.levels.map((id) => ({ id, label: id })),
    thinkingOptions: thinking.levels,
    thinkingDefault: thinking.default,
  };
}

/** The permission mode that an agent's own tools come to; none where they fit neither. */
function defaultMode(tools: readonly ToolName[]): Record<string, string> {
  if (tools.includes("exec") && tools.includes("write")) return { defaultPermissionMode: "full" };
  return permittedTools({ permission_mode: "read-only" }, tools).length === tools.length ? { defaultPermissionMode: "read-only" } : {};
}

function toIdentity({ identity }: ResolvedAgent): Record<string, string> {
  const fields = ["name", "theme", "emoji", "avatar"] as const;
  const values = identity as Readonly<Record<string, unknown>>;
  return Object.fromEntries(fields.flatMap((key) => (typeof values[key] === "string" && values[key] !== "" ? [[key, values[key]]] : [])));
}

function identity(deps: AgentsDeps, agentId: string | undefined, sessionKey: string | undefined): Record<string, unknown> {
  const config = configOf(deps);
  const id = agentId ?? (sessionKey === undefined ? undefined : parseSessionKey(sessionKey)?.agentId) ?? defaultAgentId(config);
  const agent = resolveAgent(config, requireAgent(config, id), deps.stateDir);
  const who = toIdentity(agent);
  const named = who["name"] ?? (agent.name === agent.id ? undefined : agent.name);
  const name = named ?? "Assistant";
  return {
    agentId: agent.id,
    name,
    nameSource: named === undefined ? "default" : "config",
    avatar: who["avatar"] ?? who["emoji"] ?? name.slice(0, 1).toUpperCase(),
    ...(who["emoji"] === undefined ? {} : { emoji: who["emoji"] }),
  };
}

async function create(deps: AgentsDeps, params: CreateParams): Promise<Record<string, unknown>> {
  const config = configOf(deps);
  const id = toAgentId(params.name);
  if (hasAgent(config, id))
    throw new GatewayError("CONFLICT", `there is an agent "${id}" already`, { fix: "Choose another name, or update that one." });
  if (agentIds(config).length >= LIMITS.agents) throw new GatewayError("INVALID_REQUEST", `there are ${LIMITS.agents} agents already`);
  const workspace = params.workspace === undefined ? undefined : toWorkspace(deps, params.workspace);
  const model = params.model === undefined ? undefined : toModel(params.model);
  const entry = {
    ...(params.name === id ? {} : { name: params.name }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(model === undefined ? {} : { model }),
    ...identityEntry(params),
  };
  // Before it is written down: an agent whose workspace cannot be made is not created.
  if (workspace !== undefined) await deps.ensureWorkspace(workspace);
  const edited = await editConfig(deps, (raw) => setAt(ensureMainEntry(raw), ["agents", "entries", id], entry));
  const agent = resolveAgent(edited.loaded.config, id, deps.stateDir);
  await deps.ensureWorkspace(agent.workspace);
  return { ok: true, agentId: id, name: agent.name, workspace: agent.workspace, ...(model === undefined ? {} : { model }) };
}

/** Without any entry there is an agent `main`. The first entry must not make it disappear. */
function ensureMainEntry(raw: string): string {
  return agentEntryKeys((path) => getAt(raw, path)).length > 0 || agentListIds((path) => getAt(raw, path)).length > 0
    ? raw
    : setAt(raw, ["agents", "entries", "main"], {});
}

function identityEntry({ emoji, avatar }: { emoji?: string; avatar?: string }): Record<string, unknown> {
  const identity = { ...(emoji ? { emoji } : {}), ...(avatar ? { avatar } : {}) };
  return Object.keys(identity).length > 0 ? { identity } : {};
}

const toWorkspace = (deps: AgentsDeps, path: string): string => expandPath(path, deps.home, deps.stateDir);

function toModel(name: string): string {
  if (/^[^/\s]+\/\S+$/.test(name)) return name;
  throw new GatewayError("INVALID_REQUEST", `"${name.slice(0, 80)}" is not a model`, {
    fix: "Write it as provider/id; `openclaw models list` shows them.",
  });
}

async function update(deps: AgentsDeps, params: UpdateParams): Promise<Record<string, unknown>> {
  const id = requireAgent(configOf(deps), params.agentId);
  const workspace = params.workspace === undefined ? undefined : toWorkspace(deps, params.workspace);
  const model = typeof params.model === "string" ? toModel(params.model) : params.model;
  if (workspace !== undefined) await deps.ensureWorkspace(workspace);
  const edited = await editConfig(deps, (raw) => {
    const at = agentPath((path) => getAt(raw, path), id);
    let text = raw;
    const put = (path: readonly string[], value: string | null | undefined): void => {
      if (value === undefined) return;
      text = value === null || value === "" ? unsetAt(text, [...at, ...path]) : setAt(text, [...at, ...path], value);
    };
    put(["name"], params.name);
    put(["workspace"], workspace);
    put(["model"], model);
    put(["identity", "emoji"], params.emoji);
    put(["identity", "avatar"], params.avatar);
    return text;
  });
  await deps.mirrorIdentity(resolveAgent(edited.loaded.config, id, deps.stateDir).workspace, params);
  return { ok: true, agentId: id };
}

async function remove(deps: AgentsDeps, params: DeleteParams): Promise<Record<string, unknown>> {
  const config = configOf(deps);
  const id = requireAgent(config, params.agentId);
  requireDeletable(config, id);
  const { workspace } = resolveAgent(config, id, deps.stateDir);
  let removedBindings = 0;
  const edited = await editConfig(deps, (raw) => {
    const bindings = getAt(raw, ["bindings"]);
    const kept = Array.isArray(bindings) ? bindings.filter((each) => !isBoundTo(each, id)) : [];
    removedBindings = Array.isArray(bindings) ? bindings.length - kept.length : 0;
    const text = unsetAt(
      raw,
      agentPath((path) => getAt(raw, path), id),
    );
    return removedBindings > 0 ? setAt(text, ["bindings"], kept) : text;
  });
  await deps.forgetNotes(id);
  const files = params.deleteFiles ? await archiveWorkspace(deps, edited.loaded.config, workspace) : {};
  return { ok: true, agentId: id, removedBindings, ...files };
}

function requireDeletable(config: Config, id: AgentId): void {
  if (agentIds(config).length === 1)
    throw new GatewayError("INVALID_REQUEST", `"${id}" is the only agent`, { fix: "Create another one first." });
  if (defaultAgentId(config) !== id) return;
  throw new GatewayError("INVALID_REQUEST", `"${id}" is the default agent: it answers wherever no binding names another one`, {
    fix: "Mark another agent with `default: true` first.",
  });
}

const isBoundTo = (binding: unknown, id: AgentId): boolean => {
  const agentId = typeof binding === "object" && binding !== null ? (binding as { agentId?: unknown }).agentId : undefined;
  return typeof agentId === "string" && agentId.toLowerCase() === id;
};

/**
 * Moves the files of a deleted agent out of the way, beside where they were; nothing is destroyed. Only a directory of our
 * own making that no other agent uses is touched.
 */
async function archiveWorkspace(deps: AgentsDeps, config: Config, workspace: string): Promise<Record<string, unknown>> {
  const shared = agentIds(config).some((id) => overlaps(resolveAgent(config, id, deps.stateDir).workspace, workspace));
  if (shared) return { removed: [], failed: [{ path: workspace, reason: "another agent uses it" }] };
  if (!workspace.startsWith(join(deps.stateDir, "workspace-"))) {
    return { removed: [], failed: [{ path: workspace, reason: "it is not a directory that the gateway made; remove it yourself" }] };
  }
  try {
    await access(workspace);
  } catch {
    return { removed: [{ path: workspace, method: "missing" }], failed: [] };
  }
  try {
    await rename(workspace, `${workspace}.deleted-${deps.now()}`);
    return { removed: [{ path: workspace, method: "trash" }], failed: [] };
  } catch (err) {
    return { removed: [], failed: [{ path: workspace, reason: reasonOf(err) }] };
  }
}

/** True when one directory is the other one or holds it. */
function overlaps(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);
}
