import { toolPolicy } from "../../core/tool-policy-schema.ts";
import {
  CLOSED_GROUP,
  conversationFields,
  senderList,
  proxy,
  UNREADABLE_URL,
  reactionNotifications,
  roomReactionNotifications,
  replyFields,
} from "../schema-fields.ts";
import { number, boolean, object, array, record, unknown, secret, string, type TypeOf } from "../../core/config-schema.ts";

export const DEFAULT_API_ROOT = "https://discord.com/api/v10";
export const API_ROOT_FIX = "Leave it out for Discord itself.";
export const TOKEN_FIX = "Set channels.discord.token to the bot's token from the Discord developer portal, or DISCORD_BOT_TOKEN.";

const snowflake = { regex: "\\d{1,20}", description: "a number in quotes, as Discord's developer mode copies it" } as const;
const roles = (doc: string) => array(doc, string("Id of a role.", { acceptsNumber: true }), { onInvalid: [] });

const channelRuleFields = {
  enabled: boolean("Answer here.", { onInvalid: false }),
  requireMention: boolean("Answer only when the bot is mentioned, or its message is replied to.", { onInvalid: true, whenAbsent: true }),
  users: senderList("People who are answered here. Default without `users` and `roles`: all members."),
  roles: roles("Members with one of these roles are answered here."),
  tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
  systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
  reactionNotifications: roomReactionNotifications,
};

const channelFields = { ...channelRuleFields, allow: boolean("Deprecated alias of `enabled`; `enabled` wins.", { onInvalid: false }) };

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

// The server's rules decide who is answered in it.
const { groupAllowFrom: _people, ...conversation } = conversationFields;

const discordFields = {
  ...conversation,
  proxy,
  token: secret("Token of the bot. `DISCORD_BOT_TOKEN` can be set instead (default account only).", { fix: TOKEN_FIX }),
  applicationId: string("Application id. Default: reported by Discord.", { acceptsNumber: true, pattern: snowflake }),
  apiRoot: string("Root URL of a Discord-compatible HTTP API, with its version. Not an OpenClaw key.", {
    format: "url",
    whenAbsent: DEFAULT_API_ROOT,
    onInvalid: UNREADABLE_URL,
    fix: API_ROOT_FIX,
  }),
  intents: object(
    "Gateway intents that are requested.",
    {
      messageContent: boolean(
        "Text of server messages that do not mention the bot. Requires the intent in the developer portal. Not an OpenClaw key.",
        { default: true, onInvalid: false },
      ),
    },
    { optional: true, unserved: ["presence", "guildMembers", "voiceStates"] },
  ),
  commands: object(
    "Chat commands.",
    { native: boolean("Register them as slash commands and replace those of the application.", { default: true, onInvalid: false }) },
    { optional: true, unserved: ["nativeSkills"] },
  ),
  guilds: record("Rules for each server, or `*` for all.", "<server id>", serverRule, { optional: true, onInvalid: { "*": CLOSED_GROUP } }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent is notified of with `reactionNotifications: allowlist`."),
  dangerouslyAllowNameMatching: boolean("Match display names in allow lists. Anyone can take any name.", {
    onInvalid: false,
  }),
  allowBots: unknown(
    "Messages of other bots: `true` answers them like people, `mentions` only if they mention this bot; every other value ignores them.",
  ),
  ackReaction: string("Emoji that marks an accepted message. Default: `messages.ackReaction`.", { maxChars: 64 }),
  mediaMaxMb: number("Largest file in either direction, in MiB.", { min: 0.1, max: 500 }),
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

const bot = object("One bot.", discordFields, { unserved: DISCORD_UNSERVED });

/** The keys of one account, checked. */
export type DiscordAccountKeys = TypeOf<typeof bot>;

export const schema = object(
  "Discord. Top-level keys are the defaults of every account.",
  {
    ...discordFields,
    accounts: record("Several bots by name, each with the top-level keys.", "<account>", bot),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true, unserved: DISCORD_UNSERVED },
);
