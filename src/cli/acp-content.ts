import { asObjects, asString, fieldsOf, type JsonObject } from "../core/json.ts";
import type { ContentPart, TranscriptRow } from "../client/conversation/protocol-types.ts";
import { contentText } from "../client/conversation/protocol-types.ts";
import { codeFence } from "../core/text.ts";

/** A prompt of an editor as the gateway takes it. */
export type PromptInput = { message: string; attachments: readonly { type: string; mimeType: string; content: string }[] };

/** Throws for a kind of content that was not offered. Pure. */
export function toPrompt(blocks: readonly JsonObject[], cwd: string | null): PromptInput {
  const attachments: { type: string; mimeType: string; content: string }[] = [];
  const texts: string[] = [];
  for (const block of blocks) {
    if (block["type"] === "text") texts.push(asString(block["text"]));
    else if (block["type"] === "resource_link")
      texts.push(`[${asString(block["name"]) || asString(block["uri"])}](${asString(block["uri"])})`);
    else if (block["type"] === "resource") texts.push(embedded(fieldsOf(block["resource"])));
    else if (block["type"] === "image")
      attachments.push({ type: "image", mimeType: asString(block["mimeType"]), content: asString(block["data"]) });
    else throw new Error(`content of the type ${JSON.stringify(asString(block["type"]).slice(0, 32))} is not taken`);
  }
  const text = texts.join("\n\n").trim();
  // A command must be at the very beginning.
  const prefix = cwd === null || text.startsWith("/") ? "" : `[Working directory: ${cwd}]\n\n`;
  return { message: prefix + text, attachments };
}

/** A file that the editor sends along. */
function embedded({ uri, text, mimeType }: JsonObject): string {
  if (typeof text !== "string") return `[${asString(uri)}: a file of the type ${asString(mimeType) || "unknown"}, which is not sent along]`;
  const fence = codeFence(text);
  return `${asString(uri)}\n${fence}\n${text}\n${fence}`;
}

const KINDS: Readonly<Record<string, string>> = {
  read: "read",
  ls: "read",
  find: "search",
  grep: "search",
  write: "edit",
  edit: "edit",
  apply_patch: "edit",
  exec: "execute",
  process: "execute",
  web_fetch: "fetch",
  web_search: "fetch",
  browser: "fetch",
};

const TITLE_CHARS = 120;

/** A call of a tool as it begins. Changes of files are shown as such. Pure. */
export function toolCallOf(id: string, name: string, args: unknown): JsonObject {
  const fields = fieldsOf(args);
  const first = Object.values(fields).find((value) => typeof value === "string");
  const title = asString(fields["title"]) || [name, asString(first)].filter(Boolean).join(" ");
  const content = diffsOf(name, fields);
  const path = asString(fields["path"]);
  return {
    toolCallId: id,
    title: title.replaceAll(/\s+/g, " ").slice(0, TITLE_CHARS),
    kind: KINDS[name] ?? "other",
    status: "in_progress",
    rawInput: args,
    ...(path !== "" && { locations: [{ path }] }),
    ...(content.length > 0 && { content }),
  };
}

/** What a call changes in files, as far as its arguments say. Pure. */
export function diffsOf(name: string, args: JsonObject): readonly JsonObject[] {
  const path = asString(args["path"]);
  if (path === "") return [];
  if (name === "write") return [{ type: "diff", path, oldText: null, newText: asString(args["content"]) }];
  if (name !== "edit") return [];
  return asObjects(args["edits"]).map((edit) => ({
    type: "diff",
    path,
    oldText: asString(edit["oldText"]),
    newText: asString(edit["newText"]),
  }));
}

/** The end of a call. A change that failed is shown as its text only. Pure. */
export function toolEndOf(
  id: string,
  { name, args, result, isError }: { name: string; args: unknown; result: string; isError: boolean },
): JsonObject {
  const diffs = isError ? [] : diffsOf(name, fieldsOf(args));
  return {
    toolCallId: id,
    status: isError ? "failed" : "completed",
    content: [...diffs, { type: "content", content: { type: "text", text: result } }],
  };
}

const textUpdate = (sessionUpdate: string, text: string): JsonObject => ({ sessionUpdate, content: { type: "text", text } });
export const saidUpdate = (text: string): JsonObject => textUpdate("agent_message_chunk", text);
export const thoughtUpdate = (text: string): JsonObject => textUpdate("agent_thought_chunk", text);

/** A stored conversation as the updates that once made it. Pure. */
export function toUpdates(rows: readonly TranscriptRow[]): readonly JsonObject[] {
  const calls = new Map<string, { name: string; args: unknown }>();
  return rows.flatMap((row): JsonObject[] => {
    if (row.role === "user") return [textUpdate("user_message_chunk", contentText(row.content))];
    if (row.role === "toolResult" && row.toolCallId !== undefined) {
      const known = calls.get(row.toolCallId) ?? { name: row.toolName ?? "tool", args: {} };
      const end = toolEndOf(row.toolCallId, { ...known, result: contentText(row.content), isError: row.isError === true });
      return [{ sessionUpdate: "tool_call_update", ...end }];
    }
    if (row.role !== "assistant") return [];
    const parts: readonly ContentPart[] = typeof row.content === "string" ? [{ type: "text", text: row.content }] : row.content;
    return parts.flatMap((part): JsonObject[] => {
      if (part.type === "text" && part.text) return [saidUpdate(part.text)];
      if (part.type === "thinking" && part.thinking) return [thoughtUpdate(part.thinking)];
      if (part.type !== "toolCall" || part.id === undefined) return [];
      calls.set(part.id, { name: part.name ?? "tool", args: part.arguments });
      return [{ sessionUpdate: "tool_call", ...toolCallOf(part.id, part.name ?? "tool", part.arguments) }];
    });
  });
}
