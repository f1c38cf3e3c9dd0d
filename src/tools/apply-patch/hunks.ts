import { quote } from "../results.ts";
import { lineBreakOf, splitLines, toPlainForm } from "../text-lines.ts";
import type { Hunk } from "./parse.ts";

/** The lines of a file without their line breaks, and those of a hunk, in one form in which they are compared. */
type Form = (line: string) => string;

/** Where a hunk fits: its first line, and the line from which on it was searched (that of its last anchor). */
type Fit = { start: number; from: number };

/**
 * A content with all hunks applied, in their order. Lines are compared as they are; when one hunk does not fit so, all are compared in
 * their plain form. Lines that no hunk removes or adds keep their bytes, and a file keeps its kind of line break, and whether the last line
 * has one. Throws when a hunk does not fit, or fits at several places, or when nothing changes. Takes time proportional to file and
 * patch. Pure.
 */
export function applyHunks(content: string, hunks: readonly Hunk[], path: string): string {
  const lines = splitLines(content);
  const exact = lines.map((line) => line.replace(/[\r\n]+$/, ""));
  const plain = exact.map(toPlainForm);
  const inExact = locateHunks(exact, plain, hunks, (line) => line);
  const { fits, end } = inExact.fits.length === hunks.length ? inExact : locateHunks(plain, plain, hunks, toPlainForm);
  const missing = hunks[fits.length];
  if (missing !== undefined) throw missingError(missing, fits.length, path, end);
  checkUnique(plain, hunks, fits, path);
  const changed = replaceLines(lines, hunks, fits, content);
  if (changed === content) throw new Error(`${path} was not changed: the patch adds what it removes`);
  return changed;
}

const oldLines = ({ lines }: Hunk): readonly string[] => lines.flatMap(({ kind, text }) => (kind === "add" ? [] : [text]));

/** The hunks that fit, up to the first that does not, and the line behind the last one of them. */
type Located = { fits: readonly Fit[]; end: number };

/** The first place of each hunk after the one before it. */
function locateHunks(lines: readonly string[], plain: readonly string[], hunks: readonly Hunk[], toForm: Form): Located {
  const fits: Fit[] = [];
  let at = 0;
  for (const hunk of hunks) {
    const fit = locateHunk(lines, plain, hunk, { at, toForm });
    if (fit === null) break;
    fits.push(fit);
    at = fit.start + oldLines(hunk).length;
  }
  return { fits, end: at };
}

function locateHunk(
  lines: readonly string[],
  plain: readonly string[],
  hunk: Hunk,
  { at, toForm }: { at: number; toForm: Form },
): Fit | null {
  let from = at;
  for (const [index, anchor] of hunk.anchors.entries()) {
    from = findAnchor(plain, anchor, index === 0 ? at : from + 1);
    if (from === -1) return null;
  }
  const wanted = oldLines(hunk).map(toForm);
  if (wanted.length === 0) return { start: hunk.anchors.length === 0 || hunk.isAtEnd ? lines.length : from + 1, from };
  if (hunk.isAtEnd) {
    const start = lines.length - wanted.length;
    return start >= from && wanted.every((line, index) => line === lines[start + index]) ? { start, from } : null;
  }
  const found = findSequence(wanted, lines.length - from, (index) => lines[from + index]!);
  return found === -1 ? null : { start: from + found, from };
}

/** Models leave out the indentation of an anchor. */
function findAnchor(plain: readonly string[], anchor: string, from: number): number {
  const wanted = toPlainForm(anchor).trim();
  for (let line = from; line < plain.length; line += 1) if (plain[line]!.trim() === wanted) return line;
  return -1;
}

/**
 * A hunk without anchor must fit at one place only, between its neighbors. The hunks were put as far up as they go; here they are put as
 * far down as they go, and both must be the same.
 */
function checkUnique(plain: readonly string[], hunks: readonly Hunk[], fits: readonly Fit[], path: string): void {
  let limit = plain.length;
  for (const [index, hunk] of [...hunks.entries()].toReversed()) {
    const { start, from } = fits[index]!;
    const wanted = oldLines(hunk).map(toPlainForm);
    if (hunk.anchors.length === 0 && !hunk.isAtEnd && wanted.length > 0) {
      const end = limit;
      const last = end - wanted.length - findSequence(wanted.toReversed(), end, (back) => plain[end - 1 - back]!);
      if (last !== start)
        throw new Error(
          `hunk ${index + 1} of ${path} fits at line ${start + 1} and at line ${last + 1}. Add lines of context to it, or above it an @@ line with a line of the file from which on it is searched`,
        );
    }
    limit = hunk.anchors.length === 0 ? start : from;
  }
}

/** Index of the first place where the lines of `wanted` follow each other, or -1 (Knuth, Morris and Pratt: no line is read again). */
function findSequence(wanted: readonly string[], count: number, lineAt: (index: number) => string): number {
  const borders = bordersOf(wanted);
  let matched = 0;
  for (let index = 0; index < count; index += 1) {
    const line = lineAt(index);
    while (matched > 0 && wanted[matched] !== line) matched = borders[matched - 1]!;
    if (wanted[matched] === line) matched += 1;
    if (matched === wanted.length) return index + 1 - matched;
  }
  return -1;
}

/** For each beginning of `wanted`: the length of its longest end that is a beginning, too. */
function bordersOf(wanted: readonly string[]): readonly number[] {
  const borders = [0];
  let length = 0;
  for (let index = 1; index < wanted.length; index += 1) {
    while (length > 0 && wanted[length] !== wanted[index]) length = borders[length - 1]!;
    if (wanted[length] === wanted[index]) length += 1;
    borders.push(length);
  }
  return borders;
}

function replaceLines(lines: readonly string[], hunks: readonly Hunk[], fits: readonly Fit[], content: string): string {
  const lineBreak = lineBreakOf(content);
  const endsWithBreak = content === "" || /[\r\n]$/.test(content);
  const withBreak = (line: string): string => (/[\r\n]$/.test(line) ? line : line + lineBreak);
  const changed: string[] = [];
  let next = 0;
  const keepUntil = (end: number): void => {
    for (; next < end; next += 1) changed.push(withBreak(lines[next]!));
  };
  for (const [index, hunk] of hunks.entries()) {
    keepUntil(fits[index]!.start);
    for (const { kind, text } of hunk.lines) {
      if (kind === "add") changed.push(text + lineBreak);
      else if (kind === "keep") keepUntil(next + 1);
      else next += 1;
    }
  }
  keepUntil(lines.length);
  const text = changed.join("");
  return endsWithBreak ? text : text.replace(/(?:\r\n|\n|\r)$/, "");
}

function missingError(hunk: Hunk, index: number, path: string, after: number): Error {
  const [first] = [...hunk.anchors, ...oldLines(hunk)];
  const below = after === 0 ? "" : ` below line ${after}`;
  return new Error(
    `hunk ${index + 1} of ${path} (${quote(first ?? "")}) does not fit: its context and its removed lines do not follow each other there${below}. Read the file again`,
  );
}
