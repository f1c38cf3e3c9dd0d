import type { CommandAllowlist } from "../approvals/allowlist.ts";
import { resolveEgress, resolveSandbox } from "../config/sandbox.ts";
import { COMMAND_MODES } from "../core/command-modes.ts";
import type { AgentId } from "../core/ids.ts";
import type { CommandMode } from "../tools/commands/decide.ts";
import type { CommandSettings } from "../tools/commands/gate.ts";
import { mainSessionKey } from "../routing/session-key.ts";
import { isEffectDenied, type Surface } from "../tools/policy.ts";
import type { ToolCaller, ToolName, ToolPermit } from "../tools/tool.ts";
import type { RunningConfig } from "./running-config.ts";

/** Where the tools for files work, and the setting that decides it, or the default in words. */
export type FileAccess = Pick<ToolPermit, "workspace" | "outside"> & { rule: string };

/**
 * Where the tools for files work with the configuration that holds now. The agent's own setting replaces the one for all agents; what
 * holds for all opens nothing for people on channels.
 */
export function fileAccess({ agents }: Pick<RunningConfig, "agents">, agentId: AgentId, surface: Surface): FileAccess {
  const { workspace } = agents.settings(agentId);
  const { shared, own } = agents.policyLayers(agentId, null);
  const layer = (surface === "operator" ? [own, shared] : [own]).find(({ policy }) => policy?.fs !== undefined);
  const fs = layer?.policy?.fs;
  if (layer === undefined || fs === undefined)
    return { workspace, outside: [], rule: "the tools for files work in the workspace unless a setting names more" };
  if (!fs.workspaceOnly) return { workspace, outside: ["/"], rule: `${layer.key}.fs.workspaceOnly` };
  return { workspace, outside: fs.paths, rule: `${layer.key}.fs.${fs.paths.length > 0 ? "paths" : "workspaceOnly"}` };
}

/** What a call of a tool may do with the configuration that holds now. */
export function permitFor(running: Pick<RunningConfig, "agents">, caller: ToolCaller): ToolPermit {
  const { workspace, outside } = fileAccess(running, caller.agentId, caller.surface);
  return { caller, workspace, outside };
}

/** `asked`: a person is asked before each message. */
type Reach = { access: "open" | "asked" | "closed"; rule: string };

/**
 * Which conversations the tool `message` of a caller reaches beside its own, and which actions it has; null: all. The agent's own setting
 * replaces the one for all agents. What holds for all opens nothing for people on channels.
 */
export function messageReach({ agents }: Pick<RunningConfig, "agents">, { agentId, surface }: Pick<ToolCaller, "agentId" | "surface">) {
  const { shared, own } = agents.policyLayers(agentId, null);
  const layers = [own, shared];
  const reach = (name: "allowWithinProvider" | "allowAcrossProviders"): Reach => {
    const layer = (surface === "operator" ? layers : [own]).find(({ policy }) => policy?.message?.crossContext?.[name] !== undefined);
    const key = `${(layer ?? own).key}.message.crossContext.${name}`;
    if (layer) return { access: layer.policy!.message!.crossContext![name]! ? "open" : "closed", rule: `${key} is false` };
    return { access: surface === "operator" ? "asked" : "closed", rule: `for people on channels only ${key} opens others` };
  };
  const limiting = layers.find(({ policy }) => policy?.message?.actions?.allow !== undefined);
  return {
    withinProvider: reach("allowWithinProvider"),
    acrossProviders: reach("allowAcrossProviders"),
    actions: limiting ? { allowed: limiting.policy!.message!.actions!.allow!, key: `${limiting.key}.message.actions.allow` } : null,
  };
}

const stricter = (a: CommandMode, b: CommandMode): CommandMode => (COMMAND_MODES.indexOf(a) <= COMMAND_MODES.indexOf(b) ? a : b);

/**
 * What holds for the commands of a caller: the configuration, limited by what the allowlist's document says. People on channels have what
 * the agent's own settings give them, within the shared ones; without any they are in the sandbox.
 */
export function commandSettings(
  { agents, config, loaded }: Pick<RunningConfig, "agents" | "config"> & { loaded: Pick<RunningConfig["loaded"], "issues"> },
  allowlist: CommandAllowlist,
  caller: Pick<ToolCaller, "agentId" | "surface" | "tools"> & Partial<Pick<ToolCaller, "sessionKey">>,
): CommandSettings {
  const { agentId, surface, tools } = caller;
  const ownKey = `agents.entries.${agentId}.tools.exec`;
  const own = config.agents.entries[agentId]?.tools?.exec;
  const shared = config.tools?.exec;
  const isOperator = surface === "operator";
  const configured = own?.mode ?? (isOperator ? shared?.mode : undefined) ?? "auto";
  const limited = isOperator || !shared?.mode ? configured : stricter(configured, shared.mode);
  const modeKey = own?.mode === limited ? `${ownKey}.mode` : shared?.mode === limited ? "tools.exec.mode" : null;
  const document = allowlist.limits(agentId);
  const mode = document.security || document.ask ? stricter(limited, modeOf(document)) : limited;
  const rule =
    mode !== limited
      ? "the allowlist's document (openclaw approvals get)"
      : modeKey
        ? ruleOf(loaded, modeKey, mode)
        : `the default mode "${mode}"`;
  const isolation = resolveSandbox(config, agentId);
  const byMode = isOperator && isolation.mode ? hostOfMode(isolation.mode, caller) : null;
  const host = own?.host ?? (isOperator ? (shared?.host ?? byMode ?? "auto") : "sandbox");
  const defaultRule = !isOperator ? "people on channels are in the sandbox" : byMode ? `sandbox.mode "${isolation.mode}"` : "the default";
  const hostKey = own?.host ? `${ownKey}.host` : isOperator && shared?.host ? "tools.exec.host" : null;
  const hostRule = hostKey === null ? defaultRule : isInvalid(loaded, hostKey) ? `${hostKey}, ${INVALID}` : hostKey;
  const layers = agents.policyLayers(agentId, null);
  /** Whether what a tool does is denied to the caller, so that no command may do it. */
  const isDenied = (effect: "write" | "fetch", tool: ToolName): boolean =>
    isEffectDenied(layers, effect) || (!isOperator && !tools.includes(tool));
  return {
    mode,
    rule,
    host,
    hostRule,
    alwaysAsk: document.ask === "always",
    readOnly: isDenied("write", "write"),
    workspaceAccess: isolation.workspaceAccess,
    egress: isolation.backend !== "bubblewrap" || isDenied("fetch", "web_fetch") ? null : resolveEgress(config, agentId, surface),
  };
}

/** Where `sandbox.mode` puts the commands of a conversation. */
function hostOfMode(mode: "off" | "non-main" | "all", caller: Pick<ToolCaller, "agentId"> & Partial<Pick<ToolCaller, "sessionKey">>) {
  const isMain = mode === "non-main" && caller.sessionKey === mainSessionKey(caller.agentId);
  return mode === "off" || isMain ? "gateway" : "sandbox";
}

const INVALID = "whose value in the configuration is invalid";
const isInvalid = ({ issues }: Pick<RunningConfig["loaded"], "issues">, key: string): boolean =>
  issues.some(({ path, severity }) => severity === "error" && path === key);
const ruleOf = (loaded: Pick<RunningConfig["loaded"], "issues">, key: string, mode: CommandMode): string =>
  isInvalid(loaded, key) ? `${key}, ${INVALID}` : `${key} "${mode}"`;

/** The mode that the document's two settings are. */
function modeOf({ security = "full", ask = "off" }: ReturnType<CommandAllowlist["limits"]>): CommandMode {
  if (security === "deny") return "deny";
  if (security === "allowlist") return ask === "off" ? "allowlist" : "ask";
  return ask === "off" ? "full" : "ask";
}
