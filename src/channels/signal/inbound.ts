import { createHash } from "node:crypto";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, InboundMessage, MediaKind, MediaRef, ChatLocation, Sender } from "../channel.ts";
import { asArray, requireObject, asObject, asString, type JsonObject } from "../../core/json.ts";
import { parseJsonOrText, isTimestamp } from "../../core/json.ts";
import { canonicalSignalId, type SignalAccount } from "./config.ts";
import { toMessageId } from "./ids.ts";

/** What a notification is read with. */
export type SignalDecodeContext = { self: Pick<SignalAccount, "number" | "uuid" | "ignoreAttachments">; account: AccountId; now: number };

/** Begins the address of a file that signal-cli keeps. */
export const SIGNAL_FILE_SCHEME = "signal:";
/** Takes the place of a mention in a text. */
const PLACEHOLDER = "\ufffc";

/**
 * One notification of signal-cli (`{account, envelope, exception}`) as events: none for what is not a message to us (receipts, typing,
 * calls, stories, our own other devices). What cannot be read is kept as it is. Pure.
 */
export function decodeSignalEvent(notification: unknown, facts: SignalDecodeContext): readonly ChannelEvent[] {
  try {
    return decodeEnvelope(requireObject(notification, "the notification"), facts);
  } catch (err) {
    return [unreadableSignalEvent(notification, facts, (err as Error).message)];
  }
}

/** Reads a notification again that was kept as unreadable. */
export function redecodeSignalEvent(raw: string, now: number): ChannelEvent | null {
  const kept = asObject(parseJsonOrText(raw));
  const self = asObject(kept?.["self"]);
  if (!kept || !self) return null;
  const facts: SignalDecodeContext = {
    self: { number: asString(self["number"]), uuid: asString(self["uuid"]) || null, ignoreAttachments: self["ignoreAttachments"] === true },
    account: asId<AccountId>("default"),
    now,
  };
  return decodeSignalEvent(kept["notification"], facts).find((event) => event.kind !== "unreadable") ?? null;
}

function unreadableSignalEvent(notification: unknown, { self, account, now }: SignalDecodeContext, cause: string): ChannelEvent {
  const raw = JSON.stringify({ notification, self });
  const eventId = `raw:${createHash("sha256").update(JSON.stringify(notification)).digest("base64url").slice(0, 32)}`;
  return { kind: "unreadable", eventId, account, sentAt: now, origin: "live", raw, cause };
}

function decodeEnvelope(raw: JsonObject, facts: SignalDecodeContext): readonly ChannelEvent[] {
  const of = asString(raw["account"]);
  if (of !== "" && of !== facts.self.number) return [];
  const envelope = asObject(raw["envelope"]);
  const failure = asObject(raw["exception"]);
  if (failure) {
    // Without a sender no one can be notified, and nothing can be retried.
    if (!envelope || senderId(envelope) === null) return [];
    throw new Error(`signal-cli could not open a message: ${asString(failure["message"]) || asString(failure["type"])}`);
  }
  if (!envelope) throw new Error("the envelope is missing");
  const edit = asObject(envelope["editMessage"]);
  const data = asObject(envelope["dataMessage"]) ?? asObject(edit?.["dataMessage"]);
  return data ? readData(envelope, data, edit, facts) : [];
}

type Base = { account: AccountId; sentAt: number; origin: "live" } & ChatLocation;

function readData(envelope: JsonObject, data: JsonObject, edit: JsonObject | null, facts: SignalDecodeContext): readonly ChannelEvent[] {
  const id = senderId(envelope);
  if (id === null) throw new Error("the sender is missing");
  const at = requireTimestamp(data["timestamp"] ?? envelope["timestamp"], "the time of the message");
  const received = envelope["serverReceivedTimestamp"];
  const base: Base = {
    account: facts.account,
    // The server's clock: the sender's may be wrong by years.
    sentAt: typeof received === "number" && received > 0 ? received : at,
    origin: "live",
    ...placeOf(data, id, asString(envelope["sourceName"])),
  };
  const sender = senderOf(envelope, id, facts);
  const key = (kind: string): string => `${id}:${at}:${kind}`;
  const target = edit?.["targetSentTimestamp"];
  if (target !== undefined) {
    const message = toMessageId({ at: requireTimestamp(target, "the edited message"), author: id });
    return [{ ...base, kind: "edit", eventId: key("edit"), sender, message, text: textContent(data, facts).text }];
  }
  const reaction = asObject(data["reaction"]);
  if (reaction) return [{ ...base, kind: "reaction", eventId: key("reaction"), sender, ...readReaction(reaction, facts) }];
  const deleted = asObject(data["remoteDelete"]);
  if (deleted) {
    const message = toMessageId({ at: requireTimestamp(deleted["timestamp"], "the deleted message"), author: id });
    return [{ ...base, kind: "delete", eventId: key("delete"), message }];
  }
  const byAdmin = asObject(data["adminDelete"]);
  if (byAdmin) return [{ ...base, kind: "delete", eventId: key("delete"), message: targetOf(byAdmin, facts) }];
  return readMessage(data, { ...base, eventId: key("message"), sender, message: toMessageId({ at, author: id }) }, facts);
}

function readMessage(
  data: JsonObject,
  base: Omit<InboundMessage, "kind" | "text" | "media" | "mentionsSelf">,
  facts: SignalDecodeContext,
): readonly InboundMessage[] {
  const said = textContent(data, facts);
  const media = facts.self.ignoreAttachments || data["viewOnce"] === true ? [] : mediaOf(data, base);
  // Changes of a group, of a timer or of a profile key carry neither.
  if (said.text === "" && media.length === 0) return [];
  return [{ ...base, kind: "message", ...said, media, ...replyOf(data, facts) }];
}

const requireTimestamp = (value: unknown, what: string): number => {
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && isTimestamp(value)) return value;
  throw new Error(`${what} is missing`);
};

/** The id that lasts, or the number where signal-cli knows no id. */
function personId(uuid: unknown, number: unknown): string | null {
  if (asString(uuid) !== "") return canonicalSignalId(asString(uuid));
  return asString(number) === "" ? null : canonicalSignalId(asString(number));
}

const senderId = (envelope: JsonObject): string | null => personId(envelope["sourceUuid"], envelope["sourceNumber"] ?? envelope["source"]);

const isSelf = (uuid: unknown, number: unknown, { self }: SignalDecodeContext): boolean =>
  asString(number) === self.number || (self.uuid !== null && asString(uuid).toLowerCase() === self.uuid);

function senderOf(envelope: JsonObject, id: string, facts: SignalDecodeContext): Sender {
  const number = asString(envelope["sourceNumber"]);
  const name = asString(envelope["sourceName"]);
  return {
    id: asId<SenderId>(id),
    ...(number !== "" && number !== id && { aliases: [asId<SenderId>(number)] }),
    ...(name !== "" && { name }),
    isBot: false,
    isSelf: isSelf(envelope["sourceUuid"], number, facts),
  };
}

function placeOf(data: JsonObject, sender: string, name: string): ChatLocation {
  const group = asObject(data["groupInfo"]);
  if (!group) return { chat: { kind: "direct", id: asId<ChatId>(sender), ...(name !== "" && { title: name }) } };
  const id = asString(group["groupId"]);
  if (id === "") throw new Error("the group's id is missing");
  const title = asString(group["groupName"]);
  return { chat: { kind: "group", id: asId<ChatId>(id), ...(title !== "" && { title }) } };
}

/** The message that a reaction, a quote or a deletion is about. */
function targetOf(raw: JsonObject, facts: SignalDecodeContext, at: unknown = raw["targetSentTimestamp"], role = "targetAuthor"): MessageId {
  const [uuid, number] = [raw[`${role}Uuid`], raw[`${role}Number`] ?? raw[role]];
  const author = isSelf(uuid, number, facts) ? null : personId(uuid, number);
  return toMessageId({ at: requireTimestamp(at, "the time of the message that is meant"), author });
}

function readReaction(reaction: JsonObject, facts: SignalDecodeContext): { message: MessageId; emoji: string; added: boolean } {
  const emoji = asString(reaction["emoji"]);
  if (emoji === "") throw new Error("the reaction has no emoji");
  return { message: targetOf(reaction, facts), emoji, added: reaction["isRemove"] !== true };
}

function replyOf(data: JsonObject, facts: SignalDecodeContext): { replyTo?: NonNullable<InboundMessage["replyTo"]> } {
  const quote = asObject(data["quote"]);
  if (!quote) return {};
  const id = targetOf(quote, facts, quote["id"], "author");
  const files = asArray(quote["attachments"]).map(
    (each) => asString(asObject(each)?.["filename"]) || asString(asObject(each)?.["contentType"]) || "file",
  );
  const text = withMentionNames(asString(quote["text"]), quote["mentions"], facts).text || files.map((file) => `[${file}]`).join(" ");
  const own = isSelf(quote["authorUuid"], quote["authorNumber"], facts);
  const author = own ? null : personId(quote["authorUuid"], quote["authorNumber"] ?? quote["author"]);
  return { replyTo: { id, ...(text !== "" && { text }), ...(author !== null && { sender: { id: asId<SenderId>(author) } }), isSelf: own } };
}

function textContent(data: JsonObject, facts: SignalDecodeContext): { text: string; mentionsSelf: boolean } {
  const said = withMentionNames(asString(data["message"]), data["mentions"], facts);
  return said.text === "" ? { text: describeAttachment(data, facts), mentionsSelf: said.mentionsSelf } : said;
}

/** Puts names where Signal has placeholders. The bot's own in front of a text goes, so that a command behind it is found. */
function withMentionNames(text: string, mentions: unknown, facts: SignalDecodeContext): { text: string; mentionsSelf: boolean } {
  let mentionsSelf = false;
  let out = text;
  const found = asArray(mentions).flatMap((each): JsonObject[] => [asObject(each)].filter((found) => found !== null));
  for (const mention of found.toSorted((a, b) => Number(b["start"]) - Number(a["start"]))) {
    const { start, length, uuid, number } = mention;
    if (typeof start !== "number" || typeof length !== "number" || out.slice(start, start + length) !== PLACEHOLDER) continue;
    const self = isSelf(uuid, number, facts);
    mentionsSelf ||= self;
    const name = self ? "" : asString(mention["name"]) || asString(number) || asString(uuid);
    if (self && start === 0) out = out.slice(length).replace(/^[\s,:]+/, "");
    else out = `${out.slice(0, start)}@${self ? facts.self.number : name}${out.slice(start + length)}`;
  }
  return { text: out, mentionsSelf };
}

/** Content without a text, in words for the agent. */
function describeAttachment(data: JsonObject, { self }: SignalDecodeContext): string {
  const files = asArray(data["attachments"]).length;
  if (data["viewOnce"] === true) return "[a view-once picture]";
  if (files > 0 && self.ignoreAttachments) return files === 1 ? "[a file]" : `[${files} files]`;
  if (asObject(data["sticker"])) return "[sticker]";
  const poll = asObject(data["pollCreate"]);
  if (poll) return `[poll ${[asString(poll["question"]), ...asArray(poll["options"]).map(asString)].join(" | ")}]`;
  const contacts = asArray(data["contacts"]).flatMap((each): JsonObject[] => [asObject(each)].filter((found) => found !== null));
  if (contacts.length > 0) return `[contact ${contacts.map(contactText).join("; ")}]`;
  return "";
}

function contactText(contact: JsonObject): string {
  const name = asObject(contact["name"]);
  const full = asString(name?.["display"]) || [name?.["given"], name?.["family"]].map(asString).filter(Boolean).join(" ");
  return [full, ...asArray(contact["phone"]).map((each) => asString(asObject(each)?.["value"]))].filter(Boolean).join(", ");
}

const KINDS: readonly MediaKind[] = ["image", "audio", "video"];
const FILE_EXTENSIONS: Readonly<Record<string, string>> = {
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/webp": ".webp",
  "audio/aac": ".aac",
  "audio/mpeg": ".mp3",
  "video/mp4": ".mp4",
  "application/pdf": ".pdf",
};

function mediaOf(data: JsonObject, { chat }: Pick<InboundMessage, "chat">): readonly MediaRef[] {
  return asArray(data["attachments"]).flatMap((each, index): MediaRef[] => {
    const file = asObject(each);
    const id = asString(file?.["id"]);
    if (!file || id === "") return [];
    const mimeType = asString(file["contentType"]) || "application/octet-stream";
    const kind = KINDS.find((known) => mimeType.startsWith(`${known}/`)) ?? "file";
    const where = chat.kind === "direct" ? { recipient: chat.id } : { group: chat.id };
    const ending = Object.hasOwn(FILE_EXTENSIONS, mimeType) ? FILE_EXTENSIONS[mimeType]! : "";
    const name = asString(file["filename"]) || `${kind}-${index + 1}${ending}`;
    const sizeBytes = typeof file["size"] === "number" ? file["size"] : null;
    return [{ kind, name, mimeType, sizeBytes, url: `${SIGNAL_FILE_SCHEME}${new URLSearchParams({ id, ...where }).toString()}` }];
  });
}
