/** The messages of a conversation, from the events that the original keeps of it: lines of a file, or rows. Pure. */
import { createHash } from "node:crypto";
import { asNumber, asObjects, asString, fieldsOf, isObject, isTimestamp, tryParseJson, type JsonObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import type { MessageBody, StoredBlock } from "../store/messages.ts";

export type OriginalMessage = { readonly id: string; readonly at: number; readonly body: MessageBody };

export type AdoptedTranscript = {
  readonly messages: readonly OriginalMessage[];
  /** What is not in `messages`, and how often: "a picture", "a message of the role system". */
  readonly left: ReadonlyMap<string, number>;
};

/** Largest text of one message that is taken. */
const MAX_BODY_CHARS = 8_000_000;

/** The same text gives the same id. */
export function toUuid(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The newest branch of a conversation: the events from the first to the last one. Without parents every event counts. */
export function activeBranch(events: readonly JsonObject[]): readonly JsonObject[] {
  const byId = new Map(
    events.flatMap((event) => (typeof event["id"] === "string" && event["type"] !== "session" ? [[event["id"], event]] : [])),
  );
  const hasParents = [...byId.values()].some((event) => typeof event["parentId"] === "string");
  const last = [...byId.values()].at(-1);
  if (!hasParents || last === undefined) return events;
  const branch: JsonObject[] = [];
  const seen = new Set<JsonObject>();
  for (let event: JsonObject | undefined = last; event && !seen.has(event); event = byId.get(asString(event["parentId"]))) {
    seen.add(event);
    branch.push(event);
  }
  return branch.toReversed();
}

/** `channel`: where the conversation took place, for the provenance of what people wrote. */
export function toTranscript(events: readonly JsonObject[], channel: string): AdoptedTranscript {
  const left = new Map<string, number>();
  const skip = (what: string): void => void left.set(what, (left.get(what) ?? 0) + 1);
  const messages: OriginalMessage[] = [];
  for (const [index, event] of activeBranch(events).entries()) {
    if (event["type"] === "compaction") skip("summary");
    if (event["type"] !== "message") continue;
    const message = fieldsOf(event["message"]);
    const body = toBody(message, channel, skip);
    if (body === null) continue;
    if (JSON.stringify(body).length > MAX_BODY_CHARS) skip("message that is too large");
    else messages.push({ id: asString(event["id"]) || `line-${index}`, at: timeOf(event, message, messages.at(-1)?.at ?? 0), body });
  }
  return { messages, left };
}

function timeOf(event: JsonObject, message: JsonObject, before: number): number {
  const at = asNumber(message["timestamp"]) ?? Date.parse(asString(message["timestamp"]) || asString(event["timestamp"]));
  return isTimestamp(at) && at > 0 ? Math.floor(at) : before;
}

type Skip = (what: string) => void;

/** Only what is known of each role. A file does not prove who wrote: no message of it counts as the owner's. */
function toBody(message: JsonObject, channel: string, skip: Skip): MessageBody | null {
  const { role, content } = message;
  const blocks = typeof content === "string" ? [{ type: "text" as const, text: content }] : toBlocks(asObjects(content), skip);
  if (role === "user") {
    const senderName = asString(message["senderName"]).slice(0, LIMITS.idChars);
    return {
      role,
      content: typeof content === "string" ? content : blocks,
      provenance: { channel, ...(senderName && { senderName }), senderIsOwner: false },
    };
  }
  if (role === "assistant") {
    const [provider, model, stopReason, errorMessage] = ["provider", "model", "stopReason", "errorMessage"].map((name) =>
      asString(message[name]).slice(0, LIMITS.idChars),
    );
    return {
      role,
      content: blocks,
      ...(provider && { provider }),
      ...(model && { model }),
      ...(stopReason && { stopReason }),
      ...(errorMessage && { errorMessage }),
    };
  }
  if (role === "toolResult")
    return {
      role,
      toolCallId: asString(message["toolCallId"]).slice(0, LIMITS.idChars),
      toolName: asString(message["toolName"]).slice(0, LIMITS.idChars),
      content: blocks,
      isError: message["isError"] === true,
    };
  skip(`message of the role ${JSON.stringify(asString(role).slice(0, 40))}`);
  return null;
}

function toBlocks(blocks: readonly JsonObject[], skip: Skip): StoredBlock[] {
  return blocks.flatMap((block): StoredBlock[] => {
    const { type } = block;
    if (type === "text" && typeof block["text"] === "string") return [{ type, text: block["text"] }];
    if (type === "thinking" && typeof block["thinking"] === "string") return [{ type, thinking: block["thinking"] }];
    if (type === "toolCall" && typeof block["name"] === "string") {
      const args = isObject(block["arguments"]) ? block["arguments"] : {};
      return [{ type, id: asString(block["id"]).slice(0, LIMITS.idChars), name: block["name"].slice(0, LIMITS.idChars), arguments: args }];
    }
    if (type === "image") {
      skip("picture");
      return [{ type: "text", text: "[image]" }];
    }
    skip(`part of the kind ${JSON.stringify(asString(type).slice(0, 40))}`);
    return [];
  });
}

/** "2 pictures, 1 summary". */
export function formatLeft(left: ReadonlyMap<string, number>): string {
  return [...left]
    .map(
      ([what, count]) => `${count} ${count === 1 ? what : what.replace(/^\w+/, (word) => (word === "summary" ? "summaries" : `${word}s`))}`,
    )
    .join(", ");
}

/** Events of a JSONL text. `damaged`: numbers of lines that are not JSON objects. */
export function parseLines(text: string): { events: JsonObject[]; damaged: number[] } {
  const events: JsonObject[] = [];
  const damaged: number[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const value = tryParseJson(line);
    if (isObject(value)) events.push(value);
    else damaged.push(index + 1);
  }
  return { events, damaged };
}
