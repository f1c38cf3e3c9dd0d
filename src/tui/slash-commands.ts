import type { CommandRow } from "../client/conversation/protocol-types.ts";
import { sanitizeLine } from "../cli/terminal-text.ts";
import { QUEUE_MODE_HELP, type QueueMode } from "../core/queue-modes.ts";

/** What this program does itself; every other text with a slash goes to the gateway. */
export type LocalCommand = {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly help: string;
  /** What may follow; a gateway's command of the same name takes over where it is `none` and something follows. */
  readonly takes: "none" | "agent" | "model" | "session" | "text" | "copy" | "file";
};

export const LOCAL_COMMANDS = [
  { name: "help", aliases: [], help: "Show the keys and commands.", takes: "none" },
  { name: "sessions", aliases: ["session"], help: "Choose a session, or open the one that is named.", takes: "session" },
  { name: "model", aliases: ["models"], help: "Choose the model of this session.", takes: "model" },
  { name: "agents", aliases: ["agent"], help: "Choose an agent, or talk to the one that is named.", takes: "agent" },
  { name: "new", aliases: [], help: "Start another session; this one stays in the list.", takes: "none" },
  { name: "reset", aliases: [], help: "Forget this conversation and start again, after a question.", takes: "none" },
  { name: "search", aliases: ["find"], help: "Search in this conversation.", takes: "text" },
  { name: "attach", aliases: [], help: "Add a file to the next message.", takes: "file" },
  { name: "detach", aliases: [], help: "Take the files of the next message away.", takes: "none" },
  { name: "copy", aliases: [], help: "Copy the last answer, its last code block, or the conversation.", takes: "copy" },
  { name: "requests", aliases: ["inbox"], help: "Answer questions and access requests.", takes: "none" },
  { name: "tools", aliases: [], help: "Open or fold all tool calls.", takes: "none" },
  { name: "thoughts", aliases: [], help: "Open or fold the thoughts of the model.", takes: "none" },
  { name: "steer", aliases: [], help: `Send a message that ${QUEUE_MODE_HELP.steer}.`, takes: "text" },
  { name: "followup", aliases: [], help: `Send a message that ${QUEUE_MODE_HELP.followup}.`, takes: "text" },
  { name: "interrupt", aliases: [], help: `Send a message that ${QUEUE_MODE_HELP.interrupt}.`, takes: "text" },
  { name: "quit", aliases: ["exit"], help: "Leave.", takes: "none" },
] as const satisfies readonly LocalCommand[];

export type LocalName = (typeof LOCAL_COMMANDS)[number]["name"];

export const COPY_CHOICES = ["answer", "code", "all"] as const;
export type CopyChoice = (typeof COPY_CHOICES)[number];

/** What a submitted text is. */
export type TypedText =
  | { readonly kind: "empty" }
  | { readonly kind: "local"; readonly name: LocalName; readonly rest: string }
  | { readonly kind: "send"; readonly text: string; readonly mode?: QueueMode }
  /** Other programs run a line like this on the person's own machine. This one does not, and asks before it sends it. */
  | { readonly kind: "ask-shell"; readonly text: string };

const MODES: readonly string[] = ["steer", "followup", "interrupt"];

/**
 * Decides about a text. Only a single line can be a command of this program: a paste that begins with a slash is a message. `asked` is the
 * text about which the person was asked last.
 */
export function toSubmission(typed: string, asked: string | null): TypedText {
  const text = typed.trim();
  if (text === "") return { kind: "empty" };
  if (text.startsWith("!") && text !== "!" && text !== asked) return { kind: "ask-shell", text };
  const found = text.includes("\n") ? null : /^\/([a-z-]+)(?:\s+(.*))?$/i.exec(text);
  const word = found?.[1]?.toLowerCase();
  const rest = found?.[2]?.trim() ?? "";
  const command = LOCAL_COMMANDS.find(({ name, aliases }) => name === word || (aliases as readonly string[]).includes(word ?? ""));
  if (command === undefined) return { kind: "send", text };
  if (MODES.includes(command.name) && rest !== "") return { kind: "send", text: rest, mode: command.name as QueueMode };
  // What follows a command that takes nothing here is for the gateway's command of that name.
  if (rest !== "" && command.takes === "none") return { kind: "send", text };
  if (rest !== "" && command.name === "model") return { kind: "send", text: `/model ${rest}` };
  return { kind: "local", name: command.name, rest };
}

export type Completion = { readonly value: string; readonly label: string; readonly description: string };

/** What there is to choose from, as far as the gateway has said. */
export type CompletionSources = {
  readonly commands: readonly CommandRow[];
  readonly models: readonly string[];
  readonly agents: readonly string[];
  readonly sessions: readonly string[];
  /** Paths that a typed beginning may mean. */
  readonly paths: (typed: string) => readonly string[];
};

/** `prefix` is what a completion replaces: the end of the text before the cursor. */
export type Completions = { readonly prefix: string; readonly items: readonly Completion[] };

/** Completes the command, or its first argument, before the cursor; null where there is nothing to complete. */
export function completionsOf(before: string, sources: CompletionSources): Completions | null {
  const name = /^\/([a-z-]*)$/i.exec(before);
  if (name !== null) return orNull({ prefix: before, items: commandCompletions(name[1]!.toLowerCase(), sources) });
  const file = /^\/attach\s+(.*)$/i.exec(before);
  if (file !== null) return pathCompletions(file[1]!, sources);
  const argument = /^\/([a-z-]+)\s+(\S*)$/i.exec(before);
  if (argument === null) return null;
  const typed = argument[2]!;
  const all = argumentWords(argument[1]!.toLowerCase(), sources);
  // The next Enter sends what is complete already.
  if (all.includes(typed)) return null;
  const words = all.filter((word) => word.toLowerCase().includes(typed.toLowerCase()));
  return orNull({ prefix: typed, items: words.map((word) => ({ value: word, label: word, description: "" })) });
}

const nameOf = (path: string): string => /[^/]*\/?$/.exec(path)![0];

/** A complete path is left alone, so that the next Enter attaches it. */
function pathCompletions(typed: string, { paths }: CompletionSources): Completions | null {
  const found = paths(typed);
  if (found.includes(typed)) return null;
  return orNull({ prefix: typed, items: found.map((path) => ({ value: path, label: sanitizeLine(nameOf(path)), description: "" })) });
}

const orNull = (found: Completions): Completions | null => (found.items.length === 0 ? null : found);

/** Our own first; a command of the gateway with the name of one of ours is that one. */
function commandCompletions(typed: string, sources: CompletionSources): readonly Completion[] {
  const { commands } = sources;
  const own = LOCAL_COMMANDS.flatMap(({ name, aliases, help }) =>
    matching(name, aliases, typed).map((word) => ({ word, help: help as string })),
  );
  const taken = new Set<string>(LOCAL_COMMANDS.flatMap(({ name, aliases }) => [name, ...aliases]));
  const theirs = commands.flatMap(({ name, textAliases = [], description = "" }) => {
    const aliases = textAliases.map((alias) => alias.replace(/^\//, "")).filter((alias) => alias !== name);
    return matching(name, aliases, typed).map((word) => ({ word, help: description }));
  });
  const all = [...own, ...theirs.filter(({ word }) => !taken.has(word))];
  return all.map(({ word, help }) => ({
    value: `/${word}${word === "attach" || argumentWords(word, sources).length > 0 ? " " : ""}`,
    label: `/${word}`,
    description: help,
  }));
}

/** The name, or else those of its other names that begin so. */
const matching = (name: string, aliases: readonly string[], typed: string): readonly string[] =>
  name.startsWith(typed) ? [name] : aliases.filter((alias) => alias.startsWith(typed));

function argumentWords(command: string, { commands, models, agents, sessions }: CompletionSources): readonly string[] {
  const local = LOCAL_COMMANDS.find(({ name, aliases }) => name === command || (aliases as readonly string[]).includes(command));
  switch (local?.takes) {
    case "agent":
      return agents;
    case "model":
      return ["default", ...models];
    case "session":
      return sessions;
    case "copy":
      return COPY_CHOICES;
    default: {
      const row = commands.find(({ name, textAliases = [] }) => name === command || textAliases.includes(`/${command}`));
      return row?.args?.[0]?.choices?.map(({ value }) => value) ?? [];
    }
  }
}
