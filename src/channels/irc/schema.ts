import { array, boolean, enumOf, integer, object, record, secret, string, type TypeOf } from "../../core/config-schema.ts";
import { toolPolicy } from "../../core/tool-policy-schema.ts";
import { CLOSED_GROUP, CONTROL, dmPolicy, isolate, ONE_LINE, senderList } from "../schema-fields.ts";

export const DEFAULT_PORTS = { tls: 6_697, plain: 6_667 } as const;
export const DEFAULT_REALNAME = "OpenClaw";
export const DEFAULT_SERVICE = "NickServ";
export const DEFAULT_FLOOD = { burst: 4, intervalMs: 2_000 } as const;

const nickserv = object(
  "NickServ sign-in after the connection is established.",
  {
    enabled: boolean("Sign in. Default: on if a password is set."),
    service: string("Nick of the service.", { default: DEFAULT_SERVICE, pattern: ONE_LINE }),
    password: secret("Password of the nick."),
    register: boolean("Register an unknown nick.", { default: false }),
    registerEmail: string("Mail address for the registration.", { pattern: ONE_LINE }),
  },
  { optional: true },
);

const sasl = object(
  "SASL PLAIN sign-in during connection. Not an OpenClaw key.",
  {
    username: string("Name of the account. Default: the nick.", { pattern: ONE_LINE }),
    password: secret("Password of the account."),
  },
  { optional: true },
);

const flood = object(
  "Rate limit of outgoing lines; servers disconnect faster clients. Not an OpenClaw key.",
  {
    burst: integer("Lines that may be sent at once.", { min: 1, max: 100, default: DEFAULT_FLOOD.burst }),
    intervalMs: integer("Delay of each further line, in milliseconds.", { min: 0, max: 60_000, default: DEFAULT_FLOOD.intervalMs }),
  },
  { optional: true },
);

const ircGroup = object(
  "One IRC channel.",
  {
    enabled: boolean("Answer here.", { default: true, onInvalid: false }),
    requireMention: boolean("Answer only when the agent is mentioned.", { default: true, onInvalid: true }),
    key: secret("Key with which the channel is joined (mode +k). Not an OpenClaw key."),
    allowFrom: senderList("People who are answered here. Default: `groupAllowFrom`."),
    tools: toolPolicy("Upper bound of the tools here; never more than the agent's own `tools`.", []),
    systemPrompt: string("Text added to the system prompt here.", { maxChars: 20_000 }),
  },
  { unserved: ["toolsBySender", "skills"], onInvalid: CLOSED_GROUP },
);

const ircFields = {
  name: string("Display name of the account."),
  enabled: boolean("Connect this account.", { onInvalid: false, whenAbsent: true }),
  isolate,
  host: string("Host name of the server.", { pattern: { regex: `[^\\s/${CONTROL}]+`, description: "a host name" } }),
  port: integer(`Port of the server; ${DEFAULT_PORTS.tls} with TLS, ${DEFAULT_PORTS.plain} without.`, { min: 1, max: 65_535 }),
  tls: boolean("Encrypt the connection.", { onInvalid: true, whenAbsent: true, fix: "Remove it to use TLS." }),
  tlsFingerprint: string("SHA-256 fingerprint of the only accepted certificate, in hex. Not an OpenClaw key.", {
    // No certificate has it: a pin that cannot be read must not become no pin.
    onInvalid: "unreadable",
  }),
  tlsInsecure: boolean("Accept every certificate: anyone in between can read the traffic. Not an OpenClaw key.", {
    onInvalid: false,
  }),
  nick: string("Nick of the agent.", {
    pattern: {
      regex: `(?![+\\d-])[^\\s:#&@!*?,.${CONTROL}]{1,50}`,
      description: "a nick: one word that does not begin with +, - or a digit",
    },
  }),
  username: string("User name. Default: the nick.", { pattern: ONE_LINE }),
  realname: string("Displayed real name.", { pattern: ONE_LINE, whenAbsent: DEFAULT_REALNAME }),
  password: secret("Password of the server."),
  nickserv,
  sasl,
  flood,
  channels: array(
    "IRC channels to join.",
    string("An IRC channel, such as #openclaw, or `#openclaw key` for one with a key; `groups.<#channel>.key` keeps the key secret.", {
      pattern: {
        regex: `[#&+!][^\\s,${CONTROL}]{1,199}(?: [^\\s,:${CONTROL}][^\\s,${CONTROL}]*)?`,
        description: "a channel like #name, or #name and its key",
      },
      fix: 'Names begin with "#"; a key is one word without a comma or a leading colon.',
    }),
  ),
  dmPolicy,
  allowFrom: senderList("People who may send direct messages."),
  groupPolicy: enumOf(
    "Which channels are answered: only those in `groups`, every one (`open`), or none.",
    ["allowlist", "open", "disabled"],
    {
      onInvalid: "disabled",
    },
  ),
  groupAllowFrom: senderList("People who are answered in channels. Default: `allowFrom`."),
  groups: record("Rules for each IRC channel, or `*` for all.", "<#channel>", ircGroup, {
    optional: true,
    onInvalid: { "*": CLOSED_GROUP },
  }),
  dangerouslyAllowNameMatching: boolean("Match bare nicks in allow lists. Anyone can take a free nick.", {
    onInvalid: false,
  }),
  historyLimit: integer("Channel messages that the agent receives as context with a mention.", { min: 0 }),
  textChunkLimit: integer("Maximum characters of one reply part, below the limit of an IRC line.", { min: 1, max: 400_000 }),
  responsePrefix: string("Text before every reply. Default: `messages.responsePrefix`.", { maxChars: 200 }),
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

const connection = object("One connection.", ircFields, { unserved: IRC_UNSERVED });

/** The keys of one account, checked. */
export type IrcAccountKeys = TypeOf<typeof connection>;

export const schema = object(
  "IRC. Top-level keys are the defaults of every account.",
  {
    ...ircFields,
    accounts: record("Several connections by name, each with the top-level keys.", "<account>", connection),
    defaultAccount: string("Account that is used when none is named."),
  },
  { optional: true, unserved: IRC_UNSERVED },
);
