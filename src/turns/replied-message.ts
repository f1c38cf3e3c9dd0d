import type { InboundMessage, MediaRef } from "../channels/channel.ts";
import { LIMITS } from "../core/limits.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { Inbox } from "../store/inbox.ts";
import { conversationPrefix, messageRef, senderLabel, type ChannelAccount } from "./event-addressing.ts";
import type { AttachmentRef, Payload, RepliedMessage } from "./submission.ts";

type RepliedMessageDeps = { inbox: Inbox; channelState: ChannelState };

/**
 * The message that another one answers, as the agent reads it, and its pictures. Its text is looked up where the channel names only its
 * id. Undefined when nothing is known of that message, or when it opened this thread, which every message of the thread answers.
 */
export function resolveRepliedMessage(
  deps: RepliedMessageDeps,
  source: ChannelAccount,
  event: InboundMessage,
): { message: RepliedMessage; pictures: readonly AttachmentRef[] } | undefined {
  const { replyTo } = event;
  if (!replyTo || replyTo.id === (event.thread?.id as string | undefined)) return undefined;
  const text = clipRepliedText(replyTo.text ?? storedText(deps, source, event, replyTo.id) ?? "");
  const pictures = (replyTo.media ?? []).filter(isImage).map((ref): AttachmentRef => ({ ...ref, ofReplied: true }));
  if (text === "" && pictures.length === 0 && !replyTo.isSelf) return undefined;
  return { message: { text, from: replyTo.sender ? senderLabel(replyTo.sender) : null, isSelf: replyTo.isSelf }, pictures };
}

const isImage = (ref: MediaRef): boolean => ref.kind === "image" || /^image\//i.test(ref.mimeType);

function storedText(
  { inbox, channelState }: RepliedMessageDeps,
  source: ChannelAccount,
  event: InboundMessage,
  id: string,
): string | undefined {
  const [received] = inbox.byMessage<Payload>(source.channel, source.account, messageRef({ chat: event.chat, message: id }));
  return received?.payload?.text ?? channelState.findOwnText(conversationPrefix(source, event.chat.id), id);
}

const clipRepliedText = (text: string): string => (text.length > LIMITS.repliedChars ? `${text.slice(0, LIMITS.repliedChars)}…` : text);
