/**
 * Thinking levels: every word that a person may choose, and the level that the agent runtime gets. Types, configuration schema, checks,
 * chat commands, CLI choices and completion are derived from this table.
 */
const LEVEL_OF_WORD = {
  off: "off",
  minimal: "minimal",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "xhigh",
  adaptive: "medium",
  max: "max",
  ultra: "max",
} as const;

/** A word that a person may choose. */
export type ThinkingChoice = keyof typeof LEVEL_OF_WORD;
/** A level that an agent runtime takes. */
export type ThinkingLevel = (typeof LEVEL_OF_WORD)[ThinkingChoice];

export const THINKING_CHOICES = Object.keys(LEVEL_OF_WORD) as readonly ThinkingChoice[];
export const THINKING_LEVELS = THINKING_CHOICES.filter((word): word is ThinkingLevel => LEVEL_OF_WORD[word] === word);

/** Levels offered for a model, by whether it can think at all. The runtime caps the rest for each provider. */
export const THINKING_LEVELS_OF_MODEL: Readonly<Record<"reasoning" | "plain", readonly ThinkingLevel[]>> = {
  reasoning: ["off", "minimal", "low", "medium", "high"],
  plain: ["off"],
};

/** The level that a word stands for; null when it is not one of THINKING_CHOICES. */
export function toThinkingLevel(word: string): ThinkingLevel | null {
  return Object.hasOwn(LEVEL_OF_WORD, word) ? LEVEL_OF_WORD[word as ThinkingChoice] : null;
}

export const isThinkingLevel = (word: string): word is ThinkingLevel => toThinkingLevel(word) === word;
