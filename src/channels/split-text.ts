import type { ChannelCapabilities } from "./channel.ts";

/** One part of a longer text. `text` is what is sent; `start` and `end` say which piece of the source it carries. */
export type TextPiece = { text: string; start: number; end: number };

export type SplitOptions = {
  /** Text goes through this before it is measured; the parts themselves are not rendered. Default: as it is. */
  render?: (text: string) => string;
  /** Close a code fence at the end of a part and open it again in the next. Default true. */
  fences?: boolean;
};

type Fence = { mark: string; info: string };

/** Characters of a fence's info string that are repeated when it is opened again. */
const INFO_CHARS = 20;
const HARD_BREAK_WINDOW = 64;

/**
 * Cuts a text into parts of at most `limit`, preferring the end of a paragraph, a line, a sentence, a word, in that order. A cut
 * never goes through a surrogate pair, and through a grapheme only when one alone is longer than the limit. Between two parts
 * only white space is dropped. A limit smaller than one character still makes progress, one character at a time. Linear in the text when
 * `render` is: each piece of it is rendered a bounded number of times.
 */
export function splitText(text: string, limit: ChannelCapabilities["maxText"], options: SplitOptions = {}): readonly TextPiece[] {
  const { render } = options;
  const shown = (part: string): string => (render ? render(part) : part);
  const measure: Measure = {
    sizeOf: (part) => (limit.unit === "utf8" ? Buffer.byteLength(shown(part)) : shown(part).length),
    value: limit.value,
    fences: options.fences ?? true,
    // Rendering costs more than a part that is a little shorter than it could be.
    enough: render ? Math.floor(limit.value * 0.9) : limit.value,
    isRendered: render !== undefined,
    textEnd: text.trimEnd().length,
    charsPerUnit: 1,
  };
  const pieces: TextPiece[] = [];
  let start = skipBlank(text, 0);
  let fence: Fence | null = null;
  while (start < measure.textEnd) {
    const cut = splitOff(text, start, fence, measure);
    pieces.push(cut.piece);
    fence = cut.fence;
    start = fence ? skipNewline(text, cut.piece.end) : skipBlank(text, cut.piece.end);
  }
  return pieces;
}

type Measure = {
  sizeOf: (part: string) => number;
  value: number;
  fences: boolean;
  /** A part of this size is not made longer. */
  enough: number;
  /** Measuring costs as much as rendering: a cut that is good enough is measured once. */
  isRendered: boolean;
  /** Where the text ends without the blanks behind it. */
  textEnd: number;
  /** Characters of the source for one unit of size, as the last part had it. */
  charsPerUnit: number;
};

/** Breaks that are tried one after the other before the part is halved instead. */
const BREAK_TRIES = 8;

/** How full the first guess aims to make a rendered part, and from which size on it is taken. */
const GUESS_AIM = 0.97;
const GUESS_FILL = 0.8;

type Cut = { piece: TextPiece; fence: Fence | null };

function splitOff(text: string, start: number, before: Fence | null, measure: Measure): Cut {
  const opening = before ? `${before.mark}${before.info}\n` : "";
  // The longest fence that may have to be closed is not known before the cut, so its room is measured with every candidate.
  const built = (end: number): { text: string; fence: Fence | null } => {
    const body = text.slice(start, end);
    // The end of the text needs no closing mark.
    const after = measure.fences && end < measure.textEnd ? fenceAfter(body, before) : null;
    return { text: opening + body + (after ? `${body.endsWith("\n") ? "" : "\n"}${after.mark}` : ""), fence: after };
  };
  const sizes = new Map<number, number>();
  const sizeAt = (end: number): number => {
    const size = sizes.get(end) ?? measure.sizeOf(built(end).text);
    sizes.set(end, size);
    return size;
  };
  const fits = (end: number): boolean => sizeAt(end) <= measure.value;
  const finish = (end: number, { text: done, fence }: { text: string; fence: Fence | null }, size: number): Cut => {
    measure.charsPerUnit = (end - start) / Math.max(1, size);
    return { piece: { text: done, start, end }, fence };
  };
  const guessed = measure.isRendered ? guessedCut(text, start, measure) : null;
  if (guessed !== null) {
    const size = sizeAt(guessed);
    if (size <= measure.value && size >= measure.value * GUESS_FILL) return finish(guessed, built(guessed), size);
  }
  const most = largestFitting(start, sizeAt, measure);
  if (most >= measure.textEnd) return { piece: { text: built(most).text, start, end: most }, fence: null };
  let end = most <= start ? codePointLength(text, start) : breakBefore(text, start, most);
  // Closing a fence may need more room at a shorter cut than at a longer one that ends behind the fence.
  for (let tries = 0; end > codePointLength(text, start) && !fits(trimmedEnd(text, start, end)); tries++)
    end = previousBreak(text, start, tries < BREAK_TRIES ? end : start + ((end - start) >>> 1) + 1);
  const bodyEnd = Math.max(trimmedEnd(text, start, end), codePointLength(text, start));
  const done = built(bodyEnd);
  const size = sizeAt(bodyEnd);
  if (size > measure.value && (opening || done.fence)) {
    // Not even one character fits beside the fence marks: go on without them.
    return splitOff(text, start, null, { ...measure, fences: false });
  }
  return finish(bodyEnd, done, size);
}

/** A cut at a break that is as far away as the density of the last part suggests; null where the text may end before it. */
function guessedCut(text: string, start: number, { value, textEnd, charsPerUnit }: Measure): number | null {
  const most = start + Math.floor(value * GUESS_AIM * charsPerUnit);
  if (most <= start || most >= textEnd) return null;
  const end = trimmedEnd(text, start, breakBefore(text, start, most));
  return end > start ? end : null;
}

/**
 * The end of a prefix that fits and is not much shorter than the longest that does. The first guess is as dense as the last part was, and
 * each further one is as dense as what was measured, so that a long text is not measured again and again.
 */
function largestFitting(start: number, sizeAt: (end: number) => number, { value, enough, textEnd, charsPerUnit }: Measure): number {
  let low = start;
  let high = textEnd + 1;
  let guess = start + Math.max(1, Math.ceil(value * charsPerUnit));
  for (let round = 0; high - low > 1; round++) {
    const at = Math.max(low + 1, Math.min(high - 1, guess));
    const size = sizeAt(at);
    const fits = size <= value;
    if (fits) low = at;
    else high = at;
    if (fits && (at === textEnd || size >= enough)) break;
    const scaled = start + Math.floor(((at - start) * (value + enough)) / 2 / Math.max(1, size));
    // An even density is found at once; an uneven one by halving.
    if (round < 4) guess = fits ? Math.min(Math.max(scaled, at + 1), start + (at - start) * 8) : scaled;
    else guess = high > textEnd ? start + (at - start) * 2 : (low + high) >>> 1;
  }
  return low;
}

const BREAKS: readonly RegExp[] = [/\n[ \t]*\n/g, /\n/g, /[.!?…。！？][)\]"'»”]*(?=\s)/g, /[ \t]/g];

/** The best place to cut at or before `most`. A coarse break near the start does not count, else parts would be tiny. */
function breakBefore(text: string, start: number, most: number): number {
  if (most >= text.length) return text.length;
  const window = text.slice(start, most + 1);
  const least = window.length * 0.4;
  for (const [index, pattern] of BREAKS.entries()) {
    const at = lastMatchEnd(window, pattern, index === BREAKS.length - 1 ? 1 : least);
    if (at > 0) return Math.min(start + at, most);
  }
  return graphemeBefore(text, start, most);
}

function lastMatchEnd(window: string, pattern: RegExp, least: number): number {
  let best = 0;
  for (const match of window.matchAll(pattern)) {
    const isBlank = match[0].trim() === "";
    const at = isBlank ? match.index : match.index + match[0].length;
    if (at >= least && at > 0 && at < window.length) best = at;
  }
  return best;
}

/** Loading the data of Unicode costs 19 ms and 3 MiB, and few texts are cut within a word. */
let segmenter: Intl.Segmenter | undefined;

function graphemeBefore(text: string, start: number, most: number): number {
  const from = Math.max(start, most - HARD_BREAK_WINDOW);
  const anchor = isLowSurrogate(text, from) ? from - 1 : from;
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const hit = segmenter.segment(text.slice(anchor, most + HARD_BREAK_WINDOW)).containing(most - anchor);
  const at = hit ? anchor + hit.index : most;
  if (at > start) return at;
  const point = isLowSurrogate(text, most) ? most - 1 : most;
  return Math.max(point, codePointLength(text, start));
}

function previousBreak(text: string, start: number, end: number): number {
  const at = breakBefore(text, start, end - 1);
  return at < end ? at : graphemeBefore(text, start, end - 1);
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  const before = text.charCodeAt(at - 1);
  return code >= 0xdc00 && code <= 0xdfff && before >= 0xd800 && before <= 0xdbff;
}

function codePointLength(text: string, start: number): number {
  return start + (isLowSurrogate(text, start + 1) ? 2 : 1);
}

function skipBlank(text: string, at: number): number {
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

/** Inside code, blanks at the start of a line are content: only the line's end, and blanks in front of it, are dropped. */
function skipNewline(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\t") at++;
  return text[at] === "\n" ? at + 1 : from;
}

function trimmedEnd(text: string, start: number, end: number): number {
  while (end > start && /\s/.test(text[end - 1]!)) end--;
  return end;
}

/** The code fence that is open at the end of `body`, given the one that was open before it. */
function fenceAfter(body: string, before: Fence | null): Fence | null {
  if (!body.includes("```") && !body.includes("~~~")) return before;
  let open = before;
  for (const line of body.split("\n")) {
    const found = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/.exec(line);
    if (!found) continue;
    const [, mark = "", rest = ""] = found;
    if (open) {
      if (mark[0] === open.mark[0] && mark.length >= open.mark.length && rest.trim() === "") open = null;
    } else if (!(mark.startsWith("`") && rest.includes("`"))) {
      open = { mark, info: rest.trim().slice(0, INFO_CHARS) };
    }
  }
  return open;
}
