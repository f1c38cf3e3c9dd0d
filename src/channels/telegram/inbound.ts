import type {
  CallbackQuery,
  Chat,
  Checklist,
  ChecklistTask,
  Contact,
  Dice,
  Document,
  ExternalReplyInfo,
  Game,
  Invoice,
  Location,
  Message,
  MessageReactionUpdated,
  PhotoSize,
  Poll,
  PollOption,
  ReactionType,
  Sticker,
  TextQuote,
  Update,
  User,
  Venue,
} from "@grammyjs/types";
import { createHash } from "node:crypto";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, ChatKind, InboundMessage, MediaKind, MediaRef, ChatLocation, Sender } from "../channel.ts";
import { asArray, asObject, asString } from "../../core/json.ts";
import { isTimestamp } from "../../core/json.ts";
import { asPayload, asPayloads, requirePayload, type PlatformPayload } from "../payload.ts";
import { decodeEntities, type TelegramBot } from "./entities.ts";

/** What decoding needs to know beside the update itself. */
export type TelegramDecodeContext = { account: AccountId; bot: TelegramBot; now: number };

/** Kinds of updates that are asked for; Telegram leaves out reactions unless they are named. */
export const ALLOWED_UPDATES = [
  "message",
  "edited_message",
  "channel_post",
  "edited_channel_post",
  "callback_query",
  "message_reaction",
] as const;

/** In front of Telegram's file id in `MediaRef.url`. */
export const TELEGRAM_FILE_SCHEME = "telegram-file:";
/** The first topic of a forum. Its messages have no thread id, and must be sent without one. */
export const GENERAL_TOPIC_ID = "1";

type Base = { eventId: string; account: AccountId; origin: "live" };

/** Ids have up to 52 bits; a server that writes them as text is understood as well. */
function requireId(value: unknown, what: string): string {
  if ((typeof value === "number" && Number.isSafeInteger(value)) || (typeof value === "string" && /^-?\d{1,20}$/.test(value)))
    return String(value);
  throw new Error(`${what} is not an id`);
}

/** The number of an update, from which the next offset is made; null when it has none. */
export function updateId(raw: unknown): number | null {
  const id = asPayload<Update>(raw)?.["update_id"];
  return typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : null;
}

/** The query to be confirmed after the press was stored; null for other updates. */
export function callbackQueryId(raw: unknown): string | null {
  const id = asPayload<CallbackQuery>(asPayload<Update>(raw)?.["callback_query"])?.["id"];
  return typeof id === "string" ? id : null;
}

/** One update as channel events. Unknown kinds give none; an unreadable update is kept. Pure; never throws. */
export function decodeTelegramUpdate(raw: unknown, facts: TelegramDecodeContext): readonly ChannelEvent[] {
  const id = updateId(raw);
  // The bot is kept with an unreadable update: whether it was addressed depends on it.
  const text = JSON.stringify({ bot: facts.bot, update: raw });
  const key = id === null ? `x${createHash("sha256").update(text).digest("hex").slice(0, 32)}` : String(id);
  const base: Base = { eventId: `${facts.bot.id}:${key}`, account: facts.account, origin: "live" };
  try {
    if (id === null) throw new Error("the update has no number");
    return decodeUpdate(requirePayload<Update>(raw, "the update"), base, facts);
  } catch (err) {
    return [{ ...base, kind: "unreadable", sentAt: facts.now, raw: text, cause: reasonOf(err) }];
  }
}

/** An update again that was kept as unreadable; null while it still cannot be read. Pure. */
export function redecodeTelegramUpdate(kept: string, now: number): ChannelEvent | null {
  const { bot, update } = JSON.parse(kept) as { bot: TelegramBot; update: unknown };
  const [event] = decodeTelegramUpdate(update, { account: asId<AccountId>("default"), bot, now });
  return event === undefined || event.kind === "unreadable" ? null : event;
}

function decodeUpdate(update: PlatformPayload<Update>, base: Base, facts: TelegramDecodeContext): readonly ChannelEvent[] {
  const message = update["message"] ?? update["channel_post"];
  if (message !== undefined) return decodeMessage(requirePayload<Message>(message, "the message"), base, facts);
  const edited = update["edited_message"] ?? update["edited_channel_post"];
  if (edited !== undefined) return decodeEdit(requirePayload<Message>(edited, "the edited message"), base, facts);
  if (update["message_reaction"] !== undefined)
    return decodeReaction(requirePayload<MessageReactionUpdated>(update["message_reaction"], "the reaction"), base, facts);
  if (update["callback_query"] !== undefined)
    return decodeCallbackQuery(requirePayload<CallbackQuery>(update["callback_query"], "the interaction"), base, facts);
  return [];
}

function decodeMessage(message: PlatformPayload<Message>, base: Base, facts: TelegramDecodeContext): readonly ChannelEvent[] {
  const place = placeOf(message);
  const sentAt = timeOf(message["date"]);
  const moved = chatMigrationOf(message, place.chat.id);
  // Both the old and the new room tell about the move: it is one event.
  if (moved) return [{ ...base, ...moved, eventId: `${facts.bot.id}:move:${moved.from}:${moved.to}`, sentAt }];
  const media = mediaOf(message);
  const said = textContent(message, facts.bot);
  if (said.text === "" && media.length === 0) return [];
  const reply = replyOf(message, facts.bot);
  const event: InboundMessage = {
    ...base,
    ...place,
    kind: "message",
    sender: senderOf(message, facts.bot),
    message: messageId(message),
    text: said.text,
    media,
    mentionsSelf: place.chat.kind === "direct" || said.mentionsSelf,
    ...(reply && { replyTo: reply }),
    sentAt,
  };
  return [event];
}

function decodeEdit(message: PlatformPayload<Message>, base: Base, facts: TelegramDecodeContext): readonly ChannelEvent[] {
  const said = decodeEntities(
    asString(message["text"] ?? message["caption"]),
    message["entities"] ?? message["caption_entities"],
    facts.bot,
  );
  // A live location is edited every few seconds, and has no text.
  if (said.text === "") return [];
  const sentAt = timeOf(message["edit_date"] ?? message["date"]);
  const sender = senderOf(message, facts.bot);
  return [{ ...base, ...placeOf(message), kind: "edit", sender, message: messageId(message), text: said.text, sentAt }];
}

function decodeReaction(
  reaction: PlatformPayload<MessageReactionUpdated>,
  base: Base,
  facts: TelegramDecodeContext,
): readonly ChannelEvent[] {
  const before = asArray(reaction["old_reaction"]).map(emojiOf);
  const after = asArray(reaction["new_reaction"]).map(emojiOf);
  const from = { from: reaction["user"], sender_chat: reaction["actor_chat"], chat: reaction["chat"] };
  const shared = {
    ...base,
    // Telegram does not say in which topic the message is.
    chat: chatOf(requirePayload<Chat>(reaction["chat"], "the chat")),
    kind: "reaction" as const,
    sender: senderOf(from, facts.bot),
    message: messageId(reaction),
    sentAt: timeOf(reaction["date"]),
  };
  const changes = [
    ...before.filter((emoji) => !after.includes(emoji)).map((emoji) => ({ emoji, added: false })),
    ...after.filter((emoji) => !before.includes(emoji)).map((emoji) => ({ emoji, added: true })),
  ];
  return changes.map(({ emoji, added }) => ({ ...shared, eventId: `${base.eventId}:${added ? "+" : "-"}${emoji}`, emoji, added }));
}

function decodeCallbackQuery(query: PlatformPayload<CallbackQuery>, base: Base, facts: TelegramDecodeContext): readonly ChannelEvent[] {
  const message = asPayload<Message>(query["message"]);
  // Buttons under inline results and games belong to no conversation of ours.
  if (!message || typeof query["data"] !== "string") return [];
  const sender = senderOf({ from: query["from"], chat: message["chat"] }, facts.bot);
  const token = query["data"];
  return [{ ...base, ...placeOf(message), kind: "interaction", sender, message: messageId(message), token, sentAt: facts.now }];
}

const messageId = (message: PlatformPayload<Pick<Message, "message_id">>): MessageId =>
  asId<MessageId>(requireId(message["message_id"], "message_id"));

function timeOf(seconds: unknown): number {
  if (typeof seconds === "number" && isTimestamp(seconds * 1_000)) return seconds * 1_000;
  throw new Error("the date is missing");
}

const KINDS: Readonly<Record<string, ChatKind>> = { private: "direct", group: "group", supergroup: "group", channel: "channel" };

function displayName(who: PlatformPayload<User | Chat | Contact>): string {
  const full = [who["first_name"], who["last_name"]].map(asString).filter(Boolean).join(" ");
  return full || asString(who["title"]) || asString(who["username"]);
}

function chatOf(chat: PlatformPayload<Chat>): ChatLocation["chat"] {
  const kind = Object.hasOwn(KINDS, asString(chat["type"])) ? KINDS[asString(chat["type"])] : undefined;
  if (!kind) throw new Error(`a chat of the type ${JSON.stringify(chat["type"] ?? null)}`);
  const title = displayName(chat);
  return { kind, id: asId<ChatId>(requireId(chat["id"], "chat.id")), ...(title && { title }) };
}

function placeOf(message: PlatformPayload<Message>): ChatLocation {
  const raw = requirePayload<Chat>(message["chat"], "the chat");
  const thread = message["is_topic_message"] === true ? requireId(message["message_thread_id"], "message_thread_id") : null;
  // Outside of forums a thread id only says that someone replied.
  const topic = thread ?? (raw["is_forum"] === true && raw["type"] !== "private" ? GENERAL_TOPIC_ID : null);
  return { chat: chatOf(raw), ...(topic !== null && { thread: { id: topic } }) };
}

/** The person, or the chat in whose name someone wrote: an anonymous admin, a linked channel. */
function senderOf(message: PlatformPayload<Pick<Message, "from" | "sender_chat" | "chat">>, bot: TelegramBot): Sender {
  const speaker =
    asPayload<User | Chat>(message["sender_chat"]) ??
    asPayload<User | Chat>(message["from"]) ??
    requirePayload<User | Chat>(message["chat"], "the sender");
  const id = requireId(speaker["id"], "the sender's id");
  const name = displayName(speaker);
  return { id: asId<SenderId>(id), ...(name && { name }), isBot: speaker["is_bot"] === true, isSelf: id === bot.id };
}

function chatMigrationOf(message: PlatformPayload<Message>, chat: ChatId): { kind: "migration"; from: ChatId; to: ChatId } | null {
  const { migrate_to_chat_id: to, migrate_from_chat_id: from } = message;
  if (to !== undefined) return { kind: "migration", from: chat, to: asId<ChatId>(requireId(to, "migrate_to_chat_id")) };
  if (from !== undefined) return { kind: "migration", from: asId<ChatId>(requireId(from, "migrate_from_chat_id")), to: chat };
  return null;
}

function replyOf(message: PlatformPayload<Message>, bot: TelegramBot): InboundMessage["replyTo"] | null {
  const quote = asString(asPayload<TextQuote>(message["quote"])?.["text"]);
  const external = asPayload<ExternalReplyInfo>(message["external_reply"]);
  if (external) {
    // A message of another chat: Telegram gives what it holds, but its text only as far as it is quoted.
    const text = quote || describeContent(external);
    const id = external["message_id"] ?? message["message_id"];
    return { id: asId<MessageId>(requireId(id, "message_id")), ...(text && { text }), isSelf: false };
  }
  const earlier = asPayload<Message>(message["reply_to_message"]);
  // In a topic every message formally answers the message that opened it.
  if (!earlier || earlier["forum_topic_created"] !== undefined) return null;
  const text = quote || asString(earlier["text"] ?? earlier["caption"]) || describeContent(earlier);
  const isSelf = String(asPayload<User>(earlier["from"])?.["id"]) === bot.id;
  const { id, name } = senderOf(earlier, bot);
  const media = mediaOf(earlier);
  return {
    id: messageId(earlier),
    ...(text && { text }),
    sender: { id, ...(name && { name }) },
    ...(media.length > 0 && { media }),
    isSelf,
  };
}

function textContent(message: PlatformPayload<Message>, bot: TelegramBot): { text: string; mentionsSelf: boolean } {
  const text = message["text"] ?? message["caption"];
  if (text !== undefined && text !== "") return decodeEntities(asString(text), message["entities"] ?? message["caption_entities"], bot);
  return { text: describeContent(message), mentionsSelf: false };
}

/** Content without a text, in words for the agent. */
function describeContent(message: PlatformPayload<Message | ExternalReplyInfo>): string {
  const venue = asPayload<Venue>(message["venue"]);
  const location = asPayload<Location>(venue?.["location"]) ?? asPayload<Location>(message["location"]);
  if (location) {
    const name = venue ? ` ${[venue["title"], venue["address"]].map(asString).filter(Boolean).join(", ")}` : "";
    return `[location ${Number(location["latitude"])}, ${Number(location["longitude"])}${name}]`;
  }
  const contact = asPayload<Contact>(message["contact"]);
  if (contact) return `[contact ${[displayName(contact), asString(contact["phone_number"])].filter(Boolean).join(", ")}]`;
  const poll = asPayload<Poll>(message["poll"]);
  if (poll)
    return `[poll ${[asString(poll["question"]), ...asPayloads<PollOption>(poll["options"]).map((option) => asString(option["text"]))].join(" | ")}]`;
  const dice = asPayload<Dice>(message["dice"]);
  if (dice) return `[${asString(dice["emoji"])} ${Number(dice["value"])}]`;
  const sticker = asPayload<Sticker>(message["sticker"]);
  if (sticker) return `[sticker ${asString(sticker["emoji"])}]`;
  const checklist = asPayload<Checklist>(message["checklist"]);
  if (checklist) {
    const tasks = asArray(checklist["tasks"]).map((value) => {
      const task = asPayload<ChecklistTask>(value) ?? {};
      return `${task["completion_date"] ? "[x]" : "[ ]"} ${asString(task["text"])}`;
    });
    return [`[checklist ${asString(checklist["title"])}]`, ...tasks].join("\n");
  }
  const game = asPayload<Game>(message["game"]);
  if (game) return `[game ${asString(game["title"])}]`;
  const invoice = asPayload<Invoice>(message["invoice"]);
  if (invoice) return `[invoice ${asString(invoice["title"])}]`;
  // The Bot API does not give what a story or paid media show.
  return asObject(message["story"]) ? "[story]" : asObject(message["paid_media"]) ? "[paid media]" : "";
}

function emojiOf(value: unknown): string {
  const raw = requirePayload<ReactionType>(value, "the reaction");
  if (raw["type"] === "paid") return "⭐";
  return raw["type"] === "custom_emoji" ? `custom:${asString(raw["custom_emoji_id"])}` : asString(raw["emoji"]);
}

/** Field of a message -> what it is, and how it is called when it has no name or type of its own. */
const FILES: readonly (readonly [
  field: "animation" | "document" | "audio" | "voice" | "video" | "video_note",
  kind: MediaKind,
  mimeType: string,
  ending: string,
])[] = [
  ["animation", "video", "video/mp4", "mp4"],
  ["document", "file", "application/octet-stream", "bin"],
  ["audio", "audio", "audio/mpeg", "mp3"],
  ["voice", "audio", "audio/ogg", "ogg"],
  ["video", "video", "video/mp4", "mp4"],
  ["video_note", "video", "video/mp4", "mp4"],
];

function mediaOf(message: PlatformPayload<Message>): readonly MediaRef[] {
  const id = asString(String(message["message_id"]));
  const largest = asPayloads<PhotoSize>(message["photo"]).toSorted(
    (a, b) => Number(b["width"]) * Number(b["height"]) - Number(a["width"]) * Number(a["height"]),
  )[0];
  if (largest) return [refOf(largest, "image", "image/jpeg", `photo-${id}.jpg`)];
  const sticker = asPayload<Sticker>(message["sticker"]);
  if (sticker && sticker["is_animated"] !== true && sticker["is_video"] !== true)
    return [refOf(sticker, "image", "image/webp", `sticker-${id}.webp`)];
  for (const [field, kind, mimeType, ending] of FILES) {
    // An animation is announced as a document as well: the first field counts.
    const file = asPayload<Document>(message[field]);
    if (file) return [refOf(file, kind, mimeType, `${field.replace("_", "-")}-${id}.${ending}`)];
  }
  return [];
}

function refOf(file: PlatformPayload<Document>, kind: MediaKind, mimeType: string, name: string): MediaRef {
  const fileId = asString(file["file_id"]);
  if (!/^[\w-]{1,512}$/.test(fileId)) throw new Error("a file without an id");
  const type = asString(file["mime_type"]) || mimeType;
  return {
    kind: kind === "file" && type.startsWith("image/") ? "image" : kind,
    name: asString(file["file_name"]) || name,
    mimeType: type,
    sizeBytes: typeof file["file_size"] === "number" ? file["file_size"] : null,
    url: `${TELEGRAM_FILE_SCHEME}${fileId}`,
  };
}
