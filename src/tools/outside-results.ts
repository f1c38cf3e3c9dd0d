import { asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import { clip } from "../core/text.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { ToolContent, ToolResult } from "./tool.ts";
import { formatBytes, keepFirstLines } from "./truncation.ts";
import { frameWebContent } from "./untrusted-content.ts";

const IMAGE_TYPES: readonly string[] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** Content of a result, as a model can read it; `notes` are the gateway's own words about the rest. */
type Parts = { texts: string[]; images: ToolContent[]; notes: string[] };

/**
 * What a server or a plugin answered to a call: texts as quotations, images as images, and a note about everything else. `tool`: what
 * answered, such as `the tool a__b of an MCP server`. Pure.
 */
export function quoteToolResult(tool: string, result: JsonObject): ToolResult {
  const items = asObjects(result["content"]);
  const structured = result["structuredContent"];
  const isError = result["isError"] === true;
  const source = `${isError ? "Error" : "Result"} of ${tool}`;
  const instead = structured === undefined ? null : JSON.stringify(structured, null, 1);
  return { ...toContentResult(source, items, { instead }), isError };
}

/** For content without a text: what is shown instead of it, or only said. */
type WithoutText = { instead?: string | null; note?: string };

/** The same for other content. `source` begins the gateway's line about it. */
export function toContentResult(source: string, items: readonly JsonObject[], without: WithoutText = {}): ToolResult {
  const { instead = null, note: none = "The result has no text." } = without;
  const parts: Parts = { texts: [], images: [], notes: [] };
  for (const item of items) addItem(parts, item);
  if (parts.texts.length === 0 && instead !== null) parts.texts.push(instead);
  const { text, note } = cut(parts.texts.join("\n"));
  if (note !== null) parts.notes.push(note);
  if (text === "" && parts.images.length === 0) parts.notes.push(none);
  return { content: [{ type: "text", text: frameWebContent({ source, text, notes: parts.notes }) }, ...parts.images], isError: false };
}

function addItem({ texts, images, notes }: Parts, item: JsonObject): void {
  const mimeType = shownType(item["mimeType"]);
  const data = asString(item["data"]);
  if (item["type"] === "text") texts.push(asString(item["text"]));
  else if (item["type"] === "image") {
    if (!IMAGE_TYPES.includes(mimeType)) notes.push(`An image of the type ${mimeType} is left out: models read ${IMAGE_TYPES.join(", ")}.`);
    else if (data.length > TOOL_LIMITS.imageChars)
      notes.push(`An image of ${formatBytes(data.length * 0.75)} is left out: it is too large.`);
    else if (!isBase64(data)) notes.push("An image is left out: its content is damaged.");
    else images.push({ type: "image", mimeType, data });
  } else if (item["type"] === "resource") addResource(texts, notes, item["resource"]);
  else if (item["type"] === "resource_link") texts.push(`${asString(item["name"])} ${asString(item["uri"])}`.trim());
  else notes.push(`Content of the type ${shownType(item["type"])} is left out: models here read texts and images.`);
}

function addResource(texts: string[], notes: string[], value: unknown): void {
  const resource = fieldsOf(value);
  if (typeof resource["text"] === "string") texts.push(`${asString(resource["uri"])}\n${resource["text"]}`);
  else notes.push(`A resource of the type ${shownType(resource["mimeType"])} is left out: it is not a text.`);
}

const isBase64 = (data: string): boolean => data !== "" && /^[A-Za-z0-9+/]+={0,2}$/.test(data);

/** A type for one of the gateway's own lines, which nothing of it can end. */
const shownType = (type: unknown): string =>
  asString(type)
    .toLowerCase()
    .replaceAll(/[^a-z0-9/+._-]/g, "")
    .slice(0, 60) || "unknown";

/** The beginning within the limits of a result. */
function cut(text: string): { text: string; note: string | null } {
  const part = keepFirstLines(text);
  if (part.limit === null) return { text, note: null };
  // The first line alone is too long.
  const kept = part.lines > 0 ? part.text : clip(text.split("\n", 1)[0]!, Math.floor(TOOL_LIMITS.resultBytes / 4));
  const note = `The result was cut: these are ${formatBytes(Buffer.byteLength(kept))} of ${formatBytes(Buffer.byteLength(text))}. Ask for less.`;
  return { text: kept, note };
}
