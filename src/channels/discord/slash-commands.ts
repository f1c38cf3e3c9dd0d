import { createHash } from "node:crypto";
import type { ChannelContext } from "../channel.ts";
import type { RestClient } from "./rest-client.ts";
import { asObjects, textOf, type DiscordObject } from "./protocol.ts";

/** Discord takes no more, and no longer descriptions. */
const MAX_COMMANDS = 100;
const DESCRIPTION_CHARS = 100;

type SlashCommand = { name: string; description: string; type: 1; options: readonly object[] };

/** The chat commands as slash commands: each takes the rest of the line as one optional text. Pure. */
export function toSlashCommands(commands: ChannelContext["commands"]): readonly SlashCommand[] {
  return commands
    .filter(({ name }) => /^[-_a-z0-9]{1,32}$/.test(name))
    .slice(0, MAX_COMMANDS)
    .map(({ name, description }) => ({
      name,
      description: description.slice(0, DESCRIPTION_CHARS) || name,
      type: 1,
      options: [{ type: 3, name: "args", description: "What follows the command", required: false }],
    }));
}

/** Names a set of commands, so that it is compared with Discord's only when it has changed. */
export function commandsDigest(commands: readonly SlashCommand[]): string {
  return createHash("sha256").update(JSON.stringify(commands)).digest("hex").slice(0, 16);
}

const normalizeCommand = (commands: readonly (SlashCommand | DiscordObject)[]): string =>
  JSON.stringify(
    commands
      .map((command) => [
        textOf(command.name),
        textOf(command.description),
        asObjects(command.options).map(({ name, description, type, required }) => [name, description, type, required === true]),
      ])
      .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
  );

/** Makes the slash commands of the application equal to ours; writes only when they differ, since Discord counts writes by the day. */
export async function registerCommands(
  rest: RestClient,
  app: string,
  commands: readonly SlashCommand[],
  signal: AbortSignal,
): Promise<void> {
  const path = `/applications/${app}/commands`;
  const present = asObjects(await rest.callWithRetry({ method: "GET", path, signal }));
  if (normalizeCommand(present) !== normalizeCommand(commands)) await rest.callWithRetry({ method: "PUT", path, body: commands, signal });
}
