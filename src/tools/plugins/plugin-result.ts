import { isObject } from "../../core/json.ts";
import { clip } from "../../core/text.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { quoteToolResult } from "../outside-results.ts";
import type { ToolContent, ToolResult } from "../tool.ts";

/** What a tool of a plugin has returned, as a quotation for the model; a text says why it is not a result. Pure. */
export function readPluginResult(tool: string, plugin: string, value: unknown): ToolResult | string {
  const name = `the tool ${tool} of the plugin ${plugin}`;
  if (typeof value === "string") return quoteToolResult(name, { content: [{ type: "text", text: value }] });
  if (!isObject(value) || !("content" in value))
    return `it returned ${isObject(value) && typeof value["kind"] === "string" ? clip(value["kind"], 40) : "something else"}, not a text or { content: [...] }`;
  const { content, isError } = value;
  if (typeof content === "string") return quoteToolResult(name, { content: [{ type: "text", text: content }], isError });
  if (!Array.isArray(content) || !content.every(isObject)) return "its content is not a list of texts and images";
  return quoteToolResult(name, { content, isError });
}

/** An intermediate result, as people see it; null for what is none. Pure. */
export function readPluginUpdate(value: unknown): readonly ToolContent[] | null {
  const parts: unknown[] = typeof value === "string" ? [{ type: "text", text: value }] : Array.isArray(value) ? value : [];
  const texts = parts.flatMap((part) =>
    isObject(part) && part["type"] === "text" && typeof part["text"] === "string" ? [part["text"]] : [],
  );
  return texts.length === 0 ? null : [{ type: "text", text: clip(texts.join("\n"), TOOL_LIMITS.updateChars) }];
}
