import { bytes, choice, duration, either, flag, group, list, map, opaque, text, whole } from "./shape.ts";

const DM_SCOPE = ["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] as const;
const GROUP_SCOPE = ["main", "per-group"] as const;
const QUEUE_MODE = ["steer", "followup", "collect", "interrupt"] as const;

const resetRule = (doc: string, optional: boolean) =>
  group(
    doc,
    {
      mode: choice("`none` never, `daily` at an hour, `idle` after silence.", ["none", "daily", "idle"]),
      atHour: whole("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { min: 0, max: 23 }),
      idleMinutes: whole("Minutes of silence after which the next message starts anew.", { min: 1 }),
    },
    optional ? { optional: true } : {},
  );

const reset = group("When a conversation starts anew by itself.", {
  mode: choice("`none` never, `daily` at an hour, `idle` after silence.", ["none", "daily", "idle"], { default: "none" }),
  atHour: whole("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { default: 4, min: 0, max: 23 }),
  idleMinutes: whole("Minutes of silence after which the next message starts anew.", { min: 1 }),
});

export const session = group(
  "Which messages share a conversation, and how long it lasts.",
  {
    scope: choice("`per-sender` keeps people apart; `global` is one conversation for everybody.", ["per-sender", "global"], {
      default: "per-sender",
    }),
    dmScope: choice("Which direct messages share a conversation.", DM_SCOPE, {
      default: "per-channel-peer",
      whenWrong: "per-account-channel-peer",
    }),
    groupScope: choice("`per-group` gives every group its own conversation; `main` lets groups share the agent's main one.", GROUP_SCOPE, {
      default: "per-group",
    }),
    mainKey: text("Has no effect: the main conversation of an agent is always `main`.", {
      notice: "has no effect: the main conversation of an agent is always called `main`",
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
    resetTriggers: list("Messages that start a conversation anew when they are the whole text, or its first word.", text("The text."), {
      default: ["/new", "/reset"],
    }),
    maintenance: group(
      "What happens to old conversations.",
      {
        mode: choice("`enforce` acts; `warn` only says what it would do.", ["enforce", "warn"], { default: "enforce", whenWrong: "warn" }),
        pruneAfter: duration("Age after which an unused conversation is archived, such as `30d`.", "d", { default: "30d" }),
        maxEntries: whole("Conversations that are kept unarchived.", { default: 5_000, min: 1 }),
        resetArchiveRetention: duration("How long the text of ended conversations is kept; `false` keeps it.", "d", {
          default: false,
          orFalse: true,
        }),
        maxDiskBytes: bytes("Disk space for conversations, such as `10gb`; `false` is without limit.", {
          default: "10gb",
          orFalse: true,
          whenWrong: false,
        }),
        highWaterBytes: bytes("Size to shrink to once the limit is reached; four fifths of it when it is not set."),
      },
      { unserved: ["coldStorage", "archiveDashboardAfter", "preserveRecent"] },
    ),
  },
  { unserved: ["notifyOnCreate", "store", "sendPolicy", "threadBindings", "sharing", "typingMode", "agentToAgent"] },
);

export const messages = group(
  "How messages come in and go out.",
  {
    responsePrefix: text("Text in front of every reply."),
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
    queue: group("What happens to a message that arrives while the agent is busy.", {
      mode: choice("`steer` into the running turn, `followup` after it, `collect` several into one, or `interrupt` it.", QUEUE_MODE, {
        default: "steer",
      }),
      byChannel: map("Another mode for some channels.", "<channel>", choice("The mode of the channel.", QUEUE_MODE)),
      debounceMs: whole("Quiet time in milliseconds before waiting messages are taken.", { default: 500, min: 0, max: 60_000 }),
      debounceMsByChannel: map(
        "Another quiet time for some channels, in milliseconds.",
        "<channel>",
        whole("Milliseconds.", { min: 0, max: 60_000 }),
      ),
      cap: whole("Messages that may wait in one conversation.", { default: 20, min: 1, max: 256 }),
      drop: choice(
        "What happens beyond that: keep a `summarize`d line of the oldest, drop the `old`est, or refuse the `new`.",
        ["summarize", "old", "new"],
        {
          default: "summarize",
        },
      ),
    }),
    inbound: group("Joining of messages that one person sends in a burst.", {
      debounceMs: whole("Quiet time in milliseconds before a burst is taken as one message; 0 takes each by itself.", {
        default: 0,
        min: 0,
        max: 60_000,
      }),
      byChannel: map(
        "Another quiet time for some channels, in milliseconds.",
        "<channel>",
        whole("Milliseconds.", { min: 0, max: 60_000 }),
      ),
    }),
    ackReaction: text("Emoji that is put on a message when it has been taken; empty for none.", { maxChars: 64 }),
    ackReactionScope: choice("Which messages get it.", ["group-mentions", "group-all", "direct", "all", "off", "none"], {
      default: "group-mentions",
    }),
    removeAckAfterReply: flag("Take the emoji away when the reply has been sent.", { default: false }),
  },
  { unserved: ["visibleReplies", "usageTemplate", "responseUsage", "statusReactions", "tts", "messagePrefix"] },
);

const autoFlag = (doc: string) => either(doc, [flag("On or off."), choice("Where the channel can.", ["auto"])], { default: "auto" });

export const commands = group(
  "Commands that begin with a slash.",
  {
    native: autoFlag("Offer the commands in the channel's own menu."),
    nativeSkills: autoFlag("Offer skills in the channel's own menu."),
    text: flag("Take commands that are written as plain text.", { default: true }),
    restart: flag("Owners may restart the gateway with `/restart`.", { default: true, whenWrong: false }),
    ownerAllowFrom: list(
      "Ids of the owners, as `channel:id`; they may use every command.",
      text("An id as `channel:id`.", { orNumber: true }),
      {
        default: [],
        whenWrong: [],
      },
    ),
    allowFrom: map(
      "Who may use commands, by channel, or `*` for all channels.",
      "<channel>",
      list("Ids of people.", text("An id.", { orNumber: true })),
      { optional: true, whenWrong: {} },
    ),
  },
  { unserved: ["bash", "bashForegroundMs", "config", "mcp", "plugins", "debug", "useAccessGroups", "ownerDisplay", "ownerDisplaySecret"] },
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
      type: choice("`message.senders` is a list of ids.", ["message.senders", "discord.channelAudience"], { required: true }),
      members: map("Ids by channel, or `*` for all channels.", "<channel>", list("Ids of people.", text("An id.", { orNumber: true }))),
      guildId: text("Id of the Discord server.", { orNumber: true }),
      channelId: text("Id of the Discord channel.", { orNumber: true }),
    },
    { strict: true, unserved: ["membership"] },
  ),
);

/** Shared by every channel: what holds where the channel itself says nothing. */
export const channelDefaults = group(
  "What holds for every channel that does not say otherwise.",
  {
    groupPolicy: choice("Which groups are answered.", ["open", "disabled", "allowlist"], { whenWrong: "disabled" }),
    botLoopProtection: opaque("Limits for conversations between bots; served by channels that know bots."),
    implicitMentions: group("What counts as a mention without the name.", {
      replyToBot: flag("A reply to a message of the agent.", { default: true, whenWrong: false }),
      quotedBot: flag("A quotation of the agent.", { default: true, whenWrong: false }),
      threadParticipation: flag("A thread that the agent has written in.", { default: true, whenWrong: false }),
    }),
  },
  { effect: "restart-channel", unserved: ["contextVisibility", "heartbeatVisibility"] },
);
