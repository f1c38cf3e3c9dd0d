import { toolPolicy } from "../../core/tool-policy-schema.ts";
import {
  CLOSED_GROUP,
  conversationFields,
  senderList,
  proxy,
  reactionNotifications,
  roomReactionNotifications,
  replyFields,
} from "../schema-fields.ts";
import { number, enumOf, boolean, object, record, string, integer, type TypeOf } from "../../core/config-schema.ts";

export const NUMBER_FIX = "Set channels.signal.account to the bot's own number, e.g. +15551234567.";
export const URL_FIX =
  "Set the address of the daemon, e.g. http://127.0.0.1:8080. Plain http:// is accepted for this machine and private networks.";
export const DEFAULT_CLI_PATH = "signal-cli";
export const DEFAULT_HTTP_HOST = "127.0.0.1";
export const DEFAULT_STARTUP_MS = 30_000;

const groupRule = object(
  "One group.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { onInvalid: true, whenAbsent: true }),
    allowFrom: senderList("People who are answered here. Default: `groupAllowFrom`."),
    tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
    systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
    reactionNotifications: roomReactionNotifications,
  },
  { unserved: ["toolsBySender", "skills", "ingest"], onInvalid: CLOSED_GROUP },
);

const transport = object(
  "How Signal is reached. Not inherited: the top-level key belongs to the account `default`.",
  {
    kind: enumOf("`managed-native` starts signal-cli, `external-native` uses a running daemon, `container` uses the REST container.", [
      "managed-native",
      "external-native",
      "container",
    ]),
    url: string("URL of the daemon or the container. Plain http:// only on this machine and in private networks.", {
      format: "url",
      fix: URL_FIX,
    }),
    cliPath: string("The signal-cli program; a name is looked up in PATH. For managed-native.", { default: DEFAULT_CLI_PATH }),
    configPath: string("Folder with the accounts of signal-cli (its --config). For managed-native."),
    httpHost: string("Address of this machine on which the started daemon listens. For managed-native.", { default: DEFAULT_HTTP_HOST }),
    httpPort: integer("Port on which the started daemon listens; Default: a free port. For managed-native.", { min: 1, max: 65_535 }),
    startupTimeoutMs: integer("Startup timeout of the daemon, in milliseconds. For managed-native.", {
      min: 1_000,
      max: 120_000,
      default: DEFAULT_STARTUP_MS,
    }),
    ignoreStories: boolean("Ignore stories. For managed-native.", { default: true }),
  },
  { optional: true, unserved: ["socketPath", "receiveMode"] },
);

const fields = {
  ...conversationFields,
  proxy,
  account: string("Phone number of the bot, such as +15551234567. Spaces, hyphens and parentheses are ignored.", {
    pattern: {
      regex: "[\\s()\\-]*\\+[\\s()\\-]*[1-9](?:[\\s()\\-]*\\d){5,14}[\\s()\\-]*",
      description: "a phone number in the international form",
    },
    fix: NUMBER_FIX,
  }),
  accountUuid: string("Account id of the bot, which mentions may use.", {
    pattern: {
      regex: "(?:(?:uuid:)?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})?",
      description: "the id of an account, such as 00000000-0000-4000-8000-000000000000",
    },
  }),
  transport,
  ignoreAttachments: boolean("Do not download files that people send."),
  groups: record("Rules for each group by its id, or `*` for all.", "<group id>", groupRule, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  reactionNotifications,
  reactionAllowlist: senderList("People whose reactions the agent is notified of with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: string("Emoji that marks an accepted message; empty for none. Default: `messages.ackReaction`."),
  mediaMaxMb: number("Largest file that is downloaded, in MiB.", { min: 0 }),
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

const accountKeys = object("One number.", fields, { unserved: UNSERVED });

/** The keys of one account, checked. */
export type SignalAccountKeys = TypeOf<typeof accountKeys>;

export const schema = object(
  "Signal. Top-level keys are the defaults of every account.",
  {
    ...fields,
    accounts: record("Several numbers by name, each with the top-level keys.", "<account>", accountKeys),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
