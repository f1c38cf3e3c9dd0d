import { CHAT_COMMANDS, type ChatCommand } from "../core/chat-commands.ts";
import type { MethodTable } from "../protocol/method.ts";

/** commands.list: what a person can say to the gateway itself. The same in every channel and for every agent. */
export function commandsMethods() {
  return {
    "commands.list": { scope: "operator.read", run: ({ includeArgs }) => listCommands(includeArgs ?? true) },
  } satisfies MethodTable;
}

/** Shape of commands.list and of the commands in chat.metadata. */
export function listCommands(withArgs: boolean): { commands: Record<string, unknown>[] } {
  return { commands: CHAT_COMMANDS.map((command) => toEntry(command, withArgs)) };
}

function toEntry(command: ChatCommand, withArgs: boolean): Record<string, unknown> {
  const args = command.args.map((arg) => ({
    name: arg.name,
    description: arg.description,
    type: "string",
    ...(arg.required ? { required: true } : {}),
    ...(arg.choices ? { choices: arg.choices.map((value) => ({ value, label: value })) } : {}),
  }));
  return {
    name: command.name,
    nativeName: command.name,
    textAliases: [command.name, ...command.aliases].map((name) => `/${name}`),
    description: command.description,
    category: command.category,
    source: "native",
    scope: "both",
    acceptsArgs: args.length > 0,
    ...(withArgs && args.length > 0 ? { args } : {}),
  };
}
