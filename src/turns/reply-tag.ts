import { asId, type MessageId } from "../core/ids.ts";

/** A text without its tag, and the message that the tag names: that of the sender, or another one. */
export type TaggedReply = { text: string; to: "current" | { id: MessageId } | null };

/**
 * `[[reply_to_current]]` or `[[reply_to:<id>]]` at the start of an answer is for the gateway, not for people. Every other text in brackets is
 * text. Pure.
 */
export function takeReplyTag(text: string): TaggedReply {
  if (!text.trimStart().startsWith("[[")) return { text, to: null };
  const found = /^\s*\[\[\s*reply_to(?:_current|\s*:\s*([^\]\s\p{C}]{1,256}))\s*\]\]\s*/u.exec(text);
  if (!found) return { text, to: null };
  return { text: text.slice(found[0].length), to: found[1] === undefined ? "current" : { id: asId<MessageId>(found[1]) } };
}

/** Whether a text that is still being written, without blanks around it, may become a tag. Pure. */
export const mayBecomeReplyTag = (begun: string): boolean => begun.startsWith("[[") && !begun.includes("]]");
