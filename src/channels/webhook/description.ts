import type { ChannelDescription } from "../manifest.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "webhook",
  label: "Webhook",
  summary: "Signed JSON in and out over HTTP, an open contract for systems of your own.",
  docs: "docs/channels/webhook.md",
  capabilities: {
    chatKinds: ["direct", "group", "channel"],
    maxText: { unit: "utf16", value: 16_000 },
    markup: "markdown",
    ack: "event",
    idempotency: "key",
    edit: true,
    typing: true,
    reactions: true,
    media: { in: true, out: true },
    buttons: true,
    commands: false,
    polls: false,
    events: ["edit", "delete", "reaction", "interaction"],
  },
  setup: ["outboundUrl"],
  guide: {
    text: "Choose a secret that both sides share. Replies go to the outbound URL; without one the webhook only receives.",
    test: "Post a signed message to the webhook to test it.",
  },
  environment: { secret: "OPENCLAW_WEBHOOK_SECRET" },
  connectionKeys: [["secret"]],
  commonKeys: ["secret", "outboundUrl"],
  sessionKeys: { foldsCase: true },
  singleReceiver: "its sender knows one address only",
};
