import type { ToolPolicy } from "../config/schema.ts";
import {
  effectOf,
  isMcpToolName,
  isPluginToolName,
  OTHER_NAMES,
  TOOL_NAMES,
  TOOL_SECTIONS,
  TOOLS,
  type ToolEffect,
  type ToolName,
  type ToolSection,
} from "./tool.ts";
import { isWebToolEnabled, WEB_TOOL_KEYS } from "./web/web-settings.ts";

export const SECTIONS = Object.keys(TOOL_SECTIONS) as readonly ToolSection[];

const toolsOf = (isOne: (tool: ToolName) => boolean): readonly ToolName[] => TOOL_NAMES.filter(isOne);

/** The tools of a section. */
export const sectionTools = (section: ToolSection): readonly ToolName[] => toolsOf((tool) => TOOLS[tool].section === section);

/** What lists of tools may name besides the tools. */
const NAMES: Readonly<Record<string, readonly ToolName[]>> = {
  "*": TOOL_NAMES,
  ...Object.fromEntries(SECTIONS.map((section) => [`group:${section}`, sectionTools(section)])),
  ...Object.fromEntries(Object.entries(OTHER_NAMES).map(([name, tool]) => [name, [tool]])),
  "bundle-mcp": ["mcp"],
};

export type ToolProfile = NonNullable<ToolPolicy["profile"]>;

/** Whether a profile, a named set of tools, has a tool. */
export const isInProfile = (profile: ToolProfile, tool: ToolName): boolean =>
  profile === "full" || (TOOLS[tool].profiles as readonly ToolProfile[]).includes(profile);

const expand = (names: readonly string[] | undefined): readonly ToolName[] =>
  (names ?? []).flatMap((name) => {
    const key = name.trim().toLowerCase();
    return Object.hasOwn(NAMES, key) ? NAMES[key]! : TOOL_NAMES.filter((tool) => tool === key);
  });

/** A policy with the configuration key that it is from. */
export type PolicyLayer = { readonly key: string; readonly policy: ToolPolicy | undefined };

/** Who decides about the tools of a turn: the policy for all agents, the agent's own, and on a channel the chat room's. */
export type PolicyLayers = {
  readonly shared: PolicyLayer;
  readonly own: PolicyLayer;
  readonly room?: PolicyLayer | undefined;
  /** Tools that a setting outside of these policies switches off: tool -> its key. */
  readonly off?: Readonly<Partial<Record<ToolName, string>>>;
};

/** `rule`: the configuration key that decided, or the default in words. */
export type ToolDecision = { readonly tool: ToolName; readonly isGranted: boolean; readonly rule: string };

export type Surface = "operator" | "channel";

type Verdict = Omit<ToolDecision, "tool">;

/** What a policy decides about, and which lists and profiles concern it. */
type Subject = {
  readonly tool: ToolName;
  readonly isNamed: (list: readonly string[] | undefined) => boolean;
  readonly isDenied: (list: readonly string[] | undefined) => boolean;
};

/** Whether an entry of a list can mean a tool of a plugin. */
const mayBePluginTool = (entry: string): boolean => {
  const key = entry.trim().toLowerCase();
  return !Object.hasOwn(NAMES, key) && isPluginToolName(key) && !key.startsWith("group:");
};

/**
 * A list that denies a tool denies whatever has the same effect: who may not write a file may not edit one either. A list that allows one
 * tool of a server allows `mcp`, so that a turn can have it, and one of a plugin `plugins`.
 */
const subjectOf = (tool: ToolName): Subject => ({
  tool,
  isNamed: (list = []) =>
    expand(list).includes(tool) || (tool === "mcp" && list.some(isMcpToolName)) || (tool === "plugins" && list.some(mayBePluginTool)),
  isDenied: (list) => expand(list).some((denied) => effectOf(denied) === effectOf(tool)),
});

/** One tool of an MCP server: lists name it, with `*` at the end all that begin so, or all of these tools as `mcp`. */
function mcpSubjectOf(name: string): Subject {
  const given = name.toLowerCase();
  const isNamed = (list: readonly string[] = []): boolean =>
    expand(list).includes("mcp") ||
    list.some((each) => {
      const entry = each.trim().toLowerCase();
      return isMcpToolName(entry) && (entry === given || (entry.endsWith("*") && given.startsWith(entry.slice(0, -1))));
    });
  return { tool: "mcp", isNamed, isDenied: isNamed };
}

/** One tool of a plugin: lists name it, or all of them as `plugins`. Who denies a built-in tool denies it where it has the same effect. */
function pluginSubjectOf(name: string, effect: ToolEffect): Subject {
  const isNamed = (list: readonly string[] = []): boolean =>
    expand(list).includes("plugins") || list.some((entry) => entry.trim().toLowerCase() === name);
  return { tool: "plugins", isNamed, isDenied: (list) => isNamed(list) || expand(list).some((denied) => effectOf(denied) === effect) };
}

/**
 * What each tool of a turn is granted or denied by. Every layer only takes away: a tool that one list denies, that one `allow` list does
 * not name, or that the profile does not have and no `alsoAllow` adds, is denied. The agent's profile replaces the shared one, and so does
 * its switch for `apply_patch`. An operator
 * has what is left; a sender of a channel has of it what the agent's own policy names, so that an absent policy denies all. Pure.
 */
export const decideTools = (surface: Surface, layers: PolicyLayers): readonly ToolDecision[] =>
  TOOL_NAMES.map((tool) => ({ tool, ...(findSwitch(layers, tool) ?? decide(surface, layers, subjectOf(tool))) }));

/**
 * What grants or denies one tool of an MCP server, `<server>__<tool>`: as decideTools, with the lists that name the tool or its server. A
 * turn that is not granted `mcp` has none of these tools. Pure.
 */
export const decideMcpTool = (layers: PolicyLayers, surface: Surface, name: string): Verdict => decide(surface, layers, mcpSubjectOf(name));

/**
 * What grants or denies one tool of a plugin: as decideTools, with the lists that name it or deny its effect. A turn that is not granted
 * `plugins` has none of these tools. Pure.
 */
export const decidePluginTool = (layers: PolicyLayers, surface: Surface, { name, effect }: { name: string; effect: ToolEffect }): Verdict =>
  findSwitch(layers, "plugins") ?? decide(surface, layers, pluginSubjectOf(name, effect));

const decide = (surface: Surface, layers: PolicyLayers, subject: Subject): Verdict =>
  findDenial(layers, subject) ?? findGrant(surface, layers, subject);

/** Whether a list of `layers` denies what has an effect. */
export const isEffectDenied = ({ shared, own, room }: PolicyLayers, effect: ToolEffect): boolean =>
  [shared, own, room].some((layer) => expand(layer?.policy?.deny).some((denied) => effectOf(denied) === effect));

const deny = (rule: string): Verdict => ({ isGranted: false, rule });
const grant = (rule: string): Verdict => ({ isGranted: true, rule });
const profileRule = ({ key, policy }: PolicyLayer): string => `${key}.profile "${policy!.profile}"`;

/** A tool that is switched off. */
function findSwitch({ shared, off }: PolicyLayers, tool: ToolName): Verdict | null {
  const key = off?.[tool];
  if (key !== undefined) return deny(key);
  return (tool === "web_fetch" || tool === "web_search") && !isWebToolEnabled(shared.policy ? { tools: shared.policy } : {}, tool)
    ? deny(WEB_TOOL_KEYS[tool])
    : null;
}

function findDenial({ shared, own, room }: PolicyLayers, { tool, isNamed, isDenied }: Subject): Verdict | null {
  if (tool === "apply_patch") {
    const layer = [own, shared].find(({ policy }) => policy?.exec?.applyPatch !== undefined);
    if (layer?.policy?.exec?.applyPatch?.enabled === false) return deny(`${layer.key}.exec.applyPatch.enabled`);
  }
  const layers = [room, own, shared].filter((layer) => layer !== undefined);
  const denying = layers.find((layer) => isDenied(layer.policy?.deny));
  if (denying) return deny(`${denying.key}.deny`);
  const isAdded = (layer: PolicyLayer): boolean => isNamed(layer.policy?.alsoAllow);
  const limiting = layers.find((layer) => layer.policy?.allow !== undefined && !isNamed(layer.policy.allow) && !isAdded(layer));
  if (limiting) return deny(`${limiting.key}.allow`);
  const profiles: [PolicyLayer | undefined, PolicyLayer[]][] = [
    [room, layers.filter((layer) => layer === room)],
    [own.policy?.profile === undefined ? shared : own, [own, shared]],
  ];
  for (const [layer, adding] of profiles) {
    const profile = layer?.policy?.profile;
    if (profile === undefined || adding.some(isAdded)) continue;
    if (!isInProfile(profile, tool)) return deny(profileRule(layer!));
  }
  return null;
}

/** What grants a tool that nothing denies. */
function findGrant(surface: Surface, { shared, own }: PolicyLayers, { isNamed }: Subject): Verdict {
  for (const layer of surface === "operator" ? [own, shared] : [own]) {
    if (layer.policy?.allow !== undefined) return grant(`${layer.key}.${isNamed(layer.policy.allow) ? "allow" : "alsoAllow"}`);
    if (isNamed(layer.policy?.alsoAllow)) return grant(`${layer.key}.alsoAllow`);
    if (layer.policy?.profile !== undefined) return grant(profileRule(layer));
  }
  return surface === "operator"
    ? grant("operators have all tools that nothing denies")
    : deny(`senders of channels have the tools that ${own.key} names`);
}

/** The granted tools of decisions, in the order of TOOL_NAMES. */
export const grantedTools = (decisions: readonly ToolDecision[]): readonly ToolName[] =>
  decisions.flatMap(({ tool, isGranted }) => (isGranted ? [tool] : []));
