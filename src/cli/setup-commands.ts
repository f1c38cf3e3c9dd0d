import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const setupCommands: CommandFamily = {
  commands: [
    {
      path: ["setup"],
      group: "Run",
      summary: "Show what is found on this machine, choose the model that answers, and what to do next.",
      flags: [
        {
          name: "use",
          value: "choice",
          help: "What to use, as the list names it: a model (anthropic/claude-sonnet-5), a provider (anthropic), or original.",
        },
        { ...YES, help: "Use the first choice without a question." },
      ],
      notes: ["Asks one question, and only where a terminal is there and several models could answer. Writes only what was chosen."],
      examples: ["openclaw setup", "openclaw setup --use ollama --json"],
      load: async () => (await import("./setup.ts")).setup,
    },
    {
      path: ["adopt"],
      group: "Run",
      summary: "Take the configuration, sessions, approved people and jobs of an installation of OpenClaw; it is only read.",
      flags: [
        { name: "from", value: "dir", help: "Its state directory (default: $OPENCLAW_HOME/.openclaw, then ~/.openclaw)." },
        { name: "dry-run", help: "Show what would be taken and what would not, and write nothing." },
        { name: "shadow", help: "Run beside it: this gateway receives and sends nothing, on a port of its own." },
      ],
      notes: [
        "Can be run again: what is here already is not taken twice. Without --shadow the gateway of the original must be stopped.",
        "The gateway of this state directory must be stopped, too.",
      ],
      examples: ["openclaw adopt --dry-run", "openclaw --profile beside adopt --from ~/.openclaw --shadow"],
      load: async () => (await import("./adopt.ts")).adopt,
    },
  ],
};
