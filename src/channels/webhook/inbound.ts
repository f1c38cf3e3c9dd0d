import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, ChatKind, MediaKind, MediaRef, Place, RepliedTo, Sender } from "../channel.ts";

type Raw = Readonly<Record<string, unknown>>;

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

function record(value: unknown, path: string): Raw {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Raw;
  throw new FieldError(path, "must be an object");
}

function text(raw: Raw, key: string, path: string, most: number): string {
  const value = raw[key];
  if (typeof value === "string" && value !== "" && value.length <= most) return value;
  throw new FieldError(`${path}${key}`, `must be a text of 1 to ${most} characters`);
}

function optional(raw: Raw, key: string, path: string, most: number): string | undefined {
  return raw[key] === undefined ? undefined : text(raw, key, path, most);
}

function flag(raw: Raw, key: string, path: string): boolean {
  const value = raw[key] ?? false;
  if (typeof value === "boolean") return value;
  throw new FieldError(`${path}${key}`, "must be true or false");
}

function placeOf(raw: Raw): Place {
  const chat = record(raw["chat"], "chat");
  const kind = CHAT_KINDS.find((each) => each === chat["kind"]);
  if (!kind) throw new FieldError("chat.kind", `must be one of ${CHAT_KINDS.join(", ")}`);
  const title = optional(chat, "title", "chat.", 200);
  const thread = optional(raw, "thread", "", 200);
  return {
    chat: { kind, id: asId<ChatId>(text(chat, "id", "chat.", 200)), ...(title !== undefined && { title }) },
    ...(thread !== undefined && { thread: { id: thread } }),
  };
}

function senderOf(raw: Raw): Sender {
  const sender = record(raw["sender"], "sender");
  const name = optional(sender, "name", "sender.", 200);
  return {
    id: asId<SenderId>(text(sender, "id", "sender.", 200)),
    ...(name !== undefined && { name }),
    isBot: flag(sender, "isBot", "sender."),
    isSelf: false,
  };
}

function mediaOf(raw: Raw, at = ""): MediaRef[] {
  const list = raw["media"] ?? [];
  if (!Array.isArray(list) || list.length > 20) throw new FieldError(`${at}media`, "must be a list of at most 20 files");
  return list.map((each, index) => {
    const path = `${at}media[${index}].`;
    const item = record(each, `${at}media[${index}]`);
    const sizeBytes = item["sizeBytes"];
    if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new FieldError(`${path}sizeBytes`, "must be a whole number");
    const mimeType = text(item, "mimeType", path, 100);
    const kind = MEDIA_KINDS.find((each) => mimeType.startsWith(`${each}/`)) ?? "file";
    return { kind, name: text(item, "name", path, 200), mimeType, sizeBytes, url: text(item, "url", path, 2_000) };
  });
}

function replyOf(raw: Raw): { replyTo?: RepliedTo } {
  if (raw["replyTo"] === undefined) return {};
  const reply = record(raw["replyTo"], "replyTo");
  const quoted = optional(reply, "text", "replyTo.", 10_000);
  const id = asId<MessageId>(text(reply, "id", "replyTo.", 200));
  const sender = reply["sender"] === undefined ? undefined : senderOf(reply);
  const media = mediaOf(reply, "replyTo.");
  return {
    replyTo: {
      id,
      ...(quoted !== undefined && { text: quoted }),
      ...(sender && { sender: { id: sender.id, ...(sender.name !== undefined && { name: sender.name }) } }),
      ...(media.length > 0 && { media }),
      isSelf: flag(reply, "isSelf", "replyTo."),
    },
  };
}

/** Facts of the request around the body. */
export type RequestFacts = { eventId: string; account: AccountId; now: number };

/** One request body as an event. Pure. Throws FieldError with the field's path when it is not one; null for a ping. */
export function toEvent(body: unknown, { eventId, account, now }: RequestFacts): ChannelEvent | null {
  const raw = record(body, "the body");
  const event = { eventId, account, sentAt: now, origin: "live" as const };
  const message = (): MessageId => asId<MessageId>(text(raw, "message", "", 200));
  switch (raw["type"]) {
    case "ping":
      return null;
    case "message": {
      const media = mediaOf(raw);
      const said = typeof raw["text"] === "string" && media.length > 0 ? raw["text"] : text(raw, "text", "", 100_000);
      const mentionsSelf = flag(raw, "mentionsSelf", "");
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
      return { kind: "edit", ...event, ...placeOf(raw), sender: senderOf(raw), message: message(), text: text(raw, "text", "", 100_000) };
    case "delete":
      return { kind: "delete", ...event, ...placeOf(raw), message: message() };
    case "reaction": {
      const added = raw["added"] === undefined || flag(raw, "added", "");
      return {
        kind: "reaction",
        ...event,
        ...placeOf(raw),
        sender: senderOf(raw),
        message: message(),
        emoji: text(raw, "emoji", "", 64),
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
        token: text(raw, "token", "", 64),
      };
    default:
      throw new FieldError("type", "must be one of message, edit, delete, reaction, press, ping");
  }
}
