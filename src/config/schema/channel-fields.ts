import { botLoopProtection } from "./session.ts";
import { enumOf, boolean, array, string, integer } from "./types.ts";

/** Keys that several channels have, in the same words. */

export const senderList = (doc: string) =>
  array(doc, string("The platform's own id of a person, `accessGroup:<name>`, or `*`.", { acceptsNumber: true }), { onInvalid: [] });

/** A rule that cannot be read closes the room that it is about. */
export const CLOSED_GROUP = { enabled: false, requireMention: true };

export const dmPolicy = enumOf(
  "Who may write directly: `pairing` asks the owner, `allowlist` only `allowFrom`, `open` everybody, `disabled` nobody.",
  ["pairing", "allowlist", "open", "disabled"],
  { onInvalid: "disabled" },
);

export const groupPolicy = enumOf(
  "Which rooms are answered: only those that are listed, every one (`open`), or none.",
  ["allowlist", "open", "disabled"],
  { onInvalid: "disabled" },
);

export const reactionNotifications = enumOf(
  "Which reactions the agent hears about: on its own messages, on all, those of `reactionAllowlist`, or none.",
  ["off", "own", "all", "allowlist"],
  { onInvalid: "off" },
);

export const isolate = boolean(
  "Run this connection in a thread of its own: it stays connected while the gateway is busy, and a crash in it is its alone. A key of this gateway, not of OpenClaw.",
  { onInvalid: false },
);

export const proxy = string(
  "HTTP proxy through which the platform is reached, such as http://proxy.example:3128. Default: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment.",
);

/** Who is answered where, and how answers look. */
export const conversationFields = {
  name: string("A note for people: what this connection is."),
  enabled: boolean("Connect.", { onInvalid: false }),
  isolate,
  dmPolicy,
  allowFrom: senderList("People who may write directly."),
  groupPolicy,
  groupAllowFrom: senderList("People who are answered in rooms; `allowFrom` when it is not set."),
  botLoopProtection,
  historyLimit: integer("Messages of a room that the agent gets as context with a mention.", { min: 0 }),
  textChunkLimit: integer("Characters of one part of a reply, below the platform's own limit.", { min: 1, max: 400_000 }),
  responsePrefix: string("Text in front of every reply, instead of `messages.responsePrefix`.", { maxChars: 200 }),
};
