import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications, replyFields } from "../schema-fields.ts";
import { number, enumOf, boolean, object, record, unknown, secret, string } from "../../core/config-schema.ts";

const channelRule = object(
  "One channel or group conversation; its threads follow it.",
  {
    enabled: boolean("Answer here.", { onInvalid: false }),
    requireMention: boolean("Answer only when the app is mentioned, or its message is answered.", { onInvalid: true }),
    users: senderList("People who are answered here; all members when it is not set."),
    tools: toolPolicy("Tools here, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: string("Added to the instructions of the agent here.", { maxChars: 20_000 }),
    reactionNotifications,
  },
  { unserved: ["allow", "skills", "toolsBySender", "allowBots", "ignoreOtherMentions"], onInvalid: CLOSED_GROUP },
);

// Who is answered in a channel is said by the channel's own rule.
const { groupAllowFrom: _people, ...conversation } = conversationFields;

const slackFields = {
  ...conversation,
  proxy,
  mode: enumOf("How events arrive: over sockets that the gateway opens, or as requests that Slack sends.", ["socket", "http"]),
  botToken: secret("Bot token, xoxb-…. `SLACK_BOT_TOKEN` can be set instead (default account only)."),
  appToken: secret(
    "App-level token, xapp-…, with the scope connections:write. `SLACK_APP_TOKEN` can be set instead (default account only).",
  ),
  signingSecret: secret("Signing secret of the app, with `mode: http`."),
  apiRoot: string("Address of the Web API. Plain http:// only on this machine. A key of this gateway, not of OpenClaw.", { format: "url" }),
  channels: record("Rules for each channel by its id, or `*` for all.", "<channel id>", channelRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  requireMention: boolean("Answer in channels only when the app is mentioned.", { onInvalid: true }),
  slashCommand: object(
    "Slash commands of the app.",
    {
      enabled: boolean("Take them.", { onInvalid: false }),
      name: string("The command whose text is the message itself; every other one is `/name arguments`.", { default: "openclaw" }),
    },
    { optional: true, unserved: ["sessionPrefix", "ephemeral"] },
  ),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  dangerouslyAllowNameMatching: boolean("Let a display name count as an id in allow lists, although anybody can take any name.", {
    onInvalid: false,
  }),
  allowBots: unknown(
    "Messages of other bots: `true` answers them as those of people, `mentions` only where they mention this one; anything else ignores them.",
  ),
  ackReaction: string("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`.", { maxChars: 64 }),
  mediaMaxMb: number("Size of one received file, in MiB.", { min: 0.1, max: 500 }),
  ...replyFields,
};

const SLACK_UNSERVED = [
  "webhookPath",
  "userToken",
  "userTokenReadOnly",
  "capabilities",
  "markdown",
  "commands",
  "configWrites",
  "mentionPatterns",
  "contextVisibility",
  "dmHistoryLimit",
  "dms",
  "dm",
  "chunkMode",
  "blockStreaming",
  "nativeStreaming",
  "replyToModeByChatType",
  "thread",
  "actions",
  "execApprovals",
  "typingReaction",
  "healthMonitor",
  "heartbeat",
  "defaultTo",
  "socketMode",
  "unfurlLinks",
  "unfurlMedia",
] as const;

export const schema = object(
  "Slack. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...slackFields,
    accounts: record(
      "Several apps or workspaces by name, each with the keys of the top level.",
      "<account>",
      object("One app in one workspace.", slackFields, { unserved: SLACK_UNSERVED }),
    ),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true, unserved: SLACK_UNSERVED },
);
