import { TOOL_LIMITS } from "../limits.ts";
import { quote } from "../results.ts";
import { toLineFeeds } from "../text-lines.ts";

export type HunkLine = { kind: "keep" | "remove" | "add"; text: string };

/** One change of a file: the lines that it keeps and removes are found in the file, in the order of the hunks. */
export type Hunk = {
  /** Lines above the change (`@@ text`), each below the one before it, from which on the hunk is searched. */
  anchors: readonly string[];
  lines: readonly HunkLine[];
  /** The hunk ends with the last line of the file. */
  isAtEnd: boolean;
};

export type FilePatch =
  | { action: "add"; path: string; content: string }
  | { action: "delete"; path: string }
  | { action: "update"; path: string; moveTo: string | null; hunks: readonly Hunk[] };

const BEGIN = "*** Begin Patch";
const END = "*** End Patch";
const END_OF_FILE = "*** End of File";
const ADD = "*** Add File: ";
const UPDATE = "*** Update File: ";
const DELETE = "*** Delete File: ";
const MOVE = "*** Move to: ";

/** Reads a patch in the format of Codex. Throws an error with the number of the line that does not belong there. Pure. */
export const parsePatch = (input: string): readonly FilePatch[] => new Parser(input).parse();

class Parser {
  readonly #lines: readonly string[];
  /** For each line, whether it and all lines before the next section or hunk are empty. */
  readonly #separates: readonly boolean[];
  /** Index of the next line. */
  #at = 0;

  constructor(input: string) {
    this.#lines = toLineFeeds(input).trimEnd().split("\n");
    this.#separates = findSeparators(this.#lines);
  }

  parse(): readonly FilePatch[] {
    while (this.#lines[this.#at]?.trim() === "") this.#at += 1;
    if (!this.#take(BEGIN)) throw this.#error(`the patch must begin with "${BEGIN}"`);
    const patches: FilePatch[] = [];
    for (this.#skipSeparators(); !this.#take(END); this.#skipSeparators()) {
      if (this.#isOver) throw this.#error(`the patch must end with "${END}"`);
      if (patches.length === TOOL_LIMITS.patchedFiles)
        throw new Error(`the patch changes more than ${TOOL_LIMITS.patchedFiles} files. Make several patches of it`);
      patches.push(this.#filePatch());
    }
    if (!this.#isOver) throw this.#error(`nothing may follow "${END}"`);
    if (patches.length === 0) throw new Error("the patch changes no file");
    return patches;
  }

  #filePatch(): FilePatch {
    const added = this.#takePath(ADD);
    if (added !== null) return { action: "add", path: added, content: this.#content() };
    const deleted = this.#takePath(DELETE);
    if (deleted !== null) return { action: "delete", path: deleted };
    const path = this.#takePath(UPDATE);
    if (path === null) throw this.#error(`a section must begin with "${ADD.trim()}", "${UPDATE.trim()}" or "${DELETE.trim()}"`);
    const moveTo = this.#takePath(MOVE);
    const hunks: Hunk[] = [];
    for (this.#skipSeparators(); !this.#isOver && !this.#isSection; this.#skipSeparators()) hunks.push(this.#hunk());
    if (hunks.length === 0 && moveTo === null) throw this.#error(`the section of ${path} has no hunk`);
    return { action: "update", path, moveTo, hunks };
  }

  /** The lines of a new file. */
  #content(): string {
    let content = "";
    for (; !this.#isOver && !this.#isSection; this.#at += 1) {
      const line = this.#line;
      if (line.startsWith("+")) content += `${line.slice(1)}\n`;
      else if (!this.#separates[this.#at]) throw this.#error("each line of a new file must begin with +");
    }
    return content;
  }

  #hunk(): Hunk {
    const anchors: string[] = [];
    let isMarked = false;
    for (; this.#line.startsWith("@@"); this.#at += 1) {
      isMarked = true;
      const anchor = this.#anchor();
      if (anchor !== "") anchors.push(anchor);
    }
    const lines: HunkLine[] = [];
    for (; !this.#isOver && !this.#isSection && !this.#line.startsWith("@@") && this.#line.trimEnd() !== END_OF_FILE; this.#at += 1) {
      const line = this.#hunkLine();
      if (line !== null) lines.push(line);
    }
    const isAtEnd = this.#take(END_OF_FILE);
    if (lines.length === 0) throw this.#error(isMarked ? "the hunk before this line has no lines" : "a hunk must have lines");
    return { anchors, lines, isAtEnd };
  }

  #anchor(): string {
    const rest = this.#line.slice(2);
    if (/^ -\d+(,\d+)? \+\d+(,\d+)? @@/.test(rest))
      throw this.#error('line numbers are not used. Write "@@", or "@@" with a line of the file above the change');
    if (rest !== "" && !rest.startsWith(" ")) throw this.#error('"@@" must be followed by a space and a line of the file, or by nothing');
    return rest.trim();
  }

  /** An empty line is one of the context, whose space was lost; at the end of a hunk it only separates. */
  #hunkLine(): HunkLine | null {
    const line = this.#line;
    if (line.startsWith("+")) return { kind: "add", text: line.slice(1) };
    if (line.startsWith("-")) return { kind: "remove", text: line.slice(1) };
    if (line.startsWith(" ")) return { kind: "keep", text: line.slice(1) };
    if (line === "") return this.#separates[this.#at] ? null : { kind: "keep", text: "" };
    throw this.#error(`a line of a hunk must begin with a space, - or +, not with ${quote(line)}`);
  }

  get #line(): string {
    return this.#lines[this.#at] ?? "";
  }

  get #isOver(): boolean {
    return this.#at >= this.#lines.length;
  }

  /** Whether the line begins or ends a section; contents never do, as their lines begin with another character. */
  get #isSection(): boolean {
    return this.#line.startsWith("*** ") && this.#line.trimEnd() !== END_OF_FILE;
  }

  #skipSeparators(): void {
    while (this.#separates[this.#at]) this.#at += 1;
  }

  #take(marker: string): boolean {
    if (this.#line.trimEnd() !== marker) return false;
    this.#at += 1;
    return true;
  }

  #takePath(marker: string): string | null {
    if (!this.#line.startsWith(marker)) return null;
    const path = this.#line.slice(marker.length).trim();
    if (path === "") throw this.#error(`"${marker.trim()}" must be followed by a path`);
    this.#at += 1;
    return path;
  }

  #error(problem: string): Error {
    return new Error(`line ${this.#at + 1} of the patch: ${problem}`);
  }
}

function findSeparators(lines: readonly string[]): readonly boolean[] {
  const separates: boolean[] = [];
  let isSectionNext = true;
  for (const line of lines.toReversed()) {
    separates.push(line === "" && isSectionNext);
    if (line !== "") isSectionNext = /^(?:\*\*\* |@@)/.test(line);
  }
  return separates.toReversed();
}
