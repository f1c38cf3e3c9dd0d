import type { KeyPath } from "../config/key-path.ts";
import { CONFIG } from "../config/schema.ts";
import type { Node } from "../core/config-schema.ts";
import { childNode } from "../config/schema/walk.ts";
import { isSecretKey } from "../config/secret-refs.ts";
import { parseTree, valueOf, Json5Error } from "../config/json5.ts";
import { sanitizeLine } from "./terminal-text.ts";

/**
 * Parses a typed value: JSON5 if it is valid JSON5 (numbers, true, [..], {..}, "text"), otherwise the literal text. A number with a
 * leading plus is a phone number.
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

/** The same for the key at `path`: what looks like a number or a flag is text where the schema wants text, such as a token of digits. */
export function parseValueAt(path: KeyPath, text: string): unknown {
  const value = parseValue(text);
  if (typeof value === "object" && value !== null) return value;
  if (typeof value === "string") return value;
  let node: Node | null = CONFIG;
  for (const step of path) node = node && childNode(node, step);
  const wantsText = node?.kind === "secret" || node?.kind === "string" || (node?.kind === "enum" && node.values.includes(text));
  return wantsText ? text : value;
}

const maskSecrets = (key: string, part: unknown): unknown => (typeof part === "string" && isSecretKey(key) ? "(hidden)" : part);

/** A value for the screen, cut, and hidden where its key, or one within it, holds a secret. */
export function toDisplayValue(key: string, value: unknown): string {
  const last = key.split(".").at(-1) ?? key;
  if (isSecretKey(last)) return "(hidden)";
  const text = typeof value === "string" ? value : (JSON.stringify(value, maskSecrets) ?? "");
  return sanitizeLine(text).slice(0, 200);
}
