import { createMatcher, type SenderFacts } from "./admit.ts";
import { own, type RoutedMessage, type RoutingConfig } from "./types.ts";

/** What the sender of a message may do beyond being answered. */
export type Authority = {
  /** Listed in `commands.ownerAllowFrom`. */
  owner: boolean;
  /** Whether a text that begins with a slash is taken as a command: owners, and whom `commands.allowFrom` lists where it is set. */
  commands: boolean;
  /**
   * What commands may change: everything, for owners and whom `commands.allowFrom` lists; otherwise the sender's own direct conversation
   * and the sender's own answers.
   */
  changes: "all" | "own";
};

/** Reads the authority of a sender from the configuration. Only typed ids count, never display names. Pure. */
export function authorityOf(message: RoutedMessage, facts: SenderFacts, config: RoutingConfig): Authority {
  const matches = createMatcher(message, { allowNames: false }, facts, config.accessGroups);
  const prefix = `${facts.channel}:`;
  const owners = (config.commands?.ownerAllowFrom ?? []).map(String).filter((entry) => entry.trim().toLowerCase().startsWith(prefix));
  const owner = matches(owners).listed;
  const lists = config.commands?.allowFrom;
  if (owner) return { owner, commands: true, changes: "all" };
  if (!lists) return { owner, commands: true, changes: "own" };
  const entries = own(lists, facts.channel) ?? own(lists, "*") ?? [];
  return { owner, commands: matches(entries.map(String)).listed, changes: "all" };
}
