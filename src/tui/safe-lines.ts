import { sanitizeText } from "../cli/terminal-text.ts";

/** Text from a model, a channel or a tool, with its lines, as this module styles it: nothing in it can steer the terminal. */
export const toSafeText = (text: string): string => sanitizeText(text).replaceAll("\t", "   ");

/** Our own styles and links: whatever else begins with an escape character was not written by this module. */
// oxlint-disable-next-line no-control-regex
const OWN_SEQUENCE = /\u001b\[[0-9;]*m|\u001b\]8;;(?:(?:https?:\/\/|mailto:)[\u0021-\u007e]*)?\u001b\\/g;

/** The second wall behind `toSafeText`, for finished lines: only colors and links remain. */
export function guardLine(line: string): string {
  if (!line.includes("\u001b")) return sanitizeText(line);
  let out = "";
  let at = 0;
  for (const match of line.matchAll(OWN_SEQUENCE)) {
    out += sanitizeText(line.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  return out + sanitizeText(line.slice(at));
}
