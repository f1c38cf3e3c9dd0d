import { QUEUE_MODES } from "./queue-modes.ts";
import { THINKING_CHOICES } from "./thinking.ts";

/** `turns`: it ends running turns; `conversation`: it starts a new one. */
export type CommandEffect = "none" | "settings" | "conversation" | "turns";

/** One chat command: works in every channel, because the gateway reads it before the agent does. */
export type ChatCommand = {
  name: string;
  aliases: readonly string[];
  description: string;
  category: "session" | "status" | "options";
  /** What the command changes; a command of `settings` without an argument only shows them. */
  effect: CommandEffect;
  /** Answered at once, even while turns run or wait in the session; other commands wait in the lane. */
  immediate: boolean;
  /** Only owners may use it. */
  ownersOnly?: true;
  args: readonly { name: string; description: string; required: boolean; choices?: readonly string[] }[];
};

/**
 * Commands that official clients offer and that are not served here. The gateway answers that they are not available: an agent that
 * received them would claim to have done them.
 */
export const UNSERVED_COMMANDS: ReadonlySet<string> = new Set(
  (
    "agents allowlist bash btw clear codex compact config context dashboard debug diagnostics dock elev elevated exec export " +
    "export-session export-trajectory fast focus fork goal id kill learn login loop mcp models name pair plugin plugins reason reasoning " +
    "redirect restart rewind send session sessions side steer subagents tasks tell tools trace trajectory tts unfocus update " +
    "voice whoami"
  ).split(" "),
);

/** Every text with "/" that the gateway answers; other text with a slash is passed to the agent unchanged. */
export const CHAT_COMMANDS: readonly ChatCommand[] = [
  {
    name: "help",
    aliases: ["commands"],
    description: "Show what you can say here.",
    category: "status",
    effect: "none",
    immediate: true,
    args: [],
  },
  {
    name: "status",
    aliases: [],
    description: "Show the session, its model and its queue.",
    category: "status",
    effect: "none",
    immediate: true,
    args: [],
  },
  {
    name: "usage",
    aliases: [],
    description: "Show what this conversation took of models.",
    category: "status",
    effect: "none",
    immediate: true,
    args: [{ name: "cost", description: "cost shows the same", required: false, choices: ["cost"] }],
  },
  {
    name: "stop",
    aliases: ["abort"],
    description: "Stop the answer that is being written and forget what waits.",
    category: "session",
    effect: "turns",
    immediate: true,
    args: [],
  },
  {
    name: "approve",
    aliases: [],
    description: "Answer a question about a command of the agent.",
    category: "session",
    effect: "none",
    immediate: true,
    args: [
      { name: "id", description: "the characters in the question", required: true },
      {
        name: "decision",
        description: "allow-once, allow-always, deny, a time such as 1h, or session",
        required: true,
        choices: ["allow-once", "1h", "session", "allow-always", "deny"],
      },
    ],
  },
  {
    name: "new",
    aliases: [],
    description: "Start a new conversation.",
    category: "session",
    effect: "conversation",
    immediate: false,
    args: [],
  },
  {
    name: "reset",
    aliases: [],
    description: "Forget this conversation and start again.",
    category: "session",
    effect: "conversation",
    immediate: false,
    args: [],
  },
  {
    name: "model",
    aliases: [],
    description: "Show or choose the model of this session.",
    category: "options",
    effect: "settings",
    immediate: false,
    args: [{ name: "model", description: "provider/id, or default", required: false }],
  },
  {
    name: "think",
    aliases: ["thinking", "t"],
    description: "Show or set how much the model thinks.",
    category: "options",
    effect: "settings",
    immediate: false,
    args: [{ name: "level", description: "level, or default", required: false, choices: THINKING_CHOICES }],
  },
  {
    name: "verbose",
    aliases: ["v"],
    description: "Show or set whether clients show the tools of this session.",
    category: "options",
    effect: "settings",
    immediate: false,
    args: [{ name: "level", description: "off, on, full, or default", required: false, choices: ["off", "on", "full", "default"] }],
  },
  {
    name: "queue",
    aliases: [],
    description: "Show or set what happens to messages that arrive while an answer is being written.",
    category: "options",
    effect: "settings",
    immediate: false,
    args: [{ name: "mode", description: "mode, or default", required: false, choices: [...QUEUE_MODES, "default"] }],
  },
  {
    name: "acp",
    aliases: [],
    description: "Let an agent of another vendor answer here, show it, or end it.",
    category: "session",
    effect: "settings",
    immediate: false,
    ownersOnly: true,
    args: [
      {
        name: "action",
        description: "what to do",
        required: false,
        choices: [
          "spawn",
          "status",
          "model",
          "set-mode",
          "set",
          "cwd",
          "permissions",
          "timeout",
          "reset-options",
          "steer",
          "cancel",
          "close",
          "sessions",
          "install",
        ],
      },
      {
        name: "value",
        description: "name of the agent, the model or the mode, an option with its value, a directory, seconds, or the text",
        required: false,
      },
    ],
  },
  {
    name: "skill",
    aliases: [],
    description: "Show the skills, or have the agent use one.",
    category: "options",
    effect: "none",
    immediate: false,
    args: [
      { name: "name", description: "name of the skill", required: false },
      { name: "request", description: "what to do with it", required: false },
    ],
  },
  {
    name: "activation",
    aliases: [],
    description: "In a group: answer always, or only when mentioned.",
    category: "options",
    effect: "settings",
    immediate: false,
    args: [{ name: "mode", description: "always or mention", required: false, choices: ["always", "mention"] }],
  },
];

/** A command as it was found in a text. */
export type ParsedCommand = {
  name: string;
  immediate: boolean;
  arg: string;
  /** Answered as one that is not served. */
  unserved?: true;
  /** It asks the agent for a skill: the gateway passes it on. */
  toAgent?: true;
};
