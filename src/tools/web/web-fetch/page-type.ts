export type PageKind = "html" | "json" | "text";

const HTML = new Set(["text/html", "application/xhtml+xml"]);
const TEXT =
  /^(?:text\/.*|application\/(?:xml|javascript|x-javascript|ecmascript|yaml|x-yaml|toml|sql|graphql|x-sh|x-ndjson|jsonl|x-jsonlines)|.*\+(?:xml|yaml))$/;

/** How a content type is read: null when it is not read, `unknown` when the content has to show what it is. Pure. */
export function kindOfType(mimeType: string): PageKind | "unknown" | null {
  if (HTML.has(mimeType)) return "html";
  if (/^(?:application|text)\/json$|\+json$/.test(mimeType)) return "json";
  if (mimeType === "application/octet-stream") return "unknown";
  return TEXT.test(mimeType) ? "text" : null;
}

/** What a text without a type is. Pure. */
export const kindOfText = (text: string): PageKind => (/^\s{0,200}(?:<!doctype html|<html|<head|<body)/i.test(text) ? "html" : "text");

/** Whether bytes are of a file that is not text. Pure. */
export const isBinary = (bytes: Uint8Array): boolean => bytes.includes(0) && !hasWideBom(bytes);

const hasWideBom = (bytes: Uint8Array): boolean => (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
