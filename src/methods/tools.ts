import { randomUUID } from "node:crypto";
import type { Config } from "../config/schema.ts";
import { GatewayError } from "../core/errors.ts";
import type { AgentId, SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { firstSentence } from "../core/text.ts";
import type { PluginReport } from "../tools/plugins/plugin-report.ts";
import type { McpServers } from "../mcp/servers.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { RoutingDecision } from "../routing/decide.ts";
import type { Audit } from "../store/audit.ts";
import type { KeyValueStore } from "../store/key-value.ts";
import type { Sessions } from "../store/sessions.ts";
import type { CommandSettings } from "../tools/commands/gate.ts";
import {
  decideMcpTool,
  decidePluginTool,
  decideTools,
  grantedTools,
  isInProfile,
  SECTIONS,
  sectionTools,
  type PolicyLayers,
  type Surface,
  type ToolDecision,
  type ToolProfile,
} from "../tools/policy.ts";
import {
  effectOf,
  findToolName,
  isMcpToolName,
  TOOL_NAMES,
  TOOL_SOURCES,
  TOOL_SECTIONS,
  type ToolCaller,
  type ToolDescription,
  type ToolEffect,
  type ToolExecutor,
  type ToolName,
  type ToolPermit,
  type ToolResult,
} from "../tools/tool.ts";
import { permittedTools } from "../turns/permissions.ts";
import { createIdempotency } from "./idempotency.ts";
import { InvocationAudit } from "./tool-audit.ts";
import { requireAgent } from "./require-agent.ts";
import type { DescribedMessage } from "./routes.ts";

/** The tools of plugins. */
type PluginTools = {
  has: (name: string) => boolean;
  find: (name: string, signal: AbortSignal) => Promise<boolean>;
  effectOf: (name: string) => ToolEffect | null;
  known: () => readonly { plugin: string; label: string; tool: PluginReport["tools"][number] }[];
};

export type ToolsDeps = {
  config: () => Config;
  /** The policies that decide about a turn of this agent; `room`: those of the chat room that its message is from. */
  policyLayers: (agentId: AgentId, room: RoutingDecision["roomTools"]) => PolicyLayers;
  /** What a call by an operator may do. */
  permitFor: (caller: ToolPermit["caller"]) => Promise<ToolPermit>;
  /** Where the tools for files work, and the setting that decides it. */
  fileAccess: (agentId: AgentId, surface: Surface) => { workspace: string; outside: readonly string[]; rule: string };
  /** What holds for the commands of such a caller. */
  commandSettings: (caller: Pick<ToolCaller, "agentId" | "surface" | "tools">) => CommandSettings;
  /** The session that a client means. Throws INVALID_REQUEST for a key that cannot be one. */
  resolveSession: (key: string, agentId: string | undefined) => { key: SessionKey; agentId: AgentId };
  sessions: Pick<Sessions, "get">;
  /** What the gateway would decide about a message that addresses the bot. */
  decideMessage: (message: DescribedMessage) => RoutingDecision;
  tools: ToolExecutor;
  audit: Pick<Audit, "add">;
  /** The tools of MCP servers. */
  mcp: Pick<McpServers, "has" | "find" | "known">;
  plugins: PluginTools;
  keyValue: KeyValueStore;
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
  log: Log;
};

/** tools.*: which tools there are, who may use them and why, and a call by an operator. */
export function toolsMethods(deps: ToolsDeps) {
  const { keyValue, write, now } = deps;
  const once = createIdempotency({ name: "tool-calls", limit: LIMITS.toolCallsCached, keyValue, write, now });
  return {
    "tools.catalog": { scope: "operator.read", run: (params) => catalog(deps, params) },
    "tools.effective": { scope: "operator.read", run: (params) => effective(deps, params) },
    "tools.explain": { scope: "operator.read", run: (params) => explain(deps, params) },
    "tools.invoke": {
      scope: "operator.write",
      waits: true,
      run: (params, caller) => {
        const { idempotencyKey } = params;
        return idempotencyKey === undefined
          ? invokeTool(deps, params, caller)
          : once(`${params.name} ${idempotencyKey}`, async () => toRepeatable(await invokeTool(deps, params, caller)));
      },
    },
  } satisfies MethodTable;
}

const PROFILE_LABELS: Readonly<Record<ToolProfile, string>> = {
  minimal: "Minimal",
  coding: "Coding",
  messaging: "Messaging",
  full: "Full",
};
const PROFILES = Object.keys(PROFILE_LABELS) as ToolProfile[];

const profilesWith = (tool: ToolName): string[] => PROFILES.filter((id) => id !== "full" && isInProfile(id, tool));

function catalog(deps: ToolsDeps, { agentId, includePlugins = true }: MethodParams<"tools.catalog">): Record<string, unknown> {
  return {
    agentId: requireAgent(deps.config(), agentId),
    profiles: PROFILES.map((id) => ({ id, label: PROFILE_LABELS[id] })),
    groups: [
      ...SECTIONS.map((id) => ({
        id,
        label: TOOL_SECTIONS[id],
        source: "core",
        tools: deps.tools.describe(sectionTools(id)).map(toCatalogEntry),
        // The tools of MCP servers and of plugins are not built in.
      })).filter(({ tools }) => tools.length > 0),
      ...(includePlugins ? pluginCatalog(deps.plugins.known()) : []),
    ],
  };
}

/** One group for each plugin. */
function pluginCatalog(known: ReturnType<PluginTools["known"]>): object[] {
  const labels = new Map(known.map(({ plugin, label }) => [plugin, label]));
  return [...labels].map(([pluginId, label]) => ({
    id: `plugin:${pluginId}`,
    label,
    source: "plugin",
    pluginId,
    tools: known
      .filter(({ plugin }) => plugin === pluginId)
      .map(
        ({
          tool: {
            description: { name, description },
          },
        }) => ({
          id: name,
          label: name,
          description: firstSentence(description),
          source: "plugin",
          pluginId,
          defaultProfiles: [],
        }),
      ),
  }));
}

const toCatalogEntry = ({ name, description }: ToolDescription): Record<string, unknown> => ({
  id: name,
  label: name,
  description: firstSentence(description),
  source: "core",
  defaultProfiles: profilesWith(name as ToolName),
});

/** The tools that the policy leaves to an operator in a session; those that the session itself denies are marked. */
function effective(deps: ToolsDeps, params: MethodParams<"tools.effective">): Record<string, unknown> {
  const session = deps.resolveSession(params.sessionKey, params.agentId);
  const agentId = requireAgent(deps.config(), session.agentId);
  const layers = deps.policyLayers(agentId, null);
  const granted = grantedTools(decideTools("operator", layers));
  const permitted: readonly string[] = permittedTools(deps.sessions.get(session.key), granted);
  return {
    agentId,
    profile: layers.own.policy?.profile ?? layers.shared.policy?.profile ?? "full",
    groups: [
      {
        id: "core",
        label: "Built-in tools",
        source: "core",
        tools: deps.tools.describe(granted).map(({ name, description }) => ({
          id: name,
          label: name,
          description: firstSentence(description),
          rawDescription: description,
          source: "core",
          ...(permitted.includes(name) ? {} : { deniedBySession: true }),
        })),
      },
      ...pluginGroups(deps, layers, permitted.includes("plugins")),
      ...mcpGroups(deps, layers, permitted.includes("mcp")),
    ],
  };
}

/** The tools of plugins that are granted. */
function pluginGroups(deps: ToolsDeps, layers: PolicyLayers, isPermitted: boolean): object[] {
  const granted = deps.plugins
    .known()
    .filter(({ tool }) => decidePluginTool(layers, "operator", { name: tool.description.name, effect: tool.effect }).isGranted);
  if (granted.length === 0) return [];
  const tools = granted.map(
    ({
      plugin,
      tool: {
        description: { name, description },
      },
    }) => ({
      id: name,
      label: name,
      description: firstSentence(description),
      rawDescription: description,
      source: "plugin",
      pluginId: plugin,
      ...(isPermitted ? {} : { deniedBySession: true }),
    }),
  );
  return [{ id: "plugin", label: TOOL_SECTIONS.plugins, source: "plugin", tools }];
}

/** The tools of MCP servers that are known and granted. */
function mcpGroups(deps: ToolsDeps, layers: PolicyLayers, isPermitted: boolean): object[] {
  const granted = deps.mcp.known().filter(({ description }) => decideMcpTool(layers, "operator", description.name).isGranted);
  if (granted.length === 0) return [];
  const tools = granted.map(({ server, tool, description }) => ({
    id: description.name,
    label: description.name,
    description: firstSentence(description.description),
    rawDescription: description.description,
    source: "mcp",
    mcpServer: server,
    mcpToolName: tool,
    ...(isPermitted ? {} : { deniedBySession: true }),
  }));
  return [{ id: "mcp", label: TOOL_SECTIONS.mcp, source: "mcp", tools }];
}

/** What decides about each tool and about commands: for an operator's message, or with `channel` for a message of a channel. */
function explain(deps: ToolsDeps, params: MethodParams<"tools.explain">): Record<string, unknown> {
  const { channel, account = "default", peer, group } = params;
  if (channel === undefined && (peer ?? group ?? params.account) !== undefined)
    throw new GatewayError("INVALID_REQUEST", "peer, group and account describe a message of a channel, and no channel is named", {
      fix: "Name the channel as well.",
    });
  const named = params.agentId === undefined ? undefined : requireAgent(deps.config(), params.agentId);
  const message: DescribedMessage | null =
    channel === undefined || peer === undefined ? null : { channel, account, peer, ...(group && { group }) };
  const decision = message && deps.decideMessage(message);
  const agentId = named ?? decision?.route?.agentId ?? requireAgent(deps.config(), undefined);
  const surface: Surface = channel === undefined ? "operator" : "channel";
  const key = params.sessionKey === undefined ? null : deps.resolveSession(params.sessionKey, agentId).key;
  const layers = deps.policyLayers(agentId, decision?.roomTools ?? null);
  const decided = decideTools(surface, layers);
  const decisions = key === null ? decided : decided.map((each) => withSession(deps, key, each));
  return {
    agentId,
    surface,
    ...(decision && { access: { action: decision.access.action, detail: decision.access.detail } }),
    ...(decision?.route && decision.route.agentId !== agentId && { routedTo: decision.route.agentId }),
    tools:
      params.tool === undefined
        ? [...decisions, ...explainPlugins(deps, layers, surface, decisions)]
        : [explainTool(deps, params.tool, { layers, surface, decisions })],
    files: deps.fileAccess(agentId, surface),
    commands: {
      isGranted: decisions.some(({ tool, isGranted }) => effectOf(tool) === "run" && isGranted),
      ...deps.commandSettings({ agentId, surface, tools: grantedTools(decisions) }),
    },
  };
}

type Explained = Omit<ToolDecision, "tool"> & { tool: string };
type Decided = { layers: PolicyLayers; surface: Surface; decisions: readonly ToolDecision[] };

/** What decides about one tool. That of a server or of a plugin is also denied by what denies all of these. */
function explainTool(deps: ToolsDeps, wanted: string, { layers, surface, decisions }: Decided): Explained {
  const name = findToolName(wanted);
  const decisionOf = (tool: ToolName): ToolDecision => decisions.find((each) => each.tool === tool)!;
  if (name !== null) return decisionOf(name);
  const stricter = (own: Omit<ToolDecision, "tool">, all: ToolDecision): Explained => ({
    ...(own.isGranted && !all.isGranted ? all : own),
    tool: wanted,
  });
  if (deps.mcp.has(wanted)) return stricter(decideMcpTool(layers, surface, wanted), decisionOf("mcp"));
  const effect = deps.plugins.effectOf(wanted);
  if (effect !== null) return stricter(decidePluginTool(layers, surface, { name: wanted, effect }), decisionOf("plugins"));
  throw new GatewayError("NOT_FOUND", unknownTool(wanted), {
    fix: "`openclaw mcp status` shows the servers and their tools, `openclaw plugins list` the plugins.",
  });
}

/** What decides about each tool of a plugin. */
const explainPlugins = (deps: ToolsDeps, layers: PolicyLayers, surface: Surface, decisions: readonly ToolDecision[]): Explained[] =>
  deps.plugins.known().map(({ tool }) => explainTool(deps, tool.description.name, { layers, surface, decisions }));

const unknownTool = (name: string): string =>
  `unknown tool "${name.slice(0, 64)}"; the tools are ${BUILT_IN.join(", ")}, <server>__<tool>, and those of plugins`;
const BUILT_IN = TOOL_NAMES.filter((name) => !TOOL_SOURCES.includes(name));

function withSession(deps: ToolsDeps, key: SessionKey, decision: ToolDecision): ToolDecision {
  const session = deps.sessions.get(key);
  if (!decision.isGranted || permittedTools(session, [decision.tool]).length > 0) return decision;
  return { ...decision, isGranted: false, rule: `permissionMode "${session!.permission_mode}" of the session ${key}` };
}

/** Throws when the policy denies a built-in tool to operators in a session. */
export function requireOperatorTool(
  deps: ToolsDeps,
  { agentId, sessionKey }: { agentId: AgentId; sessionKey: SessionKey },
  tool: ToolName,
): void {
  const decisions = decideTools("operator", deps.policyLayers(agentId, null));
  const { isGranted, rule } = withSession(
    deps,
    sessionKey,
    decisions.find((each) => each.tool === tool)!,
  );
  if (!isGranted) throw new GatewayError("INVALID_REQUEST", `the tool ${tool} is denied by ${rule}`);
}

type Invocation = {
  ok: boolean;
  toolName: string;
  source: "core" | "mcp" | "plugin";
  output?: { content: ToolResult["content"] };
  error?: { code: string; message: string; details?: object };
};

/** The tool that a call means, and whose it is; no name: there is none. */
async function findCalled(
  deps: ToolsDeps,
  wanted: string,
  signal: AbortSignal,
): Promise<{ name: string | null; source: Invocation["source"] }> {
  if (isMcpToolName(wanted)) return { name: deps.mcp.has(wanted) ? wanted : null, source: "mcp" };
  const builtIn = findToolName(wanted);
  if (builtIn !== null) return { name: TOOL_SOURCES.includes(builtIn) ? null : builtIn, source: "core" };
  const isOfPlugin = await deps.plugins.find(wanted, signal);
  return { name: isOfPlugin ? wanted : null, source: isOfPlugin ? "plugin" : "core" };
}

/** Runs one tool as an operator's message in the session would. A refusal and a failure are answers, not errors of the request. */
export async function invokeTool(deps: ToolsDeps, params: MethodParams<"tools.invoke">, caller: Caller): Promise<Invocation> {
  const { args = {} } = params;
  const session = deps.resolveSession(params.sessionKey ?? "main", params.agentId);
  const agentId = requireAgent(deps.config(), session.agentId);
  const { name, source } = await findCalled(deps, params.name, caller.signal);
  const about = { toolName: name ?? params.name, source };
  const refused = (code: string, message: string, details?: object): Invocation => ({
    ok: false,
    ...about,
    error: { code, message, ...(details && { details }) },
  });
  if (name === null) return refused("unknown", unknownTool(params.name));
  const layers = deps.policyLayers(agentId, null);
  const decisions = decideTools("operator", layers).map((each) => withSession(deps, session.key, each));
  const { isGranted, rule } = explainTool(deps, name, { layers, surface: "operator", decisions });
  const call = { id: params.idempotencyKey ?? randomUUID(), name, args };
  const audit = new InvocationAudit(deps, call, { agentId, sessionKey: session.key }, caller);
  if (!isGranted) {
    await audit.refused();
    return refused("denied", `the tool ${name} is denied by ${rule}`, { rule });
  }
  if (source === "mcp" && !(await deps.mcp.find(name, caller.signal))) return refused("unknown", unknownTool(name));
  deps.log.info("a tool is called by an operator", { tool: name, session: session.key, client: caller.client.id, device: caller.device });
  await audit.begun();
  const result = await deps.tools.run(call, {
    ...(await deps.permitFor({
      agentId,
      sessionKey: session.key,
      runId: null,
      surface: "operator",
      isPrivate: true,
      tools: grantedTools(decisions),
    })),
    signal: caller.signal,
    update: () => {},
    log: deps.log,
  });
  await audit.ended(result);
  const { content, isError } = result;
  return { ok: !isError, ...about, output: { content }, ...(isError && { error: { code: "failed", message: textOf(content) } }) };
}

const textOf = (content: ToolResult["content"]): string =>
  content
    .flatMap((part) => (part.type === "text" ? [part.text] : []))
    .join("\n")
    .slice(0, 2_000) || "the tool failed";

/** What a repeat of the same call is answered with: large results are not kept. */
function toRepeatable(invocation: Invocation): Invocation {
  if (JSON.stringify(invocation).length <= LIMITS.toolCallResultBytes) return invocation;
  return { ...invocation, output: { content: [{ type: "text", text: "The call has run; its result was too large to be kept." }] } };
}
