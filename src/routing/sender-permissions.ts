import { createSenderMatcher, type SenderMatchContext } from "./access.ts";
import { ownProperty, type RoutedMessage, type RoutingConfig } from "./types.ts";

/** What the sender of a message may do beyond being answered. */
export type SenderPermissions = {
  /** Listed in `commands.ownerAllowFrom`. */
  isOwner: boolean;
  /** Whether a text that begins with a slash is taken as a command: owners, and whom `commands.allowFrom` lists where it is set. */
  mayUseCommands: boolean;
  /**
   * What commands may change: everything, for owners and whom `commands.allowFrom` lists; otherwise the sender's own direct conversation
   * and the sender's own answers.
   */
  commandScope: "all" | "own";
};

/** Reads the authority of a sender from the configuration. Only typed ids count, never display names. Pure. */
export function resolveSenderPermissions(message: RoutedMessage, facts: SenderMatchContext, config: RoutingConfig): SenderPermissions {
  const matches = createSenderMatcher(message, { allowNames: false }, facts, config.accessGroups);
  const prefix = `${facts.channel}:`;
  const owners = (config.commands?.ownerAllowFrom ?? []).map(String).filter((entry) => entry.trim().toLowerCase().startsWith(prefix));
  const owner = matches(owners).listed;
  const lists = config.commands?.allowFrom;
  if (owner) return { isOwner: owner, mayUseCommands: true, commandScope: "all" };
  if (!lists) return { isOwner: owner, mayUseCommands: true, commandScope: "own" };
  const entries = ownProperty(lists, facts.channel) ?? ownProperty(lists, "*") ?? [];
  return { isOwner: owner, mayUseCommands: matches(entries.map(String)).listed, commandScope: "all" };
}
