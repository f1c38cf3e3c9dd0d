import { choice, flag, group, list, map, opaque, secret, text, whole } from "./shape.ts";
import { toolPolicy } from "./agents.ts";
import { CLOSED, dmPolicy, isolate, people } from "./channel-shape.ts";
import { discord } from "./discord.ts";
import { channelDefaults } from "./session.ts";
import { signal } from "./signal.ts";
import { slack } from "./slack.ts";
import { telegram } from "./telegram.ts";
import { webhook } from "./webhook.ts";

const nickserv = group(
  "Signing in with NickServ after the connection is made.",
  {
    enabled: flag("Sign in; on when a password is set."),
    service: text("Nick of the service.", { default: "NickServ" }),
    password: secret("Password of the nick."),
    register: flag("Register the nick when it is unknown.", { default: false }),
    registerEmail: text("Mail address for the registration."),
  },
  { optional: true },
);

const sasl = group(
  "Signing in with SASL PLAIN while the connection is made. A key of this gateway, not of OpenClaw.",
  {
    username: text("Name of the account; the nick when it is not set."),
    password: secret("Password of the account."),
  },
  { optional: true },
);

const flood = group(
  "How fast lines may go out; servers cut off clients that are faster. A key of this gateway, not of OpenClaw.",
  {
    burst: whole("Lines that may go at once.", { min: 1, max: 100 }),
    intervalMs: whole("Pause for each further line, in milliseconds.", { min: 0, max: 60_000 }),
  },
  { optional: true },
);

const ircGroup = group(
  "One IRC channel.",
  {
    enabled: flag("Answer here.", { default: true, whenWrong: false }),
    requireMention: flag("Answer only when the agent is mentioned.", { default: true, whenWrong: true }),
    key: secret("Key with which the channel is joined (mode +k). A key of this gateway, not of OpenClaw."),
    allowFrom: people("People who are answered here; `groupAllowFrom` when it is not set."),
    tools: toolPolicy("Tools in this channel, at most: never more than the agent's own `tools` grant.", []),
    systemPrompt: text("Added to the instructions of the agent in this channel.", { maxChars: 20_000 }),
  },
  { unserved: ["toolsBySender", "skills"], whenWrong: CLOSED },
);

const ircFields = {
  name: text("A note for people: what this connection is."),
  enabled: flag("Connect.", { whenWrong: false }),
  isolate,
  host: text("Host name of the server.", { pattern: { regex: "[^\\s/]+", is: "a host name" } }),
  port: whole("Port of the server; 6697 with TLS, 6667 without.", { min: 1, max: 65_535 }),
  tls: flag("Encrypt the connection.", { whenWrong: true }),
  tlsFingerprint: text("SHA-256 fingerprint of the one certificate that is accepted, in hex. A key of this gateway, not of OpenClaw."),
  tlsInsecure: flag("Accept every certificate: whoever is in between can read along. A key of this gateway, not of OpenClaw.", {
    whenWrong: false,
  }),
  nick: text("Nick of the agent.", { pattern: { regex: "[^\\s:#&@!*?,.]+", is: "a nick without spaces" } }),
  username: text("User name; the nick when it is not set."),
  realname: text("Real name that is shown."),
  password: secret("Password of the server."),
  nickserv,
  sasl,
  flood,
  channels: list(
    "IRC channels to join.",
    text("An IRC channel, such as #openclaw, or `#openclaw key` for one with a key; `groups.<#channel>.key` keeps the key secret.", {
      pattern: { regex: "[#&+!][^\\s,\\x07]+(?: [^\\s,:\\x07][^\\s,\\x07]*)?", is: "a channel like #name, or #name and its key" },
    }),
  ),
  dmPolicy,
  allowFrom: people("People who may write directly."),
  groupPolicy: choice(
    "Which channels are answered: only those in `groups`, every one (`open`), or none.",
    ["allowlist", "open", "disabled"],
    {
      whenWrong: "disabled",
    },
  ),
  groupAllowFrom: people("People who are answered in channels; `allowFrom` when it is not set."),
  groups: map("Rules for each IRC channel, or `*` for all.", "<#channel>", ircGroup, { optional: true, whenWrong: { "*": CLOSED } }),
  dangerouslyAllowNameMatching: flag("Let a bare nick count as an id in allow lists, although anybody can take a free nick.", {
    whenWrong: false,
  }),
  historyLimit: whole("Messages of the channel that the agent gets as context with a mention.", { min: 0 }),
  textChunkLimit: whole("Characters of one part of a reply, before the limit of an IRC line.", { min: 1, max: 400_000 }),
  responsePrefix: text("Text in front of every reply, instead of `messages.responsePrefix`.", { maxChars: 200 }),
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

const irc = group(
  "IRC. The keys of the top level hold for every account that does not say otherwise.",
  {
    ...ircFields,
    accounts: map(
      "Several connections by name, each with the keys of the top level.",
      "<account>",
      group("One connection.", ircFields, { unserved: IRC_UNSERVED }),
    ),
    defaultAccount: text("Account that is meant where none is named."),
  },
  { optional: true, unserved: IRC_UNSERVED },
);

/** Channels of OpenClaw that are not served, unless somebody provides them. */
export const OTHER_CHANNELS: readonly string[] = [
  "a2a",
  "buzz",
  "clickclack",
  "feishu",
  "googlechat",
  "imessage",
  "line",
  "matrix",
  "mattermost",
  "msteams",
  "nextcloud-talk",
  "nostr",
  "qa-channel",
  "raft",
  "reef",
  "sms",
  "synology-chat",
  "tlon",
  "twitch",
  "whatsapp",
  "zalo",
  "zalouser",
];

/** Channels that this release serves, besides `defaults`. Every other key of `channels` is kept as it is: it may be a channel of somebody else. */
export const channels = group(
  "Chat applications that the gateway is connected to.",
  { defaults: channelDefaults, discord, irc, signal, slack, telegram, webhook },
  {
    effect: "restart-channel",
    unserved: ["modelByChannel"],
    rest: {
      node: opaque("A channel that is not built in: one of yours, or one that this release does not serve. Kept as it is."),
      known: OTHER_CHANNELS,
      notice: "is not served by this release",
      note: "is not built in: channels/<id>.mjs in the state directory, or the package that its key `package` names, provides it",
    },
  },
);
