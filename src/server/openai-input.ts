import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";

export type CompletionMessage = { role: "system" | "user" | "assistant" | "tool"; text: string };

/** The text of the input, and its pictures. */
export type CompletionInput = {
  messages: readonly CompletionMessage[];
  /** Pictures of all user messages in their order, base64; the texts say where each one was. */
  images: readonly { mimeType: string; data: string }[];
};

type CompletionPart = { text: string } | { image: { mimeType: string; data: string } };

const invalid = (text: string): GatewayError => new GatewayError("INVALID_REQUEST", text);
const ROLES: Readonly<Record<string, CompletionMessage["role"]>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
  tool: "tool",
  function: "tool",
};

/** Pictures come as data URLs only: fetching an address that a client names is not this route's business. */
function toImage(url: unknown): CompletionPart {
  const match = typeof url === "string" ? /^data:(image\/[a-z0-9.+-]{1,64});base64,/.exec(url.slice(0, 128)) : null;
  if (!match) throw invalid("images must be data URLs: data:image/<type>;base64,...");
  const data = (url as string).slice(match[0].length);
  if (data.length > Math.ceil(LIMITS.imageBytes / 3) * 4) throw invalid(`an image may have at most ${LIMITS.imageBytes} bytes`);
  return { image: { mimeType: match[1]!, data } };
}

function toPart(part: unknown): CompletionPart {
  if (typeof part === "string") return { text: part };
  const { type, text, image_url: image, refusal } = (part ?? {}) as Record<"type" | "text" | "image_url" | "refusal", unknown>;
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
    case "refusal":
      if (typeof refusal !== "string") throw invalid("a refusal part needs `refusal`");
      return { text: refusal };
    default:
      throw invalid(`unsupported content part: ${JSON.stringify(String(type).slice(0, 64))}`);
  }
}

type ParsedMessage = { message: CompletionMessage; images: Extract<CompletionPart, { image: unknown }>["image"][] };

/** Calls that an assistant made earlier, in words: the agent behind the route has tools of its own. */
function toCallTexts(item: Record<string, unknown>): string[] {
  const single = item["function_call"] ? [{ function: item["function_call"] }] : [];
  const listed = Array.isArray(item["tool_calls"]) ? (item["tool_calls"] as unknown[]) : [];
  return [...listed, ...single].map((call) => {
    const { name, arguments: args } = ((call as { function?: unknown } | null)?.function ?? {}) as { name?: unknown; arguments?: unknown };
    return toCallText(name, args);
  });
}

const toCallText = (name: unknown, args: unknown): string =>
  `[called ${String(name).slice(0, 64)}(${typeof args === "string" ? args : JSON.stringify(args ?? {})})]`;

/** Items of the Responses API that are no messages; null for a message. */
function toItemMessage(item: Record<string, unknown>): CompletionMessage | null {
  const { type } = item;
  if (type === "function_call") return { role: "assistant", text: toCallText(item["name"], item["arguments"]) };
  if (type === "function_call_output") {
    const { output } = item;
    return { role: "tool", text: typeof output === "string" ? output : JSON.stringify(output ?? "") };
  }
  if (type === undefined || type === "message") return null;
  throw invalid(`unsupported item: ${JSON.stringify(String(type).slice(0, 64))}`);
}

function toMessage(value: unknown): ParsedMessage {
  const item = (value ?? {}) as Record<string, unknown>;
  const other = toItemMessage(item);
  if (other) return { message: other, images: [] };
  const { role, content } = item;
  const known = typeof role === "string" && Object.hasOwn(ROLES, role) ? ROLES[role]! : null;
  if (!known) throw invalid("a message needs a `role` of system, developer, user, assistant, tool or function");
  const parts = content === null || content === undefined ? [] : Array.isArray(content) ? content.map(toPart) : [toPart(content)];
  const refusal = typeof item["refusal"] === "string" ? [item["refusal"]] : [];
  const images = parts.flatMap((part) => ("image" in part ? [part.image] : []));
  if (images.length > 0 && known !== "user") throw invalid(`a message of role ${String(role)} cannot have images`);
  const texts = [...parts.flatMap((part) => ("text" in part ? [part.text] : [])), ...refusal, ...toCallTexts(item)];
  return { message: { role: known, text: texts.join("\n") }, images };
}

/** Reads `messages` of a chat completion, or `input` and `instructions` of a response. Throws GatewayError INVALID_REQUEST. */
export function toInput(body: Record<string, unknown>, field: "messages" | "input"): CompletionInput {
  const value = body[field];
  const items = typeof value === "string" && field === "input" ? [{ role: "user", content: value }] : value;
  if (!Array.isArray(items) || items.length === 0) throw invalid(`\`${field}\` must be a list with at least one message`);
  const read = items.filter((item) => (item as { type?: unknown } | null)?.type !== "reasoning").map(toMessage);
  const { instructions } = body;
  if (instructions !== undefined && instructions !== null && typeof instructions !== "string")
    throw invalid("`instructions` must be a text");
  const at = read.findLastIndex(({ message }) => message.role === "user");
  const last = read[at];
  if (!last) throw invalid("there is no user message");
  const after = read.slice(at + 1).find(({ message }) => message.role !== "system");
  if (after)
    throw invalid(`the last message must be one of the user: an answer cannot be continued from a message of role ${after.message.role}`);
  if (last.message.text.trim() === "" && last.images.length === 0) throw invalid("the last user message is empty");
  if (last.message.text.length > LIMITS.messageChars) throw invalid(`a message may have at most ${LIMITS.messageChars} characters`);
  const messages = withImageMarkers(read, at);
  if (field === "input" && typeof instructions === "string") messages.unshift({ role: "system", text: instructions });
  return { messages, images: read.flatMap(({ images }) => images) };
}

/** The texts with the places of earlier pictures, which the agent gets together with those of the last message. */
function withImageMarkers(read: readonly ParsedMessage[], last: number): CompletionMessage[] {
  let count = 0;
  return read.map(({ message, images }, index) => {
    const marks = images.map(() => `[image ${++count}]`);
    return index === last || marks.length === 0 ? message : { ...message, text: [message.text, ...marks].filter(Boolean).join("\n") };
  });
}
