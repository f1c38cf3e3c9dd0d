import { sanitizeLine, sanitizeText, toSafeJson, truncateText, padText, textWidth, wrapText } from "./terminal-text.ts";

/** Where a command writes. Tests hand in their own. */
export type Streams = {
  readonly stdout: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  readonly stderr: { write(text: string): unknown; isTTY?: boolean; columns?: number };
};

export type Column = {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be cut when the terminal is too narrow; others keep their width. The first column is what one copies: it is never cut. */
  readonly truncate?: boolean;
};

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type TerminalStyle = keyof typeof CODES;
// oxlint-disable-next-line no-control-regex
const ANSI_COLORS = /(\u001b\[(?:0|1|2|31|32|33|36)m)/;

/** The one way from a command to the screen: calm in a terminal, plain in a pipe, one JSON value with --json. */
export class Output {
  readonly json: boolean;
  /** Each JSON value takes one line: the command prints several. */
  jsonLines = false;
  /** Columns of the terminal; null in a pipe, where nothing is cut. */
  readonly width: number | null;
  readonly #color: boolean;
  readonly #streams: Streams;

  constructor(streams: Streams, options: { json: boolean; color: boolean }) {
    this.#streams = streams;
    this.json = options.json;
    this.width = streams.stdout.isTTY ? Math.max(40, streams.stdout.columns || 80) : null;
    this.#color = options.color && streams.stdout.isTTY === true;
  }

  /** Whether `paint` does something. */
  get hasColor(): boolean {
    return this.#color;
  }

  get interactive(): boolean {
    return this.width !== null;
  }

  paint(style: TerminalStyle, text: string): string {
    return this.#color ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
  }

  /** One line of the result. */
  line(text = ""): void {
    this.#streams.stdout.write(`${this.#safe(text)}\n`);
  }

  /** Text as it is, without a line break; for streams of a reply. */
  raw(text: string): void {
    this.#streams.stdout.write(this.#safe(text));
  }

  /** About the result, and not part of it: goes to stderr, wrapped at words. A command alone stays one line, to be copied. */
  note(text: string): void {
    const { isTTY, columns } = this.#streams.stderr;
    const isCommand = /^ *(?:Fix: )?openclaw [^.;]*$/.test(text);
    const indent = `${/^ */.exec(text)![0]}  `;
    const lines = isTTY && !isCommand ? text.split("\n").flatMap((line) => wrapText(line, Math.max(40, columns || 80), indent)) : [text];
    this.#streams.stderr.write(`${this.#safe(lines.join("\n"))}\n`);
  }

  /** Removes all control sequences except our own colors, also from text that a command did not sanitize. */
  #safe(text: string): string {
    if (!this.#color) return sanitizeText(text);
    return text
      .split(ANSI_COLORS)
      .map((part, index) => (index % 2 === 1 ? part : sanitizeText(part)))
      .join("");
  }

  /** A question at the terminal; no line break is added. */
  prompt(text: string): void {
    this.#streams.stderr.write(text);
  }

  /** The result for programs. */
  data(value: unknown): void {
    this.#streams.stdout.write(`${toSafeJson(value, this.jsonLines ? undefined : 2)}\n`);
  }

  /** `value` with --json; else what `show` prints. */
  result(value: unknown, show: () => void): void {
    if (this.json) this.data(value);
    else show();
  }

  /** Wrapped to the width of the terminal, every line after the first indented. */
  paragraph(text: string, indent = ""): void {
    for (const line of wrapText(text, this.width ?? Number.POSITIVE_INFINITY, indent)) this.line(line);
  }

  /**
   * Two spaces between columns, headings dim. Where the terminal is too narrow for that, each row becomes a list of its cells. Cells may
   * come from outside: control characters are taken out.
   */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const cells = rows.map((row) => columns.map((_, index) => sanitizeLine(row[index] ?? "")));
    const widths = fitWidths(columns, cells, this.width);
    if (widths === null) return this.#list(columns, cells);
    const format = (row: readonly string[]): string =>
      row
        .map((cell, index) => padText(truncateText(cell, widths[index]!), widths[index]!, columns[index]!.align))
        .join("  ")
        .trimEnd();
    this.line(this.paint("dim", format(columns.map((column) => column.title))));
    for (const row of cells) this.line(format(row));
  }

  /** Each row as its first cell, with the others below it. */
  #list(columns: readonly Column[], cells: readonly (readonly string[])[]): void {
    const [, ...rest] = columns;
    const width = Math.max(...rest.map(({ title }) => textWidth(title)));
    for (const [key = "", ...others] of cells) {
      this.line(this.paint("bold", key));
      for (const [index, value] of others.entries()) {
        if (value === "" || value === "-") continue;
        const lead = `  ${this.paint("dim", padText(rest[index]!.title, width))}  `;
        const lines = wrapText(value, this.width ?? Number.POSITIVE_INFINITY, " ".repeat(width + 4), width + 4);
        this.line(lead + lines.join("\n"));
      }
    }
  }

  /** Names and values below each other. */
  pairs(rows: readonly (readonly [name: string, value: string])[]): void {
    const width = Math.max(...rows.map(([name]) => textWidth(name)));
    for (const [name, value] of rows) {
      const indent = " ".repeat(width + 2);
      const lines = wrapText(sanitizeLine(value), this.width ?? Number.POSITIVE_INFINITY, indent, width + 2);
      this.line(`${this.paint("dim", padText(name, width))}  ${lines.join("\n").trimStart()}`);
    }
  }
}

const MIN_TRUNCATED_WIDTH = 8;
/** In a terminal that is narrower than this, a list reads better than cells that are cut. */
const LIST_LAYOUT_BELOW = 70;

/** Widths of the columns: what they need, less what the widest cuttable ones give up to fit the terminal. Null: it cannot be made to fit. Exported for its table test. */
export function fitWidths(columns: readonly Column[], cells: readonly (readonly string[])[], limit: number | null): number[] | null {
  const widths = columns.map((column, index) => Math.max(textWidth(column.title), ...cells.map((row) => textWidth(row[index]!))));
  if (limit === null) return widths;
  const gaps = 2 * (columns.length - 1);
  let over = widths.reduce((sum, width) => sum + width, gaps) - limit;
  if (over > 0 && limit < LIST_LAYOUT_BELOW) return null;
  for (; over > 0; over--) {
    let widest = -1;
    for (const [index, column] of columns.entries()) {
      const mayShrink = index > 0 && column.truncate && widths[index]! > MIN_TRUNCATED_WIDTH;
      if (mayShrink && (widest < 0 || widths[index]! > widths[widest]!)) widest = index;
    }
    if (widest < 0) return null;
    widths[widest]!--;
  }
  return widths;
}
