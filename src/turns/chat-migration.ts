import type { InboundMove } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { ChannelState } from "../store/channel-state.ts";
import { migrateChatRows } from "../store/chat-migration.ts";
import type { Store } from "../store/open.ts";
import { conversationPrefix, type ChannelAccount } from "./event-addressing.ts";
import { noWork, type UnitOfWork } from "./unit-of-work.ts";

export type ChatMigrationDeps = {
  store: Store;
  channelState: ChannelState;
  clock: Clock;
  log: Log;
  deliver: (conversation: string) => void;
};

/**
 * A chat has a new id: its session, its rules and its outgoing messages are kept. The configuration belongs to the user and is not written;
 * the log says what to change there.
 */
export function planChatMigration(deps: ChatMigrationDeps, source: ChannelAccount, event: InboundMove): UnitOfWork {
  const { store, channelState, clock, deliver } = deps;
  let moved = false;
  let open: string[] = [];
  if (event.from === event.to) return noWork;
  return {
    ...noWork,
    apply: () => {
      const now = clock.now();
      moved = channelState.migrateChat(source, event.to, channelState.previousChatId(source, event.from) ?? event.from, now);
      if (!moved) return;
      const begins = { from: conversationPrefix(source, event.from), to: conversationPrefix(source, event.to) };
      open = migrateChatRows(store, { ...source, from: event.from, to: event.to }, begins);
    },
    onCommit: () => {
      if (!moved) return;
      deps.log.warn("a chat has a new id; rules for the old id still apply", {
        channel: source.channel,
        account: source.account,
        from: event.from,
        to: event.to,
        fix: `Write ${event.to} instead of ${event.from} in channels.${source.channel} and in bindings.`,
      });
      for (const conversation of open) deliver(conversation);
    },
  };
}
