import type { JsonObject } from "../../core/json.ts";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, ChatKind, MediaKind, MediaRef, ChatLocation, QuotedMessage, Sender } from "../channel.ts";

/** A field of a request that is missing or wrong; `path` says which. */
export class FieldError extends Error {
  override readonly name = "FieldError";
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

const CHAT_KINDS: readonly ChatKind[] = ["direct", "group", "channel"];
const MEDIA_KINDS: readonly MediaKind[] = ["image", "audio", "video"];

function requireObject(value: unknown, path: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new FieldError(path, "must be an object");
}

function readString(raw: JsonObject, key: string, path: string, most: number): string {
  const value = raw[key];
  if (typeof value === "string" && value !== "" && value.length <= most) return value;
  throw new FieldError(`${path}${key}`, `must be a text of 1 to ${most} characters`);
}

function readOptionalString(raw: JsonObject, key: string, path: string, most: number): string | undefined {
  return raw[key] === undefined ? undefined : readString(raw, key, path, most);
}

function readBoolean(raw: JsonObject, key: string, path: string): boolean {
  const value = raw[key] ?? false;
  if (typeof value === "boolean") return value;
  throw new FieldError(`${path}${key}`, "must be true or false");
}

function placeOf(raw: JsonObject): ChatLocation {
  const chat = requireObject(raw["chat"], "chat");
  const kind = CHAT_KINDS.find((each) => each === chat["kind"]);
  if (!kind) throw new FieldError("chat.kind", `must be one of ${CHAT_KINDS.join(", ")}`);
  const title = readOptionalString(chat, "title", "chat.", 200);
  const thread = readOptionalString(raw, "thread", "", 200);
  return {
    chat: { kind, id: asId<ChatId>(readString(chat, "id", "chat.", 200)), ...(title !== undefined && { title }) },
    ...(thread !== undefined && { thread: { id: thread } }),
  };
}

function senderOf(raw: JsonObject): Sender {
  const sender = requireObject(raw["sender"], "sender");
  const name = readOptionalString(sender, "name", "sender.", 200);
  return {
    id: asId<SenderId>(readString(sender, "id", "sender.", 200)),
    ...(name !== undefined && { name }),
    isBot: readBoolean(sender, "isBot", "sender."),
    isSelf: false,
  };
}

function mediaOf(raw: JsonObject, at = ""): MediaRef[] {
  const list = raw["media"] ?? [];
  if (!Array.isArray(list) || list.length > 20) throw new FieldError(`${at}media`, "must be a list of at most 20 files");
  return list.map((each, index) => {
    const path = `${at}media[${index}].`;
    const item = requireObject(each, `${at}media[${index}]`);
    const sizeBytes = item["sizeBytes"];
    if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new FieldError(`${path}sizeBytes`, "must be a whole number");
    const mimeType = readString(item, "mimeType", path, 100);
    const kind = MEDIA_KINDS.find((each) => mimeType.startsWith(`${each}/`)) ?? "file";
    return { kind, name: readString(item, "name", path, 200), mimeType, sizeBytes, url: readString(item, "url", path, 2_000) };
  });
}

function replyOf(raw: JsonObject): { replyTo?: QuotedMessage } {
  if (raw["replyTo"] === undefined) return {};
  const reply = requireObject(raw["replyTo"], "replyTo");
  const quoted = readOptionalString(reply, "text", "replyTo.", 10_000);
  const id = asId<MessageId>(readString(reply, "id", "replyTo.", 200));
  const sender = reply["sender"] === undefined ? undefined : senderOf(reply);
  const media = mediaOf(reply, "replyTo.");
  return {
    replyTo: {
      id,
      ...(quoted !== undefined && { text: quoted }),
      ...(sender && { sender: { id: sender.id, ...(sender.name !== undefined && { name: sender.name }) } }),
      ...(media.length > 0 && { media }),
      isSelf: readBoolean(reply, "isSelf", "replyTo."),
    },
  };
}

/** Facts of the request around the body. */
export type WebhookDecodeContext = { eventId: string; account: AccountId; now: number };

/** One request body as an event. Pure. Throws FieldError with the field's path when it is not one; null for a ping. */
export function decodeWebhookEvent(body: unknown, { eventId, account, now }: WebhookDecodeContext): ChannelEvent | null {
  const raw = requireObject(body, "the body");
  const event = { eventId, account, sentAt: now, origin: "live" as const };
  const message = (): MessageId => asId<MessageId>(readString(raw, "message", "", 200));
  switch (raw["type"]) {
    case "ping":
      return null;
    case "message": {
      const media = mediaOf(raw);
      const said = typeof raw["text"] === "string" && media.length > 0 ? raw["text"] : readString(raw, "text", "", 100_000);
      const mentionsSelf = readBoolean(raw, "mentionsSelf", "");
      const id = raw["message"] === undefined ? asId<MessageId>(eventId) : message();
      return {
        kind: "message",
        ...event,
        ...placeOf(raw),
        sender: senderOf(raw),
        message: id,
        text: said,
        media,
        mentionsSelf,
        ...replyOf(raw),
      };
    }
    case "edit":
      return {
        kind: "edit",
        ...event,
        ...placeOf(raw),
        sender: senderOf(raw),
        message: message(),
        text: readString(raw, "text", "", 100_000),
      };
    case "delete":
      return { kind: "delete", ...event, ...placeOf(raw), message: message() };
    case "reaction": {
      const added = raw["added"] === undefined || readBoolean(raw, "added", "");
      return {
        kind: "reaction",
        ...event,
        ...placeOf(raw),
        sender: senderOf(raw),
        message: message(),
        emoji: readString(raw, "emoji", "", 64),
        added,
      };
    }
    case "press":
      return {
        kind: "interaction",
        ...event,
        ...placeOf(raw),
        sender: senderOf(raw),
        message: message(),
        token: readString(raw, "token", "", 64),
      };
    default:
      throw new FieldError("type", "must be one of message, edit, delete, reaction, press, ping");
  }
}
