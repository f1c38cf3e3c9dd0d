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
import { number, enumOf, boolean, object, record, unknown, secret, string, type TypeOf } from "../../core/config-schema.ts";

export const DEFAULT_API_ROOT = "https://slack.com/api";
export const DEFAULT_COMMAND = "openclaw";
export const BOT_TOKEN_FIX = "Copy the Bot User OAuth Token from api.slack.com/apps (OAuth & Permissions) into channels.slack.botToken.";
export const APP_TOKEN_FIX =
  "Create an app-level token with the scope connections:write (Basic Information) and set channels.slack.appToken.";
export const SIGNING_SECRET_FIX = "Copy the Signing Secret from api.slack.com/apps (Basic Information) into channels.slack.signingSecret.";

const channelRule = object(
  "One channel or group conversation; its threads follow it.",
  {
    enabled: boolean("Answer here.", { onInvalid: false }),
    requireMention: boolean("Answer only when the app is mentioned, or its message is answered.", { onInvalid: true, whenAbsent: true }),
    users: senderList("People who are answered here. Default: all members."),
    tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
    systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
    reactionNotifications: roomReactionNotifications,
  },
  { unserved: ["allow", "skills", "toolsBySender", "allowBots", "ignoreOtherMentions"], onInvalid: CLOSED_GROUP },
);

// The channel's rule decides who is answered in it.
const { groupAllowFrom: _people, ...conversation } = conversationFields;

const slackFields = {
  ...conversation,
  proxy,
  mode: enumOf("Event transport: `socket` (Socket Mode) or `http` (requests from Slack).", ["socket", "http"], {
    whenAbsent: "socket",
  }),
  botToken: secret("Bot token, xoxb-…. `SLACK_BOT_TOKEN` can be set instead (default account only).", { fix: BOT_TOKEN_FIX }),
  appToken: secret(
    "App-level token, xapp-…, with the scope connections:write. `SLACK_APP_TOKEN` can be set instead (default account only).",
    { fix: APP_TOKEN_FIX },
  ),
  signingSecret: secret("Signing secret of the app, with `mode: http`.", { fix: SIGNING_SECRET_FIX }),
  apiRoot: string("URL of the Web API. Plain http:// only on this machine. Not an OpenClaw key.", {
    format: "url",
    whenAbsent: DEFAULT_API_ROOT,
    onInvalid: UNREADABLE_URL,
  }),
  channels: record("Rules for each channel by its id, or `*` for all.", "<channel id>", channelRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  requireMention: boolean("Answer in channels only when the app is mentioned.", { onInvalid: true, whenAbsent: true }),
  slashCommand: object(
    "Slash commands of the app.",
    {
      enabled: boolean("Accept them.", { onInvalid: false }),
      name: string("The command whose text is the message; other commands become `/name arguments`.", {
        default: DEFAULT_COMMAND,
        pattern: { regex: "/?[^\\s/]{1,32}", description: "a word of at most 32 characters" },
      }),
    },
    { optional: true, unserved: ["sessionPrefix", "ephemeral"] },
  ),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent is notified of with `reactionNotifications: allowlist`."),
  dangerouslyAllowNameMatching: boolean("Match display names in allow lists. Anyone can take any name.", {
    onInvalid: false,
  }),
  allowBots: unknown(
    "Messages of other bots: `true` answers them like people, `mentions` only if they mention this bot; every other value ignores them.",
  ),
  ackReaction: string("Emoji that marks an accepted message. Default: `messages.ackReaction`.", { maxChars: 64 }),
  mediaMaxMb: number("Largest received file, in MiB.", { min: 0.1, max: 500 }),
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

const app = object("One app in one workspace.", slackFields, { unserved: SLACK_UNSERVED });

/** The keys of one account, checked. */
export type SlackAccountKeys = TypeOf<typeof app>;

export const schema = object(
  "Slack. Top-level keys are the defaults of every account.",
  {
    ...slackFields,
    accounts: record("Several apps or workspaces by name, each with the top-level keys.", "<account>", app),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true, unserved: SLACK_UNSERVED },
);
