import type { ChannelDescription } from "../manifest.ts";

export const DESCRIPTION: ChannelDescription = {
  id: "irc",
  label: "IRC",
  summary: "Classic channels and direct messages over TCP or TLS.",
  docs: "docs/channels/irc.md",
  capabilities: {
    chatKinds: ["direct", "group"],
    // About four lines: what may be sent at once, and little enough that an interrupted part is a small one.
    maxText: { unit: "utf8", value: 1_600 },
    markup: "plain",
    ack: "none",
    idempotency: "none",
    edit: false,
    typing: false,
    reactions: false,
    media: { in: false, out: false },
    buttons: false,
    commands: false,
    polls: false,
    events: [],
  },
  setup: ["port", "tls", "channels", "password", "nickserv.password", "sasl.username", "sasl.password"],
  guide: { text: "The agent joins the server with a nick of its own. Connections are encrypted unless you disable TLS." },
  connectionKeys: [["host", "nick"]],
  commonKeys: ["host", "port", "tls", "nick", "password", "channels"],
  sessionKeys: { foldsCase: true },
};
