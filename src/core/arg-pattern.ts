import { tryParseJson } from "./json.ts";

const PREFIX = "words:";

/** The arguments that an entry of the allowlist allows: `words:` and their kinds as JSON, such as `words:["install","{path}"]`. */
export const toArgPattern = (words: readonly string[]): string => `${PREFIX}${JSON.stringify(words)}`;

/** Null for another form, such as a regular expression of OpenClaw. */
export function parseArgPattern(argPattern: string): readonly string[] | null {
  const words = argPattern.startsWith(PREFIX) ? tryParseJson(argPattern.slice(PREFIX.length)) : null;
  return Array.isArray(words) && words.every((word) => typeof word === "string") ? words : null;
}
