import { lineBreakOf, splitLines, toLineFeeds, toPlainForm } from "../text-lines.ts";

/** One replacement: `oldText` must occur exactly once. */
export type Edit = { oldText: string; newText: string };

/** A match in the text that is searched, and what replaces it. */
type Replacement = { start: number; end: number; newText: string; edit: number };

/** Lines of the file as they are, and the same lines as they are searched; a line break of any kind is `\n` there. */
type SearchedFile = { original: readonly string[]; searched: readonly string[]; text: string };

/**
 * Applies all edits to one content. Each is searched in the content as given, not in the result of the others; when one does not occur
 * exactly, all are searched in the plain form of the text. Lines that no edit touches keep their bytes. Throws when an edit is missing,
 * ambiguous or overlaps another one, or when nothing changes. Pure.
 */
export function applyEdits(content: string, edits: readonly Edit[], path: string): string {
  const wanted = edits.map(({ oldText, newText }) => ({ oldText: toLineFeeds(oldText), newText: toLineFeeds(newText) }));
  const name = (index: number): string => (edits.length === 1 ? "oldText" : `edits[${index}].oldText`);
  const empty = wanted.findIndex(({ oldText }) => oldText === "");
  if (empty !== -1) throw new Error(`${name(empty)} is empty. To create a file or fill an empty one, use write.`);
  const file = readLines(content, wanted);
  const plainText = toPlainForm(file.text);
  const found = wanted.map((edit, index) => {
    const match = findOnce(file.text, plainText, edit.oldText, name(index), path);
    return { ...match, newText: edit.newText, edit: index };
  });
  const replacements = found.toSorted((a, b) => a.start - b.start);
  checkOverlaps(replacements, path);
  const changed = replaceLines(file, replacements, lineBreakOf(content));
  if (changed === content) throw new Error(`${path} was not changed: the new text is the same as the old text.`);
  return changed;
}

function readLines(content: string, edits: readonly Edit[]): SearchedFile {
  const original = splitLines(content);
  const exact = original.map(toLineFeeds);
  const exactText = exact.join("");
  if (edits.every(({ oldText }) => exactText.includes(oldText))) return { original, searched: exact, text: exactText };
  const searched = exact.map(toPlainForm);
  return { original, searched, text: searched.join("") };
}

/** Also text that occurs once as it is, but several times in its plain form, is ambiguous. */
function findOnce(text: string, plainText: string, oldText: string, name: string, path: string): { start: number; end: number } {
  const plain = toPlainForm(oldText);
  const needle = text.includes(oldText) ? oldText : plain;
  const start = needle === "" ? -1 : text.indexOf(needle);
  if (start === -1)
    throw new Error(
      `${name} was not found in ${path}. It must match the file exactly, with all spaces and line breaks; read the file again.`,
    );
  const count = plain === "" ? text.split(needle).length - 1 : plainText.split(plain).length - 1;
  if (count > 1) throw new Error(`${name} occurs ${count} times in ${path}. Add lines around it until it occurs only once.`);
  return { start, end: start + needle.length };
}

function checkOverlaps(replacements: readonly Replacement[], path: string): void {
  for (const [index, current] of replacements.entries()) {
    const previous = replacements[index - 1];
    if (previous === undefined || previous.end <= current.start) continue;
    const [first, second] = [previous.edit, current.edit].toSorted((a, b) => a - b);
    throw new Error(`edits[${first}] and edits[${second}] overlap in ${path}. Make one edit of them.`);
  }
}

/** Walks over the lines once: a line in a replacement is written from the searched text, every other one as it was. */
function replaceLines({ original, searched, text }: SearchedFile, replacements: readonly Replacement[], ending: string): string {
  const parts: string[] = [];
  let next = 0;
  let at = 0;
  for (let line = 0; line < original.length;) {
    const start = at;
    let end = at + searched[line]!.length;
    if (next === replacements.length || replacements[next]!.start >= end) {
      parts.push(original[line]!);
      at = end;
      line += 1;
      continue;
    }
    let changed = "";
    let copied = start;
    line += 1;
    for (; next < replacements.length && replacements[next]!.start < end; next += 1) {
      const { start: from, end: to, newText } = replacements[next]!;
      for (; end < to; line += 1) end += searched[line]!.length;
      changed += text.slice(copied, from) + newText;
      copied = to;
    }
    parts.push((changed + text.slice(copied, end)).replaceAll("\n", ending));
    at = end;
  }
  return parts.join("");
}
