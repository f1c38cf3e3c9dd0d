import type { Inbound, MediaRef } from "../channels/channel.ts";
import { LIMITS } from "../core/limits.ts";
import type { ChannelState } from "../store/channel-state.ts";
import type { Turns } from "./engine.ts";
import { chatPrefix, messageRef, nameOf, type Source } from "./inbound-step.ts";
import type { AttachedRef, Payload, RepliedMessage } from "./submission.ts";

type Deps = { turns: Turns; channelState: ChannelState };

/**
 * The message that another one answers, as the agent reads it, and its pictures. Its text is looked up where the channel names only
 * its id. Undefined when there is nothing to be told: no such message, nothing known of it, or the one that opened this thread, which
 * every message of the thread answers. Reads the store.
 */
export function repliedTo(
  deps: Deps,
  source: Source,
  event: Inbound,
): { message: RepliedMessage; pictures: readonly AttachedRef[] } | undefined {
  const { replyTo } = event;
  if (!replyTo || replyTo.id === (event.thread?.id as string | undefined)) return undefined;
  const text = clip(replyTo.text ?? storedText(deps, source, event, replyTo.id) ?? "");
  const pictures = (replyTo.media ?? []).filter(isPicture).map((ref): AttachedRef => ({ ...ref, ofReplied: true }));
  if (text === "" && pictures.length === 0 && !replyTo.isSelf) return undefined;
  return { message: { text, from: replyTo.sender ? nameOf(replyTo.sender) : null, isSelf: replyTo.isSelf }, pictures };
}

const isPicture = (ref: MediaRef): boolean => ref.kind === "image" || /^image\//i.test(ref.mimeType);

function storedText({ turns, channelState }: Deps, source: Source, event: Inbound, id: string): string | undefined {
  const [received] = turns.options.inbox.byMessage<Payload>(source.channel, source.account, messageRef({ chat: event.chat, message: id }));
  return received?.payload?.text ?? channelState.ownText(chatPrefix(source, event.chat.id), id);
}

const clip = (text: string): string => (text.length > LIMITS.repliedChars ? `${text.slice(0, LIMITS.repliedChars)}…` : text);
