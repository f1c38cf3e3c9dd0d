import type { ToolContent, ToolResult } from "../tool.ts";
import { frameWebContent, shownAddress } from "../untrusted-content.ts";
import type { DriverAnswer, DriverProblem, PageContent } from "./records.ts";

/** What the model reads about an answer: the text of a page as a quotation, everything else as lines of the gateway. Pure. */
export function toResult({ text, content, notes = [], image }: DriverAnswer): ToolResult {
  const shown: ToolContent[] = [];
  const said = [text, ...(content ? [] : notes)].filter((each) => each !== "").join("\n");
  if (content) shown.push({ type: "text", text: joinParts(text, frame(content, notes)) });
  else if (said !== "" || !image) shown.push({ type: "text", text: said || "Done." });
  if (image) shown.push({ type: "image", mimeType: image.mimeType, data: image.data });
  return { content: shown, isError: false };
}

/** The same about a problem. Pure. */
export const toErrorResult = ({ message, content }: DriverProblem): ToolResult => ({
  content: [{ type: "text", text: joinParts(message, content ? frame(content, []) : "") }],
  isError: true,
});

const joinParts = (...parts: readonly string[]): string => parts.filter((each) => each !== "").join("\n");

const frame = ({ url, text }: PageContent, notes: readonly string[]): string =>
  frameWebContent({ source: `Browser${url === "" ? "" : `, page ${pageAddress(url)}`}`, text, notes });

/** Pages may have an address without a host, such as about:blank or blob:. */
const pageAddress = (url: string): string => (/^https?:/.test(url) && URL.canParse(url) ? shownAddress(url) : `${url.split(":", 1)[0]}:`);
