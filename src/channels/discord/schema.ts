import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications, replyFields } from "../schema-fields.ts";
import { number, boolean, object, array, record, unknown, secret, string } from "../../core/config-schema.ts";

const snowflake = { regex: "\\d{1,20}", description: "a number in quotes, as Discord's developer mode copies it" } as const;
const roles = (doc: string) => array(doc, string("Id of a role.", { acceptsNumber: true }), { onInvalid: [] });

const channelRuleFields = {
  enabled: boolean("Answer here.", { onInvalid: false }),
  requireMention: boolean("Answer only when the bot is mentioned, or its message is replied to.", { onInvalid: true }),
  users: senderList("People who are answered here; all members when neither `users` nor `roles` is set."),
  roles: roles("Members with one of these roles are answered here."),
  tools: toolPolicy("Tools here, at most: never more than the agent's own `tools` grant.", []),
  systemPrompt: string("Added to the instructions of the agent here.", { maxChars: 20_000 }),
  reactionNotifications,
};

const channelFields = { ...channelRuleFields, allow: boolean("The older word for `enabled`, which stands over it.", { onInvalid: false }) };

const channelRule = object("One channel of a server; its threads follow it.", channelFields, {
  unserved: ["autoThread", "includeThreadStarter", "skills", "toolsBySender", "ignoreOtherMentions"],
  onInvalid: CLOSED_GROUP,
});

const { systemPrompt: _prompt, ...serverFields } = channelRuleFields;

const serverRule = object(
  "One server. Without `channels`, all its channels are answered.",
  {
    ...serverFields,
    channels: record("Rules for each channel, or `*` for all; only these are answered.", "<channel id>", channelRule, {
      optional: true,
      onInvalid: { "*": CLOSED_GROUP },
    }),
  },
  { unserved: ["slug", "toolsBySender", "ignoreOtherMentions"], onInvalid: CLOSED_GROUP },
);

// Who is answered in a server is said by the server's own rules.
const { groupAllowFrom: _people, ...conversation } = conversationFields;

const discordFields = {
  ...conversation,
  proxy,
  token: secret("Token of the bot. `DISCORD_BOT_TOKEN` can be set instead (default account only)."),
  applicationId: string("Id of the application; Discord tells it when it is not set.", { acceptsNumber: true, pattern: snowflake }),
  apiRoot: string(
    "Root of the HTTP API with its version, for a server that is compatible with Discord. A key of this gateway, not of OpenClaw.",
    {
      format: "url",
    },
  ),
  intents: object(
    "What Discord is asked to send.",
    {
      messageContent: boolean(
        "The text of messages in servers that do not mention the bot. Needs the intent in the developer portal. A key of this gateway, not of OpenClaw.",
      ),
    },
    { optional: true, unserved: ["presence", "guildMembers", "voiceStates"] },
  ),
  commands: object(
    "Chat commands.",
    { native: boolean("Offer them as slash commands, instead of all that the application had registered.") },
    { optional: true, unserved: ["nativeSkills"] },
  ),
  guilds: record("Rules for each server, or `*` for all.", "<server id>", serverRule, { optional: true, onInvalid: { "*": CLOSED_GROUP } }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  dangerouslyAllowNameMatching: boolean("Let a display name count as an id in allow lists, although anybody can take any name.", {
    onInvalid: false,
  }),
  allowBots: unknown(
    "Messages of other bots: `true` answers them as those of people, `mentions` only where they mention this one; anything else ignores them.",
  ),
  ackReaction: string("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`.", { maxChars: 64 }),
  mediaMaxMb: number("Size of one file in either direction, in MiB.", { min: 0.1, max: 500 }),
  ...replyFields,
};

const DISCORD_UNSERVED = [
  "mentionAliases",
  "dmHistoryLimit",
  "dms",
  "dm",
  "chunkMode",
  "suppressEmbeds",
  "maxLinesPerMessage",
  "blockStreaming",
  "retry",
  "actions",
  "thread",
  "defaultTo",
  "heartbeat",
  "execApprovals",
  "agentComponents",
  "ui",
  "slashCommand",
  "threadBindings",
  "voice",
  "pluralkit",
  "activity",
  "status",
  "autoPresence",
  "activityType",
  "activityUrl",
  "inboundWorker",
  "eventQueue",
  "markdown",
  "capabilities",
  "configWrites",
  "healthMonitor",
  "contextVisibility",
] as const;

export const schema = object(
  "Discord. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...discordFields,
    accounts: record(
      "Several bots by name, each with the keys of the top level.",
      "<account>",
      object("One bot.", discordFields, { unserved: DISCORD_UNSERVED }),
    ),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true, unserved: DISCORD_UNSERVED },
);
