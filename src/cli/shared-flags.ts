import { THINKING_CHOICES } from "../core/thinking.ts";
import type { CliFlag } from "./command.ts";

// Flags that several families take.

export const YES: CliFlag = { name: "yes", short: "y", help: "Skip the confirmation." };
export const AGENT: CliFlag = { name: "agent", value: "id", valueKind: "agent", help: "Agent (default: the default agent)." };
export const THINKING: CliFlag = {
  name: "thinking",
  value: "level",
  choices: THINKING_CHOICES,
  help: "Reasoning effort of the model.",
};
