import { array, boolean, enumOf, integer, object, string } from "../core/config-schema.ts";

/** Fields that several channels share. */

export const senderList = (doc: string) =>
  array(doc, string("The platform's id of a person, `accessGroup:<name>`, or `*`.", { acceptsNumber: true }), { onInvalid: [] });

/** An unreadable rule closes the room that it describes. */
export const CLOSED_GROUP = { enabled: false, requireMention: true };

export const dmPolicy = enumOf(
  "Who may send direct messages: `pairing` after the owner's approval, `allowlist` only `allowFrom`, `open` everyone (`allowFrom` must contain `*`), `disabled` no one.",
  ["pairing", "allowlist", "open", "disabled"],
  { onInvalid: "disabled", whenAbsent: "pairing" },
);

export const groupPolicy = enumOf(
  "Which rooms are answered: those that are listed, all (`open`), or none.",
  ["allowlist", "open", "disabled"],
  { onInvalid: "disabled", whenAbsent: "allowlist" },
);

const REACTION_MODES = ["off", "own", "all", "allowlist"] as const;
const REACTION_DOC = "Reactions that the agent is notified of: on its own messages, on all, of the people in `reactionAllowlist`, or none.";

export const reactionNotifications = enumOf(REACTION_DOC, REACTION_MODES, { onInvalid: "off", whenAbsent: "own" });

/** The same key of one room. */
export const roomReactionNotifications = enumOf(`${REACTION_DOC} Default: as the account.`, REACTION_MODES, { onInvalid: "off" });

/** Control characters, for the character classes of patterns. */
export const CONTROL = "\\x00-\\x1f\\x7f-\\x9f";
/** What becomes part of a line of a protocol must not end it. */
export const ONE_LINE = { regex: `[^${CONTROL}]*`, description: "a text of one line" } as const;

export const isolate = boolean(
  "Run this account in its own thread: it stays connected while the gateway is busy, and its crash affects no other account. Not an OpenClaw key.",
  { onInvalid: false, whenAbsent: false },
);

/** In place of an address that cannot be read. The account then stops: its credential must not go to the platform's usual address instead. */
export const UNREADABLE_URL = "invalid://";

export const proxy = string(
  "HTTP proxy for the connection to the platform, such as http://proxy.example:3128. Default: the environment variables `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.",
  // Nor must a proxy become a direct connection.
  { onInvalid: UNREADABLE_URL, fix: "Write it in quotes." },
);

/** Limit on answers between two bots. */
export const botLoopProtection = object(
  "Stops two bots from answering each other endlessly when `allowBots` admits other bots.",
  {
    enabled: boolean("Watch pairs of bots.", { onInvalid: true }),
    maxEventsPerWindow: integer("Messages of one bot in one chat that are answered within the window.", { min: 1 }),
    windowSeconds: integer("Length of the window in seconds.", { min: 1 }),
    cooldownSeconds: integer("Seconds without answers to the bot after that.", { min: 1 }),
  },
  { optional: true },
);

/** Who is answered where, and how answers look. */
export const conversationFields = {
  name: string("Display name of the account."),
  enabled: boolean("Connect this account.", { onInvalid: false, whenAbsent: true }),
  isolate,
  dmPolicy,
  allowFrom: senderList("People who may send direct messages."),
  groupPolicy,
  groupAllowFrom: senderList("People who are answered in rooms. Default: `allowFrom`."),
  botLoopProtection,
  historyLimit: integer("Room messages that the agent receives as context with a mention.", { min: 0 }),
  textChunkLimit: integer("Maximum characters of one reply part, below the platform's own limit.", { min: 1, max: 400_000 }),
  responsePrefix: string("Text before every reply. Default: `messages.responsePrefix`.", { maxChars: 200 }),
};

/** Fields of channels that can edit messages or quote one in a reply. */
export const replyFields = {
  streaming: object(
    "How an answer is shown while it is written.",
    {
      mode: enumOf(
        "`off` shows the complete answer; `partial` shows a message that grows, `block` grows it by paragraphs; `progress` equals `partial`. Default: `partial` on Telegram, `off` elsewhere.",
        ["off", "partial", "block", "progress"],
        { onInvalid: "off" },
      ),
    },
    // Without a value of its own, an account has the channel's.
    { optional: true },
  ),
  replyToMode: enumOf(
    "Parts of a reply that quote the message: none (`off`), the `first`, `all`, or the first if several messages were answered together (`batched`).",
    ["off", "first", "all", "batched"],
    { whenAbsent: "off" },
  ),
};

/** Defaults of every channel. */
export const channelDefaults = object(
  "Defaults for every channel.",
  {
    dmPolicy: enumOf("Who may send direct messages.", ["pairing", "allowlist", "open", "disabled"], { onInvalid: "disabled" }),
    groupPolicy: enumOf("Which groups are answered.", ["open", "disabled", "allowlist"], { onInvalid: "disabled" }),
    implicitMentions: object(
      "What counts as a mention besides the name.",
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
