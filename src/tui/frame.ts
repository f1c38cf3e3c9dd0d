import type { Palette } from "./palette.ts";
import { truncateToWidth, visibleWidth } from "./toolkit.ts";

/** Columns that a frame takes beside its content. */
export const FRAME_COLUMNS = 4;

/** A box with a title above and a hint below. Lines that are too long are cut. */
export function frame(
  palette: Palette,
  lines: readonly string[],
  width: number,
  { title, hint }: { title: string; hint: string },
): string[] {
  const inner = Math.max(1, width - FRAME_COLUMNS);
  const edge = (left: string, label: string, right: string): string => {
    const text = label === "" ? "" : ` ${truncateToWidth(label, Math.max(0, width - 6), "…")} `;
    const rest = Math.max(0, width - 3 - visibleWidth(text));
    return palette.dim(`${left}─`) + text + palette.dim(`${"─".repeat(rest)}${right}`);
  };
  const body = lines.map((line) => {
    const cut = visibleWidth(line) > inner ? truncateToWidth(line, inner, "…") : line;
    return `${palette.dim("│")} ${cut}${" ".repeat(Math.max(0, inner - visibleWidth(cut)))} ${palette.dim("│")}`;
  });
  return [edge("╭", palette.bold(title), "╮"), ...body, edge("╰", palette.dim(hint), "╯")];
}
