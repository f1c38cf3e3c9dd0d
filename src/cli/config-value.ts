import { soundsSecret } from "../config/secrets.ts";
import { parseTree, valueOf, Json5Error } from "../config/json5.ts";
import { cleanLine } from "./text.ts";

/**
 * What a person types as a value: JSON5 where it is some (numbers, true, [..], {..}, "text"), else text as it stands. A number with a
 * plus in front is a phone number.
 */
export function parseValue(text: string): unknown {
  if (!/^[[{"'\d-]|^(true|false|null)$/.test(text.trim())) return text;
  try {
    return valueOf(parseTree(text));
  } catch (err) {
    if (err instanceof Json5Error) return text;
    throw err;
  }
}

const hide = (key: string, part: unknown): unknown => (typeof part === "string" && soundsSecret(key) ? "(hidden)" : part);

/** A value for the screen, cut, and hidden where its key, or one within it, holds a secret. */
export function shownValue(key: string, value: unknown): string {
  const last = key.split(".").at(-1) ?? key;
  if (soundsSecret(last)) return "(hidden)";
  const text = typeof value === "string" ? value : (JSON.stringify(value, hide) ?? "");
  return cleanLine(text).slice(0, 200);
}
