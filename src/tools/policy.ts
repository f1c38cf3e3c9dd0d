import type { ToolPolicy } from "../config/schema.ts";
import { AGENT_TOOLS, type ToolName } from "./tool.ts";

/** The tools of the catalog by section; a list of tools may name a section as `group:<id>`. */
export const TOOL_SECTIONS: readonly { id: string; label: string; tools: readonly ToolName[] }[] = [
  { id: "fs", label: "Files", tools: ["read", "ls", "find", "grep", "write", "edit"] },
  { id: "runtime", label: "Runtime", tools: ["bash"] },
];

/** What lists of tools may name besides the tools. */
const NAMES: Readonly<Record<string, readonly ToolName[]>> = {
  "*": AGENT_TOOLS,
  ...Object.fromEntries(TOOL_SECTIONS.map(({ id, tools }) => [`group:${id}`, tools])),
  exec: ["bash"],
};

/** Named sets of tools. */
export const TOOL_PROFILES = { minimal: [], coding: AGENT_TOOLS, messaging: [], full: AGENT_TOOLS } as const satisfies Record<
  NonNullable<ToolPolicy["profile"]>,
  readonly ToolName[]
>;

const expand = (names: readonly string[] | undefined): readonly ToolName[] =>
  (names ?? []).flatMap((name) => {
    const key = name.trim().toLowerCase();
    return NAMES[key] ?? AGENT_TOOLS.filter((tool) => tool === key);
  });

/** A policy with the configuration key that it is from. */
export type PolicyLayer = { readonly key: string; readonly policy: ToolPolicy | undefined };

/** Who decides about the tools of a turn: the policy for all agents, the agent's own, and on a channel the chat room's. */
export type PolicyLayers = { readonly shared: PolicyLayer; readonly own: PolicyLayer; readonly room?: PolicyLayer | undefined };

/** `rule`: the configuration key that decided, or the default in words. */
export type ToolDecision = { readonly tool: ToolName; readonly isGranted: boolean; readonly rule: string };

export type Surface = "operator" | "channel";

type Verdict = Omit<ToolDecision, "tool">;

/**
 * What each tool of a turn is granted or denied by. Every layer only takes away: a tool that one list denies, that one `allow` list does
 * not name, or that the profile does not have and no `alsoAllow` adds, is denied. The agent's profile replaces the shared one. An operator
 * has what is left; a sender of a channel has of it what the agent's own policy names, so that an absent policy denies all. Pure.
 */
export function decideTools(surface: Surface, layers: PolicyLayers): readonly ToolDecision[] {
  return AGENT_TOOLS.map((tool) => ({ tool, ...(findDenial(layers, tool) ?? findGrant(surface, layers, tool)) }));
}

const names = (layer: PolicyLayer | undefined, field: "allow" | "alsoAllow" | "deny", tool: ToolName): boolean =>
  expand(layer?.policy?.[field]).includes(tool);

const deny = (rule: string): Verdict => ({ isGranted: false, rule });
const grant = (rule: string): Verdict => ({ isGranted: true, rule });
const profileRule = ({ key, policy }: PolicyLayer): string => `${key}.profile "${policy!.profile}"`;

function findDenial({ shared, own, room }: PolicyLayers, tool: ToolName): Verdict | null {
  const layers = [room, own, shared].filter((layer) => layer !== undefined);
  const denying = layers.find((layer) => names(layer, "deny", tool));
  if (denying) return deny(`${denying.key}.deny`);
  const isAdded = (layer: PolicyLayer): boolean => names(layer, "alsoAllow", tool);
  const limiting = layers.find((layer) => layer.policy?.allow !== undefined && !names(layer, "allow", tool) && !isAdded(layer));
  if (limiting) return deny(`${limiting.key}.allow`);
  const profiles: [PolicyLayer | undefined, PolicyLayer[]][] = [
    [room, layers.filter((layer) => layer === room)],
    [own.policy?.profile === undefined ? shared : own, [own, shared]],
  ];
  for (const [layer, adding] of profiles) {
    const profile = layer?.policy?.profile;
    if (profile === undefined || adding.some(isAdded)) continue;
    if (!(TOOL_PROFILES[profile] as readonly ToolName[]).includes(tool)) return deny(profileRule(layer!));
  }
  return null;
}

/** What grants a tool that nothing denies. */
function findGrant(surface: Surface, { shared, own }: PolicyLayers, tool: ToolName): Verdict {
  for (const layer of surface === "operator" ? [own, shared] : [own]) {
    if (layer.policy?.allow !== undefined) return grant(`${layer.key}.${names(layer, "allow", tool) ? "allow" : "alsoAllow"}`);
    if (names(layer, "alsoAllow", tool)) return grant(`${layer.key}.alsoAllow`);
    if (layer.policy?.profile !== undefined) return grant(profileRule(layer));
  }
  return surface === "operator"
    ? grant("operators have all tools that nothing denies")
    : deny(`senders of channels have the tools that ${own.key} names`);
}

/** The granted tools of decisions, in the order of AGENT_TOOLS. */
export const grantedTools = (decisions: readonly ToolDecision[]): readonly ToolName[] =>
  decisions.flatMap(({ tool, isGranted }) => (isGranted ? [tool] : []));
