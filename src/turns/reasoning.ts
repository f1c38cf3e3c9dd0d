/**
 * Separates what a model thinks from what it says, where both come as one text: `<think>` and its relatives. Works on a stream:
 * a tag may be split over deltas, stay open, be nested, or close without having been opened. Tags in code are text. Pure.
 */
export type ReasoningState = {
  /** The start of something that may become a tag. */
  held: string;
  /** Open reasoning tags. */
  depth: number;
  /** What the open tag would leave behind if it turns out to be text: a tag inside of a line that is never closed. Null: it is a tag. */
  tentative: string | null;
  /** The answer has begun. */
  spoken: boolean;
  /** Blank space after a closing tag is not part of the answer. */
  skipSpace: boolean;
  lineStart: boolean;
  /** The line before was empty so far. */
  blankLine: boolean;
  /** Open code fence, as its marker; open code span, as the number of its backticks. */
  fence: string;
  span: number;
};

export const initialReasoning: ReasoningState = {
  held: "",
  depth: 0,
  tentative: null,
  spoken: false,
  skipSpace: false,
  lineStart: true,
  blankLine: true,
  fence: "",
  span: 0,
};

/** `retract`: the text before this piece was thinking after all. */
export type SeparatedDelta = { state: ReasoningState; text: string; thinking: string; retract: boolean };

const TAG_NAMES = [
  "think",
  "thinking",
  "antthinking",
  "thought",
  "thoughts",
  "reason",
  "reasoning",
  "reasoning_content",
  "reflection",
  "seed:think",
  "inner_monologue",
  "scratchpad",
];
const TAG = new RegExp(
  `<\\s{0,4}(/?)\\s{0,4}(?:${TAG_NAMES.join("|")})(?:\\s[^<>\\n]{0,64})?>|\\[(/?)think\\]|<\\|(?:begin|(end))_of_thought\\|>|◁(/?)think▷`,
  "iy",
);
/** The channels of one family of models: everything up to the final channel is thinking. */
const CHANNEL = /(?:<\|start\|>assistant)?<\|channel\|>(analysis|commentary|final)[^<\n]{0,64}<\|message\|>|<\|(end|return)\|>/iy;
const LITERAL_TAGS = ["[think]", "[/think]", "◁think▷", "◁/think▷", "<|begin_of_thought|>", "<|end_of_thought|>", "<|end|>", "<|return|>"];
const CHANNEL_STARTS = ["<|start|>assistant<|channel|>", "<|channel|>"];

/** Whether more text can make a tag of what `rest` begins with. */
function mayBecomeTag(rest: string): boolean {
  const text = rest.toLowerCase();
  if ([...LITERAL_TAGS, ...CHANNEL_STARTS].some((word) => word.startsWith(text))) return true;
  const channel = CHANNEL_STARTS.find((start) => text.startsWith(start));
  if (channel) return /^[a-z]{0,12}[^<\n]{0,64}(?:<\|?[a-z]{0,7}\|?)?$/.test(text.slice(channel.length));
  const [, name, more] = /^<[\s/]{0,9}([a-z_:]{0,20})(\s[^<>\n]{0,64})?$/.exec(text) ?? [];
  if (name === undefined) return false;
  return more === undefined ? TAG_NAMES.some((each) => each.startsWith(name)) : TAG_NAMES.includes(name);
}
const PARTIAL_CHARS = 192;
const NEXT = /[<[◁`~\n]/g;

type Tag = { length: number; kind: "open" | "close" };

function tagAt(text: string, at: number): Tag | null {
  TAG.lastIndex = at;
  const tag = TAG.exec(text);
  if (tag) return { length: tag[0].length, kind: tag[1] || tag[2] || tag[3] || tag[4] ? "close" : "open" };
  CHANNEL.lastIndex = at;
  const channel = CHANNEL.exec(text);
  if (!channel) return null;
  return { length: channel[0].length, kind: channel[1] && channel[1].toLowerCase() !== "final" ? "open" : "close" };
}

/** The next piece of a stream. With `last` nothing is held back, and what was never closed is settled. */
export function separateReasoningDelta(before: ReasoningState, delta: string, last = false): SeparatedDelta {
  const run = new ReasoningParser(before, before.held + delta, last);
  return run.parse();
}

/** A whole text. */
export function separateReasoning(text: string): { text: string; thinking: string } {
  // Nearly every text: nothing in it can be a tag.
  if (!/[<[◁]/.test(text)) return { text, thinking: "" };
  const { text: said, thinking } = separateReasoningDelta(initialReasoning, text, true);
  return { text: said, thinking };
}

class ReasoningParser {
  readonly #state: ReasoningState;
  readonly #input: string;
  readonly #last: boolean;
  #text = "";
  #thinking = "";
  #retract = false;

  constructor(before: ReasoningState, input: string, last: boolean) {
    this.#state = { ...before, held: "" };
    this.#input = input;
    this.#last = last;
  }

  parse(): SeparatedDelta {
    const state = this.#state;
    const input = this.#input;
    for (let at = 0; at < input.length;) {
      NEXT.lastIndex = at;
      const next = NEXT.exec(input)?.index ?? input.length;
      if (next > at) this.#emit(input.slice(at, next));
      at = next;
      if (at >= input.length) break;
      const taken = this.#consumeSpecial(at);
      if (taken === 0) {
        state.held = input.slice(at);
        break;
      }
      at += taken;
    }
    if (this.#last) this.#settle();
    return { state, text: this.#text, thinking: this.#thinking, retract: this.#retract };
  }

  /** Deals with a special character; returns how many characters it took, 0 to wait for more. */
  #consumeSpecial(at: number): number {
    const input = this.#input;
    const char = input[at]!;
    if (char === "\n") {
      this.#newline();
      return 1;
    }
    if (char === "`" || char === "~") return this.#consumeCodeMarker(at, char);
    const state = this.#state;
    const inCode = state.depth === 0 && (state.fence !== "" || state.span > 0);
    const tag = inCode ? null : tagAt(input, at);
    if (tag) return this.#consumeTag(at, tag);
    const rest = input.length - at;
    if (!inCode && !this.#last && rest <= PARTIAL_CHARS && mayBecomeTag(input.slice(at))) return 0;
    this.#emit(char);
    return 1;
  }

  #consumeTag(at: number, tag: Tag): number {
    const state = this.#state;
    if (tag.kind === "open") {
      if (state.depth === 0) state.tentative = state.lineStart || !state.spoken ? null : this.#input.slice(at, at + tag.length);
      else if (state.tentative !== null) state.tentative += this.#input.slice(at, at + tag.length);
      state.depth++;
      return tag.length;
    }
    if (state.depth > 0) {
      state.depth--;
      if (state.depth > 0 && state.tentative !== null) state.tentative += this.#input.slice(at, at + tag.length);
      if (state.depth === 0) {
        if (state.tentative !== null) this.#thinking += withoutOpeningTag(state.tentative);
        state.tentative = null;
        state.skipSpace = !state.spoken || state.lineStart;
      }
      return tag.length;
    }
    return this.#consumeStrayClosingTag(at, tag.length);
  }

  /** A closing tag alone: the opening one was part of the prompt. Everything before it is thinking, where it ends a line or is alone. */
  #consumeStrayClosingTag(at: number, length: number): number {
    const state = this.#state;
    const after = this.#input[at + length];
    if (after === undefined && !this.#last) return 0;
    if (!state.lineStart && after !== undefined && after !== "\n") {
      this.#emit(this.#input.slice(at, at + length));
      return length;
    }
    this.#retract = true;
    this.#thinking += this.#text;
    this.#text = "";
    Object.assign(state, { spoken: false, skipSpace: true, lineStart: true, blankLine: true, fence: "", span: 0 });
    return length;
  }

  /** A run of backticks or tildes: a fence at the start of a line, a code span elsewhere. */
  #consumeCodeMarker(at: number, char: string): number {
    const state = this.#state;
    const input = this.#input;
    let end = at;
    while (input[end] === char) end++;
    if (end === input.length && !this.#last && end - at < PARTIAL_CHARS) return 0;
    const run = input.slice(at, end);
    if (state.depth === 0) {
      if (state.lineStart && run.length >= 3 && state.span === 0) {
        if (state.fence === "") state.fence = run;
        else if (run[0] === state.fence[0] && run.length >= state.fence.length) state.fence = "";
      } else if (char === "`" && state.fence === "") {
        if (state.span === 0) state.span = run.length;
        else if (state.span === run.length) state.span = 0;
      }
    }
    this.#emit(run);
    return run.length;
  }

  #newline(): void {
    const state = this.#state;
    this.#emit("\n");
    // A code span ends with its paragraph.
    if (state.blankLine) state.span = 0;
    state.lineStart = true;
    state.blankLine = true;
  }

  #emit(piece: string): void {
    const state = this.#state;
    if (state.depth > 0) {
      if (state.tentative === null) this.#thinking += piece;
      else state.tentative += piece;
      return;
    }
    const text = state.skipSpace ? piece.trimStart() : piece;
    if (text === "") return;
    state.skipSpace = false;
    this.#text += text;
    if (text.trim() === "") return;
    state.spoken = true;
    state.lineStart = false;
    state.blankLine = false;
  }

  #settle(): void {
    const state = this.#state;
    if (state.held !== "") {
      const { held } = state;
      state.held = "";
      this.#emit(held);
    }
    // A word about the tag inside of a sentence, not the tag.
    if (state.depth > 0 && state.tentative !== null) this.#text += state.tentative;
    state.tentative = null;
    state.depth = 0;
  }
}

/** What stood behind the opening tag with which a tentative piece begins. */
const withoutOpeningTag = (piece: string): string => piece.slice(tagAt(piece, 0)?.length ?? 0);
