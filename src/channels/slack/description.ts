import type { ChannelDescription } from "../manifest.ts";
import { SLACK_LIMITS } from "./limits.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "slack",
  label: "Slack",
  summary: "Direct messages, channels and threads of one workspace, over Socket Mode without gaps or over signed requests.",
  docs: "docs/channels/slack.md",
  capabilities: {
    chatKinds: ["direct", "group", "channel"],
    maxText: { unit: "utf16", value: SLACK_LIMITS.textChars },
    markup: "markdown",
    ack: "event",
    idempotency: "lookup",
    edit: true,
    typing: false,
    reactions: true,
    media: { in: true, out: true },
    buttons: true,
    commands: true,
    polls: false,
    events: ["edit", "delete", "reaction", "interaction"],
    roomAdmitsMembers: true,
  },
  setup: [],
  guide: {
    text: "Create a Slack app with Socket Mode on, install it, and copy its two tokens.",
    link: { label: "Open api.slack.com/apps", url: "https://api.slack.com/apps" },
  },
  environment: { botToken: "SLACK_BOT_TOKEN", appToken: "SLACK_APP_TOKEN" },
  connectionKeys: [["botToken"]],
  commonKeys: ["botToken", "appToken", "signingSecret", "mode"],
  sessionKeys: { foldsCase: true },
  singleReceiver: "Slack gives each event to one of the connections of an app",
};
