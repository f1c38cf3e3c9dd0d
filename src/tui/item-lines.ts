import type { ItemBlock, OutgoingMessage, TranscriptItem } from "../client/conversation/transcript-items.ts";
import type { LiveTool, ToolState } from "../client/conversation/live-run.ts";
import { asObject } from "../core/json.ts";
import { formatDuration, sanitizeLine, truncateText } from "../cli/terminal-text.ts";
import { TUI_LIMITS } from "./limits.ts";
import { breakAnywhere } from "./markdown-lines.ts";
import type { Palette } from "./palette.ts";
import { toSafeText } from "./safe-lines.ts";
import { truncateToWidth, wrapTextWithAnsi } from "./toolkit.ts";

/** One line of the conversation. A click on a line with `fold` opens or closes what it stands for; `isPicture`: it is what draws a picture. */
export type ItemLine = { readonly text: string; readonly fold?: string; readonly isPicture?: boolean };

export type ItemContext = {
  readonly palette: Palette;
  readonly width: number;
  /** Whether the tool or the thoughts under this name are shown whole. */
  readonly isOpen: (fold: string) => boolean;
  readonly markdown: (text: string, width: number) => readonly string[];
  /** The lines of a picture, where this terminal shows pictures and this one has been read; else null. */
  readonly picture: (block: PictureBlock) => readonly string[] | null;
};

export type PictureBlock = Extract<ItemBlock, { type: "image" }>;
type FileBlock = Extract<ItemBlock, { type: "file" }>;
type UserItem = Extract<TranscriptItem, { kind: "user" }>;
type AnswerItem = Extract<TranscriptItem, { kind: "assistant" }>;

/** What a person, the agent or the gateway has said, as lines that end before `width`. Pure. */
export function itemLines(context: ItemContext, item: TranscriptItem): readonly ItemLine[] {
  if (item.kind === "user") return userLines(context, item);
  if (item.kind === "assistant") return answerLines(context, item);
  return plainLines(item.text, context.width - 2).map((text) => ({ text: context.palette.dim(`· ${text}`) }));
}

const toLines = (texts: readonly string[]): ItemLine[] => texts.map((text) => ({ text }));

/** Text as it was written, wrapped. */
function plainLines(text: string, width: number): string[] {
  return clip(toSafeText(text))
    .split("\n")
    .flatMap((line) => wrapTextWithAnsi(line, Math.max(1, width)));
}

/** No one reads more in a terminal, and each frame would have to wrap it. */
function clip(text: string): string {
  const rest = text.length - TUI_LIMITS.textChars;
  return rest <= 0 ? text : `${text.slice(0, TUI_LIMITS.textChars)}\n(${rest} more characters; /copy takes all)`;
}

function userLines(context: ItemContext, { key, blocks, sender, outgoing, waits }: UserItem): readonly ItemLine[] {
  const { palette, width } = context;
  const bar = palette.accent("▌ ");
  const head = sender === null ? [] : [palette.bold(palette.accent(sanitizeLine(`${sender.name} · ${sender.channel}`)))];
  const marked = (lines: readonly string[]): ItemLine[] => lines.map((line) => ({ text: bar + line }));
  const body = blocks.flatMap((block) => {
    if (block.type === "image")
      return pictureLines(context, block).map((line) => (line.isPicture === true ? line : { text: bar + line.text }));
    if (block.type === "file") return fileLines(context, key, block).map((line) => ({ ...line, text: bar + line.text }));
    return block.type === "text" ? marked(plainLines(block.text, width - 2)) : [];
  });
  const state = stateText(outgoing, waits);
  const foot = state === null ? [] : wrapTextWithAnsi(outgoing?.state === "failed" ? palette.bad(state) : palette.dim(state), width - 2);
  return [...marked(head), ...body, ...marked(foot)];
}

/** The name and size of a file; its text where it is open. */
function fileLines(context: ItemContext, itemKey: string, block: FileBlock): readonly ItemLine[] {
  const { palette, width } = context;
  const about = [block.mimeType, block.size].flatMap((each) => (each === null ? [] : [sanitizeLine(each)]));
  const name = `${palette.bold(sanitizeLine(block.name))} ${palette.dim(`(${about.join(", ")})`)}`;
  if (block.text === null) return wrapTextWithAnsi(`  ${name}`, width - 2).map((text) => ({ text }));
  const fold = `${itemKey}/${block.key}`;
  const isOpen = context.isOpen(fold);
  const head = { text: truncateToWidth(`${isOpen ? "▾" : "▸"} ${name}`, width - 2), fold };
  return isOpen ? [head, ...bounded(contentLines(block.text, width - 4)).map((line) => ({ text: `  ${line}` }))] : [head];
}

function stateText(outgoing: OutgoingMessage | null, waits: boolean): string | null {
  if (outgoing?.state === "failed") return `not sent: ${sanitizeLine(outgoing.error ?? "the gateway refused it")}`;
  if (outgoing?.state === "queued") return "not sent yet";
  if (outgoing?.state === "sending") return "sending";
  return waits ? "waits for the running turn" : null;
}

function answerLines(context: ItemContext, item: AnswerItem): readonly ItemLine[] {
  const { palette, width } = context;
  const lines: ItemLine[] = [];
  let before: ItemBlock["type"] | null = null;
  for (const block of item.blocks) {
    const made = answerBlock(context, item.key, block);
    if (made.length === 0) continue;
    // Calls of tools follow each other without a gap.
    if (before !== null && !(before === "tool" && block.type === "tool")) lines.push({ text: "" });
    lines.push(...made);
    before = block.type;
  }
  const end = endText(item);
  if (end !== null) {
    if (lines.length > 0) lines.push({ text: "" });
    lines.push(...toLines(wrapTextWithAnsi(item.end === "error" ? palette.bad(end) : palette.dim(end), width)));
  }
  return lines;
}

function endText({ end, error, errorDetail, run, blocks }: AnswerItem): string | null {
  if (end === "aborted") return "(stopped)";
  if (end === "error")
    return toSafeText(["✗ ", error ?? "The agent could not reply.", errorDetail === null ? "" : `\n${errorDetail}`].join(""));
  return run?.state === "final" && blocks.length === 0 ? "(answered within another turn, or without words)" : null;
}

function answerBlock(context: ItemContext, itemKey: string, block: ItemBlock): readonly ItemLine[] {
  if (block.type === "text") return toLines(context.markdown(clip(block.text), context.width));
  if (block.type === "image") return pictureLines(context, block);
  if (block.type === "file") return fileLines(context, itemKey, block);
  const fold = `${itemKey}/${block.key}`;
  return block.type === "tool" ? toolLines(context, block.tool, fold) : thinkingLines(context, block.text, fold);
}

function thinkingLines(context: ItemContext, text: string, fold: string): readonly ItemLine[] {
  const { palette, width } = context;
  const isOpen = context.isOpen(fold);
  const lines = plainLines(text.trim(), width - 2);
  const head = { text: palette.dim(`${isOpen ? "▾" : "▸"} thoughts (${lines.length} ${lines.length === 1 ? "line" : "lines"})`), fold };
  return isOpen ? [head, ...lines.map((line) => ({ text: palette.dim(palette.italic(`  ${line}`)) }))] : [head];
}

const STATE_MARK: Readonly<Record<ToolState, string>> = { running: "●", done: "✓", failed: "✗", stopped: "■" };

function toolLines(context: ItemContext, tool: LiveTool, fold: string): readonly ItemLine[] {
  const { palette, width } = context;
  const isOpen = context.isOpen(fold);
  const paint = { running: palette.accent, done: palette.good, failed: palette.bad, stopped: palette.dim }[tool.state];
  const took = tool.durationMs === null ? "" : ` · ${formatDuration(tool.durationMs)}`;
  const name = sanitizeLine(tool.name);
  const room = width - 4 - name.length - 1 - took.length;
  const about = truncateText(summaryOf(tool.args), Math.max(0, room));
  const head = {
    text: `${isOpen ? "▾" : "▸"} ${paint(STATE_MARK[tool.state])} ${palette.bold(truncateText(name, width - 4))} ${palette.dim(`${about}${took}`)}`,
    fold,
  };
  const output = contentLines(tool.result, width - 4);
  if (isOpen) {
    const body = [...argumentLines(context, tool.args), ...(output.length === 0 ? [] : [palette.dim("output:")]), ...bounded(output)];
    return [head, ...body.map((line) => ({ text: `    ${line}` }))];
  }
  const tail = tool.state === "running" || tool.state === "failed" ? output.slice(-TUI_LIMITS.foldedLines) : [];
  return [head, ...tail.map((line) => ({ text: palette.dim(`    ${line}`) }))];
}

/** In one line what a tool is to do: the first text among its arguments. */
function summaryOf(args: unknown): string {
  if (typeof args === "string") return sanitizeLine(args);
  const first = Object.values(asObject(args) ?? {}).find((value) => typeof value === "string" && value.trim() !== "");
  return typeof first === "string" ? sanitizeLine(first.trim()) : "";
}

function argumentLines({ palette, width }: ItemContext, args: unknown): readonly string[] {
  if (args === null || args === undefined) return [];
  const fields = asObject(args);
  if (fields === undefined || fields === null)
    return bounded(contentLines(typeof args === "string" ? args : JSON.stringify(args, null, 2), width - 4));
  return Object.entries(fields).flatMap(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
    const lines = contentLines(text, width - 6);
    const label = palette.dim(`${sanitizeLine(name)}:`);
    return lines.length === 1 && name.length + lines[0]!.length < width - 8
      ? [`${label} ${lines[0]}`]
      : [label, ...bounded(lines).map((line) => `  ${line}`)];
  });
}

/** Text of a tool: it keeps its columns, and long lines are broken anywhere. */
function contentLines(text: string, width: number): readonly string[] {
  const clean = toSafeText(text).replace(/\n+$/, "");
  if (clean === "") return [];
  return clip(clean)
    .split("\n")
    .flatMap((line) => breakAnywhere(line, Math.max(1, width)));
}

function bounded(lines: readonly string[]): readonly string[] {
  const most = TUI_LIMITS.toolLines;
  if (lines.length <= most) return lines;
  const half = most / 2;
  return [...lines.slice(0, half), `(${lines.length - most} lines are left out)`, ...lines.slice(-half)];
}

function pictureLines(context: ItemContext, block: PictureBlock): readonly ItemLine[] {
  const drawn = context.picture(block);
  if (drawn !== null) return drawn.map((text) => ({ text, isPicture: true }));
  const kind = sanitizeLine(block.mimeType) || "picture";
  const size = block.sizeBytes ?? (block.data === null ? null : Math.floor((block.data.length * 3) / 4));
  const where = block.url !== null && /^https?:/i.test(block.url) ? ` ${sanitizeLine(block.url)}` : "";
  return toLines(
    wrapTextWithAnsi(context.palette.dim(`[${kind}${size === null ? "" : `, ${formatBytes(size)}`}]${where}`), context.width - 2),
  );
}

/** "12 KB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${Math.round(bytes / 1_024)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}
