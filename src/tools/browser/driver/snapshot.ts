import { toWellFormed } from "../../../core/text.ts";
import { BROWSER_LIMITS } from "../limits.ts";

/** What people act on, and headings to find it by. */
const COMPACT_ROLES = new Set(
  "alert alertdialog button checkbox combobox dialog heading iframe link listbox menuitem menuitemcheckbox menuitemradio option radio searchbox slider spinbutton switch tab textbox treeitem".split(
    " ",
  ),
);

/** The part of a snapshot that fits into a result. `next`: the offset of the rest, in characters; null at the end. */
export type SnapshotPart = { text: string; next: number | null };

/** Only the elements that can be acted on, and headings, indented below each other. Pure. */
export function toCompact(snapshot: string): string {
  const depths: number[] = [];
  return snapshot
    .split("\n")
    .flatMap((line) => {
      const [, indent, role] = /^( *)- ([a-z]+)\b/.exec(line) ?? [];
      if (role === undefined || !COMPACT_ROLES.has(role)) return [];
      while (depths.length > 0 && depths.at(-1)! >= indent!.length) depths.pop();
      const kept = "  ".repeat(depths.length) + line.slice(indent!.length).replace(/:$/, "");
      depths.push(indent!.length);
      return [kept];
    })
    .join("\n");
}

/** Whole lines from an offset on, within `maxBytes`, where each line costs 2 more for the sign of a quotation. Pure. */
export function takePart(text: string, offset: number, maxBytes: number): SnapshotPart {
  let bytes = 0;
  let at = offset;
  while (at < text.length) {
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end === -1 ? text.length : end);
    const cost = Buffer.byteLength(line) + 3;
    if (bytes + cost > maxBytes) {
      if (at > offset) return { text: text.slice(offset, at - 1), next: at };
      // A line that alone is too long is cut in the middle of it.
      const cut = toWellFormed(
        Buffer.from(line)
          .subarray(0, maxBytes - 3)
          .toString(),
      ).replace(/\uFFFD$/, "");
      return { text: cut, next: offset + cut.length };
    }
    bytes += cost;
    at += line.length + 1;
  }
  return { text: text.slice(offset), next: null };
}

/** A snapshot as it is kept. Pure. */
export const keepSnapshot = (text: string): { text: string; isCut: boolean } => ({
  text: text.slice(0, BROWSER_LIMITS.snapshotChars),
  isCut: text.length > BROWSER_LIMITS.snapshotChars,
});
