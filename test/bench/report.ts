// Figures as text, as Markdown and as JSON.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { median, type Budget, type Figure } from "./measure.ts";

export type PartResult = { part: string; builds: readonly { main: string; figures: readonly Figure[] }[] };

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3));
const spread = ({ samples }: Figure): string =>
  `${digits(median(samples))} (${digits(Math.min(...samples))} to ${digits(Math.max(...samples))}, n=${samples.length})`;
const budgetText = ({ limit, atLeast }: Budget): string => `${atLeast ? "at least " : ""}${limit}`;

/** Whether the median of a figure keeps its budget; undefined without one. */
export function isWithin({ samples, budget }: Figure): boolean | undefined {
  if (!budget) return undefined;
  const value = median(samples);
  return budget.atLeast ? value >= budget.limit : value <= budget.limit;
}

function verdict(figure: Figure): string {
  if (!figure.budget) return "";
  const ratio = median(figure.samples) / figure.budget.limit;
  return isWithin(figure) ? "within" : `${ratio.toFixed(2)}x the budget`;
}

/** The rows of one part; with a second build its median and the ratio of the medians follow. */
function rowsOf({ builds }: PartResult): string[][] {
  const [first, second] = builds;
  return first!.figures.map((figure) => {
    const row = [figure.name, figure.unit, spread(figure), figure.budget ? budgetText(figure.budget) : "", verdict(figure)];
    if (!second) return row;
    const other = second.figures.find(({ name }) => name === figure.name);
    return [...row, ...(other ? [spread(other), (median(other.samples) / median(figure.samples)).toFixed(2)] : ["", ""])];
  });
}

const headOf = ({ builds }: PartResult): string[] => [
  "figure",
  "unit",
  "median (min to max)",
  "budget",
  "verdict",
  ...(builds.length > 1 ? ["compared build", "ratio"] : []),
];

export function toText(result: PartResult): string {
  const rows = [headOf(result), ...rowsOf(result)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return `\n${result.part}\n${lines.join("\n")}\n`;
}

const toTable = (rows: readonly string[][]): string => rows.map((row) => `| ${row.join(" | ")} |`).join("\n");

function toMarkdown(result: PartResult, at: Date): string {
  const head = headOf(result);
  const day = at.toISOString().slice(0, 10);
  const machine = `${cpus().length} x ${cpus()[0]!.model}, Node ${process.versions.node}`;
  return `${day}, ${machine}:\n\n${toTable([head, head.map(() => "---"), ...rowsOf(result)])}`;
}

/** Replaces the tables of the measured parts in a document; the others keep their last figures. */
export function writeTables(path: string, results: readonly PartResult[], at = new Date()): void {
  let text = readFileSync(path, "utf8");
  for (const result of results) {
    const [begin, end] = [`<!-- figures: ${result.part} -->`, `<!-- end: ${result.part} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from === -1 || to < from) throw new Error(`${path} has no place for the part ${result.part}: add "${begin}" and "${end}"`);
    text = `${text.slice(0, from + begin.length)}\n\n${toMarkdown(result, at)}\n\n${text.slice(to)}`;
  }
  writeFileSync(path, text);
}
