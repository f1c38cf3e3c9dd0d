/** How texts look. Each style ends only itself, so that styles nest. */
export type Paint = (text: string) => string;

export type Palette = {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly italic: Paint;
  readonly underline: Paint;
  readonly strike: Paint;
  readonly reverse: Paint;
  /** What a person may act on: the own messages, marks, keys. */
  readonly accent: Paint;
  readonly code: Paint;
  readonly good: Paint;
  readonly warning: Paint;
  readonly bad: Paint;
};

export type Background = "dark" | "light";

const sgr =
  (on: string, off: string): Paint =>
  (text) =>
    text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`;

const plain = {
  bold: sgr("1", "22"),
  dim: sgr("2", "22"),
  italic: sgr("3", "23"),
  underline: sgr("4", "24"),
  strike: sgr("9", "29"),
  reverse: sgr("7", "27"),
};

const color = (code: number): Paint => sgr(String(code), "39");

/** Without colors weight, lines and reversed text still tell things apart. */
const COLORLESS: Palette = {
  ...plain,
  accent: plain.bold,
  code: (text) => text,
  good: (text) => text,
  warning: plain.bold,
  bad: plain.bold,
};

/** The 16 colors that a terminal's own theme defines: the bright ones read on dark, the others on light. */
const COLORED: Readonly<Record<Background, Palette>> = {
  dark: { ...plain, accent: color(96), code: color(93), good: color(92), warning: color(93), bad: color(91) },
  light: { ...plain, accent: color(34), code: color(35), good: color(32), warning: color(33), bad: color(31) },
};

export const toPalette = (hasColor: boolean, background: Background): Palette => (hasColor ? COLORED[background] : COLORLESS);

/** From the brightness of the background that the terminal reports, else from what it says of itself in COLORFGBG. */
export function toBackground(rgb: { r: number; g: number; b: number } | undefined, colorFgBg: string | undefined): Background {
  if (rgb !== undefined) return 0.2126 * rgb.r + 0.7152 * rgb.g + 0.0722 * rgb.b > 127 ? "light" : "dark";
  const background = Number(/(\d+)$/.exec(colorFgBg ?? "")?.[1] ?? Number.NaN);
  return background === 7 || background === 15 ? "light" : "dark";
}
