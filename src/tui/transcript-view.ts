import type { TranscriptItem } from "../client/conversation/transcript-items.ts";
import { itemLines, type ItemContext, type ItemLine, type PictureBlock } from "./item-lines.ts";
import { MarkdownLines } from "./markdown-lines.ts";
import type { Palette } from "./palette.ts";
import { guardLine } from "./safe-lines.ts";
import type { Component, TuiMouseEvent, TuiMouseEventResult } from "./toolkit.ts";

/** A prompt mark (OSC 133), from which the keys for the previous and the next message know where one begins. It is never printed. */
const PROMPT_MARK = "\u001b]133;A\u0007";

/** Columns that are left free at the right, for the scroll bar and the eye. */
const MARGIN = 1;

export type TranscriptViewDeps = {
  readonly palette: () => Palette;
  readonly hasLinks: boolean;
  readonly picture: (block: PictureBlock, width: number) => readonly string[] | null;
};

type Drawn = {
  readonly item: TranscriptItem;
  readonly version: number;
  readonly width: number;
  readonly lines: readonly ItemLine[];
  readonly texts: readonly string[];
};

/** The conversation from its first row that has been read to its last. What has not changed is not drawn again. */
export class TranscriptView implements Component {
  readonly #deps: TranscriptViewDeps;
  #items: readonly TranscriptItem[] = [];
  #empty: readonly string[] = [];
  #drawn = new Map<string, Drawn>();
  #markdown = new Map<string, MarkdownLines>();
  /** What is open against the default of its kind. */
  readonly #toggled = new Set<string>();
  #areToolsOpen = false;
  #areThoughtsOpen = false;
  #version = 0;
  #all: readonly ItemLine[] = [];

  constructor(deps: TranscriptViewDeps) {
    this.#deps = deps;
  }

  setItems(items: readonly TranscriptItem[]): void {
    this.#items = items;
  }

  /** What is shown while there is no message. */
  setEmptyText(lines: readonly string[]): void {
    this.#empty = lines;
  }

  /** Opens or folds all tool calls; returns whether they are open now. */
  toggleTools(): boolean {
    this.#areToolsOpen = !this.#areToolsOpen;
    this.#toggled.clear();
    this.invalidate();
    return this.#areToolsOpen;
  }

  toggleThoughts(): boolean {
    this.#areThoughtsOpen = !this.#areThoughtsOpen;
    this.#toggled.clear();
    this.invalidate();
    return this.#areThoughtsOpen;
  }

  /** Everything is drawn again: after a change of colors, of pictures or of what is open. */
  invalidate(): void {
    this.#version += 1;
    this.#markdown = new Map();
  }

  render(width: number): string[] {
    if (this.#items.length === 0) {
      this.#all = [];
      return [...this.#empty];
    }
    const columns = Math.max(8, width - MARGIN);
    const drawn = new Map(this.#items.map((item) => [item.key, this.#draw(item, columns)]));
    for (const key of this.#markdown.keys()) if (!drawn.has(key.slice(0, key.indexOf("\n")))) this.#markdown.delete(key);
    this.#drawn = drawn;
    const all: ItemLine[] = [];
    const texts: string[] = [];
    for (const each of drawn.values()) {
      if (each.lines.length === 0) continue;
      if (all.length > 0) {
        all.push({ text: "" });
        texts.push("");
      }
      for (const line of each.lines) all.push(line);
      for (const text of each.texts) texts.push(text);
    }
    this.#all = all;
    return texts;
  }

  #draw(item: TranscriptItem, width: number): Drawn {
    const before = this.#drawn.get(item.key);
    if (before?.item === item && before.version === this.#version && before.width === width) return before;
    const lines = itemLines(this.#context(item.key, width), item);
    const texts = lines.map(({ text, isPicture }, at) => {
      const safe = isPicture === true ? text : guardLine(text);
      return at === 0 && item.kind === "user" ? PROMPT_MARK + safe : safe;
    });
    return { item, version: this.#version, width, lines, texts };
  }

  #context(itemKey: string, width: number): ItemContext {
    let texts = 0;
    return {
      palette: this.#deps.palette(),
      width,
      isOpen: (fold) => this.#isOpen(fold),
      markdown: (text, columns) => this.#markdownOf(`${itemKey}\n${texts++}`).render(text, columns),
      picture: (block) => this.#deps.picture(block, width),
    };
  }

  #isOpen(fold: string): boolean {
    const isOpen = /\/(?:tool:|t\d+f)/.test(fold) ? this.#areToolsOpen : this.#areThoughtsOpen;
    return this.#toggled.has(fold) ? !isOpen : isOpen;
  }

  /** One for each text of an item: it keeps the blocks of a growing answer. */
  #markdownOf(key: string): MarkdownLines {
    const known = this.#markdown.get(key);
    if (known !== undefined) return known;
    const made = new MarkdownLines({ palette: this.#deps.palette(), hasLinks: this.#deps.hasLinks });
    this.#markdown.set(key, made);
    return made;
  }

  handleMouse({ type, button, y }: TuiMouseEvent): TuiMouseEventResult | undefined {
    const fold = this.#all[y]?.fold;
    if (type !== "click" || button !== "left" || fold === undefined) return undefined;
    if (!this.#toggled.delete(fold)) this.#toggled.add(fold);
    this.#version += 1;
    return { handled: true };
  }
}
