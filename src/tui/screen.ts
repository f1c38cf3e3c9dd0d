import type { Palette } from "./palette.ts";
import { statusLines, type StatusFacts } from "./status-line.ts";
import { OwnTerminal } from "./terminal.ts";
import {
  Editor,
  ScrollView,
  TuiAltScreen,
  VStack,
  wrapTextWithAnsi,
  type Component,
  type OverlayHandle,
  type SelectListTheme,
} from "./toolkit.ts";
import type { TranscriptView } from "./transcript-view.ts";

/** Reports when someone scrolls to the beginning of what is there. */
class HistoryScroll extends ScrollView {
  onTop: () => void = () => {};

  override scrollBy(lines: number): number {
    const rest = super.scrollBy(lines);
    if (lines < 0 && this.scrollTop === 0) this.onTop();
    return rest;
  }

  override scrollToStart(): void {
    super.scrollToStart();
    this.onTop();
  }
}

/** Lines that are made for each frame. */
class Lines implements Component {
  readonly #make: (width: number) => string[];

  constructor(make: (width: number) => string[]) {
    this.#make = make;
  }

  invalidate(): void {}

  render(width: number): string[] {
    return this.#make(width);
  }
}

export type ScreenOptions = {
  readonly transcript: TranscriptView;
  readonly palette: () => Palette;
  readonly hasMouse: boolean;
  readonly status: () => StatusFacts;
  /** Above the editor: what has just happened, and what waits. */
  readonly notices: () => readonly string[];
};

/** Conversation, notices, editor and status line, one below the other, on a screen of their own. */
export class Screen {
  readonly terminal = new OwnTerminal();
  readonly editor: Editor;
  readonly #tui: TuiAltScreen;
  readonly #scroll: HistoryScroll;
  #overlay: OverlayHandle | null = null;

  constructor({ transcript, palette, hasMouse, status, notices }: ScreenOptions) {
    this.#tui = new TuiAltScreen(this.terminal, false, undefined, {
      mouse: hasMouse,
      searchMatchStyle: (text) => palette().underline(text),
      searchCurrentMatchStyle: (text) => palette().reverse(text),
      scrollToEndIndicator: () => palette().reverse(" ↓ newest: Ctrl-End "),
    });
    this.editor = new Editor(
      this.#tui,
      { borderColor: (text) => palette().dim(text), selectList: listTheme(palette) },
      { autocompleteMaxVisible: 8 },
    );
    this.#scroll = new HistoryScroll(transcript, {
      follow: "end",
      primary: true,
      scrollbar: "auto",
      scrollbarTrackStyle: (text) => palette().dim(text),
      scrollbarThumbStyle: (text) => palette().accent(text),
    });
    const noticeLines = new Lines((width) => notices().flatMap((text) => wrapTextWithAnsi(text, width)));
    const bottom = new VStack([noticeLines, this.editor, new Lines((width) => statusLines(palette(), status(), width))]);
    this.#tui.setLayoutRoot(
      new VStack([
        { component: this.#scroll, basis: 0, grow: 1, minSize: 1 },
        { component: bottom, basis: "auto", shrink: 1, minSize: 1 },
      ]),
    );
    this.#tui.setFocus(this.editor);
  }

  get rows(): number {
    return this.terminal.rows;
  }

  get hasOverlay(): boolean {
    return this.#tui.hasOverlay();
  }

  start(): void {
    this.#tui.start();
  }

  /** Leaves the screen as it was before. What is still typed does not reach the shell. */
  async stop(): Promise<void> {
    await this.terminal.drainInput(200);
    this.#tui.stop({ preserveScreen: true });
  }

  draw(): void {
    this.#tui.requestRender();
  }

  /** Called with each key before anything that has the focus; a text stands for the key, true takes it away. */
  onKey(listener: (data: string) => string | boolean): void {
    this.#tui.addInputListener((data) => {
      const result = listener(data);
      if (typeof result === "string") return { data: result };
      return result ? { consume: true } : undefined;
    });
  }

  onTop(listener: () => void): void {
    this.#scroll.onTop = listener;
  }

  /** Keeps what is read in its place when `added` lines have come before it. */
  shiftBy(added: number): void {
    this.#scroll.scrollTo(this.#scroll.scrollTop + added, { disableFollow: true });
  }

  scrollToEnd(): void {
    this.#tui.scrollToBottom();
  }

  /** One box at a time lies over the conversation. */
  open(component: Component): void {
    this.close();
    this.#overlay = this.#tui.showOverlay(component, { width: "90%", minWidth: 40, maxHeight: "95%", anchor: "center" });
  }

  close(): void {
    this.#overlay?.hide();
    this.#overlay = null;
    this.draw();
  }

  background(timeoutMs: number): Promise<{ r: number; g: number; b: number } | undefined> {
    return this.#tui.queryTerminalBackgroundColor({ timeoutMs });
  }

  onColorScheme(listener: () => void): void {
    this.#tui.onTerminalColorSchemeChange(listener);
    this.#tui.setTerminalColorSchemeNotifications(true);
  }

  get columns(): number {
    return this.terminal.columns;
  }
}

const listTheme = (palette: () => Palette): SelectListTheme => ({
  selectedPrefix: (text) => palette().accent(text),
  selectedText: (text) => palette().reverse(text),
  description: (text) => palette().dim(text),
  scrollInfo: (text) => palette().dim(text),
  noMatch: (text) => palette().dim(text),
});
