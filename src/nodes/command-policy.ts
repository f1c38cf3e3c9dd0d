import type { NodeSurface } from "../store/nodes.ts";
import {
  ADMIN_COMMANDS,
  HOST_COMMANDS,
  OPT_IN_COMMANDS,
  PLATFORM_COMMANDS,
  RESERVED_COMMANDS,
  type NodePlatform,
} from "./platform-commands.ts";

/** What the configuration says: `gateway.nodes.commands`. */
export type NodeCommandConfig = { allow: readonly string[]; deny: readonly string[] };

/** Why a command of a node may run or not. */
export const COMMAND_REASONS = {
  allowed: "allowed",
  configured: "allowed by gateway.nodes.commands.allow",
  denied: "denied by gateway.nodes.commands.deny",
  "opt-in": "it acts on a person's device or reads private data: it has to be named in gateway.nodes.commands.allow",
  platform: "it is not one of the commands of this platform; gateway.nodes.commands.allow can name it",
  "not-approved": "no person has approved it for this node",
  "not-declared": "the node does not offer it",
  reserved: "it belongs to exec.approvals.node.get and exec.approvals.node.set",
} as const;
export type CommandReason = keyof typeof COMMAND_REASONS;

export type CommandDecision = { command: string; isAllowed: boolean; reason: CommandReason };

export type CommandFacts = {
  platform: NodePlatform;
  declared: NodeSurface;
  approved: NodeSurface | null;
  config: NodeCommandConfig;
};

/** What the configuration says about a command on a platform, for every node. Pure. */
function decideByConfig(command: string, platform: NodePlatform, { allow, deny }: NodeCommandConfig): CommandReason {
  if (deny.includes(command)) return "denied";
  if (allow.includes(command)) return "configured";
  if (OPT_IN_COMMANDS.has(command)) return "opt-in";
  return PLATFORM_COMMANDS[platform].has(command) ? "allowed" : "platform";
}

/** Whether a command may run on a node now: declared by it, approved by a person, and allowed by the configuration. Pure. */
export function decideCommand(command: string, { platform, declared, approved, config }: CommandFacts): CommandDecision {
  const reason = ((): CommandReason => {
    if (!declared.commands.includes(command)) return "not-declared";
    const byConfig = decideByConfig(command, platform, config);
    if (byConfig !== "allowed" && byConfig !== "configured") return byConfig;
    return approved?.commands.includes(command) ? byConfig : "not-approved";
  })();
  return { command, reason, isAllowed: reason === "allowed" || reason === "configured" };
}

/** All commands that a node declares, each with the reason. Pure. */
export const decideCommands = (facts: CommandFacts): CommandDecision[] =>
  facts.declared.commands.map((command) => decideCommand(command, facts));

/** What a person may approve of a declared surface: what the platform has, and what the configuration names or may name later. Pure. */
export function approvableSurface(declared: NodeSurface, platform: NodePlatform, config: NodeCommandConfig): NodeSurface {
  const commands = declared.commands.filter((command) => decideByConfig(command, platform, config) !== "platform");
  return { ...declared, commands: commands.toSorted(), caps: declared.caps.toSorted() };
}

/** What counts of a node now. Pure. */
export function effectiveSurface(facts: CommandFacts): NodeSurface {
  const { declared, approved } = facts;
  if (approved === null) return { caps: [], commands: [], permissions: {} };
  return {
    caps: declared.caps.filter((cap) => approved.caps.includes(cap)).toSorted(),
    commands: decideCommands(facts)
      .filter(({ isAllowed }) => isAllowed)
      .map(({ command }) => command)
      .toSorted(),
    permissions: Object.fromEntries(Object.entries(declared.permissions).filter(([name]) => approved.permissions[name] !== undefined)),
  };
}

/** Whether a surface has something that a person has not approved. Pure. */
export function isWider(declared: NodeSurface, approved: NodeSurface | null): boolean {
  if (approved === null) return true;
  return (
    declared.commands.some((command) => !approved.commands.includes(command)) ||
    declared.caps.some((cap) => !approved.caps.includes(cap)) ||
    Object.keys(declared.permissions).some((name) => approved.permissions[name] === undefined)
  );
}

/** The scopes that approving a surface takes: programs and files of a machine are an administrator's business. Pure. */
export function approvalScopes({ commands }: NodeSurface): ("operator.pairing" | "operator.write" | "operator.admin")[] {
  if (commands.some((command) => HOST_COMMANDS.has(command) || OPT_IN_COMMANDS.has(command))) return ["operator.pairing", "operator.admin"];
  return commands.length > 0 ? ["operator.pairing", "operator.write"] : ["operator.pairing"];
}

/** The scope that a call of a command takes; null: it cannot be called directly. Pure. */
export function scopeOfCommand(command: string): "operator.write" | "operator.admin" | null {
  if (RESERVED_COMMANDS.has(command)) return null;
  return ADMIN_COMMANDS.has(command) ? "operator.admin" : "operator.write";
}

/** Whether a person is asked before an agent runs a command: all but those that only say what a device is or offers. Pure. */
export const needsPerson = (command: string): boolean => !UNASKED_COMMANDS.has(command);
const UNASKED_COMMANDS: ReadonlySet<string> = new Set([
  "camera.list",
  "device.info",
  "device.status",
  "device.health",
  "device.permissions",
  "system.which",
  "system.notify",
  "watch.status",
  "canvas.present",
  "canvas.hide",
  "ollama.models",
]);

/** What commands do, in words for the person who approves them. */
const COMMAND_WORDS: readonly [prefix: string, words: string][] = [
  ["system.run", "run programs"],
  ["system.which", "find programs"],
  ["system.execApprovals", "manage its own list of allowed programs"],
  ["system.notify", "show notifications"],
  ["camera.list", "list cameras"],
  ["camera.", "use cameras"],
  ["screen.", "see the screen"],
  ["desktop.", "see the screen"],
  ["computer.", "use keyboard and mouse"],
  ["mobile.ui.", "use the touch screen"],
  ["location.", "tell its location"],
  ["contacts.", "use contacts"],
  ["calendar.", "use the calendar"],
  ["reminders.", "use reminders"],
  ["sms.", "read and send text messages"],
  ["callLog.", "read the call log"],
  ["photos.", "read photos"],
  ["health.", "read health data"],
  ["motion.", "read motion data"],
  ["notifications.", "read and answer notifications"],
  ["file.", "read and write files"],
  ["dir.", "read and write files"],
  ["fs.", "list files"],
  ["terminal.", "receive files"],
  ["browser.", "use its browser"],
  ["mcp.", "call its MCP servers"],
  ["ollama.", "use its local models"],
  ["talk.", "use the microphone"],
  ["canvas.", "show pages"],
  ["device.", "tell what it is"],
  ["watch.", "reach a watch"],
];

/** What a list of commands means, one phrase for each kind. Pure. */
export function describeCommands(commands: readonly string[]): string[] {
  const words = commands.map((command) => COMMAND_WORDS.find(([prefix]) => command.startsWith(prefix))?.[1] ?? command);
  return [...new Set(words)];
}
