import { quoteFollowing, quoteLines, quoteStructure } from "./untrusted-text.ts";
import type { Payload, RepliedMessage } from "./submission.ts";

/** Ends what precedes a message: from here on its sender speaks. */
export const ADDRESSED_MARKER = "[Addressed to you]";

/** Precedes an operator's message in a session in which people from outside write as well. */
const OPERATOR_MARKER = "[Your operator, in the gateway's own chat]";

/** The operator wrote this, in the gateway's own chat or through a client. */
export const isFromOperator = ({ provenance }: Pick<Payload, "provenance">): boolean => provenance.channel === "webchat";

type AgentTextInput = Pick<Payload, "text" | "context" | "attached" | "provenance" | "target" | "replyTo">;

/**
 * What the agent reads of one message: what was waiting for it, the message that it answers, a note of the gateway, its text, its files.
 * Text from outside cannot imitate the rest. `shared`: people from outside write in this session; it matters only for a message of the
 * operator. Pure.
 */
export function toAgentText(payload: AgentTextInput, shared: boolean, note = ""): string {
  const { text, context, attached = [], target, replyTo } = payload;
  const said = attributeText({ text, isOutside: !isFromOperator(payload), isRoom: isRoom(target) }, shared);
  return [context, replyTo && formatRepliedMessage(replyTo), note, said, ...attached].filter(Boolean).join("\n\n");
}

/** The text of one message, told apart from structure and from other people. Pure. */
export function attributeText({ text, isOutside, isRoom }: { text: string; isOutside: boolean; isRoom: boolean }, shared: boolean): string {
  if (!isOutside) return shared && text !== "" ? `${OPERATOR_MARKER}\n${text}` : text;
  // In a room the first line begins with the sender's name.
  return isRoom ? quoteFollowing(text) : quoteStructure(text);
}

export const isRoom = (target: Payload["target"]): boolean => target !== null && target.chat.kind !== "direct";

function formatRepliedMessage({ text, from, isSelf }: RepliedMessage): string {
  const whose = isSelf ? "your message" : from === null ? "an earlier message" : `a message of ${from}`;
  return text === "" ? `[This answers ${whose}]` : `[This answers ${whose}]\n${quoteLines(text)}`;
}
