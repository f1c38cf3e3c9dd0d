import type { ChannelDescription } from "../manifest.ts";
import { SIGNAL_LIMITS } from "./limits.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "signal",
  label: "Signal",
  summary: "Direct chats and groups over signal-cli: its daemon (ours or yours) or the REST container around it.",
  docs: "docs/channels/signal.md",
  capabilities: {
    chatKinds: ["direct", "group"],
    maxText: { unit: "utf16", value: SIGNAL_LIMITS.textChars },
    markup: "markdown",
    ack: "none",
    idempotency: "none",
    edit: true,
    typing: true,
    reactions: true,
    media: { in: true, out: true },
    buttons: false,
    commands: false,
    polls: true,
    events: ["edit", "delete", "reaction"],
  },
  setup: ["transport.kind", "transport.url", "transport.cliPath"],
  guide: { text: "The agent needs a phone number of its own, registered or linked with signal-cli." },
  connectionKeys: [["account"]],
  notInherited: ["transport"],
  commonKeys: ["account", "transport.kind", "transport.url"],
  sessionKeys: { foldsCase: true, caseSensitiveKinds: ["group"] },
};
