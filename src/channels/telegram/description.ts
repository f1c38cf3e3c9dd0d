import type { ChannelDescription } from "../manifest.ts";
import { TELEGRAM_LIMITS } from "./limits.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "telegram",
  label: "Telegram",
  summary: "Direct chats, groups, topics and channels over the Bot API, with polling or a webhook.",
  docs: "docs/channels/telegram.md",
  capabilities: {
    chatKinds: ["direct", "group", "channel"],
    maxText: { unit: "utf16", value: TELEGRAM_LIMITS.textChars },
    markup: "html",
    ack: "cursor",
    idempotency: "none",
    edit: true,
    preview: true,
    typing: true,
    reactions: true,
    media: { in: true, out: true },
    buttons: true,
    commands: true,
    polls: true,
    events: ["edit", "reaction", "interaction", "migration"],
  },
  setup: [],
  guide: {
    text: "Open @BotFather in Telegram, send /newbot, and copy the token that it gives you.",
    link: { label: "Open @BotFather", url: "https://t.me/BotFather" },
  },
  environment: { botToken: "TELEGRAM_BOT_TOKEN" },
  connectionKeys: [["botToken"], ["token"]],
  commonKeys: ["botToken", "streaming.mode"],
  sessionKeys: { foldsCase: true, threadWord: "topic" },
  singleReceiver: "Telegram gives the messages of a bot to one receiver only",
};
