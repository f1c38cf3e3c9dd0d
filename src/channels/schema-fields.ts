import { array, boolean, enumOf, integer, object, string } from "../core/config-schema.ts";

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

/** Answers that two bots may exchange. */
export const botLoopProtection = object(
  "Keeps two bots from answering each other without end, where `allowBots` lets other bots in.",
  {
    enabled: boolean("Watch pairs of bots.", { onInvalid: true }),
    maxEventsPerWindow: integer("Messages of one bot in one chat that are answered within the window.", { min: 1 }),
    windowSeconds: integer("Length of the window in seconds.", { min: 1 }),
    cooldownSeconds: integer("How long the bot gets no answers after that, in seconds.", { min: 1 }),
  },
  { optional: true },
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

/** Keys that every channel which can edit messages, or answer to one, has among its own. */
export const replyFields = {
  streaming: object("How an answer is shown while it is written.", {
    mode: enumOf(
      "`off` shows the answer when it is complete; `partial` shows one message that grows, `block` lets it grow by paragraphs; `progress` is the same as `partial`. The channel's own habit when it is not set.",
      ["off", "partial", "block", "progress"],
      { onInvalid: "off" },
    ),
  }),
  replyToMode: enumOf(
    "Which parts of a reply are shown as the answer to the message: none (`off`), the `first`, `all`, or the first when several messages were answered together (`batched`). `off` when it is not set.",
    ["off", "first", "all", "batched"],
  ),
};

/** Shared by every channel: what holds where the channel itself says nothing. */
export const channelDefaults = object(
  "What holds for every channel that does not say otherwise.",
  {
    dmPolicy: enumOf("Who may write directly.", ["pairing", "allowlist", "open", "disabled"], { onInvalid: "disabled" }),
    groupPolicy: enumOf("Which groups are answered.", ["open", "disabled", "allowlist"], { onInvalid: "disabled" }),
    implicitMentions: object(
      "What counts as a mention without the name.",
      {
        replyToBot: boolean("A reply to a message of the agent.", { default: true, onInvalid: false }),
        threadParticipation: boolean("A message in a thread in which the agent has answered.", { default: true, onInvalid: false }),
      },
      { unserved: ["quotedBot"] },
    ),
    botLoopProtection,
  },
  { effect: "applied", unserved: ["contextVisibility", "heartbeatVisibility"] },
);
