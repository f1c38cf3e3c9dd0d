/** Channels of OpenClaw that are not built in. A plugin may provide them. */
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

/** Channels that are not built in and whose ids mean the same in either case. A channel that is not listed keeps the case of its ids. */
export const CASE_INSENSITIVE_CHANNELS: ReadonlySet<string> = new Set([
  "email",
  "imessage",
  "mattermost",
  "nostr",
  "sms",
  "twitch",
  "webchat",
  "whatsapp",
  "xmpp",
]);
