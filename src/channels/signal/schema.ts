import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, conversationFields, senderList, proxy, reactionNotifications, replyFields } from "../schema-fields.ts";
import { number, enumOf, boolean, object, record, string, integer } from "../../core/config-schema.ts";

const groupRule = object(
  "One group.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { onInvalid: true }),
    allowFrom: senderList("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this group, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: string("Added to the instructions of the agent here.", { maxChars: 20_000 }),
    reactionNotifications,
  },
  { unserved: ["toolsBySender", "skills", "ingest"], onInvalid: CLOSED_GROUP },
);

const transport = object(
  "How Signal is reached. Each account has its own: that of the top level belongs to the account `default`.",
  {
    kind: enumOf(
      "`managed-native` starts signal-cli, `external-native` uses a daemon that runs already, `container` the REST container around one.",
      ["managed-native", "external-native", "container"],
    ),
    url: string("Where the daemon or the container answers. Plain http:// only on this machine and in private networks.", {
      format: "url",
    }),
    cliPath: string("The signal-cli program; looked up in PATH by default. For managed-native."),
    configPath: string("Folder in which signal-cli keeps its accounts (its --config). For managed-native."),
    httpHost: string("Address of this machine on which our daemon listens. For managed-native.", { default: "127.0.0.1" }),
    httpPort: integer("Port on which our daemon listens; a free one by default. For managed-native.", { min: 1, max: 65_535 }),
    startupTimeoutMs: integer("Time for our daemon to answer, in milliseconds. For managed-native.", { min: 1_000, max: 120_000 }),
    ignoreStories: boolean("Do not fetch stories. For managed-native.", { default: true }),
  },
  { optional: true, unserved: ["socketPath", "receiveMode"] },
);

const fields = {
  ...conversationFields,
  proxy,
  account: string("The bot's own number, such as +15551234567.", { acceptsNumber: true }),
  accountUuid: string("The bot's own id, by which mentions may name it."),
  transport,
  ignoreAttachments: boolean("Fetch no files that people send."),
  groups: record("Rules for each group by its id, or `*` for all.", "<group id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: string("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`; empty for none."),
  mediaMaxMb: number("Largest file that is fetched, in MiB.", { min: 0 }),
};

const UNSERVED = [
  "capabilities",
  "markdown",
  "configWrites",
  "defaultTo",
  "aliases",
  "mentionPatterns",
  "contextVisibility",
  "dmHistoryLimit",
  "dms",
  "sendReadReceipts",
  "actions",
  "reactionLevel",
  "replyToModeByChatType",
  "heartbeat",
  "healthMonitor",
  "httpUrl",
  "httpHost",
  "httpPort",
  "cliPath",
  "autoStart",
  "startupTimeoutMs",
  "receiveMode",
  "ignoreStories",
] as const;

export const schema = object(
  "Signal. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: record(
      "Several numbers by name, each with the keys of the top level.",
      "<account>",
      object("One number.", fields, { unserved: UNSERVED }),
    ),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
