import { isSilentReply } from "./presentation.ts";
import { takeReplyTag } from "./reply-tag.ts";

/** The word with which an agent says in a heartbeat that nothing needs attention. */
export const HEARTBEAT_TOKEN = "HEARTBEAT_OK";

/** What a heartbeat has to say. `token`: the agent said that there is nothing; `empty`: it said nothing at all. */
export type HeartbeatReply = { kind: "text"; text: string } | { kind: "token" | "empty"; text: "" };

/** The word at the beginning or end, also emphasized and with a full stop. */
const AT_START = new RegExp(`^[*_~\`"'<]*${HEARTBEAT_TOKEN}[*_~\`"'>]*[.!:]?(?=\\s|$)`);
const AT_END = new RegExp(`(?:^|\\s)[*_~\`"'<]*${HEARTBEAT_TOKEN}[*_~\`"'>]*[.!]?$`);

/** What of an answer is sent: without the word, and nothing where at most `ackMaxChars` characters are beside it. Pure. */
export function toHeartbeatReply(answer: string, ackMaxChars: number): HeartbeatReply {
  const said = takeReplyTag(answer).text.trim();
  if (said === "") return { kind: "empty", text: "" };
  if (isSilentReply(said)) return { kind: "token", text: "" };
  let rest = said;
  while (AT_START.test(rest) || AT_END.test(rest)) rest = rest.replace(AT_START, "").replace(AT_END, "").trim();
  if (rest === said) return { kind: "text", text: answer };
  return rest.length <= ackMaxChars ? { kind: "token", text: "" } : { kind: "text", text: rest };
}
