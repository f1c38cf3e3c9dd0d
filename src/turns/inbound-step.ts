import type { ChannelEvent, Inbound, Place, Sender, Target } from "../channels/channel.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";
import type { RoutedMessage } from "../routing/types.ts";
import { oneLine, quoteName } from "./outside-text.ts";

/** What one event does: the parts of the transaction of its batch, of the moment after it, and of the moment after it failed. */
export type Step = { inTransaction: () => void; afterCommit: () => void; undo: () => void };

export const nothing: Step = { inTransaction: () => {}, afterCommit: () => {}, undo: () => {} };

/** A channel's account: with an event id it names an event for ever. */
export type Source = { channel: ChannelId; account: AccountId };

/** Where the answer to something that happened goes. */
export const placeTarget = ({ channel, account }: Source, event: Place, via?: string): Target => ({
  channel,
  account: asId<AccountId>(account),
  chat: { kind: event.chat.kind, id: event.chat.id },
  ...(event.thread ? { thread: event.thread.id } : {}),
  ...(via === undefined ? {} : { via }),
});

export const targetOf = (source: Source, event: Inbound): Target => ({
  ...placeTarget(source, event, event.via),
  replyTo: event.message,
  ...(event.guildId === undefined ? {} : { guildId: event.guildId }),
  ...(event.parent === undefined ? {} : { parent: event.parent.id }),
});

/** How every conversation (thread) of a chat begins; see conversationOf. */
export const chatPrefix = ({ channel, account }: Source, chat: string): string => `${channel}|${account}|${chat}|`;

/** Names a platform's message: its id alone says too little where every chat counts its own. */
export const messageRef = (event: { chat: { id: string }; message: string }): string => `${event.chat.id}|${event.message}`;

/** Who speaks in a room, for the agent. */
export const nameOf = (sender: Pick<Sender, "id" | "name">): string => quoteName(oneLine(sender.name ?? "", 64) || oneLine(sender.id, 64));

/** A text as the agent reads it: with the name in a room, alone in a direct conversation and where it is a command. */
export const attributed = (event: Place & { sender: Sender }, text: string, isCommand: boolean): string =>
  event.chat.kind === "direct" || isCommand ? text : `${nameOf(event.sender)}: ${text}`;

/** An event that is no message, as routing reads it: something from this sender in this place. */
export function routed(event: Extract<ChannelEvent, { sender: Sender }>, more: Partial<RoutedMessage> = {}): RoutedMessage {
  const { chat, thread, parent, guildId, teamId, sender, sentAt, origin } = event;
  return { chat, thread, parent, guildId, teamId, sender, sentAt, origin, text: "", mentionsSelf: false, ...more };
}
