import { LIMITS } from "../../core/limits.ts";
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
import { number, boolean, object, record, secret, string, integer, type TypeOf } from "../../core/config-schema.ts";

export const DEFAULT_API_ROOT = "https://api.telegram.org";
export const DEFAULT_TIMEOUT_SECONDS = LIMITS.channelApiMs / 1_000;
export const TOKEN_FIX = "Talk to @BotFather in Telegram, send /newbot or /token, and set channels.telegram.botToken.";
export const SECRET_FIX = "Set it to a long random text: openssl rand -hex 32";

const UNSERVED_IN_GROUPS = [
  "toolsBySender",
  "skills",
  "groupPolicy",
  "ingest",
  "disableAudioPreflight",
  "agentId",
  "errorPolicy",
  "errorCooldownMs",
] as const;

const groupFields = {
  enabled: boolean("Answer here.", { default: true, onInvalid: false }),
  requireMention: boolean("Answer only when the bot is mentioned.", { onInvalid: true, whenAbsent: true }),
  allowFrom: senderList("People who are answered here. Default: `groupAllowFrom`."),
  tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
  systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
};

const topic = object("One topic of a forum.", groupFields, { unserved: UNSERVED_IN_GROUPS, onInvalid: CLOSED_GROUP });

const groupRule = object(
  "One group or channel.",
  {
    ...groupFields,
    reactionNotifications: roomReactionNotifications,
    topics: record("Rules for each topic; the first one, General, has the id 1.", "<topic id>", topic, {
      optional: true,
      onInvalid: {},
    }),
  },
  { unserved: UNSERVED_IN_GROUPS, onInvalid: CLOSED_GROUP },
);

const fields = {
  ...conversationFields,
  proxy,
  botToken: secret("Token of the bot, from @BotFather.", { fix: TOKEN_FIX }),
  token: secret("Alias of `botToken`, meant for `tokenFile`, the path of a file with the token. Overrides `botToken`.", { fix: TOKEN_FIX }),
  apiRoot: string("URL of your own Bot API server. Plain http:// only on this machine.", {
    format: "url",
    whenAbsent: DEFAULT_API_ROOT,
    onInvalid: UNREADABLE_URL,
  }),
  webhookUrl: string("Public https:// URL that Telegram pushes messages to. Default: messages are polled.", { format: "url" }),
  webhookSecret: secret("Checked on every push from Telegram; 16 to 256 characters of A-Z, a-z, 0-9, _ and -.", { fix: SECRET_FIX }),
  groups: record("Rules for each group or channel by its id, or `*` for all.", "<chat id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  allowBots: boolean("Also answer other bots.", { onInvalid: false, whenAbsent: false }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent is notified of with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: string("Emoji that marks an accepted message; empty for none. Default: `messages.ackReaction`."),
  linkPreview: boolean("Show link previews in replies.", { whenAbsent: true }),
  mediaMaxMb: number("Largest file that is downloaded, in MiB.", { min: 0 }),
  timeoutSeconds: integer("Timeout of one request to Telegram, in seconds.", { min: 1, max: 600, whenAbsent: DEFAULT_TIMEOUT_SECONDS }),
};

const UNSERVED = [
  "capabilities",
  "execApprovals",
  "markdown",
  "commands",
  "customCommands",
  "configWrites",
  "defaultTo",
  "mentionPatterns",
  "contextVisibility",
  "dmHistoryLimit",
  "dms",
  "direct",
  "mediaGroupFlushMs",
  "pollingStallThresholdMs",
  "retry",
  "network",
  "webhookPath",
  "webhookHost",
  "webhookPort",
  "webhookCertPath",
  "actions",
  "threadBindings",
  "reactionLevel",
  "heartbeat",
  "healthMonitor",
  "silentErrorReplies",
  "errorPolicy",
  "errorCooldownMs",
  "trustedLocalFileRoots",
  "autoTopicLabel",
] as const;

const bot = object("One bot.", fields, { unserved: UNSERVED });

/** The keys of one account, checked. */
export type TelegramAccountKeys = TypeOf<typeof bot>;

export const schema = object(
  "Telegram. Top-level keys are the defaults of every account.",
  {
    ...fields,
    accounts: record("Several bots by name, each with the top-level keys.", "<account>", bot),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
