import { clip } from "../../../core/text.ts";
import { decodeText } from "../decode-text.ts";
import { WEB_LIMITS } from "../web-limits.ts";
import { isBinary, kindOfText, kindOfType } from "./page-type.ts";
import type { PageMode } from "./page-writer.ts";
import { readHtml, type ReadPage } from "./read-html.ts";

export type PageRequest = {
  bytes: Uint8Array;
  mimeType: string;
  charset: string | null;
  /** Address of the page, for its links. */
  url: string;
  mode: PageMode;
  /** Of an HTML page only the part that it is about. */
  mainOnly: boolean;
};

/** The text of a page, or why it cannot be read, as the end of a sentence. Pure. */
export function readPage({ bytes, mimeType, charset, ...options }: PageRequest): ReadPage | { problem: string } {
  const kind = kindOfType(mimeType);
  if (kind === null || isBinary(bytes)) return { problem: `it is not text (${mimeType})` };
  const text = decodeText(bytes, charset);
  if (kind === "html" || (kind === "unknown" && kindOfText(text) === "html")) return readHtml(text, options);
  const whole = kind === "json" ? formatJson(text) : text;
  return { title: "", text: clip(whole, WEB_LIMITS.pageChars).trimEnd(), isCut: whole.length > WEB_LIMITS.pageChars };
}

/** What JavaScript has and its types do not yet: the text of a number, and numbers that are written as that text. */
type ExactJson = {
  parse: (text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown;
  rawJSON: (text: string) => unknown;
};

/** JSON with line breaks and the same numbers; the text itself when it is not JSON, or nested too deep. */
function formatJson(text: string): string {
  const json = JSON as unknown as ExactJson;
  try {
    const keepNumber = (_key: string, value: unknown, { source }: { source?: string }): unknown =>
      typeof value === "number" && source !== undefined && String(value) !== source ? json.rawJSON(source) : value;
    return JSON.stringify(json.parse(text, keepNumber), null, 2);
  } catch (err) {
    if (err instanceof SyntaxError || err instanceof RangeError) return text;
    throw err;
  }
}
