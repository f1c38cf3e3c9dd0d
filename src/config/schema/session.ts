import { DEFAULT_QUEUE_MODE, QUEUE_MODE_HELP, QUEUE_MODES } from "../../core/queue-modes.ts";
import { enumOf, boolean, object, array, record, unknown, string, integer } from "../../core/config-schema.ts";
import { maintenance } from "./retention.ts";

const DM_SCOPE = ["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] as const;
const GROUP_SCOPE = ["main", "per-group"] as const;
/** When "is typing" is shown. */
export const typingMode = (doc: string) => enumOf(doc, ["never", "instant", "thinking", "message"]);

const resetRule = (doc: string, optional: boolean) =>
  object(
    doc,
    {
      mode: enumOf(
        "`none` never, `daily` at an hour (and after silence, where `idleMinutes` is set), `idle` after silence; as in `session.reset` when it is not set.",
        ["none", "daily", "idle"],
      ),
      atHour: integer("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { min: 0, max: 23 }),
      idleMinutes: integer("Minutes of inactivity after which the next message resets the session.", { min: 1 }),
    },
    optional ? { optional: true } : {},
  );

const reset = object("Automatic session resets.", {
  mode: enumOf(
    "`none` never, `daily` at an hour (and after silence, where `idleMinutes` is set), `idle` after silence. When it is not set, `idle` with `idleMinutes`, else `none`.",
    ["none", "daily", "idle"],
  ),
  atHour: integer("Hour of the daily reset, 0 to 23, in the time zone of `agents.defaults.userTimezone`.", { default: 4, min: 0, max: 23 }),
  idleMinutes: integer("Minutes of inactivity after which the next message resets the session.", { min: 1 }),
});

export const session = object(
  "Which messages share a conversation, and how long it lasts.",
  {
    scope: enumOf(
      "`per-sender` keeps people apart; `global` is one conversation with each agent for everybody: its main one.",
      ["per-sender", "global"],
      {
        default: "per-sender",
      },
    ),
    dmScope: enumOf("Which direct messages share a conversation.", DM_SCOPE, {
      default: "per-channel-peer",
      onInvalid: "per-account-channel-peer",
    }),
    groupScope: enumOf("`per-group` gives every group its own conversation; `main` lets groups share the agent's main one.", GROUP_SCOPE, {
      default: "per-group",
    }),
    identityLinks: record(
      "One person on several channels: a name, and the ids that belong to it as `channel:id`.",
      "<name>",
      array("Ids of the person.", string("An id as `channel:id`.", { acceptsNumber: true })),
    ),
    reset,
    resetByType: object("Other rules for some kinds of chat.", {
      direct: resetRule("Direct messages.", true),
      group: resetRule("Groups and channels.", true),
      thread: resetRule("Threads and topics.", true),
    }),
    resetByChannel: record("Other rules for some channels.", "<channel>", resetRule("The rule of the channel.", false)),
    resetTriggers: array(
      "Messages that reset the session, in addition to `/new` and `/reset`. The whole message must match; case is ignored.",
      string("The text."),
      { default: ["/new", "/reset"] },
    ),
    typingMode: typingMode('When "is typing" is shown; `agents.defaults.typingMode` when it is not set.'),
    maintenance,
  },
  {
    unserved: ["mainKey", "notifyOnCreate", "store", "sendPolicy", "threadBindings", "sharing", "agentToAgent"],
  },
);

export const messages = object(
  "How messages come in and go out.",
  {
    responsePrefix: string("Text in front of every reply on a channel; `auto` is the name of the agent in brackets.", { maxChars: 200 }),
    ackReaction: string(
      "Emoji with which a message is marked when it was taken, where the channel has reactions; none when it is not set.",
      {
        maxChars: 64,
      },
    ),
    ackReactionScope: enumOf(
      "Which messages are marked: `group-mentions` those in groups that call the agent, `group-all` all that are answered there, `direct` direct ones, `all`, or none (`off`).",
      ["group-mentions", "group-all", "direct", "all", "off"],
      { default: "group-mentions", onInvalid: "off" },
    ),
    removeAckAfterReply: boolean("Take the mark back when the message was answered.", { default: false }),
    groupChat: object(
      "Behavior in groups.",
      {
        mentionPatterns: array(
          "Regular expressions (case does not matter) that count as a mention of the agent.",
          string("A regular expression.", { format: "regex" }),
        ),
        historyLimit: integer("Messages of the group that the agent gets as context with a mention.", { default: 50, min: 0 }),
      },
      { unserved: ["unmentionedInbound", "visibleReplies"] },
    ),
    queue: object(
      "What happens to a message that arrives while the agent is busy.",
      {
        mode: enumOf(`The message: ${QUEUE_MODES.map((mode) => `\`${mode}\` ${QUEUE_MODE_HELP[mode]}`).join("; ")}.`, QUEUE_MODES, {
          default: DEFAULT_QUEUE_MODE,
        }),
        byChannel: record("Another mode for some channels.", "<channel>", enumOf("The mode of the channel.", QUEUE_MODES)),
        debounceMs: integer("Mode `collect`: quiet time in milliseconds before the messages that waited for a turn are taken together.", {
          default: 500,
          min: 0,
          max: 60_000,
        }),
        debounceMsByChannel: record(
          "Another quiet time for some channels, in milliseconds.",
          "<channel>",
          integer("Milliseconds.", { min: 0, max: 60_000 }),
        ),
      },
      { unserved: ["cap", "drop"] },
    ),
  },
  {
    unserved: ["inbound", "visibleReplies", "usageTemplate", "responseUsage", "statusReactions", "tts", "messagePrefix"],
  },
);

export const commands = object(
  "Commands that begin with a slash.",
  {
    ownerAllowFrom: array(
      "Ids of the owners, as `channel:id`. The agent is informed that they are owners, and they may always use commands.",
      string("An id as `channel:id`.", { acceptsNumber: true }),
      {
        default: [],
        onInvalid: [],
      },
    ),
    allowFrom: record(
      "Who may use commands, by channel, or `*` for the other channels. What others write is never taken as a command. When it is not set, everybody who is answered may use them, but in rooms only owners those that change something; others may stop the answer to themselves.",
      "<channel>",
      array("Ids of people.", string("An id.", { acceptsNumber: true })),
      { optional: true, onInvalid: {} },
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

const match = object(
  "Which messages the rule takes; everything that is named must fit.",
  {
    channel: string("Id of the channel, such as `irc`.", { required: true }),
    accountId: string("Account of the channel; the default account when it is not set, `*` for all."),
    peer: object(
      "One chat.",
      {
        kind: enumOf("What kind of chat it is.", ["direct", "group", "channel"], { required: true }),
        id: string("The platform's own id of the chat, or `*`.", { required: true, acceptsNumber: true }),
      },
      { optional: true, strict: true },
    ),
    guildId: string("Id of the server (Discord).", { acceptsNumber: true }),
    teamId: string("Id of the team (Slack, Teams).", { acceptsNumber: true }),
    roles: array("Ids of roles; one of them is enough.", string("Id of a role.", { acceptsNumber: true })),
  },
  { required: true, strict: true },
);

const binding = object(
  "One rule.",
  {
    type: enumOf("`route` gives the messages to an agent; rules of the type `acp` have no effect here.", ["route", "acp"], {
      default: "route",
    }),
    agentId: string("Id of the agent.", { required: true }),
    comment: string("A note for people."),
    match,
    session: object(
      "Other conversation scopes for these messages.",
      {
        dmScope: enumOf("Which direct messages share a conversation.", DM_SCOPE),
        groupScope: enumOf("Which groups share a conversation.", GROUP_SCOPE),
      },
      { optional: true },
    ),
  },
  { strict: true, unserved: ["acp"] },
);

export const bindings = array("Rules that say which agent answers where; the most specific one wins.", binding, { default: [] });

export const accessGroups = record(
  "Named sets of people, used in allow lists as `accessGroup:<name>`.",
  "<name>",
  object(
    "One set.",
    {
      type: enumOf(
        "`message.senders` is a list of ids; a set of the type `discord.channelAudience` is empty in this gateway.",
        ["message.senders", "discord.channelAudience"],
        { required: true },
      ),
      members: record(
        "Ids by channel, or `*` for all channels.",
        "<channel>",
        array("Ids of people.", string("An id.", { acceptsNumber: true })),
      ),
    },
    { strict: true, unserved: ["membership", "guildId", "channelId"] },
  ),
);

export const broadcast = record(
  "Chats whose messages go to several agents: each has its own session there, and each answers. All answer at the same time; `strategy` has no effect.",
  "<chat id>",
  unknown("Ids of the agents, as a list."),
);
