import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

export type CompletionMessage = { role: "system" | "user" | "assistant" | "tool"; text: string };

/** What was said, with its pictures apart. */
export type CompletionInput = {
  messages: readonly CompletionMessage[];
  /** Pictures of the last user message, base64. */
  images: readonly { mimeType: string; data: string }[];
};

type Part = { text: string } | { image: { mimeType: string; data: string } };

const invalid = (text: string): GatewayError => new GatewayError("INVALID_REQUEST", text);
const ROLES: Readonly<Record<string, CompletionMessage["role"]>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
  tool: "tool",
};

/** Pictures come as data URLs only: fetching an address that a client names is not this route's business. */
function toImage(url: unknown): Part {
  const match = typeof url === "string" ? /^data:(image\/[a-z0-9.+-]{1,64});base64,/.exec(url.slice(0, 128)) : null;
  if (!match) throw invalid("images must be data URLs: data:image/<type>;base64,...");
  const data = (url as string).slice(match[0].length);
  if (data.length > Math.ceil(LIMITS.imageBytes / 3) * 4) throw invalid(`an image may have at most ${LIMITS.imageBytes} bytes`);
  return { image: { mimeType: match[1]!, data } };
}

function toPart(part: unknown): Part {
  if (typeof part === "string") return { text: part };
  const { type, text, image_url: image } = (part ?? {}) as { type?: unknown; text?: unknown; image_url?: unknown };
  switch (type) {
    case "text":
    case "input_text":
    case "output_text":
      if (typeof text !== "string") throw invalid("a text part needs `text`");
      return { text };
    case "image_url":
      return toImage((image as { url?: unknown } | undefined)?.url);
    case "input_image":
      return toImage(image);
    default:
      throw invalid(`unsupported content part: ${JSON.stringify(String(type).slice(0, 64))}`);
  }
}

function toMessage(item: unknown): { message: CompletionMessage; parts: Part[] } {
  const { role, content } = (item ?? {}) as { role?: unknown; content?: unknown };
  const known = typeof role === "string" && Object.hasOwn(ROLES, role) ? ROLES[role]! : null;
  if (!known) throw invalid("a message needs a `role` of system, developer, user, assistant or tool");
  const parts = content === null || content === undefined ? [] : Array.isArray(content) ? content.map(toPart) : [toPart(content)];
  const text = parts.flatMap((part) => ("text" in part ? [part.text] : [])).join("\n");
  return { message: { role: known, text }, parts };
}

/** Reads `messages` of a chat completion, or `input` and `instructions` of a response. Throws GatewayError INVALID_REQUEST. */
export function toInput(body: Record<string, unknown>, field: "messages" | "input"): CompletionInput {
  const value = body[field];
  const items = typeof value === "string" && field === "input" ? [{ role: "user", content: value }] : value;
  if (!Array.isArray(items) || items.length === 0) throw invalid(`\`${field}\` must be a list with at least one message`);
  const read = items.filter((item) => (item as { type?: unknown } | null)?.type !== "reasoning").map(toMessage);
  const instructions = body["instructions"];
  const messages = read.map(({ message }) => message);
  if (field === "input" && typeof instructions === "string") messages.unshift({ role: "system", text: instructions });
  const last = read.findLast(({ message }) => message.role === "user");
  if (!last) throw invalid("there is no user message");
  const images = last.parts.flatMap((part) => ("image" in part ? [part.image] : []));
  if (last.message.text.trim() === "" && images.length === 0) throw invalid("the last user message is empty");
  if (last.message.text.length > LIMITS.messageChars) throw invalid(`a message may have at most ${LIMITS.messageChars} characters`);
  return { messages, images };
}
