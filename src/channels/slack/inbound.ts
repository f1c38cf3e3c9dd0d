import type {
  BotMessageEvent,
  FileShareMessageEvent,
  GenericMessageEvent,
  MessageChangedEvent,
  MessageDeletedEvent,
  ReactionAddedEvent,
  ThreadBroadcastMessageEvent,
} from "@slack/types";
import { createHash } from "node:crypto";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import type { ChannelEvent, ChatKind, InboundMessage, MediaKind, MediaRef, ChatLocation, Sender } from "../channel.ts";
import { asArray, asObject, asString, requireObject, type JsonObject } from "../../core/json.ts";
import { asPayload, requirePayload, type PlatformPayload } from "../payload.ts";
import { filesOf, textOfAttachments, textOfBlocks } from "./block-text.ts";
import { BUTTON_ACTION_ID } from "./outbound.ts";
import { toEmoji } from "./emoji.ts";

/** The bot of an account, as `auth.test` names it. */
export type SlackBot = { userId: string; botId: string | null; teamId: string; name: string };
/** What decoding needs to know beside the payload. `command`: see SlackAccount. */
export type SlackDecodeContext = { account: AccountId; bot: SlackBot; command: string | null; now: number; origin?: "live" | "backfill" };

/** A message as events, histories and changes carry it. `user_profile` is in histories only. */
type Message = (GenericMessageEvent | BotMessageEvent | FileShareMessageEvent | ThreadBroadcastMessageEvent) & {
  user_profile?: UserProfile;
};
type UserProfile = { display_name?: string; real_name?: string };
/** What names a conversation and the thread in it. */
type Place = Pick<GenericMessageEvent, "channel" | "channel_type" | "ts" | "thread_ts">;
type MessageEvent = Message | MessageChangedEvent | MessageDeletedEvent;

type Base = { eventId: string; account: AccountId; origin: "live" | "backfill"; sentAt: number };

function requireId(value: unknown, what: string): string {
  if (typeof value === "string" && /^[A-Z][A-Z0-9]{1,30}$/.test(value)) return value;
  throw new Error(`${what} is not an id`);
}

function requireTs(value: unknown, what = "ts"): string {
  if (typeof value === "string" && /^\d{1,12}\.\d{1,10}$/.test(value)) return value;
  throw new Error(`${what} is not a timestamp`);
}

const timeOf = (ts: string): number => Math.round(Number(ts) * 1_000);

/**
 * One payload of a socket or a request as channel events: an event, a slash command, an interaction. Unknown kinds give
 * none; an unreadable payload is kept. Pure; never throws.
 */
export function decodeSlackEvent(payload: unknown, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const raw = asObject(payload);
  const { bot } = facts;
  const text = JSON.stringify({ bot, command: facts.command, payload });
  const id =
    asString(raw?.["event_id"]) || asString(raw?.["trigger_id"]) || `x${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
  const base: Base = { eventId: `${bot.teamId}:${id}`, account: facts.account, origin: facts.origin ?? "live", sentAt: facts.now };
  try {
    if (!raw) throw new Error("the payload is not an object");
    if (raw["type"] === "event_callback") return decodeEvent(requireObject(raw["event"], "the event"), base, facts);
    if (typeof raw["command"] === "string") return decodeCommand(raw, base, facts);
    if (raw["type"] === "block_actions") return decodeBlockAction(raw, base, facts);
    return [];
  } catch (err) {
    return [{ ...base, kind: "unreadable", raw: text, cause: reasonOf(err) }];
  }
}

/** A payload again that was kept as unreadable; null while it still cannot be read. Pure. */
export function redecodeSlackEvent(kept: string, now: number): ChannelEvent | null {
  const { bot, command, payload } = JSON.parse(kept) as { bot: SlackBot; command: string | null; payload: unknown };
  const [event] = decodeSlackEvent(payload, { account: asId<AccountId>("default"), bot, command, now });
  return event === undefined || event.kind === "unreadable" ? null : event;
}

/** One message of a conversation's history. `kind`: what the conversation is. Pure; never throws. */
export function decodeHistory(message: unknown, channel: string, kind: ChatKind, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const type = kind === "direct" ? "im" : kind === "group" ? "mpim" : "channel";
  const event = { ...asObject(message), type: "message", channel, channel_type: type };
  return decodeSlackEvent({ type: "event_callback", event }, { ...facts, origin: "backfill" });
}

function decodeEvent(
  event: PlatformPayload<MessageEvent | ReactionAddedEvent>,
  base: Base,
  facts: SlackDecodeContext,
): readonly ChannelEvent[] {
  switch (event["type"]) {
    case "message":
    case "app_mention":
      return decodeMessage(event as PlatformPayload<MessageEvent>, base, facts);
    case "reaction_added":
    case "reaction_removed":
      return decodeReaction(event as PlatformPayload<ReactionAddedEvent>, base, facts);
    default:
      return [];
  }
}

/** Subtypes of messages that someone has said something with. All others tell about the room. */
const TEXT_SUBTYPES = new Set(["", "file_share", "me_message", "thread_broadcast", "bot_message"]);

function decodeMessage(event: PlatformPayload<MessageEvent>, base: Base, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const subtype = asString(event["subtype"]);
  if (subtype === "message_changed") return decodeEdit(event, base, facts);
  if (subtype === "message_deleted") {
    const earlier = asPayload<Message>(event["previous_message"]) ?? {};
    const message = asId<MessageId>(requireTs(event["deleted_ts"], "deleted_ts"));
    return [{ ...base, ...placeOf({ ...earlier, ...event, thread_ts: earlier["thread_ts"] }, facts), kind: "delete", message }];
  }
  if (!TEXT_SUBTYPES.has(subtype)) return [];
  const ts = requireTs(event["ts"]);
  const place = placeOf(event, facts);
  const media = mediaOf(event);
  const { text, mentionsSelf } = contentOf(event, facts.bot);
  if (text === "" && media.length === 0) return [];
  const parent = asString(event["parent_user_id"]);
  const message: InboundMessage = {
    ...base,
    // A mention comes twice, as message and as app_mention; the history gives it a third time. It is one message.
    eventId: `${facts.bot.teamId}:m:${place.chat.id}:${ts}`,
    ...place,
    kind: "message",
    sender: senderOf(event, facts.bot),
    message: asId<MessageId>(ts),
    text,
    media,
    mentionsSelf: place.chat.kind === "direct" || mentionsSelf || event["type"] === "app_mention",
    ...(place.thread && parent && { replyTo: { id: asId<MessageId>(place.thread.id), isSelf: parent === facts.bot.userId } }),
    sentAt: timeOf(ts),
  };
  return [message];
}

function decodeEdit(event: PlatformPayload<MessageEvent>, base: Base, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const message = requirePayload<Message>(event["message"], "the changed message");
  const before = asPayload<Message>(event["previous_message"]);
  const { text } = contentOf(message, facts.bot);
  // Previews of links and new replies change a message, too, and leave what it says.
  if (text === "" || (before && contentOf(before, facts.bot).text === text)) return [];
  const edited = asPayload<{ ts: string }>(message["edited"]);
  const place = placeOf({ ...event, thread_ts: message["thread_ts"], ts: message["ts"] }, facts);
  const at = edited ? requireTs(edited["ts"], "edited.ts") : asString(event["ts"]);
  const sender = senderOf(message, facts.bot);
  return [
    {
      ...base,
      ...place,
      kind: "edit",
      sender,
      message: asId<MessageId>(requireTs(message["ts"])),
      text,
      sentAt: at ? timeOf(at) : facts.now,
    },
  ];
}

function decodeReaction(event: PlatformPayload<ReactionAddedEvent>, base: Base, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const item = requirePayload<ReactionAddedEvent["item"]>(event["item"], "the item");
  if (item["type"] !== "message") return [];
  return [
    {
      ...base,
      // Slack does not say in which thread the message is.
      ...placeOf({ channel: item["channel"] }, facts),
      kind: "reaction",
      sender: senderOf(event, facts.bot),
      message: asId<MessageId>(requireTs(item["ts"])),
      emoji: toEmoji(asString(event["reaction"])),
      added: event["type"] === "reaction_added",
      sentAt: timeOf(requireTs(event["event_ts"], "event_ts")),
    },
  ];
}

function decodeCommand(raw: JsonObject, base: Base, facts: SlackDecodeContext): readonly ChannelEvent[] {
  if (facts.command === null) return [];
  const name = asString(raw["command"]).replace(/^\//, "");
  const rest = asString(raw["text"]).trim();
  const text = name === facts.command ? rest : `/${name}${rest && ` ${rest}`}`;
  if (text === "") return [];
  const direct = raw["channel_name"] === "directmessage";
  const place = placeOf({ channel: raw["channel_id"], channel_type: direct ? "im" : undefined }, facts);
  const name_ = asString(raw["user_name"]);
  const id = requireId(raw["user_id"], "user_id");
  const sender = { id: asId<SenderId>(id), ...(name_ && { name: name_ }), isBot: false, isSelf: false };
  const via = asString(raw["response_url"]);
  const message = asId<MessageId>(base.eventId);
  return [{ ...base, ...place, kind: "message", sender, message, text, media: [], mentionsSelf: true, ...(via && { via }) }];
}

function decodeBlockAction(raw: JsonObject, base: Base, facts: SlackDecodeContext): readonly ChannelEvent[] {
  const container = asObject(raw["container"]) ?? {};
  const action = asArray(raw["actions"])
    .map(asObject)
    .find((one) => asString(one?.["action_id"]).startsWith(BUTTON_ACTION_ID));
  // Buttons of modals, and those that we did not make, belong to no conversation of ours.
  if (!action || typeof action["value"] !== "string" || container["type"] !== "message") return [];
  const channel = asObject(raw["channel"])?.["id"] ?? container["channel_id"];
  const ts = requireTs(container["message_ts"], "message_ts");
  const place = placeOf({ channel, ts, thread_ts: container["thread_ts"] }, facts);
  const user = requireObject(raw["user"], "the user");
  const name = asString(user["name"]) || asString(user["username"]);
  const sender = { id: asId<SenderId>(requireId(user["id"], "the user's id")), ...(name && { name }), isBot: false, isSelf: false };
  return [{ ...base, ...place, kind: "interaction", sender, message: asId<MessageId>(ts), token: action["value"] }];
}

const KINDS: Readonly<Record<string, ChatKind>> = { im: "direct", mpim: "group", channel: "channel", group: "channel" };

/** The kind of a conversation by its id, where Slack does not say it. */
export const chatKindOf = (channel: string): ChatKind => (channel.startsWith("D") ? "direct" : "channel");

function placeOf(event: PlatformPayload<Place>, { bot }: SlackDecodeContext): ChatLocation {
  const id = requireId(event["channel"], "channel");
  const type = asString(event["channel_type"]);
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type]! : chatKindOf(id);
  const thread = asString(event["thread_ts"]);
  // The message that opened a thread carries its own time as the thread's.
  const inThread = thread !== "" && thread !== event["ts"];
  return { chat: { kind, id: asId<ChatId>(id) }, ...(inThread && { thread: { id: requireTs(thread, "thread_ts") } }), teamId: bot.teamId };
}

/** The person, or the app that wrote: those without a user have the id of their bot. */
function senderOf(event: PlatformPayload<Message>, bot: SlackBot): Sender {
  const user = event["user"] ?? event["bot_id"];
  const id = requireId(user, "the sender");
  const profile = asPayload<UserProfile>(event["user_profile"]);
  const name = asString(profile?.["display_name"]) || asString(profile?.["real_name"]) || asString(event["username"]);
  const botId = asString(event["bot_id"]);
  const isSelf = id === bot.userId || (bot.botId !== null && botId === bot.botId);
  return { id: asId<SenderId>(id), ...(name && { name }), isBot: botId !== "" || isSelf, isSelf };
}

const ENTITIES: Readonly<Record<string, string>> = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };

/**
 * A text of Slack in plain words: links and names of channels are written out, our own name in front of a text goes, so that a command
 * behind it is found, and the three escaped characters are themselves. Pure.
 */
export function readSlackText(text: string, bot: SlackBot): { text: string; mentionsSelf: boolean } {
  const own = `<@${bot.userId}>`;
  const plain = text.replaceAll(/<@([A-Z0-9]+)\|[^<>]*>/g, "<@$1>");
  const mentionsSelf = plain.includes(own);
  const stripped = plain.trimStart().startsWith(own)
    ? plain
        .trimStart()
        .slice(own.length)
        .replace(/^[\s,:]+/, "") || plain
    : plain;
  const said = stripped.replaceAll(/<([^<>]*)>/g, (_all, inner: string) => unescapeText(inner));
  return { text: said.replaceAll(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity]!), mentionsSelf };
}

function unescapeText(inner: string): string {
  const bar = inner.indexOf("|");
  const [target, label] = bar < 0 ? [inner, ""] : [inner.slice(0, bar), inner.slice(bar + 1)];
  if (target.startsWith("#")) return label ? `#${label}` : `<${target}>`;
  if (target.startsWith("@")) return `<${target}>`;
  if (target.startsWith("!")) return label || `@${target.slice(1)}`;
  return !label || label === target || target === `mailto:${label}` || target.replace(/^https?:\/\//, "") === label
    ? label || target
    : `${label} (${target})`;
}

/**
 * What a message says, with the text of its blocks and attachments. `text` repeats the blocks of what a person writes; for an app it is
 * only the fallback of a notification, so that its blocks are read instead.
 */
function contentOf(message: PlatformPayload<Message>, bot: SlackBot): { text: string; mentionsSelf: boolean } {
  const said = readSlackText(asString(message["text"]), bot);
  const read = (markup: string): string => readSlackText(markup, bot).text;
  const isApp = asString(message["bot_id"]) !== "" || message["subtype"] === "bot_message";
  const blocks = said.text === "" || isApp ? textOfBlocks(message["blocks"], read) : "";
  const attached = textOfAttachments(message["attachments"], read);
  return { text: [blocks || said.text, attached].filter(Boolean).join("\n"), mentionsSelf: said.mentionsSelf };
}

function mediaOf(event: PlatformPayload<Message>): readonly MediaRef[] {
  return filesOf(event).flatMap((value) => {
    const file = asObject(value);
    const url = asString(file?.["url_private_download"]) || asString(file?.["url_private"]);
    if (!file || url === "" || ["tombstone", "hidden_by_limit", "external"].includes(asString(file["mode"]))) return [];
    const mimeType = asString(file["mimetype"]) || "application/octet-stream";
    const top = mimeType.split("/")[0]!;
    const kind: MediaKind = top === "image" || top === "audio" || top === "video" ? top : "file";
    return [
      {
        kind,
        name: asString(file["name"]) || asString(file["id"]) || "file",
        mimeType,
        sizeBytes: typeof file["size"] === "number" ? file["size"] : null,
        url,
      },
    ];
  });
}
