/** A conversation as Markdown, for a file or the clipboard. */
import { locale } from "./locale.ts";
import { maskKeys } from "./mask-keys.ts";
import { requireClient } from "./sync.ts";
import { contentText } from "../../src/client/conversation/protocol-types.ts";
import type { HistoryPayload, TranscriptRow } from "../../src/client/conversation/protocol-types.ts";

const PAGE_ROWS = 500;
/** More messages than this are not exported at once: the page holds all of them as text. */
const MAX_ROWS = 20_000;

/** The whole conversation, oldest first, read page by page. */
export async function readConversation(sessionKey: string): Promise<{ rows: readonly TranscriptRow[]; isWhole: boolean }> {
  let rows: readonly TranscriptRow[] = [];
  for (let offset: number | null = 0; offset !== null;) {
    if (rows.length >= MAX_ROWS) return { rows, isWhole: false };
    const page: HistoryPayload = await requireClient().request<HistoryPayload>("chat.history", { sessionKey, limit: PAGE_ROWS, offset });
    rows = [...page.messages, ...rows];
    offset = page.hasMore === true ? (page.nextOffset ?? null) : null;
  }
  return { rows, isWhole: true };
}

const nameOf = ({ role, model, __openclaw: meta }: TranscriptRow): string =>
  role === "user" ? (meta?.senderName ?? "You") : `Answer${model === undefined ? "" : ` (${model})`}`;

/** A fence that is longer than every one within the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

/** One line of what a tool was called with. */
function callText(row: TranscriptRow): string[] {
  if (typeof row.content === "string") return [];
  return row.content.flatMap((part) =>
    part.type === "toolCall" ? [`*Tool ${part.name ?? "unknown"}*\n\n${fenced(JSON.stringify(part.arguments ?? null, null, 2))}`] : [],
  );
}

/** Pure but for the form of times. */
export function toMarkdown(
  title: string,
  rows: readonly TranscriptRow[],
  { isWhole, timeText }: { isWhole: boolean; timeText: (at: number) => string },
): string {
  const parts = rows.flatMap((row) => {
    const text = maskKeys(contentText(row.content).trim());
    if (row.role === "toolResult") return text === "" ? [] : [`*Result of ${row.toolName ?? "the tool"}*\n\n${fenced(text)}`];
    const body = [text, ...callText(row)].filter((each) => each !== "");
    if (body.length === 0) return [];
    const time = row.timestamp === undefined ? "" : `, ${timeText(row.timestamp)}`;
    return [`## ${nameOf(row)}${time}\n\n${body.join("\n\n")}`];
  });
  const note = isWhole ? [] : ["*Older messages are not part of this file: the conversation is too long.*"];
  return `${[`# ${title.replaceAll(/\s+/g, " ")}`, ...note, ...parts].join("\n\n")}\n`;
}

/** A name that every file system takes. Pure. */
export const fileName = (title: string): string =>
  `${
    title
      .normalize("NFKD")
      .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
      .replaceAll(/^-|-$/g, "")
      .slice(0, 60)
      .toLowerCase() || "conversation"
  }.md`;

export async function exportText(sessionKey: string, title: string): Promise<string> {
  const { rows, isWhole } = await readConversation(sessionKey);
  return toMarkdown(title, rows, { isWhole, timeText: (at) => new Date(at).toLocaleString(locale()) });
}

/** Hands the text to another app of the device. Resolves to whether that was done, or given up by the person. */
export async function shareText(text: string, title: string): Promise<boolean> {
  try {
    await navigator.share({ title, text });
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return true;
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/** Gives the browser a file. */
export function download(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/markdown" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
