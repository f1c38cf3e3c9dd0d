import { isObject } from "../../core/json.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { PLUGIN_LIMITS } from "./limits.ts";

/**
 * The content of a result in a form that can leave the thread: plain objects, as much of the texts as the gateway reads, no image that is
 * too large. Of anything else only its kind leaves. Pure.
 */
export function limitContent(content: unknown): unknown {
  if (typeof content === "string") return limitText(content);
  if (!Array.isArray(content)) return describeKind(content);
  return content.slice(0, PLUGIN_LIMITS.resultParts).map((part: unknown) => {
    if (!isObject(part)) return describeKind(part);
    const { type, text, mimeType, data } = part;
    if (type === "text" && typeof text === "string") return { type, text: limitText(text) };
    if (type !== "image" || typeof data !== "string") return { type: typeof type === "string" ? limitText(type) : typeof type };
    return data.length > TOOL_LIMITS.imageChars
      ? { type: "text", text: "[An image is left out: it is too large.]" }
      : { type, mimeType: String(mimeType), data };
  });
}

/** The same for a result. */
export function limitResult(result: unknown): unknown {
  if (typeof result === "string") return limitText(result);
  if (!isObject(result) || !("content" in result)) return describeKind(result);
  return { content: limitContent(result["content"]), isError: result["isError"] === true };
}

const limitText = (text: string): string => text.slice(0, PLUGIN_LIMITS.resultChars);

/** What stands for a value that is not a result. */
const describeKind = (value: unknown): { kind: string } => ({
  kind: value === null ? "null" : Array.isArray(value) ? "a list" : typeof value === "object" ? "an object without content" : typeof value,
});
