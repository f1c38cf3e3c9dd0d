import { readdirSync } from "node:fs";
import { join } from "node:path";
import { channelAccounts } from "../config/channel-accounts.ts";
import { agentIds, isLinkedAgent } from "../config/agents.ts";
import { walkSchema } from "../config/json-schema.ts";
import type { Config } from "../config/schema.ts";
import { suggest } from "../config/suggest.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { requireChannelName } from "./channel-name.ts";
import type { Invocation } from "./invocation.ts";
import { configOf, pathsOf, resolveTarget } from "./gateway-target.ts";
import { sanitizeLine } from "./terminal-text.ts";

// Names that a person can mean, so that a typo is refused before anything is done. What a gateway elsewhere knows, it checks itself.

/** `Unknown channel "ircc". Did you mean "irc"?`, or the names that there are. */
export function unknownNameError(noun: string, name: string, known: readonly string[], fix: string, exit: number = EXIT.usage): CliError {
  const meant = suggest(name, known);
  const shown = sanitizeLine(name).slice(0, 100);
  const what = `Unknown ${noun} "${shown}".${meant ? ` Did you mean "${sanitizeLine(meant)}"?` : ""}`;
  const few = known.slice(0, 20).map(sanitizeLine).join(", ");
  return new CliError(what, { ...(!meant && few && { why: `There are: ${few}${known.length > 20 ? ", …" : ""}.` }), fix, exit });
}

/** Channels that this installation can have: built in, configured, or a file in the state directory. */
export function channelNames(invocation: Invocation): string[] {
  const names = new Set<string>();
  walkSchema((path, node) => {
    const [, id] = /^channels\.(\w+)$/.exec(path) ?? [];
    if (id && id !== "defaults" && node.kind === "object") names.add(id);
  });
  for (const id of Object.keys(configOf(invocation).config.channels)) if (id !== "defaults") names.add(id);
  for (const file of listFiles(join(pathsOf(invocation).state, "channels"))) {
    const [, id] = /^([A-Za-z0-9][\w-]*)\.(?:mjs|js|ts)$/.exec(file) ?? [];
    if (id) names.add(id);
  }
  return [...names];
}

function listFiles(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return [];
    throw err;
  }
}

/** The names of the accounts of a channel; none when it is not configured. */
export const accountNames = (config: Config, channel: string): string[] => channelAccounts(config, channel).map(({ id }) => id);

/** A channel as it was given. Throws CliError (exit 2) for a name that this machine's gateway does not know. */
export function requireKnownChannel(invocation: Invocation, text: string): string {
  requireChannelName(text, "channel");
  if (!resolveTarget(invocation).isLocal) return text;
  const known = channelNames(invocation);
  if (known.includes(text)) return text;
  throw unknownNameError("channel", text, known, "openclaw channels list");
}

/** The account of a channel that is configured. Throws CliError (exit 2) for one that it does not have. */
export function requireKnownAccount(invocation: Invocation, channel: string, account: string | undefined): string | undefined {
  if (account === undefined || account === "*") return account;
  requireChannelName(account, "account");
  if (!resolveTarget(invocation).isLocal) return account;
  const known = accountNames(configOf(invocation).config, channel);
  if (known.length === 0 || known.includes(account)) return account;
  throw unknownNameError("account", account, known, `openclaw channels add ${channel} --account ${account}`);
}

/** An agent as it was given. Throws CliError (exit 2) for one that this machine's gateway does not have. */
export function requireKnownAgent(invocation: Invocation, id: string | undefined): string | undefined {
  if (id === undefined || !resolveTarget(invocation).isLocal) return id;
  const { config } = configOf(invocation);
  const known: readonly string[] = agentIds(config);
  if (known.includes(id.toLowerCase()) || isLinkedAgent(config, id)) return id;
  throw unknownAgentError(id, known);
}

export const unknownAgentError = (id: string, known: readonly string[]): CliError =>
  unknownNameError("agent", id, known, "openclaw agents list");

/** An MCP server as it was given. Throws CliError (exit 2) for one that is not in the configuration of this machine. */
export function requireKnownServer(invocation: Invocation, name: string | undefined): string | undefined {
  if (name === undefined || !resolveTarget(invocation).isLocal) return name;
  const known = Object.keys(configOf(invocation).config.mcp.servers);
  if (known.includes(name)) return name;
  throw unknownNameError("server", name, known, "openclaw mcp list");
}

/** A plugin as it was given. Throws CliError (exit 2) for one that is not in the configuration of this machine. */
export function requireKnownPlugin(invocation: Invocation, id: string): string {
  if (!resolveTarget(invocation).isLocal) return id;
  const known = Object.keys(configOf(invocation).config.plugins.entries);
  if (known.includes(id)) return id;
  throw unknownNameError("plugin", id, known, "openclaw plugins list");
}
