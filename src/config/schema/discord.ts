import { toolPolicy } from "./agents.ts";
import { CLOSED, conversationFields, people, proxy, reactionNotifications } from "./channel-shape.ts";
import { replyFields } from "./session.ts";
import { amount, flag, group, list, map, opaque, secret, text } from "./shape.ts";

const snowflake = { regex: "\\d{1,20}", is: "a number in quotes, as Discord's developer mode copies it" } as const;
const roles = (doc: string) => list(doc, text("Id of a role.", { orNumber: true }), { whenWrong: [] });

const roomFields = {
  enabled: flag("Answer here.", { whenWrong: false }),
  requireMention: flag("Answer only when the bot is mentioned, or its message is replied to.", { whenWrong: true }),
  users: people("People who are answered here; all members when neither `users` nor `roles` is set."),
  roles: roles("Members with one of these roles are answered here."),
  tools: toolPolicy("Tools here, at most: never more than the agent's own `tools` grant.", []),
  systemPrompt: text("Added to the instructions of the agent here.", { maxChars: 20_000 }),
  reactionNotifications,
};

const channelFields = { ...roomFields, allow: flag("The older word for `enabled`, which stands over it.", { whenWrong: false }) };

const channelRule = group("One channel of a server; its threads follow it.", channelFields, {
  unserved: ["autoThread", "includeThreadStarter", "skills", "toolsBySender", "ignoreOtherMentions"],
  whenWrong: CLOSED,
});

const { systemPrompt: _prompt, ...serverFields } = roomFields;

const serverRule = group(
  "One server. Without `channels`, all its channels are answered.",
  {
    ...serverFields,
    channels: map("Rules for each channel, or `*` for all; only these are answered.", "<channel id>", channelRule, {
      optional: true,
      whenWrong: { "*": CLOSED },
    }),
  },
  { unserved: ["slug", "toolsBySender", "ignoreOtherMentions"], whenWrong: CLOSED },
);

// Who is answered in a server is said by the server's own rules.
const { groupAllowFrom: _people, ...conversation } = conversationFields;

const discordFields = {
  ...conversation,
  proxy,
  token: secret("Token of the bot. `DISCORD_BOT_TOKEN` can be set instead (default account only)."),
  applicationId: text("Id of the application; Discord tells it when it is not set.", { orNumber: true, pattern: snowflake }),
  apiRoot: text(
    "Root of the HTTP API with its version, for a server that is compatible with Discord. A key of this gateway, not of OpenClaw.",
    {
      format: "url",
    },
  ),
  intents: group(
    "What Discord is asked to send.",
    {
      messageContent: flag(
        "The text of messages in servers that do not mention the bot. Needs the intent in the developer portal. A key of this gateway, not of OpenClaw.",
      ),
    },
    { optional: true, unserved: ["presence", "guildMembers", "voiceStates"] },
  ),
  commands: group(
    "Chat commands.",
    { native: flag("Offer them as slash commands, instead of all that the application had registered.") },
    { optional: true, unserved: ["nativeSkills"] },
  ),
  guilds: map("Rules for each server, or `*` for all.", "<server id>", serverRule, { optional: true, whenWrong: { "*": CLOSED } }),
  reactionNotifications,
  reactionAllowlist: people("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  dangerouslyAllowNameMatching: flag("Let a display name count as an id in allow lists, although anybody can take any name.", {
    whenWrong: false,
  }),
  allowBots: opaque(
    "Messages of other bots: `true` answers them as those of people, `mentions` only where they mention this one; anything else ignores them.",
  ),
  ackReaction: text("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`.", { maxChars: 64 }),
  mediaMaxMb: amount("Size of one file in either direction, in MiB.", { min: 0.1, max: 500 }),
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

export const discord = group(
  "Discord. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...discordFields,
    accounts: map(
      "Several bots by name, each with the keys of the top level.",
      "<account>",
      group("One bot.", discordFields, { unserved: DISCORD_UNSERVED }),
    ),
    defaultAccount: text("Account that is meant where none is named."),
  },
  { optional: true, unserved: DISCORD_UNSERVED },
);
