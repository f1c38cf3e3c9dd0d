import { CHAT_COMMANDS, type ChatCommand } from "../core/chat-commands.ts";
import type { MethodTable } from "../protocol/method.ts";
import { parseSessionKey } from "../routing/session-key.ts";

export type CommandsDeps = {
  /** The skills that an operator may ask this agent for; without an id, the default agent. */
  skillNames: (agentId: string | undefined) => Promise<readonly string[]>;
};

/** commands.list: what a person can say to the gateway itself. The same in every channel. */
export function commandsMethods(deps: CommandsDeps) {
  return {
    "commands.list": {
      scope: "operator.read",
      run: async ({ includeArgs, agentId, sessionKey }) => {
        const agent = agentId ?? (sessionKey === undefined ? undefined : parseSessionKey(sessionKey)?.agentId);
        return listCommands(includeArgs ?? true, await deps.skillNames(agent));
      },
    },
  } satisfies MethodTable;
}

/** Shape of commands.list and of the commands in chat.metadata. */
export function listCommands(withArgs: boolean, skillNames: readonly string[]): { commands: Record<string, unknown>[] } {
  return { commands: CHAT_COMMANDS.map((command) => toEntry(command, withArgs, skillNames)) };
}

function toEntry(command: ChatCommand, withArgs: boolean, skillNames: readonly string[]): Record<string, unknown> {
  const choicesOf = (arg: ChatCommand["args"][number]): readonly string[] | undefined =>
    command.name === "skill" && arg.name === "name" && skillNames.length > 0 ? skillNames : arg.choices;
  const args = command.args.map((arg) => ({
    name: arg.name,
    description: arg.description,
    type: "string",
    ...(arg.required ? { required: true } : {}),
    ...(choicesOf(arg) ? { choices: choicesOf(arg)!.map((value) => ({ value, label: value })) } : {}),
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
