import type { ChannelEvent, InboundMessage, ChatLocation, Sender, ReplyTarget } from "../channels/channel.ts";
import { asId, type AccountId, type ChannelId } from "../core/ids.ts";
import type { RoutedMessage } from "../routing/types.ts";
import { oneLine, quoteName } from "./untrusted-text.ts";

/** A channel's account. Together with an event id it identifies an event. */
export type ChannelAccount = { channel: ChannelId; account: AccountId };

/** Where the answer to something that happened goes. */
export const toPlaceTarget = ({ channel, account }: ChannelAccount, event: ChatLocation, via?: string): ReplyTarget => ({
  channel,
  account: asId<AccountId>(account),
  chat: { kind: event.chat.kind, id: event.chat.id },
  ...(event.thread ? { thread: event.thread.id } : {}),
  ...(via === undefined ? {} : { via }),
});

export const toReplyTarget = (source: ChannelAccount, event: InboundMessage): ReplyTarget => ({
  ...toPlaceTarget(source, event, event.via),
  replyTo: event.message,
  ...(event.guildId === undefined ? {} : { guildId: event.guildId }),
  ...(event.parent === undefined ? {} : { parent: event.parent.id }),
});

/** How every conversation (thread) of a chat begins; see conversationOf. */
export const conversationPrefix = ({ channel, account }: ChannelAccount, chat: string): string => `${channel}|${account}|${chat}|`;

/** Names a platform's message: its id alone says too little where every chat counts its own. */
export const messageRef = (event: { chat: { id: string }; message: string }): string => `${event.chat.id}|${event.message}`;

/** Who speaks in a room, for the agent. */
export const senderLabel = (sender: Pick<Sender, "id" | "name">): string =>
  quoteName(oneLine(sender.name ?? "", 64) || oneLine(sender.id, 64));

/** A text as the agent reads it: with the name in a room, alone in a direct conversation and where it is a command. */
export const withSenderLabel = (event: ChatLocation & { sender: Sender }, text: string, isCommand: boolean): string =>
  event.chat.kind === "direct" || isCommand ? text : `${senderLabel(event.sender)}: ${text}`;

/** An event other than a message, as routing reads it: something from this sender in this place. */
export function toRoutedMessage(event: Extract<ChannelEvent, { sender: Sender }>, more: Partial<RoutedMessage> = {}): RoutedMessage {
  const { chat, thread, parent, guildId, teamId, sender, sentAt, origin } = event;
  return { chat, thread, parent, guildId, teamId, sender, sentAt, origin, text: "", mentionsSelf: false, ...more };
}
