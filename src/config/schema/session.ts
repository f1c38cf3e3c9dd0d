import { choice, flag, group, list, map, opaque, text, whole } from "./shape.ts";

const DM_SCOPE = ["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] as const;
const GROUP_SCOPE = ["main", "per-group"] as const;
/** When "is typing" is shown. */
export const typingMode = (doc: string) => choice(doc, ["never", "instant", "thinking", "message"]);

/** Keys that every channel which can edit messages, or answer to one, has among its own. */
export const replyFields = {
  streaming: group("How an answer is shown while it is written.", {
    mode: choice(
      "`off` shows the answer when it is complete; `partial` shows one message that grows, `block` lets it grow by paragraphs; `progress` is the same as `partial`. The channel's own habit when it is not set.",
      ["off", "partial", "block", "progress"],
      { whenWrong: "off" },
    ),
  }),
  replyToMode: choice(
    "Which parts of a reply are shown as the answer to the message: none (`off`), the `first`, `all`, or the first when several messages were answered together (`batched`). `off` when it is not set.",
    ["off", "first", "all", "batched"],
  ),
};

const QUEUE_MODE = ["steer", "followup", "collect", "interrupt"] as const;

const resetRule = (doc: string, optional: boolean) =>
  group(
    doc,
    {
      mode: choice(
        "`none` never, `daily` at an hour (and after silence, where `idleMinutes` is set), `idle` after silence; as in `session.reset` when it is not set.",
        ["none", "daily", "idle"],
      ),
      atHour: whole("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { min: 0, max: 23 }),
      idleMinutes: whole("Minutes of silence after which the next message starts anew.", { min: 1 }),
    },
    optional ? { optional: true } : {},
  );

const reset = group("When a conversation starts anew by itself.", {
  mode: choice(
    "`none` never, `daily` at an hour (and after silence, where `idleMinutes` is set), `idle` after silence. When it is not set, `idle` with `idleMinutes`, else `none`.",
    ["none", "daily", "idle"],
  ),
  atHour: whole("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { default: 4, min: 0, max: 23 }),
  idleMinutes: whole("Minutes of silence after which the next message starts anew.", { min: 1 }),
});

export const session = group(
  "Which messages share a conversation, and how long it lasts.",
  {
    scope: choice(
      "`per-sender` keeps people apart; `global` is one conversation with each agent for everybody: its main one.",
      ["per-sender", "global"],
      {
        default: "per-sender",
      },
    ),
    dmScope: choice("Which direct messages share a conversation.", DM_SCOPE, {
      default: "per-channel-peer",
      whenWrong: "per-account-channel-peer",
    }),
    groupScope: choice("`per-group` gives every group its own conversation; `main` lets groups share the agent's main one.", GROUP_SCOPE, {
      default: "per-group",
    }),
    identityLinks: map(
      "One person on several channels: a name, and the ids that belong to it as `channel:id`.",
      "<name>",
      list("Ids of the person.", text("An id as `channel:id`.", { orNumber: true })),
    ),
    reset,
    resetByType: group("Other rules for some kinds of chat.", {
      direct: resetRule("Direct messages.", true),
      group: resetRule("Groups and channels.", true),
      thread: resetRule("Threads and topics.", true),
    }),
    resetByChannel: map("Other rules for some channels.", "<channel>", resetRule("The rule of the channel.", false)),
    resetTriggers: list(
      "Messages that start a conversation anew, besides `/new` and `/reset`, which always do. The whole message must be the text; case does not matter.",
      text("The text."),
      { default: ["/new", "/reset"] },
    ),
    typingMode: typingMode('When "is typing" is shown; `agents.defaults.typingMode` when it is not set.'),
  },
  {
    unserved: ["mainKey", "maintenance", "notifyOnCreate", "store", "sendPolicy", "threadBindings", "sharing", "agentToAgent"],
  },
);

export const messages = group(
  "How messages come in and go out.",
  {
    responsePrefix: text("Text in front of every reply on a channel; `auto` is the name of the agent in brackets.", { maxChars: 200 }),
    ackReaction: text("Emoji with which a message is marked when it was taken, where the channel has reactions; none when it is not set.", {
      maxChars: 64,
    }),
    ackReactionScope: choice(
      "Which messages are marked: `group-mentions` those in groups that call the agent, `group-all` all that are answered there, `direct` direct ones, `all`, or none (`off`).",
      ["group-mentions", "group-all", "direct", "all", "off"],
      { default: "group-mentions", whenWrong: "off" },
    ),
    removeAckAfterReply: flag("Take the mark back when the message was answered.", { default: false }),
    groupChat: group(
      "Behaviour in groups.",
      {
        mentionPatterns: list(
          "Regular expressions (case does not matter) that count as a mention of the agent.",
          text("A regular expression.", { format: "regex" }),
        ),
        historyLimit: whole("Messages of the group that the agent gets as context with a mention.", { default: 50, min: 0 }),
      },
      { unserved: ["unmentionedInbound", "visibleReplies"] },
    ),
    queue: group(
      "What happens to a message that arrives while the agent is busy.",
      {
        mode: choice("`steer` into the running turn, `followup` after it, `collect` several into one, or `interrupt` it.", QUEUE_MODE, {
          default: "steer",
        }),
        byChannel: map("Another mode for some channels.", "<channel>", choice("The mode of the channel.", QUEUE_MODE)),
        debounceMs: whole("Mode `collect`: quiet time in milliseconds before the messages that waited for a turn are taken together.", {
          default: 500,
          min: 0,
          max: 60_000,
        }),
        debounceMsByChannel: map(
          "Another quiet time for some channels, in milliseconds.",
          "<channel>",
          whole("Milliseconds.", { min: 0, max: 60_000 }),
        ),
      },
      { unserved: ["cap", "drop"] },
    ),
  },
  {
    unserved: ["inbound", "visibleReplies", "usageTemplate", "responseUsage", "statusReactions", "tts", "messagePrefix"],
  },
);

export const commands = group(
  "Commands that begin with a slash.",
  {
    ownerAllowFrom: list(
      "Ids of the owners, as `channel:id`. The agent is told that they are, and they may always use commands.",
      text("An id as `channel:id`.", { orNumber: true }),
      {
        default: [],
        whenWrong: [],
      },
    ),
    allowFrom: map(
      "Who may use commands, by channel, or `*` for the other channels. What others write is never taken as a command. When it is not set, everybody who is answered may use them, but in rooms only owners those that change something; others may stop the answer to themselves.",
      "<channel>",
      list("Ids of people.", text("An id.", { orNumber: true })),
      { optional: true, whenWrong: {} },
    ),
  },
  {
    unserved: [
      "native",
      "nativeSkills",
      "text",
      "restart",
      "bash",
      "bashForegroundMs",
      "config",
      "mcp",
      "plugins",
      "debug",
      "useAccessGroups",
      "ownerDisplay",
      "ownerDisplaySecret",
    ],
  },
);

const match = group(
  "Which messages the rule takes; everything that is named must fit.",
  {
    channel: text("Id of the channel, such as `irc`.", { required: true }),
    accountId: text("Account of the channel; the default account when it is not set, `*` for all."),
    peer: group(
      "One chat.",
      {
        kind: choice("What kind of chat it is.", ["direct", "group", "channel"], { required: true }),
        id: text("The platform's own id of the chat, or `*`.", { required: true, orNumber: true }),
      },
      { optional: true, strict: true },
    ),
    guildId: text("Id of the server (Discord).", { orNumber: true }),
    teamId: text("Id of the team (Slack, Teams).", { orNumber: true }),
    roles: list("Ids of roles; one of them is enough.", text("Id of a role.", { orNumber: true })),
  },
  { required: true, strict: true },
);

const binding = group(
  "One rule.",
  {
    type: choice("`route` gives the messages to an agent; rules of the type `acp` have no effect here.", ["route", "acp"], {
      default: "route",
    }),
    agentId: text("Id of the agent.", { required: true }),
    comment: text("A note for people."),
    match,
    session: group(
      "Other conversation scopes for these messages.",
      {
        dmScope: choice("Which direct messages share a conversation.", DM_SCOPE),
        groupScope: choice("Which groups share a conversation.", GROUP_SCOPE),
      },
      { optional: true },
    ),
  },
  { strict: true, unserved: ["acp"] },
);

export const bindings = list("Rules that say which agent answers where; the most specific one wins.", binding, { default: [] });

export const accessGroups = map(
  "Named sets of people, used in allow lists as `accessGroup:<name>`.",
  "<name>",
  group(
    "One set.",
    {
      type: choice(
        "`message.senders` is a list of ids; a set of the type `discord.channelAudience` has nobody in it here.",
        ["message.senders", "discord.channelAudience"],
        { required: true },
      ),
      members: map("Ids by channel, or `*` for all channels.", "<channel>", list("Ids of people.", text("An id.", { orNumber: true }))),
    },
    { strict: true, unserved: ["membership", "guildId", "channelId"] },
  ),
);

/** Answers that two bots may exchange. */
export const botLoopProtection = group(
  "Keeps two bots from answering each other without end, where `allowBots` lets other bots in.",
  {
    enabled: flag("Watch pairs of bots.", { whenWrong: true }),
    maxEventsPerWindow: whole("Messages of one bot in one chat that are answered within the window.", { min: 1 }),
    windowSeconds: whole("Length of the window in seconds.", { min: 1 }),
    cooldownSeconds: whole("How long the bot gets no answers after that, in seconds.", { min: 1 }),
  },
  { optional: true },
);

/** Shared by every channel: what holds where the channel itself says nothing. */
export const channelDefaults = group(
  "What holds for every channel that does not say otherwise.",
  {
    dmPolicy: choice("Who may write directly.", ["pairing", "allowlist", "open", "disabled"], { whenWrong: "disabled" }),
    groupPolicy: choice("Which groups are answered.", ["open", "disabled", "allowlist"], { whenWrong: "disabled" }),
    implicitMentions: group(
      "What counts as a mention without the name.",
      {
        replyToBot: flag("A reply to a message of the agent.", { default: true, whenWrong: false }),
        threadParticipation: flag("A message in a thread in which the agent has answered.", { default: true, whenWrong: false }),
      },
      { unserved: ["quotedBot"] },
    ),
    botLoopProtection,
  },
  { effect: "restart-channel", unserved: ["contextVisibility", "heartbeatVisibility"] },
);

export const broadcast = map(
  "Chats whose messages go to several agents: each has its own session there, and each answers. All answer at the same time; `strategy` has no effect.",
  "<chat id>",
  opaque("Ids of the agents, as a list."),
);
