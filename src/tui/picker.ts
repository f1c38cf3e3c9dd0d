import { sanitizeLine, truncateText } from "../cli/terminal-text.ts";
import { frame, FRAME_COLUMNS } from "./frame.ts";
import type { Palette } from "./palette.ts";
import {
  Input,
  matchesKey,
  visibleWidth,
  type Component,
  type Focusable,
  type TuiMouseEvent,
  type TuiMouseEventResult,
} from "./toolkit.ts";

export type PickerItem = { readonly value: string; readonly label: string; readonly detail: string };

export type PickerOptions = {
  readonly title: string;
  readonly palette: () => Palette;
  readonly rows: () => number;
  readonly items: readonly PickerItem[];
  /** The one that is in use. */
  readonly current: string | null;
  readonly onPick: (item: PickerItem) => void;
  readonly onClose: () => void;
  /** Called with the words of the filter, for a list of which only a part is here. */
  readonly onFilter?: (words: string) => void;
};

/** Rows that are not the list: frame, filter, the line below it, and what stays visible around the picker. */
const OTHER_ROWS = 8;
const LABEL_COLUMNS = 40;

/** Every word is somewhere in the label, the detail or the value. Pure. */
export function filterItems(items: readonly PickerItem[], filter: string): readonly PickerItem[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter(({ label, detail, value }) => {
    const text = `${label} ${detail} ${value}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** A list in a box: words filter it, arrows or the mouse choose, Enter picks, Escape clears the filter and then closes. */
export class Picker implements Component, Focusable {
  readonly #options: PickerOptions;
  readonly #input = new Input({ prompt: "" });
  #items: readonly PickerItem[];
  #at: number;
  #top = 0;
  #height = 1;

  constructor(options: PickerOptions) {
    this.#options = options;
    this.#items = options.items;
    this.#at = Math.max(
      0,
      options.items.findIndex(({ value }) => value === options.current),
    );
  }

  get focused(): boolean {
    return this.#input.focused;
  }

  set focused(focused: boolean) {
    this.#input.focused = focused;
  }

  /** Another list, after the gateway was asked about a filter. What is chosen stays chosen. */
  setItems(items: readonly PickerItem[]): void {
    const chosen = this.#shown()[this.#at]?.value;
    this.#items = items;
    this.#at = Math.max(
      0,
      this.#shown().findIndex(({ value }) => value === chosen),
    );
  }

  #shown(): readonly PickerItem[] {
    return filterItems(this.#items, this.#input.getValue());
  }

  invalidate(): void {
    this.#input.invalidate();
  }

  handleInput(data: string): void {
    const shown = this.#shown();
    if (matchesKey(data, "escape") || matchesKey(data, "ctrl+c")) {
      if (this.#input.getValue() === "") return this.#options.onClose();
      return this.#setFilter("");
    }
    if (matchesKey(data, "enter")) {
      const item = shown[this.#at];
      return item === undefined ? undefined : this.#options.onPick(item);
    }
    const step = { up: -1, down: 1, pageUp: -this.#height, pageDown: this.#height };
    for (const [key, by] of Object.entries(step)) if (matchesKey(data, key as "up")) return this.#move(by, shown.length);
    const before = this.#input.getValue();
    this.#input.handleInput(data);
    if (this.#input.getValue() !== before) this.#setFilter(this.#input.getValue());
  }

  #setFilter(filter: string): void {
    this.#input.setValue(filter);
    this.#at = 0;
    this.#options.onFilter?.(filter.trim());
  }

  #move(by: number, count: number): void {
    this.#at = Math.max(0, Math.min(count - 1, this.#at + by));
  }

  handleMouse(event: TuiMouseEvent): TuiMouseEventResult | undefined {
    const shown = this.#shown();
    if (event.type === "wheel") {
      this.#move(Math.sign(event.wheelDelta ?? 0), shown.length);
      return { handled: true };
    }
    // The first row of the list is the third of the box.
    const at = this.#top + event.y - 2;
    if (event.type !== "click" || event.y < 2 || event.y >= 2 + this.#height || at >= shown.length) return undefined;
    this.#at = at;
    this.#options.onPick(shown[at]!);
    return { handled: true };
  }

  render(width: number): string[] {
    const palette = this.#options.palette();
    const inner = width - FRAME_COLUMNS;
    const shown = this.#shown();
    this.#at = Math.max(0, Math.min(this.#at, shown.length - 1));
    this.#height = Math.max(3, Math.min(this.#options.rows() - OTHER_ROWS, Math.max(3, this.#items.length)));
    this.#top = Math.max(0, Math.min(this.#top, this.#at, shown.length - this.#height));
    if (this.#at >= this.#top + this.#height) this.#top = this.#at - this.#height + 1;
    const labels = Math.min(LABEL_COLUMNS, Math.floor(inner / 2), Math.max(8, ...shown.map(({ label }) => visibleWidth(label))));
    const rows = shown
      .slice(this.#top, this.#top + this.#height)
      .map((item, at) => this.#row(palette, item, { labels, inner, isChosen: this.#top + at === this.#at }));
    while (rows.length < this.#height) rows.push(shown.length === 0 && rows.length === 0 ? palette.dim("Nothing matches.") : "");
    const filter = `${palette.accent("›")} ${this.#input.render(Math.max(1, inner - 2))[0] ?? ""}`;
    const place = shown.length > this.#height ? ` · ${this.#at + 1} of ${shown.length}` : "";
    return frame(palette, [filter, ...rows], width, {
      title: this.#options.title,
      hint: `type to filter · Enter picks · Esc closes${place}`,
    });
  }

  #row(palette: Palette, item: PickerItem, { labels, inner, isChosen }: { labels: number; inner: number; isChosen: boolean }): string {
    const mark = item.value === this.#options.current ? "●" : " ";
    const label = truncateText(sanitizeLine(item.label), labels);
    const space = " ".repeat(Math.max(0, labels - visibleWidth(label)));
    const detail = truncateText(sanitizeLine(item.detail), Math.max(0, inner - labels - 4));
    const text = `${mark} ${label}${space}  ${isChosen ? detail : palette.dim(detail)}`;
    return isChosen ? palette.reverse(text + " ".repeat(Math.max(0, inner - visibleWidth(text)))) : text;
  }
}
