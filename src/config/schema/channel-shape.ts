import { botLoopProtection } from "./session.ts";
import { choice, flag, list, text, whole } from "./shape.ts";

/** Keys that several channels have, in the same words. */

export const people = (doc: string) =>
  list(doc, text("The platform's own id of a person, `accessGroup:<name>`, or `*`.", { orNumber: true }), { whenWrong: [] });

/** A rule that cannot be read closes the room that it is about. */
export const CLOSED = { enabled: false, requireMention: true };

export const dmPolicy = choice(
  "Who may write directly: `pairing` asks the owner, `allowlist` only `allowFrom`, `open` everybody, `disabled` nobody.",
  ["pairing", "allowlist", "open", "disabled"],
  { whenWrong: "disabled" },
);

export const groupPolicy = choice(
  "Which rooms are answered: only those that are listed, every one (`open`), or none.",
  ["allowlist", "open", "disabled"],
  { whenWrong: "disabled" },
);

export const reactionNotifications = choice(
  "Which reactions the agent hears about: on its own messages, on all, those of `reactionAllowlist`, or none.",
  ["off", "own", "all", "allowlist"],
  { whenWrong: "off" },
);

export const isolate = flag(
  "Run this connection in a thread of its own: it stays connected while the gateway is busy, and a crash in it is its alone. A key of this gateway, not of OpenClaw.",
  { whenWrong: false },
);

export const proxy = text(
  "HTTP proxy through which the platform is reached, such as http://proxy.example:3128. Default: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment.",
);

/** Who is answered where, and how answers look. */
export const conversationFields = {
  name: text("A note for people: what this connection is."),
  enabled: flag("Connect.", { whenWrong: false }),
  isolate,
  dmPolicy,
  allowFrom: people("People who may write directly."),
  groupPolicy,
  groupAllowFrom: people("People who are answered in rooms; `allowFrom` when it is not set."),
  botLoopProtection,
  historyLimit: whole("Messages of a room that the agent gets as context with a mention.", { min: 0 }),
  textChunkLimit: whole("Characters of one part of a reply, below the platform's own limit.", { min: 1, max: 400_000 }),
  responsePrefix: text("Text in front of every reply, instead of `messages.responsePrefix`.", { maxChars: 200 }),
};
