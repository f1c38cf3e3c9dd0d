import type { ToolName } from "../agents/runtime.ts";
import type { ParsedCommand } from "../core/chat-commands.ts";
import type { AgentId } from "../core/ids.ts";
import { clip } from "../core/text.ts";

/** The skills of one turn. */
export type TurnSkills = {
  /** The list for the system prompt; empty for none. */
  list: string;
  /** The skills that people may ask for, with the file that says what to do. */
  invocable: readonly { name: string; description: string; file: string }[];
};

/** Which skills a turn of this agent with these tools has. */
export type TurnSkillSource = (agentId: AgentId, tools: readonly ToolName[]) => Promise<TurnSkills>;

export const NO_SKILLS: TurnSkills = { list: "", invocable: [] };

/** Skills that are named in one answer, and the characters of the description of each. */
const LISTED = 60;
const LISTED_CHARS = 100;

/** Whether the gateway itself carries out a command; a request for a skill goes to the agent. */
export const isForGateway = (command: ParsedCommand | null): command is ParsedCommand => command !== null && !command.toAgent;

/** The skill that a request begins with; the rest of the request is for the agent. */
export function findSkill(request: string, { invocable }: TurnSkills): TurnSkills["invocable"][number] | null {
  const text = request.toLowerCase();
  const begins = (name: string): boolean => text === name || (text.startsWith(name) && /\s/.test(text[name.length]!));
  const found = invocable.filter(({ name }) => begins(name.toLowerCase()));
  return found.toSorted((a, b) => b.name.length - a.name.length)[0] ?? null;
}

/** The name of the skill that a request asks for; null when there is none. */
export const requestedSkill = (request: string, skills: TurnSkills): string | null => findSkill(request, skills)?.name ?? null;

/** What the agent reads about a request for a skill. */
export function skillNote(request: string, skills: TurnSkills): string {
  const skill = findSkill(request, skills);
  if (skill === null) return "[The message asks for a skill that is not available here. Say so.]";
  return `[The message asks for the skill ${skill.name}: read ${skill.file} first and follow it. What comes after the name of the skill is the request.]`;
}

/** What the gateway answers to a request for an unknown skill; null when the skill exists. */
export function unknownSkillText(request: string, skills: TurnSkills): string | null {
  if (findSkill(request, skills) !== null) return null;
  const name = request.split(/\s/, 1)[0]!.slice(0, 64);
  if (skills.invocable.length === 0) return NO_SKILL_TEXT;
  return `Skill "${name}" was not found in this conversation. /skill lists the available ones.`;
}

const NO_SKILL_TEXT = "There are no skills in this conversation: the agent has none, or it may not read files here.";

/** The answer to `/skill` alone. */
export function skillListText({ invocable }: TurnSkills): string {
  if (invocable.length === 0) return NO_SKILL_TEXT;
  const lines = invocable.slice(0, LISTED).map(({ name, description }) => `- ${name}: ${clip(description, LISTED_CHARS)}`);
  const rest = invocable.length > LISTED ? [`and ${invocable.length - LISTED} more`] : [];
  return ["Ask for a skill with /skill <name> <request>:", ...lines, ...rest].join("\n");
}
