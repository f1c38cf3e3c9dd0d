import { LIMITS } from "../core/limits.ts";
import { CHAT_COMMANDS, UNSERVED_COMMANDS, type ChatCommand, type CommandEffect, type ParsedCommand } from "../core/chat-commands.ts";
import type { SessionPatch, SessionRow } from "../store/sessions.ts";
import { QUEUE_MODES, toQueueMode } from "../core/queue-modes.ts";
import { THINKING_CHOICES, toThinkingLevel } from "../core/thinking.ts";
import { answerAcp, type AcpCommandContext } from "./acp-command.ts";
import { parseModelRef } from "./settings.ts";

/** True for a text that calls for this gateway in a room. A command of the same form may be meant for another bot there. */
export const isServedCommand = (command: ParsedCommand | null): boolean => command !== null && !command.unserved;

/** What a command may know about the gateway. */
export type CommandContext = {
  /** One line each: what `/status` says beside the session's own facts. */
  statusLines: (session: SessionRow) => readonly string[];
  /** What `/usage` says: what the session took. */
  usageLines: (session: SessionRow) => readonly string[];
  /** Names of the models that can be chosen, `provider/id`. */
  modelNames: (agentId: string) => readonly string[];
  /** Short names of models, in lower case, and what they stand for. */
  modelAliases: (agentId: string) => ReadonlyMap<string, string>;
  /** Texts that mean `/new`. */
  resetTriggers: () => readonly string[];
  /** The model that would answer now. */
  currentModel: (session: SessionRow) => string;
  /** Agents of other vendors. */
  acp: AcpCommandContext;
};

/** Something that can be chosen by a button: `value` is the command that it stands for. */
export type CommandChoice = { text: string; value: string };

export type CommandAnswer = {
  text: string;
  changes: SessionPatch;
  newSession?: boolean;
  /** The runtime forgets what it has of the conversation. */ forgets?: boolean;
  choices?: readonly CommandChoice[];
};

const byName = new Map<string, ChatCommand>(
  CHAT_COMMANDS.flatMap((command) => [command.name, ...command.aliases].map((name) => [name, command] as const)),
);

/**
 * A known command at the very start of a text; null for everything else, also for other text that begins with a slash. A text
 * that is one of `resetTriggers` (case and blanks around it do not matter) is `/new`. Pure.
 */
export function parseCommand(text: string, resetTriggers: readonly string[] = []): ParsedCommand | null {
  const match = /^\s*\/([a-z][a-z_-]{0,30})(?:@\S{1,64})?(?::|\s+|$)([^]*)$/i.exec(text);
  const name = match?.[1]!.toLowerCase() ?? "";
  const command = byName.get(name);
  const arg = match?.[2]!.trim() ?? "";
  if (UNSERVED_COMMANDS.has(name)) return { name, immediate: true, arg, unserved: true };
  if (command?.name === "acp") return parseAcpCommand(arg);
  if (command?.name === "skill" && arg !== "") return { name: "skill", immediate: false, arg, toAgent: true };
  // "/new idea: ..." is a sentence; a command without arguments stands alone.
  if (command && (command.args.length > 0 || arg === "")) return { name: command.name, immediate: command.immediate, arg };
  const whole = text.trim().toLowerCase();
  const isTrigger = whole !== "" && resetTriggers.some((trigger) => trigger.trim().toLowerCase() === whole);
  return isTrigger ? { name: "new", immediate: false, arg: "" } : null;
}

/** What changes the conversation waits for its turn in the lane; `cancel` is `/stop`. */
function parseAcpCommand(arg: string): ParsedCommand {
  const action = acpAction(arg);
  if (action === "cancel") return { name: "stop", immediate: true, arg: "" };
  const text = arg.slice(action.length).trim();
  if (action === "steer" && text !== "") return { name: "acp", immediate: false, arg: text, toAgent: true };
  return { name: "acp", immediate: !CHANGING_ACTIONS.includes(action), arg };
}

const CHANGING_ACTIONS: readonly string[] = [
  "spawn",
  "close",
  "model",
  "set-mode",
  "set",
  "cwd",
  "permissions",
  "timeout",
  "reset-options",
];

const acpAction = (arg: string): string => arg.split(/\s+/, 1)[0]!.toLowerCase();

/** Whether only owners may use a command. Pure. */
export const isForOwnersOnly = ({ name }: ParsedCommand): boolean => byName.get(name)?.ownersOnly === true;

/** What a command changes as it was written. Pure. */
export function commandEffect({ name, arg }: ParsedCommand): CommandEffect {
  const effect = byName.get(name)?.effect ?? "none";
  return effect === "settings" && arg === "" ? "none" : effect;
}

/**
 * Why a sender who may change only what is theirs may not use a command in a room, where all members share the session; null when they
 * may. Stopping is limited to their own answers elsewhere. Pure.
 */
export function refuseInRoom(command: ParsedCommand): string | null {
  const effect = commandEffect(command);
  if (effect === "none" || effect === "turns") return null;
  return `/${command.name} changes this conversation for everybody in it, so only an owner may use it here (commands.ownerAllowFrom or commands.allowFrom).`;
}

/** What the command says and which columns of the session it changes. Pure, but for what `context` reads. */
export function answerCommand(command: ParsedCommand, session: SessionRow, context: CommandContext): CommandAnswer {
  switch (command.name) {
    case "help":
      return { text: helpText(), changes: {} };
    case "status":
      return { text: context.statusLines(session).join("\n"), changes: {} };
    case "usage":
      return answerUsage(command.arg, session, context);
    case "stop":
      return { text: "Stopped.", changes: {} };
    case "new":
    case "reset":
      return { text: "This is a new conversation. What can I do for you?", changes: {}, newSession: true };
    case "model":
      return answerModel(command.arg, session, context);
    case "think":
      return answerThink(command.arg, session);
    case "verbose":
      return answerVerbose(command.arg, session);
    case "queue":
      return answerQueue(command.arg, session);
    case "acp":
      return answerAcp(command.arg, session, context.acp);
    case "activation":
      return answerActivation(command.arg, session);
    default:
      return { text: `/${command.name} is not served here; /help lists the commands that are.`, changes: {} };
  }
}

function helpText(): string {
  const lines = CHAT_COMMANDS.map((command) => {
    const args = command.args.map((arg) => (arg.required ? `<${arg.name}>` : `[${arg.name}]`));
    return `${["/" + command.name, ...args].join(" ")}: ${command.description}`;
  });
  return ["Write to me as you would to a person. These commands are for the gateway itself:", ...lines].join("\n");
}

function answerModel(arg: string, session: SessionRow, context: CommandContext): CommandAnswer {
  const names = context.modelNames(session.agent_id);
  if (arg === "") {
    const list = names.slice(0, 20).map((name) => `- ${name}`);
    return {
      text: [`Model: ${context.currentModel(session)}`, "Choose another one with /model provider/id:", ...list].join("\n"),
      changes: {},
      choices: names.slice(0, LIMITS.modelButtons).map((name) => ({ text: name, value: `/model ${name}` })),
    };
  }
  if (arg === "default") return { text: "This session follows the agent's model again.", changes: { model: null } };
  const wanted = context.modelAliases(session.agent_id).get(arg.toLowerCase()) ?? arg;
  const name = names.find((each) => each === wanted) ?? findUniqueMatch(names, wanted);
  if (!name || !parseModelRef(name))
    return { text: `There is no model "${arg.slice(0, 80)}" here. /model lists those that can be chosen.`, changes: {} };
  return { text: `This session uses ${name} from the next message on.`, changes: { model: name } };
}

/** "haiku" is enough when exactly one model has it in its name. */
function findUniqueMatch(names: readonly string[], part: string): string | undefined {
  const hits = names.filter((name) => name.toLowerCase().includes(part.toLowerCase()));
  return hits.length === 1 ? hits[0] : undefined;
}

/** The line below each answer, which OpenClaw switches with this command, is not served. */
function answerUsage(arg: string, session: SessionRow, context: CommandContext): CommandAnswer {
  const part = arg.toLowerCase();
  if (part === "" || part === "cost") return { text: context.usageLines(session).join("\n"), changes: {} };
  return { text: `/usage ${arg.slice(0, 40)} is not served here; /usage shows what this conversation took.`, changes: {} };
}

function answerThink(arg: string, session: SessionRow): CommandAnswer {
  if (arg === "") return { text: `Thinking: ${session.thinking ?? "default"}. Set it with /think off, low, medium or high.`, changes: {} };
  if (arg === "default") return { text: "This session follows the agent's thinking level again.", changes: { thinking: null } };
  const level = toThinkingLevel(arg.toLowerCase());
  if (level === null) return { text: `"${arg.slice(0, 40)}" is not a level. Levels: ${THINKING_CHOICES.join(", ")}.`, changes: {} };
  return { text: `Thinking is ${level} from the next message on.`, changes: { thinking: level } };
}

function answerVerbose(arg: string, session: SessionRow): CommandAnswer {
  const level = arg.toLowerCase();
  if (level === "") return { text: `Verbose: ${session.verbose_level ?? "default"}. Set it with /verbose off, on or full.`, changes: {} };
  if (level === "default") return { text: "This session follows each client's own choice again.", changes: { verbose_level: null } };
  if (!["off", "on", "full"].includes(level)) return { text: `"${arg.slice(0, 40)}" is not a level. Levels: off, on, full.`, changes: {} };
  return { text: `Verbose is ${level} for this session.`, changes: { verbose_level: level } };
}

function answerQueue(arg: string, session: SessionRow): CommandAnswer {
  const mode = arg.toLowerCase();
  if (mode === "") return { text: `Queue: ${session.queue_mode ?? "default"}. Set it with /queue ${QUEUE_MODES.join(", ")}.`, changes: {} };
  if (mode === "default" || mode === "reset")
    return { text: "This session follows the configured queue mode again.", changes: { queue_mode: null } };
  if (toQueueMode(mode) === null)
    return { text: `"${arg.slice(0, 40)}" is not a queue mode. Modes: ${QUEUE_MODES.join(", ")}.`, changes: {} };
  return { text: `Messages that arrive during an answer: ${mode}.`, changes: { queue_mode: mode } };
}

function answerActivation(arg: string, session: SessionRow): CommandAnswer {
  if (session.chat_kind === "direct") return { text: "/activation is for groups: in a direct conversation I always answer.", changes: {} };
  const mode = arg.toLowerCase();
  if (mode === "")
    return { text: `Activation: ${session.activation ?? "mention"}. Set it with /activation always or /activation mention.`, changes: {} };
  if (mode !== "always" && mode !== "mention")
    return { text: `"${arg.slice(0, 40)}" is not an activation. Say always or mention.`, changes: {} };
  return { text: mode === "always" ? "I answer every message here." : "I answer here when I am mentioned.", changes: { activation: mode } };
}
