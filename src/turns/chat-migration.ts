import type { InboundMove } from "../channels/channel.ts";
import type { Log } from "../core/log.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { migrateChatRows } from "../store/chat-migration.ts";
import type { Turns } from "./engine.ts";
import { conversationPrefix, noWork, type ChannelAccount, type UnitOfWork } from "./unit-of-work.ts";

export type ChatMigrationDeps = { turns: Turns; channelState: ChannelState; log: Log };

/**
 * A chat has another id from now on: its session, its rules and what waits for it stay. The configuration belongs to the user and is not
 * written; the log says what to change there.
 */
export function planChatMigration(deps: ChatMigrationDeps, source: ChannelAccount, event: InboundMove): UnitOfWork {
  const { turns, channelState } = deps;
  let moved = false;
  let open: string[] = [];
  if (event.from === event.to) return noWork;
  return {
    ...noWork,
    apply: () => {
      const now = turns.options.clock.now();
      moved = channelState.migrateChat(source, event.to, channelState.previousChatId(source, event.from) ?? event.from, now);
      if (!moved) return;
      const begins = { from: conversationPrefix(source, event.from), to: conversationPrefix(source, event.to) };
      open = migrateChatRows(turns.options.store, { ...source, from: event.from, to: event.to }, begins);
    },
    onCommit: () => {
      if (!moved) return;
      deps.log.warn("a chat has another id; rules for the old one still count", {
        channel: source.channel,
        account: source.account,
        from: event.from,
        to: event.to,
        fix: `Write ${event.to} instead of ${event.from} in channels.${source.channel} and in bindings.`,
      });
      for (const conversation of open) turns.options.deliver(conversation);
    },
  };
}
