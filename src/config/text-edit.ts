import { isDeepStrictEqual } from "node:util";
import { isObject } from "../core/json.ts";
import { parseTree, valueOf, type ArrayTree, type ObjectTree, type Tree } from "./json5.ts";

/** Changes of a JSON5 text that touch only what they must: comments, order, quotes and spacing of the rest stay. */

export type TextEdit = { readonly start: number; readonly end: number; readonly text: string };

/** What the file looks like, so that new lines look the same. */
type TextLayout = { readonly eol: string; readonly unit: string; readonly bareKeys: boolean };

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

function styleOf(text: string, tree: Tree): TextLayout {
  const members = tree.kind === "object" ? tree.members : [];
  const indent = members[0] ? indentAt(text, members[0].keyStart) : null;
  return {
    eol: text.includes("\r\n") ? "\r\n" : "\n",
    unit: indent === null || indent === "" ? "  " : indent,
    bareKeys: members.some((member) => !/["']/.test(text[member.keyStart]!)),
  };
}

/** The white space before `offset`, if its line has nothing else before it. */
function indentAt(text: string, offset: number): string | null {
  let start = offset;
  while (start > 0 && (text[start - 1] === " " || text[start - 1] === "\t")) start--;
  return start === 0 || text[start - 1] === "\n" || text[start - 1] === "\r" ? text.slice(start, offset) : null;
}

/** The white space that begins the line of `offset`. */
function lineIndent(text: string, offset: number): string {
  const start = Math.max(text.lastIndexOf("\n", offset - 1), text.lastIndexOf("\r", offset - 1)) + 1;
  return /^[ \t]*/.exec(text.slice(start, offset))![0];
}

function keyText(key: string, style: TextLayout): string {
  return style.bareKeys && IDENTIFIER.test(key) ? key : JSON.stringify(key);
}

/** A JSON value as text whose lines after the first begin with `indent`. */
function toText(value: unknown, indent: string, style: TextLayout): string {
  if (typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = indent + style.unit;
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item) => toText(item, inner, style))
    : Object.entries(value)
        .filter(([key, item]) => item !== undefined && key !== "__proto__")
        .map(([key, item]) => `${keyText(key, style)}: ${toText(item, inner, style)}`);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return open + close;
  const oneLine = `[${parts.join(", ")}]`;
  if (isList && oneLine.length <= 80 && value.every((item) => typeof item !== "object")) return oneLine;
  return `${open}${style.eol}${parts.map((part) => inner + part).join(`,${style.eol}`)}${style.eol}${indent}${close}`;
}

/** Keeps the kind of quotes that the old text had. */
function scalarText(value: unknown, old: string, indent: string, style: TextLayout): string {
  if (typeof value !== "string" || !old.startsWith("'")) return toText(value, indent, style);
  return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

/** Members or items of a container, with the places that matter for taking one away or adding one. */
type ContainerPieces = {
  readonly spans: readonly { readonly start: number; readonly end: number }[];
  readonly start: number;
  readonly end: number;
};

function piecesOf(tree: ObjectTree | ArrayTree): ContainerPieces {
  const { start, end } = tree;
  if (tree.kind === "array") return { start, end, spans: tree.items };
  return { start, end, spans: tree.members.map((member) => ({ start: member.keyStart, end: member.value.end })) };
}

/** Writes a new piece whose later lines begin with `indent`. */
type ValueWriter = (indent: string) => string;

const WHITESPACE_AND_COMMENTS = /(?:\s+|\/\*[^]*?\*\/|\/\/[^\n\r\u2028\u2029]*)*/y;
const REST_OF_LINE = /[ \t]*(?:\/\*[^\n\r]*?\*\/[ \t]*)*(?:\/\/[^\n\r]*)?/y;

/** The offset of the comma after a piece that ends at `end`, or -1. */
function commaAfter(text: string, end: number): number {
  WHITESPACE_AND_COMMENTS.lastIndex = end;
  const at = end + (WHITESPACE_AND_COMMENTS.exec(text)?.[0].length ?? 0);
  return text[at] === "," ? at : -1;
}

/** The end of the comment that follows in the same line, or `at` itself when something else follows there. */
function afterLineComment(text: string, at: number): number {
  REST_OF_LINE.lastIndex = at;
  const end = at + (REST_OF_LINE.exec(text)?.[0].length ?? 0);
  return end === text.length || text[end] === "\n" || text[end] === "\r" ? end : at;
}

function removal(text: string, span: { start: number; end: number }): TextEdit {
  const comma = commaAfter(text, span.end);
  const indent = indentAt(text, span.start);
  const end = comma < 0 ? span.end : comma + 1;
  if (indent === null) {
    if (comma >= 0) return { start: span.start, end: end + /^ */.exec(text.slice(end, end + 64))![0].length, text: "" };
    return { start: span.start - /[ \t]*$/.exec(text.slice(Math.max(0, span.start - 64), span.start))![0].length, end, text: "" };
  }
  const lineEnd = afterLineComment(text, end);
  const wholeLine = /^(\r\n|\n|\r)/.exec(text.slice(lineEnd, lineEnd + 2));
  if (!wholeLine) return { start: span.start, end, text: "" };
  return { start: span.start - indent.length, end: lineEnd + wholeLine[0].length, text: "" };
}

/** Takes pieces away and adds others at the end. */
function editPieces(
  text: string,
  pieces: ContainerPieces,
  removed: ReadonlySet<number>,
  added: readonly ValueWriter[],
  style: TextLayout,
): TextEdit[] {
  const edits = [...removed].map((index) => removal(text, pieces.spans[index]!));
  const kept = pieces.spans.filter((_, index) => !removed.has(index));
  const last = kept.at(-1);
  if (last === undefined && isBlank(text, pieces)) return [replaceContents(text, pieces, added, style)];
  const original = pieces.spans.at(-1);
  const trailing = original !== undefined && commaAfter(text, original.end) >= 0;
  if (added.length === 0) {
    const comma = last && last !== original && !trailing ? commaAfter(text, last.end) : -1;
    if (comma >= 0) edits.push({ start: comma, end: comma + 1, text: "" });
    return edits;
  }
  if (last === undefined) return [...edits, insertFirst(text, pieces, added, style)];
  return [...edits, ...insertion(text, pieces, last, trailing, added, style)];
}

/** Only white space and commas are between the pieces. */
function isBlank(text: string, pieces: ContainerPieces): boolean {
  let at = pieces.start + 1;
  for (const span of [...pieces.spans, { start: pieces.end - 1, end: pieces.end }]) {
    if (!/^[\s,]*$/.test(text.slice(at, span.start))) return false;
    at = span.end;
  }
  return true;
}

/** The rewritten content of a container. */
function replaceContents(text: string, pieces: ContainerPieces, added: readonly ValueWriter[], style: TextLayout): TextEdit {
  const outer = lineIndent(text, pieces.start);
  const inner = outer + style.unit;
  const body = added.map((write) => style.eol + inner + write(inner)).join(",");
  return { start: pieces.start + 1, end: pieces.end - 1, text: body && body + style.eol + outer };
}

/** A container with comments but without pieces: additions come before the comments. */
function insertFirst(text: string, pieces: ContainerPieces, added: readonly ValueWriter[], style: TextLayout): TextEdit {
  const { text: body } = replaceContents(text, pieces, added, style);
  return { start: pieces.start + 1, end: pieces.start + 1, text: body };
}

function insertion(
  text: string,
  pieces: ContainerPieces,
  last: { start: number; end: number },
  trailing: boolean,
  added: readonly ValueWriter[],
  style: TextLayout,
): TextEdit[] {
  const outer = lineIndent(text, pieces.start);
  const multiline = /[\n\r]/.test(text.slice(pieces.start, pieces.end));
  const inner = indentAt(text, last.start) ?? outer + style.unit;
  const between = multiline ? style.eol + inner : " ";
  const parts = added.map((write) => write(multiline ? inner : outer));
  const body = between + parts.join(`,${between}`);
  const comma = commaAfter(text, last.end);
  const at = afterLineComment(text, comma < 0 ? last.end : comma + 1);
  const end = trailing ? "," : "";
  if (comma >= 0) return [{ start: at, end: at, text: body + end }];
  if (at === last.end) return [{ start: at, end: at, text: `,${body}${end}` }];
  return [
    { start: last.end, end: last.end, text: "," },
    { start: at, end: at, text: body + end },
  ];
}

/** The edits that turn the value of `tree` into `target`, as few as possible. */
function reconcile(text: string, tree: Tree, target: unknown, style: TextLayout): TextEdit[] {
  if (isDeepStrictEqual(valueOf(tree), target)) return [];
  if (tree.kind === "object" && isObject(target)) return reconcileObject(text, tree, target, style);
  if (tree.kind === "array" && Array.isArray(target)) return reconcileArray(text, tree, target, style);
  const old = text.slice(tree.start, tree.end);
  return [{ start: tree.start, end: tree.end, text: scalarText(target, old, lineIndent(text, tree.start), style) }];
}

function reconcileObject(text: string, tree: ObjectTree, target: Record<string, unknown>, style: TextLayout): TextEdit[] {
  const edits: TextEdit[] = [];
  const removed = new Set<number>();
  const seen = new Set<string>();
  const lastOf = new Map(tree.members.map((member, index) => [member.key, index]));
  for (const [index, member] of tree.members.entries()) {
    seen.add(member.key);
    const wanted = Object.hasOwn(target, member.key) ? target[member.key] : undefined;
    if (member.key === "__proto__") continue;
    if (wanted === undefined) removed.add(index);
    else if (lastOf.get(member.key) === index) edits.push(...reconcile(text, member.value, wanted, style));
  }
  const added = Object.keys(target)
    .filter((key) => !seen.has(key) && target[key] !== undefined && key !== "__proto__")
    .map((key) => (indent: string) => `${keyText(key, style)}: ${toText(target[key], indent, style)}`);
  return [...edits, ...editPieces(text, piecesOf(tree), removed, added, style)];
}

function reconcileArray(text: string, tree: ArrayTree, target: readonly unknown[], style: TextLayout): TextEdit[] {
  const old = tree.items.map(valueOf);
  const extra = Math.max(0, old.length - target.length);
  let suffix = 0;
  const most = extra > 0 ? target.length : 0;
  while (suffix < most && isDeepStrictEqual(old.at(-1 - suffix), target.at(-1 - suffix))) suffix++;
  const middle = target.length - suffix;
  const edits: TextEdit[] = [];
  const removed = new Set<number>();
  for (const [index, item] of tree.items.entries()) {
    if (index >= middle && index < middle + extra) removed.add(index);
    else edits.push(...reconcile(text, item, target[index < middle ? index : index - extra], style));
  }
  const added = target.slice(old.length).map((item) => (indent: string) => toText(item, indent, style));
  return [...edits, ...editPieces(text, piecesOf(tree), removed, added, style)];
}

/** `text` with some of its spans replaced. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const ordered = edits
    .map((edit, order) => ({ ...edit, order }))
    .toSorted((a, b) => a.start - b.start || a.end - b.end || a.order - b.order);
  let out = "";
  let at = 0;
  for (const edit of ordered) {
    out += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return out + text.slice(at);
}

/** `text` with its value changed to `target`. Throws Json5Error when `text` is not JSON5. */
export function rewrite(text: string, target: unknown): string {
  const tree = parseTree(text);
  return applyEdits(text, reconcile(text, tree, target, styleOf(text, tree)));
}
