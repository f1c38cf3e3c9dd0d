import { createHash } from "node:crypto";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, Inbound, MediaKind, MediaRef, Place, Sender } from "../channel.ts";
import { fromJson, isTime, list, need, record, word, type Raw } from "../raw.ts";
import { canonicalSignalId, type SignalAccount } from "./config.ts";
import { toMessageId } from "./ids.ts";

/** What a notification is read with. */
export type Facts = { self: Pick<SignalAccount, "number" | "uuid" | "ignoreAttachments">; account: AccountId; now: number };

/** Begins the address of a file that signal-cli keeps. */
export const FILE = "signal:";
/** Stands in a text where somebody is mentioned. */
const PLACEHOLDER = "\ufffc";

/**
 * One notification of signal-cli (`{account, envelope, exception}`) as events: none for what is no message to us (receipts, typing, calls,
 * stories, our own other devices). What cannot be read is kept as it is. Pure.
 */
export function decode(notification: unknown, facts: Facts): readonly ChannelEvent[] {
  try {
    return read(need(notification, "the notification"), facts);
  } catch (err) {
    return [unreadable(notification, facts, (err as Error).message)];
  }
}

/** Reads a notification again that was kept as unreadable. */
export function reread(raw: string): ChannelEvent | null {
  const kept = record(fromJson(raw));
  const self = record(kept?.["self"]);
  if (!kept || !self) return null;
  const facts: Facts = {
    self: { number: word(self["number"]), uuid: word(self["uuid"]) || null, ignoreAttachments: self["ignoreAttachments"] === true },
    account: asId<AccountId>("default"),
    now: Date.now(),
  };
  return decode(kept["notification"], facts).find((event) => event.kind !== "unreadable") ?? null;
}

function unreadable(notification: unknown, { self, account, now }: Facts, cause: string): ChannelEvent {
  const raw = JSON.stringify({ notification, self });
  const eventId = `raw:${createHash("sha256").update(JSON.stringify(notification)).digest("base64url").slice(0, 32)}`;
  return { kind: "unreadable", eventId, account, sentAt: now, origin: "live", raw, cause };
}

function read(raw: Raw, facts: Facts): readonly ChannelEvent[] {
  const of = word(raw["account"]);
  if (of !== "" && of !== facts.self.number) return [];
  const envelope = record(raw["envelope"]);
  const failure = record(raw["exception"]);
  if (failure) {
    // Without a sender nobody can be told, and nothing can be tried again.
    if (!envelope || senderId(envelope) === null) return [];
    throw new Error(`signal-cli could not open a message: ${word(failure["message"]) || word(failure["type"])}`);
  }
  if (!envelope) throw new Error("the envelope is missing");
  const edit = record(envelope["editMessage"]);
  const data = record(envelope["dataMessage"]) ?? record(edit?.["dataMessage"]);
  return data ? readData(envelope, data, edit, facts) : [];
}

type Base = { account: AccountId; sentAt: number; origin: "live" } & Place;

function readData(envelope: Raw, data: Raw, edit: Raw | null, facts: Facts): readonly ChannelEvent[] {
  const id = senderId(envelope);
  if (id === null) throw new Error("the sender is missing");
  const at = time(data["timestamp"] ?? envelope["timestamp"], "the time of the message");
  const received = envelope["serverReceivedTimestamp"];
  const base: Base = {
    account: facts.account,
    // The server's clock: the sender's may be wrong by years.
    sentAt: typeof received === "number" && received > 0 ? received : at,
    origin: "live",
    ...placeOf(data, id, word(envelope["sourceName"])),
  };
  const sender = senderOf(envelope, id, facts);
  const key = (kind: string): string => `${id}:${at}:${kind}`;
  const target = edit?.["targetSentTimestamp"];
  if (target !== undefined) {
    const message = toMessageId({ at: time(target, "the edited message"), author: id });
    return [{ ...base, kind: "edit", eventId: key("edit"), sender, message, text: saidIn(data, facts).text }];
  }
  const reaction = record(data["reaction"]);
  if (reaction) return [{ ...base, kind: "reaction", eventId: key("reaction"), sender, ...readReaction(reaction, facts) }];
  const deleted = record(data["remoteDelete"]);
  if (deleted) {
    const message = toMessageId({ at: time(deleted["timestamp"], "the deleted message"), author: id });
    return [{ ...base, kind: "delete", eventId: key("delete"), message }];
  }
  const byAdmin = record(data["adminDelete"]);
  if (byAdmin) return [{ ...base, kind: "delete", eventId: key("delete"), message: targetOf(byAdmin, facts) }];
  return readMessage(data, { ...base, eventId: key("message"), sender, message: toMessageId({ at, author: id }) }, facts);
}

function readMessage(data: Raw, base: Omit<Inbound, "kind" | "text" | "media" | "mentionsSelf">, facts: Facts): readonly Inbound[] {
  const said = saidIn(data, facts);
  const media = facts.self.ignoreAttachments || data["viewOnce"] === true ? [] : mediaOf(data, base);
  // Changes of a group, of a timer or of a profile key carry neither.
  if (said.text === "" && media.length === 0) return [];
  return [{ ...base, kind: "message", ...said, media, ...replyOf(data, facts) }];
}

const time = (value: unknown, what: string): number => {
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && isTime(value)) return value;
  throw new Error(`${what} is missing`);
};

/** The id that lasts, or the number where signal-cli knows no id. */
function personId(uuid: unknown, number: unknown): string | null {
  if (word(uuid) !== "") return canonicalSignalId(word(uuid));
  return word(number) === "" ? null : canonicalSignalId(word(number));
}

const senderId = (envelope: Raw): string | null => personId(envelope["sourceUuid"], envelope["sourceNumber"] ?? envelope["source"]);

const isSelf = (uuid: unknown, number: unknown, { self }: Facts): boolean =>
  word(number) === self.number || (self.uuid !== null && word(uuid).toLowerCase() === self.uuid);

function senderOf(envelope: Raw, id: string, facts: Facts): Sender {
  const number = word(envelope["sourceNumber"]);
  const name = word(envelope["sourceName"]);
  return {
    id: asId<SenderId>(id),
    ...(number !== "" && number !== id && { aliases: [asId<SenderId>(number)] }),
    ...(name !== "" && { name }),
    isBot: false,
    isSelf: isSelf(envelope["sourceUuid"], number, facts),
  };
}

function placeOf(data: Raw, sender: string, name: string): Place {
  const group = record(data["groupInfo"]);
  if (!group) return { chat: { kind: "direct", id: asId<ChatId>(sender), ...(name !== "" && { title: name }) } };
  const id = word(group["groupId"]);
  if (id === "") throw new Error("the group's id is missing");
  const title = word(group["groupName"]);
  return { chat: { kind: "group", id: asId<ChatId>(id), ...(title !== "" && { title }) } };
}

/** The message that a reaction, a quote or a deletion is about. */
function targetOf(raw: Raw, facts: Facts, at: unknown = raw["targetSentTimestamp"], role = "targetAuthor"): MessageId {
  const [uuid, number] = [raw[`${role}Uuid`], raw[`${role}Number`] ?? raw[role]];
  const author = isSelf(uuid, number, facts) ? null : personId(uuid, number);
  return toMessageId({ at: time(at, "the time of the message that is meant"), author });
}

function readReaction(reaction: Raw, facts: Facts): { message: MessageId; emoji: string; added: boolean } {
  const emoji = word(reaction["emoji"]);
  if (emoji === "") throw new Error("the reaction has no emoji");
  return { message: targetOf(reaction, facts), emoji, added: reaction["isRemove"] !== true };
}

function replyOf(data: Raw, facts: Facts): { replyTo?: NonNullable<Inbound["replyTo"]> } {
  const quote = record(data["quote"]);
  if (!quote) return {};
  const id = targetOf(quote, facts, quote["id"], "author");
  const files = list(quote["attachments"]).map((each) => word(record(each)?.["filename"]) || word(record(each)?.["contentType"]) || "file");
  const text = withNames(word(quote["text"]), quote["mentions"], facts).text || files.map((file) => `[${file}]`).join(" ");
  const own = isSelf(quote["authorUuid"], quote["authorNumber"], facts);
  const author = own ? null : personId(quote["authorUuid"], quote["authorNumber"] ?? quote["author"]);
  return { replyTo: { id, ...(text !== "" && { text }), ...(author !== null && { sender: { id: asId<SenderId>(author) } }), isSelf: own } };
}

function saidIn(data: Raw, facts: Facts): { text: string; mentionsSelf: boolean } {
  const said = withNames(word(data["message"]), data["mentions"], facts);
  return said.text === "" ? { text: describe(data, facts), mentionsSelf: said.mentionsSelf } : said;
}

/** Puts names where Signal has placeholders. The bot's own in front of a text goes, so that a command behind it is found. */
function withNames(text: string, mentions: unknown, facts: Facts): { text: string; mentionsSelf: boolean } {
  let mentionsSelf = false;
  let out = text;
  const found = list(mentions).flatMap((each): Raw[] => [record(each)].filter((found) => found !== null));
  for (const mention of found.toSorted((a, b) => Number(b["start"]) - Number(a["start"]))) {
    const { start, length, uuid, number } = mention;
    if (typeof start !== "number" || typeof length !== "number" || out.slice(start, start + length) !== PLACEHOLDER) continue;
    const self = isSelf(uuid, number, facts);
    mentionsSelf ||= self;
    const name = self ? "" : word(mention["name"]) || word(number) || word(uuid);
    if (self && start === 0) out = out.slice(length).replace(/^[\s,:]+/, "");
    else out = `${out.slice(0, start)}@${self ? facts.self.number : name}${out.slice(start + length)}`;
  }
  return { text: out, mentionsSelf };
}

/** Content without a text, in words for the agent. */
function describe(data: Raw, { self }: Facts): string {
  const files = list(data["attachments"]).length;
  if (data["viewOnce"] === true) return "[a picture that is to be seen once]";
  if (files > 0 && self.ignoreAttachments) return files === 1 ? "[a file]" : `[${files} files]`;
  if (record(data["sticker"])) return "[sticker]";
  const poll = record(data["pollCreate"]);
  if (poll) return `[poll ${[word(poll["question"]), ...list(poll["options"]).map(word)].join(" | ")}]`;
  const contacts = list(data["contacts"]).flatMap((each): Raw[] => [record(each)].filter((found) => found !== null));
  if (contacts.length > 0) return `[contact ${contacts.map(contactOf).join("; ")}]`;
  return "";
}

function contactOf(contact: Raw): string {
  const name = record(contact["name"]);
  const full = word(name?.["display"]) || [name?.["given"], name?.["family"]].map(word).filter(Boolean).join(" ");
  return [full, ...list(contact["phone"]).map((each) => word(record(each)?.["value"]))].filter(Boolean).join(", ");
}

const KINDS: readonly MediaKind[] = ["image", "audio", "video"];
const ENDINGS: Readonly<Record<string, string>> = {
  "image/jpeg": ".jpg",
  "image/png": ".png",
  "image/webp": ".webp",
  "audio/aac": ".aac",
  "audio/mpeg": ".mp3",
  "video/mp4": ".mp4",
  "application/pdf": ".pdf",
};

function mediaOf(data: Raw, { chat }: Pick<Inbound, "chat">): readonly MediaRef[] {
  return list(data["attachments"]).flatMap((each, index): MediaRef[] => {
    const file = record(each);
    const id = word(file?.["id"]);
    if (!file || id === "") return [];
    const mimeType = word(file["contentType"]) || "application/octet-stream";
    const kind = KINDS.find((known) => mimeType.startsWith(`${known}/`)) ?? "file";
    const where = chat.kind === "direct" ? { recipient: chat.id } : { group: chat.id };
    const name = word(file["filename"]) || `${kind}-${index + 1}${ENDINGS[mimeType] ?? ""}`;
    const sizeBytes = typeof file["size"] === "number" ? file["size"] : null;
    return [{ kind, name, mimeType, sizeBytes, url: `${FILE}${new URLSearchParams({ id, ...where }).toString()}` }];
  });
}
