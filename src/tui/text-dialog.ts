import { frame, FRAME_COLUMNS } from "./frame.ts";
import type { Palette } from "./palette.ts";
import { matchesKey, wrapTextWithAnsi, type Component, type TuiMouseEvent, type TuiMouseEventResult } from "./toolkit.ts";

const OTHER_ROWS = 4;

export type TextDialogOptions = {
  readonly title: string;
  readonly lines: readonly string[];
  readonly palette: () => Palette;
  readonly rows: () => number;
  readonly onClose: () => void;
};

/** A text in a box, with keys to scroll. */
export class TextDialog implements Component {
  readonly #options: TextDialogOptions;
  #top = 0;
  #height = 1;
  #count = 0;

  constructor(options: TextDialogOptions) {
    this.#options = options;
  }

  invalidate(): void {}

  handleInput(data: string): void {
    const step = {
      up: -1,
      down: 1,
      pageUp: -this.#height,
      pageDown: this.#height,
      space: this.#height,
      home: -this.#count,
      end: this.#count,
    };
    for (const [key, by] of Object.entries(step)) if (matchesKey(data, key as "up")) return this.#scroll(by);
    if (["escape", "ctrl+c", "enter", "q"].some((key) => matchesKey(data, key as "escape"))) this.#options.onClose();
  }

  handleMouse({ type, wheelDelta = 0 }: TuiMouseEvent): TuiMouseEventResult | undefined {
    if (type !== "wheel") return undefined;
    this.#scroll(wheelDelta);
    return { handled: true };
  }

  #scroll(by: number): void {
    this.#top = Math.max(0, Math.min(this.#top + by, this.#count - this.#height));
  }

  render(width: number): string[] {
    const { title, lines, palette, rows } = this.#options;
    const all = lines.flatMap((line) => wrapTextWithAnsi(line, width - FRAME_COLUMNS));
    this.#count = all.length;
    this.#height = Math.max(1, Math.min(all.length, rows() - OTHER_ROWS));
    this.#scroll(0);
    const place = all.length > this.#height ? `${this.#top + 1} to ${this.#top + this.#height} of ${all.length} · ↑ ↓ scroll · ` : "";
    return frame(palette(), all.slice(this.#top, this.#top + this.#height), width, { title, hint: `${place}Esc closes` });
  }
}
