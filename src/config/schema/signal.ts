import { toolPolicy } from "./agents.ts";
import { CLOSED, conversationFields, people, proxy, reactionNotifications } from "./channel-shape.ts";
import { replyFields } from "./session.ts";
import { amount, choice, flag, group, map, text, whole } from "./shape.ts";

const room = group(
  "One group.",
  {
    enabled: flag("Answer here.", { default: true, whenWrong: false }),
    requireMention: flag("Answer only when the agent is mentioned.", { whenWrong: true }),
    allowFrom: people("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this group, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: text("Added to the instructions of the agent here.", { maxChars: 20_000 }),
    reactionNotifications,
  },
  { unserved: ["toolsBySender", "skills", "ingest"], whenWrong: CLOSED },
);

const transport = group(
  "How Signal is reached. Each account has its own: that of the top level belongs to the account `default`.",
  {
    kind: choice(
      "`managed-native` starts signal-cli, `external-native` uses a daemon that runs already, `container` the REST container around one.",
      ["managed-native", "external-native", "container"],
    ),
    url: text("Where the daemon or the container answers. Plain http:// only on this machine and in private networks.", { format: "url" }),
    cliPath: text("The signal-cli program; looked up in PATH by default. For managed-native."),
    configPath: text("Folder in which signal-cli keeps its accounts (its --config). For managed-native."),
    httpHost: text("Address of this machine on which our daemon listens. For managed-native.", { default: "127.0.0.1" }),
    httpPort: whole("Port on which our daemon listens; a free one by default. For managed-native.", { min: 1, max: 65_535 }),
    startupTimeoutMs: whole("Time for our daemon to answer, in milliseconds. For managed-native.", { min: 1_000, max: 120_000 }),
    ignoreStories: flag("Do not fetch stories. For managed-native.", { default: true }),
  },
  { optional: true, unserved: ["socketPath", "receiveMode"] },
);

const fields = {
  ...conversationFields,
  proxy,
  account: text("The bot's own number, such as +15551234567.", { orNumber: true }),
  accountUuid: text("The bot's own id, by which mentions may name it."),
  transport,
  ignoreAttachments: flag("Fetch no files that people send."),
  groups: map("Rules for each group by its id, or `*` for all.", "<group id>", room, { optional: true, whenWrong: { "*": CLOSED } }),
  reactionNotifications,
  reactionAllowlist: people("People whose reactions the agent hears about, with `reactionNotifications: allowlist`."),
  ...replyFields,
  ackReaction: text("Emoji with which a message is marked when it was taken, instead of `messages.ackReaction`; empty for none."),
  mediaMaxMb: amount("Largest file that is fetched, in MiB.", { min: 0 }),
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

export const signal = group(
  "Signal. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...fields,
    accounts: map(
      "Several numbers by name, each with the keys of the top level.",
      "<account>",
      group("One number.", fields, { unserved: UNSERVED }),
    ),
    defaultAccount: text("Account that is meant where none is named."),
  },
  { optional: true, unserved: UNSERVED },
);
