import { array, boolean, enumOf, integer, object, record, secret, string } from "../../core/config-schema.ts";
import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, dmPolicy, isolate, senderList } from "../schema-fields.ts";

const nickserv = object(
  "Signing in with NickServ after the connection is made.",
  {
    enabled: boolean("Sign in; on when a password is set."),
    service: string("Nick of the service.", { default: "NickServ" }),
    password: secret("Password of the nick."),
    register: boolean("Register the nick when it is unknown.", { default: false }),
    registerEmail: string("Mail address for the registration."),
  },
  { optional: true },
);

const sasl = object(
  "Signing in with SASL PLAIN while the connection is made. A key of this gateway, not of OpenClaw.",
  {
    username: string("Name of the account; the nick when it is not set."),
    password: secret("Password of the account."),
  },
  { optional: true },
);

const flood = object(
  "How fast lines may go out; servers cut off clients that are faster. A key of this gateway, not of OpenClaw.",
  {
    burst: integer("Lines that may go at once.", { min: 1, max: 100 }),
    intervalMs: integer("Pause for each further line, in milliseconds.", { min: 0, max: 60_000 }),
  },
  { optional: true },
);

const ircGroup = object(
  "One IRC channel.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { default: true, onInvalid: true }),
    key: secret("Key with which the channel is joined (mode +k). A key of this gateway, not of OpenClaw."),
    allowFrom: senderList("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this channel, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: string("Added to the instructions of the agent in this channel.", { maxChars: 20_000 }),
  },
  { unserved: ["toolsBySender", "skills"], onInvalid: CLOSED_GROUP },
);

const ircFields = {
  name: string("A note for people: what this connection is."),
  enabled: boolean("Connect.", { onInvalid: false }),
  isolate,
  host: string("Host name of the server.", { pattern: { regex: "[^\\s/]+", description: "a host name" } }),
  port: integer("Port of the server; 6697 with TLS, 6667 without.", { min: 1, max: 65_535 }),
  tls: boolean("Encrypt the connection.", { onInvalid: true }),
  tlsFingerprint: string("SHA-256 fingerprint of the one certificate that is accepted, in hex. A key of this gateway, not of OpenClaw."),
  tlsInsecure: boolean("Accept every certificate: whoever is in between can read along. A key of this gateway, not of OpenClaw.", {
    onInvalid: false,
  }),
  nick: string("Nick of the agent.", { pattern: { regex: "[^\\s:#&@!*?,.]+", description: "a nick without spaces" } }),
  username: string("User name; the nick when it is not set."),
  realname: string("Real name that is shown."),
  password: secret("Password of the server."),
  nickserv,
  sasl,
  flood,
  channels: array(
    "IRC channels to join.",
    string("An IRC channel, such as #openclaw, or `#openclaw key` for one with a key; `groups.<#channel>.key` keeps the key secret.", {
      pattern: { regex: "[#&+!][^\\s,\\x07]+(?: [^\\s,:\\x07][^\\s,\\x07]*)?", description: "a channel like #name, or #name and its key" },
    }),
  ),
  dmPolicy,
  allowFrom: senderList("People who may write directly."),
  groupPolicy: enumOf(
    "Which channels are answered: only those in `groups`, every one (`open`), or none.",
    ["allowlist", "open", "disabled"],
    {
      onInvalid: "disabled",
    },
  ),
  groupAllowFrom: senderList("People who are answered in channels; `allowFrom` when it is not set."),
  groups: record("Rules for each IRC channel, or `*` for all.", "<#channel>", ircGroup, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  dangerouslyAllowNameMatching: boolean("Let a bare nick count as an id in allow lists, although anybody can take a free nick.", {
    onInvalid: false,
  }),
  historyLimit: integer("Messages of the channel that the agent gets as context with a mention.", { min: 0 }),
  textChunkLimit: integer("Characters of one part of a reply, before the limit of an IRC line.", { min: 1, max: 400_000 }),
  responsePrefix: string("Text in front of every reply, instead of `messages.responsePrefix`.", { maxChars: 200 }),
};

const IRC_UNSERVED = [
  "proxy",
  "replyToMode",
  "configWrites",
  "healthMonitor",
  "markdown",
  "dmHistoryLimit",
  "contextVisibility",
  "dms",
  "streaming",
  "mediaMaxMb",
] as const;

export const schema = object(
  "IRC. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...ircFields,
    accounts: record(
      "Several connections by name, each with the keys of the top level.",
      "<account>",
      object("One connection.", ircFields, { unserved: IRC_UNSERVED }),
    ),
    defaultAccount: string("Account that is meant where none is named."),
  },
  { optional: true, unserved: IRC_UNSERVED },
);
