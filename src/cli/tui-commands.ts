import { TUI_LIMITS } from "../tui/limits.ts";
import type { CommandFamily } from "./command.ts";
import { THINKING } from "./shared-flags.ts";

export const tuiCommands: CommandFamily = {
  commands: [
    {
      path: ["tui"],
      group: "Talk",
      summary: "Talk to agents on a screen of their own: sessions, models, tool calls, approvals.",
      flags: [
        { name: "session", value: "key", valueKind: "session", help: "Session to open (default: the main session)." },
        { name: "message", value: "text", help: "Send this message first." },
        THINKING,
        { name: "deliver", help: "Deliver answers where the session last talked on a channel, too." },
        {
          name: "timeout-ms",
          value: "ms",
          range: [1, 86_400_000],
          help: "Longest time of a turn (default: agents.defaults.timeoutSeconds).",
        },
        {
          name: "history-limit",
          value: "count",
          range: [1, TUI_LIMITS.historyRowsMax],
          help: `Messages that are read at first (default: ${TUI_LIMITS.historyRows}).`,
        },
        {
          name: "password",
          value: "password",
          help: "Gateway password. Prefer OPENCLAW_GATEWAY_PASSWORD: command-line values are visible in the process list.",
        },
        { name: "no-mouse", help: "Leave the mouse to the terminal." },
      ],
      usesGateway: true,
      notes: [
        "Enter sends, Esc stops the running turn, Ctrl-C twice leaves, /help shows the other keys and the commands.",
        "It needs a terminal; openclaw chat also reads and writes pipes.",
      ],
      examples: ["openclaw tui", "openclaw tui --session agent:work:main --message 'What is new?'"],
      load: async () => (await import("./tui.ts")).tui,
    },
  ],
};
