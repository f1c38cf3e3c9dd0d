import type { CliCommand, CommandFamily } from "./command.ts";

/** `commands`: everything that is completed, this family included. */
export const completionCommands = (commands: () => readonly CliCommand[]): CommandFamily => ({
  commands: [
    {
      path: ["completion"],
      group: "More",
      summary: "Print the completion script for a shell.",
      args: [{ name: "shell", required: true, choices: ["bash", "zsh", "fish"] }],
      examples: ['eval "$(openclaw completion bash)"'],
      load: async () => (await import("./completion-script.ts")).completionOf(commands()),
    },
  ],
  hidden: [
    {
      path: ["__complete"],
      summary: "Print the names that can complete a place of the command line.",
      args: [
        { name: "names", required: true },
        { name: "words", required: false, variadic: true },
      ],
      examples: ["openclaw __complete agent"],
      load: async () => (await import("./completion-names.ts")).complete,
    },
  ],
});
