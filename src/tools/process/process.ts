import { asNumber, asString, asStrings, type JsonObject } from "../../core/json.ts";
import { describeEnd, formatSeconds, shortText, type AgentCommand } from "../agent-command.ts";
import type { BackgroundCommands } from "../background-commands.ts";
import type { OutputPart } from "../command-output.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { quote, textResult } from "../results.ts";
import type { Tool, ToolContext } from "../tool.ts";
import { encodeKeys } from "./keys.ts";
import type { ToolEntry } from "../tool-entry.ts";

const ACTIONS = ["list", "poll", "log", "write", "send-keys", "submit", "paste", "kill", "clear", "remove"] as const;
type Action = (typeof ACTIONS)[number];

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    action: { type: "string", enum: ACTIONS },
    sessionId: { type: "string", description: "Name from exec" },
    data: { type: "string", description: "For write, submit" },
    text: { type: "string", description: "For paste" },
    keys: { type: "array", items: { type: "string" }, description: "Enter, Up, C-c, ..." },
    eof: { type: "boolean", description: "write: nothing follows" },
    offset: { type: "integer", minimum: 1, description: "log: first line" },
    limit: { type: "integer", minimum: 1, description: "log: lines" },
    timeout: { type: "integer", minimum: 0, maximum: TOOL_LIMITS.pollMs, description: "poll: wait this many ms" },
  },
  required: ["action"],
};

type Given = { args: JsonObject; context: ToolContext; commands: BackgroundCommands };
type CommandAction = (command: AgentCommand, given: Given) => Promise<string> | string;

/** What is done with one command; it has the name of the action. */
const COMMAND_ACTIONS: Readonly<Record<Exclude<Action, "list" | "clear">, CommandAction>> = {
  poll,
  log: showLog,
  write: (command, { args }) => write(command, textOf(args), args["eof"] === true),
  "send-keys": sendKeys,
  submit: (command, { args }) => write(command, textOf(args) + enterOf(command)),
  paste: (command, { args }) => write(command, toPaste(command, textOf(args))),
  kill,
  remove: (command, { commands }) => remove(command, commands),
};

/** Shows and controls the commands of a session that `exec` has left running. */
export function createProcessTool({ commands }: { commands: BackgroundCommands }): Tool {
  async function run(args: JsonObject, context: ToolContext): Promise<string> {
    const action = asString(args["action"]) as Action;
    if (action === "list") return list(commands.list(context.caller));
    if (action === "clear") return clear(commands, context);
    return COMMAND_ACTIONS[action](find(commands, args, context), { args, context, commands });
  }

  return {
    name: "process",
    description:
      "Background commands of this session. poll: new output; log: lines of all output; write, submit (with Enter), paste, send-keys (pty): input; clear: forget ended ones; remove: kill and forget.",
    parameters: PARAMETERS,
    run: async (args, context) => textResult(await run(args, context)),
  };
}

function find(commands: BackgroundCommands, args: JsonObject, { caller }: ToolContext): AgentCommand {
  const id = asString(args["sessionId"]);
  const command = commands.find(caller, id);
  if (command !== null) return command;
  const known = commands.list(caller).map((each) => each.id);
  const list = known.length === 0 ? "There is none" : `There are ${known.join(", ")}`;
  if (id.trim() === "") throw new Error(`${asString(args["action"])} needs a sessionId. ${list}.`);
  const why = `Ended ones are forgotten after ${TOOL_LIMITS.endedCommandMs / 60_000} minutes, and all end with the gateway`;
  throw new Error(`There is no command ${quote(id)} in this session. ${why}. ${list}.`);
}

function list(commands: readonly AgentCommand[]): string {
  if (commands.length === 0) return "No commands in the background.";
  return commands.toReversed().map(toRow).join("\n");
}

function toRow(command: AgentCommand): string {
  const state = command.end === null ? `running ${formatSeconds(command.durationMs)}, pid ${command.pid}` : describeEnd(command);
  return `${command.id}: ${state}: ${shortText(command)}`;
}

function clear(commands: BackgroundCommands, { caller }: ToolContext): string {
  const ended = commands.list(caller).filter((command) => command.end !== null);
  for (const command of ended) commands.forget(command);
  return `Forgot ${ended.length} ended ${ended.length === 1 ? "command" : "commands"}.`;
}

async function poll(command: AgentCommand, { args, context }: Given): Promise<string> {
  const { text, note } = await command.poll(asNumber(args["timeout"]) ?? 0, context.signal);
  const output = { text: text || "(no new output)", note: note === null ? null : `${note} See process log.` };
  return `${withNote(output)}\n\n${command.id} ${describeEnd(command)}.`;
}

async function showLog({ output }: AgentCommand, { args }: Given): Promise<string> {
  const limit = Math.min(asNumber(args["limit"]) ?? TOOL_LIMITS.loggedLines, TOOL_LIMITS.resultLines);
  const part = await output.lines(asNumber(args["offset"]), limit);
  return withNote({ text: part.text || "(no output)", note: part.note });
}

const withNote = ({ text, note }: OutputPart): string => (note === null ? text : `${text.replace(/\n$/, "")}\n\n[${note}]`);

/** Models take either parameter for the input. */
const textOf = (args: JsonObject): string => asString(args["data"]) || asString(args["text"]);

const isTerminal = (command: AgentCommand): boolean => command.inputKind === "terminal";
const enterOf = (command: AgentCommand): string => (isTerminal(command) ? "\r" : "\n");
/** C-d: what ends the input of a terminal. */
const END_OF_INPUT = "\u0004";

async function write(command: AgentCommand, text: string, isLast = false): Promise<string> {
  if (text === "" && !isLast) throw new Error("Nothing was written: data is empty.");
  const isRead = isTerminal(command) ? await command.write(isLast ? text + END_OF_INPUT : text) : await command.write(text, { isLast });
  const end = isLast ? ", and nothing follows" : "";
  return `Wrote ${text.length} characters to ${command.id}${end}.${isRead ? "" : " It has not read all of them yet."}`;
}

function sendKeys(command: AgentCommand, { args }: Given): Promise<string> {
  const keys = asStrings(args["keys"]);
  if (keys.length === 0) throw new Error("Nothing was sent: keys is empty.");
  const bytes = encodeKeys(keys);
  if (!isTerminal(command))
    throw new Error(`${command.id} has no terminal, which send-keys needs. Start the command with pty, or use write.`);
  return write(command, bytes);
}

/** A program in a terminal that asked for it can tell pasted text from keys; line breaks are what the Enter key sends. */
function toPaste(command: AgentCommand, text: string): string {
  if (!isTerminal(command) || text === "") return text;
  const sent = command.output.lastBytes;
  const isBracketed = sent.lastIndexOf("\u001B[?2004h") > sent.lastIndexOf("\u001B[?2004l");
  const typed = text.replaceAll(/\r?\n/g, "\r");
  return isBracketed ? `\u001B[200~${typed}\u001B[201~` : typed;
}

async function kill(command: AgentCommand): Promise<string> {
  if (command.end !== null) return `Nothing was killed: ${command.id} ${describeEnd(command)}.`;
  command.stop();
  await command.ended;
  return `${command.id} ${describeEnd(command)}.`;
}

async function remove(command: AgentCommand, commands: BackgroundCommands): Promise<string> {
  const wasRunning = command.end === null;
  commands.forget(command);
  await command.ended;
  return `${wasRunning ? "Killed and removed" : "Removed"} ${command.id}.`;
}

export const processEntry: ToolEntry = {
  facts: { process: { section: "runtime", effect: "run", profiles: ["coding"] } },
  create: (parts) => [createProcessTool(parts)],
};
