import type { ChannelDescription } from "../manifest.ts";
import { DISCORD_LIMITS } from "./limits.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "discord",
  label: "Discord",
  summary: "Servers, threads and direct messages through a bot, whose session is resumed after a lost connection.",
  docs: "docs/channels/discord.md",
  capabilities: {
    chatKinds: ["direct", "group", "channel"],
    maxText: { unit: "utf16", value: DISCORD_LIMITS.textChars },
    markup: "markdown",
    ack: "session",
    idempotency: "key",
    edit: true,
    typing: true,
    reactions: true,
    media: { in: true, out: true },
    buttons: true,
    commands: true,
    polls: true,
    events: ["edit", "delete", "reaction", "interaction"],
    roomAdmitsMembers: true,
  },
  setup: [],
  guide: {
    text: "Create an application with a bot, enable the Message Content intent, invite the bot, and copy its token.",
    link: { label: "Open the developer portal", url: "https://discord.com/developers/applications" },
  },
  environment: { token: "DISCORD_BOT_TOKEN" },
  connectionKeys: [["token"]],
  commonKeys: ["token"],
  sessionKeys: { foldsCase: true },
};
