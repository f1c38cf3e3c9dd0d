import { clip } from "../core/text.ts";
import type { FoundMessage, ShownMessage } from "./conversations.ts";
import { TOOL_LIMITS } from "./limits.ts";

export const toTime = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** A text on one line, with at most `chars` characters. Pure. */
export function onOneLine(text: string, chars: number): string {
  const line = text.replaceAll(/\s+/gu, " ").trim();
  const short = clip(line, chars);
  return short.length < line.length ? `${short}...` : line;
}

/** A message as one line of a result. Pure. */
export const toLine = ({ role, at, text }: ShownMessage): string =>
  `${toTime(at)} | ${role}: ${onOneLine(text, TOOL_LIMITS.shownMessageChars)}`;

/** A message that was found, with the part of it that has one of the words. Pure. */
export const toFoundLine = (hit: FoundMessage, words: readonly string[]): string =>
  `${hit.sessionKey} | ${toLine({ ...hit, text: around(hit.text, words, TOOL_LIMITS.foundTextChars) })}`;

/** The words of a query in lower case. Pure. */
export const wordsOf = (query: string): readonly string[] => query.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/** The part of a text with the first word that is found in it. Pure. */
export function around(text: string, words: readonly string[], chars: number): string {
  const lower = text.toLowerCase();
  const at = Math.max(0, words.map((word) => lower.indexOf(word)).find((index) => index >= 0) ?? 0);
  const from = text.length <= chars ? 0 : Math.max(0, at - chars / 4);
  const part = clip(text.slice(from).toWellFormed(), chars);
  return `${from > 0 ? "..." : ""}${part}${from + part.length < text.length ? "..." : ""}`;
}
