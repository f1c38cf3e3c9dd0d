import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications, replyFields } from "../schema-fields.ts";
import { number, boolean, object, record, secret, string, integer } from "../../core/config-schema.ts";

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
  requireMention: boolean("Answer only when the bot is mentioned.", { onInvalid: true }),
  allowFrom: senderList("People who are answered here; `groupAllowFrom` when it is not set."),
  tools: toolPolicy("Tools in this room, at most: never more than the agent's own `tools` grant.", []),
  systemPrompt: string("Added to the instructions of the agent here.", { maxChars: 20_000 }),
};

const topic = object("One topic of a forum.", groupFields, { unserved: UNSERVED_IN_GROUPS, onInvalid: CLOSED_GROUP });

const groupRule = object(
  "One group or channel.",
  {
    ...groupFields,
    reactionNotifications,
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
  botToken: secret("Token of the bot, from @BotFather."),
  token: secret("The same; of use as `tokenFile`, the path of a file that holds the token, which stands over `botToken`."),
  apiRoot: string("Address of the Bot API, for a server of your own. Plain http:// only on this machine.", { format: "url" }),
  webhookUrl: string("Public https:// address that Telegram pushes messages to, instead of being polled.", { format: "url" }),
  webhookSecret: secret("Sent by Telegram with every push, and checked; 16 to 256 characters of A-Z, a-z, 0-9, _ and -."),
  groups: record("Rules for each group or channel by its id, or `*` for all.", "<chat id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  allowBots: boolean("Answer other bots, too.", { onInvalid: false }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: string("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`; empty for none."),
  linkPreview: boolean("Show previews of links in replies."),
  mediaMaxMb: number("Largest file that is fetched, in MiB.", { min: 0 }),
  timeoutSeconds: integer("Time for one request to Telegram, in seconds.", { min: 1, max: 600 }),
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

export const schema = object(
  "Telegram. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: record(
      "Several bots by name, each with the keys of the top level.",
      "<account>",
      object("One bot.", fields, { unserved: UNSERVED }),
    ),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
