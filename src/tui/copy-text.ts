import type { TranscriptItem } from "../client/conversation/transcript-items.ts";
import { parseMarkdown, type MarkdownBlock } from "../core/markdown/blocks.ts";
import type { CopyChoice } from "./slash-commands.ts";

const textOf = (item: TranscriptItem): string =>
  item.kind === "note"
    ? item.text
    : item.blocks
        .flatMap((block) => (block.type === "text" ? [block.text.trim()] : block.type === "file" ? [block.raw] : []))
        .filter((text) => text !== "")
        .join("\n\n");

/** What /copy copies, as Markdown; null when there is nothing of the kind. Pure. */
export function copyText(items: readonly TranscriptItem[], choice: CopyChoice): string | null {
  if (choice === "all") return items.length === 0 ? null : items.map(toTurn).filter(Boolean).join("\n\n");
  const answers = items.filter((item) => item.kind === "assistant" && textOf(item) !== "").map(textOf);
  if (choice === "answer") return answers.at(-1) ?? null;
  return answers.flatMap((answer) => parseMarkdown(answer).blocks.flatMap(({ block }) => codeOf(block))).at(-1) ?? null;
}

function toTurn(item: TranscriptItem): string {
  const text = textOf(item);
  if (text === "" || item.kind !== "user") return text;
  return text
    .split("\n")
    .map((line) => `> ${line}`)
    .join("\n");
}

/** The nesting of blocks is bounded by the parser. */
function codeOf(block: MarkdownBlock): readonly string[] {
  if (block.type === "code") return [block.text];
  if (block.type === "quote") return block.blocks.flatMap(codeOf);
  return block.type === "list" ? block.items.flatMap((item) => item.blocks.flatMap(codeOf)) : [];
}
