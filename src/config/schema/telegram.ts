import { toolPolicy } from "./agents.ts";
import { CLOSED, conversationFields, people, proxy, reactionNotifications } from "./channel-shape.ts";
import { replyFields } from "./session.ts";
import { amount, flag, group, map, secret, text, whole } from "./shape.ts";

const UNSERVED_IN_ROOMS = [
  "toolsBySender",
  "skills",
  "groupPolicy",
  "ingest",
  "disableAudioPreflight",
  "agentId",
  "errorPolicy",
  "errorCooldownMs",
] as const;

const roomFields = {
  enabled: flag("Answer here.", { default: true, whenWrong: false }),
  requireMention: flag("Answer only when the bot is mentioned.", { whenWrong: true }),
  allowFrom: people("People who are answered here; `groupAllowFrom` when it is not set."),
  tools: toolPolicy("Tools in this room, at most: never more than the agent's own `tools` grant.", []),
  systemPrompt: text("Added to the instructions of the agent here.", { maxChars: 20_000 }),
};

const topic = group("One topic of a forum.", roomFields, { unserved: UNSERVED_IN_ROOMS, whenWrong: CLOSED });

const room = group(
  "One group or channel.",
  {
    ...roomFields,
    reactionNotifications,
    topics: map("Rules for each topic; the first one, General, has the id 1.", "<topic id>", topic, {
      optional: true,
      whenWrong: {},
    }),
  },
  { unserved: UNSERVED_IN_ROOMS, whenWrong: CLOSED },
);

const fields = {
  ...conversationFields,
  proxy,
  botToken: secret("Token of the bot, from @BotFather."),
  token: secret("The same; of use as `tokenFile`, the path of a file that holds the token, which stands over `botToken`."),
  apiRoot: text("Address of the Bot API, for a server of your own. Plain http:// only on this machine.", { format: "url" }),
  webhookUrl: text("Public https:// address that Telegram pushes messages to, instead of being polled.", { format: "url" }),
  webhookSecret: secret("Sent by Telegram with every push, and checked; 16 to 256 characters of A-Z, a-z, 0-9, _ and -."),
  groups: map("Rules for each group or channel by its id, or `*` for all.", "<chat id>", room, {
    optional: true,
    whenWrong: { "*": CLOSED },
  }),
  allowBots: flag("Answer other bots, too.", { whenWrong: false }),
  reactionNotifications,
  reactionAllowlist: people("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: text("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`; empty for none."),
  linkPreview: flag("Show previews of links in replies."),
  mediaMaxMb: amount("Largest file that is fetched, in MiB.", { min: 0 }),
  timeoutSeconds: whole("Time for one request to Telegram, in seconds.", { min: 1, max: 600 }),
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

export const telegram = group(
  "Telegram. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: map(
      "Several bots by name, each with the keys of the top level.",
      "<account>",
      group("One bot.", fields, { unserved: UNSERVED }),
    ),
    defaultAccount: text("Account that is meant where none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
