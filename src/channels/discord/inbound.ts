import type {
  APIAttachment,
  APIEmbed,
  APIEmbedAuthor,
  APIEmbedField,
  APIEmbedFooter,
  APIEmoji,
  APIGuildMember,
  APIMessage,
  APIMessageComponentButtonInteraction,
  APIChatInputApplicationCommandInteraction,
  APIMessageReference,
  APIMessageSnapshot,
  APIPoll,
  APIPollAnswer,
  APIPollMedia,
  APIStickerItem,
  APIUser,
  GatewayMessageCreateDispatchData,
  GatewayMessageDeleteBulkDispatchData,
  GatewayMessageDeleteDispatchData,
  GatewayMessageReactionAddDispatchData,
} from "discord-api-types/v10";
import { createHash } from "node:crypto";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId, type ChatId, type MessageId, type SenderId } from "../../core/ids.ts";
import { asPayload, asPayloads, type PlatformPayload } from "../payload.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import type { ChannelEvent, InboundMessage, MediaKind, MediaRef, ChatLocation, Sender } from "../channel.ts";
import type { ChannelInfo } from "./state.ts";
import { CHANNEL_TYPE, isSnowflake, isThread, snowflakeTime, requireSnowflake, textOf, type DiscordObject } from "./protocol.ts";

type Message = GatewayMessageCreateDispatchData;
type Interaction = APIMessageComponentButtonInteraction | APIChatInputApplicationCommandInteraction;
/** What every dispatch that is decoded here may say about its place. */
type Place = Pick<Message, "channel_id" | "guild_id">;

/** One dispatch of the gateway. */
export type GatewayFrame = { seq: number; type: string; data: DiscordObject };

/** What the connection knows when an event arrives. */
export type DiscordDecodeContext = {
  account: AccountId;
  self: string;
  /** Of the channel that the event names; undefined if unknown. */
  place: ChannelInfo | undefined;
  /** The role of the bot itself in the server of the event: Discord completes `@name` to it. Absent where it is not known. */
  ownRole?: string;
  /** Names events that carry no id of their own: a resumed session repeats its numbers. */
  session: string;
  now: number;
  origin: "live" | "backfill";
};

/** Messages that people write; all other types report joins, pins, boosts and similar events. */
const TEXT_MESSAGE_TYPES: ReadonlySet<unknown> = new Set([0, 19, 20, 23]);

/** A dispatch as channel events: none, one, or (for a bulk deletion) many. Pure; never throws. */
export function decodeDiscordEvent(frame: GatewayFrame, facts: DiscordDecodeContext): readonly ChannelEvent[] {
  const decoder = Object.hasOwn(DECODERS, frame.type) ? DECODERS[frame.type] : undefined;
  if (!decoder) return [];
  try {
    return decoder(frame.data, facts, frame);
  } catch (err) {
    return [unreadableDiscordEvent(frame, facts, err)];
  }
}

/** A dispatch that could not be read, kept with what is needed to read it again. */
export function unreadableDiscordEvent(frame: GatewayFrame, facts: DiscordDecodeContext, err: unknown): ChannelEvent {
  // The token of an interaction is good for answering in our name.
  const { token: _token, ...data } = frame.data;
  return {
    kind: "unreadable",
    eventId: `u:${localEventId(frame, facts)}`,
    account: facts.account,
    sentAt: facts.now,
    origin: facts.origin,
    raw: JSON.stringify({ frame: { ...frame, data }, facts }).slice(0, DISCORD_LIMITS.rawChars),
    cause: `${frame.type}: ${reasonOf(err)}`,
  };
}

/** Reads an event again that could not be read; null when it still cannot, or was too long to be kept whole. Pure. */
export function redecodeDiscordEvent(raw: string): ChannelEvent | null {
  if (raw.length >= DISCORD_LIMITS.rawChars) return null;
  const { frame, facts } = JSON.parse(raw) as { frame: GatewayFrame; facts: DiscordDecodeContext };
  const [event] = decodeDiscordEvent(frame, facts);
  return event === undefined || event.kind === "unreadable" ? null : event;
}

/** The channel whose kind has to be known before the event can be decoded; null where it need not. */
export function requiredChannelId({ type, data }: GatewayFrame, self: string): string | null {
  if (!Object.hasOwn(DECODERS, type) || !isSnowflake(data["channel_id"])) return null;
  if (asPayload<APIUser>(data["author"])?.["id"] === self || data["user_id"] === self) return null;
  return data["channel_id"];
}

const localEventId = (frame: GatewayFrame, facts: DiscordDecodeContext): string =>
  `${createHash("sha256").update(facts.session).digest("hex").slice(0, 16)}:${frame.seq}`;

type Decoder = (data: PlatformPayload<unknown>, facts: DiscordDecodeContext, frame: GatewayFrame) => readonly ChannelEvent[];

const DECODERS: Readonly<Record<string, Decoder>> = {
  MESSAGE_CREATE: (data, facts) => decodeMessage(data, facts),
  MESSAGE_UPDATE: decodeEdit,
  MESSAGE_DELETE: (data: PlatformPayload<GatewayMessageDeleteDispatchData>, facts) => [deletion(data, data["id"], facts)],
  MESSAGE_DELETE_BULK: (data: PlatformPayload<GatewayMessageDeleteBulkDispatchData>, facts) =>
    Array.isArray(data["ids"]) ? data["ids"].map((id: unknown) => deletion(data, id, facts)) : [],
  MESSAGE_REACTION_ADD: (data, facts, frame) => decodeReaction(data, facts, frame, true),
  MESSAGE_REACTION_REMOVE: (data, facts, frame) => decodeReaction(data, facts, frame, false),
  INTERACTION_CREATE: decodeInteraction,
};

/** Where an event happened. A thread is a lane of its own inside its channel; a direct conversation is its other person. */
function placeOf(data: PlatformPayload<Place>, { place }: DiscordDecodeContext, author?: string): ChatLocation {
  const channel = requireSnowflake(data["channel_id"], "the channel");
  const guild = isSnowflake(data["guild_id"]) ? data["guild_id"] : place?.guild;
  if (guild === undefined && place?.type !== CHANNEL_TYPE.groupDirect) {
    const peer = place?.peer ?? author;
    if (peer === undefined) throw new Error("the other person of the direct conversation is unknown");
    return { chat: { kind: "direct", id: asId<ChatId>(peer) } };
  }
  if (guild === undefined) return { chat: { kind: "group", id: asId<ChatId>(channel), ...(place?.name && { title: place.name }) } };
  const thread = place && isThread(place.type) && place.parent !== undefined ? place.parent : null;
  const title = place?.name && thread === null ? { title: place.name } : {};
  return {
    chat: { kind: "channel", id: asId<ChatId>(thread ?? channel), ...title },
    ...(thread !== null && { thread: { id: channel } }),
    guildId: guild,
  };
}

function senderOf(user: PlatformPayload<APIUser>, member: PlatformPayload<APIGuildMember> | null, self: string): Sender {
  const id = requireSnowflake(user["id"], "the sender");
  const roles = Array.isArray(member?.["roles"]) ? member["roles"].filter(isSnowflake) : null;
  const name = textOf(member?.["nick"]) || textOf(user["global_name"]) || textOf(user["username"]);
  return {
    id: asId<SenderId>(id),
    ...(name && { name }),
    isBot: user["bot"] === true,
    isSelf: id === self,
    ...(roles && roles.length > 0 && { roles }),
  };
}

function timeOf(value: unknown, id: string): number {
  const time = Date.parse(textOf(value));
  return Number.isNaN(time) ? snowflakeTime(id) : time;
}

function decodeMessage(data: PlatformPayload<Message>, facts: DiscordDecodeContext): readonly ChannelEvent[] {
  const id = requireSnowflake(data["id"], "the message");
  const author = asPayload<APIUser>(data["author"]);
  if (!author) throw new Error("the message has no author");
  if (!TEXT_MESSAGE_TYPES.has(data["type"] ?? 0) || author["id"] === facts.self) return [];
  const sender = senderOf(author, asPayload<APIGuildMember>(data["member"]), facts.self);
  const place = placeOf(data, facts, sender.id);
  const media = mediaOf(data);
  const text = textContent(data, facts);
  if (text === "" && media.length === 0 && !mentionsSelf(data, facts)) return [];
  const replyTo = replyOf(data, facts.self);
  const message: InboundMessage = {
    kind: "message",
    eventId: `m:${id}`,
    account: facts.account,
    sentAt: timeOf(data["timestamp"], id),
    origin: facts.origin,
    ...place,
    sender: data["webhook_id"] === undefined ? sender : { ...sender, isBot: true },
    message: asId<MessageId>(id),
    text,
    media,
    mentionsSelf: place.chat.kind === "direct" || mentionsSelf(data, facts),
    ...(replyTo && { replyTo }),
  };
  return [message];
}

/** Written into the text, that is: Discord also lists the author of the message that is replied to as mentioned. */
const mentionsSelf = (data: PlatformPayload<Message>, facts: DiscordDecodeContext): boolean =>
  mentionsOf(facts).some((mention) => textOf(data["content"]).includes(mention));

type SelfContext = Pick<DiscordDecodeContext, "self" | "ownRole">;

/** How a text calls the bot: as a person, also with the older mark for nicknames, or by its own role. */
const mentionsOf = ({ self, ownRole }: SelfContext): readonly string[] => [
  `<@${self}>`,
  `<@!${self}>`,
  ...(ownRole === undefined ? [] : [`<@&${ownRole}>`]),
];

function replyOf(data: PlatformPayload<Message>, self: string): InboundMessage["replyTo"] | null {
  const reference = asPayload<APIMessageReference>(data["message_reference"]);
  if (!reference || !isSnowflake(reference["message_id"]) || (reference["type"] ?? 0) !== 0) return null;
  const original = asPayload<APIMessage>(data["referenced_message"]);
  const text = original ? plainContent(original) || textOfEmbeds(original) : "";
  const isSelf = asPayload<APIUser>(original?.["author"])?.["id"] === self;
  const author = asPayload<APIUser>(original?.["author"]);
  const media = original ? mediaOf(original) : [];
  return {
    id: asId<MessageId>(reference["message_id"]),
    ...(text && { text }),
    ...(author && isSnowflake(author["id"]) && { sender: authorOf(author) }),
    ...(media.length > 0 && { media }),
    isSelf,
  };
}

function authorOf(author: PlatformPayload<APIUser>): NonNullable<NonNullable<InboundMessage["replyTo"]>["sender"]> {
  const name = textOf(author["global_name"]) || textOf(author["username"]);
  return { id: asId<SenderId>(textOf(author["id"])), ...(name && { name }) };
}

/** The text of a message, with what Discord keeps beside it: forwarded messages, stickers, polls, the text of embeds. */
function textContent(data: PlatformPayload<Message>, facts: SelfContext): string {
  const parts = [plainContent(data, facts)];
  for (const snapshot of asPayloads<APIMessageSnapshot>(data["message_snapshots"])) {
    const message = asPayload<APIMessage>(snapshot["message"]) ?? {};
    const forwarded = [plainContent(message), textOfEmbeds(message)].filter(Boolean).join("\n");
    if (forwarded) parts.push(`[forwarded] ${forwarded}`);
  }
  for (const sticker of asPayloads<APIStickerItem>(data["sticker_items"])) parts.push(`[sticker: ${textOf(sticker["name"])}]`);
  const poll = asPayload<APIPoll>(data["poll"]);
  if (poll) {
    const answers = asPayloads<APIPollAnswer>(poll["answers"]).map((answer) =>
      textOf(asPayload<APIPollMedia>(answer["poll_media"])?.["text"]),
    );
    parts.push(`[poll: ${textOf(asPayload<APIPollMedia>(poll["question"])?.["text"])}] ${answers.join(" / ")}`);
  }
  const found = parts.filter((part) => part !== "");
  // Embeds of a person's message are previews that Discord makes of its links; those of an app are what it says.
  const isApp = asPayload<APIUser>(data["author"])?.["bot"] === true || data["webhook_id"] !== undefined;
  const embeds = found.length === 0 || isApp ? textOfEmbeds(data) : "";
  return [...found, embeds].filter(Boolean).join("\n");
}

/** What embeds say: author, title, description and fields. */
function textOfEmbeds(data: PlatformPayload<APIMessage>): string {
  const texts = asPayloads<APIEmbed>(data["embeds"]).map((embed) => [
    textOf(asPayload<APIEmbedAuthor>(embed["author"])?.["name"]),
    textOf(embed["title"]),
    textOf(embed["description"]),
    ...asPayloads<APIEmbedField>(embed["fields"]).map((field) =>
      [textOf(field["name"]), textOf(field["value"])].filter(Boolean).join(": "),
    ),
    textOf(asPayload<APIEmbedFooter>(embed["footer"])?.["text"]),
  ]);
  return texts.flat().filter(Boolean).join("\n");
}

/** The content, without a leading mention of us, and with the names of other people in place of their numbers. */
function plainContent(data: PlatformPayload<APIMessage>, facts?: SelfContext): string {
  const names = new Map(
    asPayloads<APIUser>(data["mentions"]).map((user) => [user["id"], textOf(user["global_name"]) || textOf(user["username"])]),
  );
  const text = textOf(data["content"]);
  const leading = facts && mentionsOf(facts).find((mention) => text.trimStart().startsWith(mention));
  return (
    leading === undefined
      ? text
      : text
          .trimStart()
          .slice(leading.length)
          .replace(/^[\s,:]+/, "")
  )
    .replaceAll(/<@!?(\d{1,20})>/g, (whole, id: string) => (names.get(id) ? `@${names.get(id)}` : whole))
    .replaceAll(/<(a?):(\w+):\d+>/g, ":$2:")
    .trim();
}

function mediaOf(data: PlatformPayload<APIMessage>): readonly MediaRef[] {
  const snapshots = asPayloads<APIMessageSnapshot>(data["message_snapshots"]).flatMap((snapshot) =>
    asPayloads<APIAttachment>(asPayload<APIMessage>(snapshot["message"])?.["attachments"]),
  );
  return [...asPayloads<APIAttachment>(data["attachments"]), ...snapshots].flatMap((file): MediaRef[] => {
    const url = textOf(file["url"]);
    if (url === "") return [];
    const mimeType = textOf(file["content_type"]).split(";")[0]!.trim() || "application/octet-stream";
    const size = file["size"];
    return [
      {
        kind: kindOf(mimeType),
        name: textOf(file["filename"]) || "file",
        mimeType,
        sizeBytes: typeof size === "number" ? size : null,
        url,
      },
    ];
  });
}

function kindOf(mimeType: string): MediaKind {
  const kind = mimeType.split("/")[0]!;
  return kind === "image" || kind === "audio" || kind === "video" ? kind : "file";
}

/** Discord also sends an update when it has looked up a link, or a message was pinned: then nothing was edited. */
function decodeEdit(data: PlatformPayload<Message>, facts: DiscordDecodeContext): readonly ChannelEvent[] {
  const id = requireSnowflake(data["id"], "the message");
  const author = asPayload<APIUser>(data["author"]);
  const at = Date.parse(textOf(data["edited_timestamp"]));
  if (!author || author["id"] === facts.self || Number.isNaN(at) || typeof data["content"] !== "string") return [];
  const sender = senderOf(author, asPayload<APIGuildMember>(data["member"]), facts.self);
  return [
    {
      kind: "edit",
      eventId: `e:${id}:${at}`,
      account: facts.account,
      sentAt: at,
      origin: facts.origin,
      ...placeOf(data, facts, sender.id),
      sender,
      message: asId<MessageId>(id),
      text: textContent(data, facts),
    },
  ];
}

function deletion(data: PlatformPayload<Place>, message: unknown, facts: DiscordDecodeContext): ChannelEvent {
  const id = requireSnowflake(message, "the message");
  const base = { eventId: `d:${id}`, account: facts.account, sentAt: facts.now, origin: facts.origin };
  return { kind: "delete", ...base, ...placeOf(data, facts), message: asId<MessageId>(id) };
}

function decodeReaction(
  data: PlatformPayload<GatewayMessageReactionAddDispatchData>,
  facts: DiscordDecodeContext,
  frame: GatewayFrame,
  added: boolean,
): readonly ChannelEvent[] {
  const user = requireSnowflake(data["user_id"], "the person");
  if (user === facts.self) return [];
  const emoji = asPayload<APIEmoji>(data["emoji"]) ?? {};
  const name = textOf(emoji["name"]);
  const member = asPayload<APIGuildMember>(data["member"]);
  return [
    {
      kind: "reaction",
      eventId: `r:${localEventId(frame, facts)}`,
      account: facts.account,
      sentAt: facts.now,
      origin: facts.origin,
      ...placeOf(data, facts, user),
      sender: senderOf(asPayload<APIUser>(member?.["user"]) ?? { id: user }, member, facts.self),
      message: asId<MessageId>(requireSnowflake(data["message_id"], "the message")),
      emoji: isSnowflake(emoji["id"]) ? `${name}:${emoji["id"]}` : name,
      added,
    },
  ];
}

/** What was asked of us by a slash command or a button. */
export const INTERACTION_TYPE = { applicationCommand: 2, messageComponent: 3 } as const;

function decodeInteraction(data: PlatformPayload<Interaction>, facts: DiscordDecodeContext): readonly ChannelEvent[] {
  const type = data["type"];
  if (type !== INTERACTION_TYPE.applicationCommand && type !== INTERACTION_TYPE.messageComponent) return [];
  const id = requireSnowflake(data["id"], "the interaction");
  const member = asPayload<APIGuildMember>(data["member"]);
  const user = asPayload<APIUser>(member?.["user"]) ?? asPayload<APIUser>(data["user"]);
  if (!user) throw new Error("the interaction has no user");
  const sender = senderOf(user, member, facts.self);
  const base = { account: facts.account, sentAt: snowflakeTime(id), origin: facts.origin, ...placeOf(data, facts, sender.id), sender };
  const details = asPayload<Interaction["data"]>(data["data"]) ?? {};
  if (type === INTERACTION_TYPE.messageComponent) {
    const message = requireSnowflake(asPayload<APIMessage>(data["message"])?.["id"], "the message");
    return [{ kind: "interaction", eventId: `i:${id}`, ...base, message: asId<MessageId>(message), token: textOf(details["custom_id"]) }];
  }
  const values = asPayloads<{ value: unknown }>(details["options"]).map((option) => String(option["value"] ?? ""));
  const text = [`/${textOf(details["name"])}`, ...values].join(" ").trim();
  const via = encodeInteractionRef(id, textOf(data["token"]));
  return [{ kind: "message", eventId: `i:${id}`, ...base, message: asId<MessageId>(id), text, media: [], mentionsSelf: true, via }];
}

const encodeInteractionRef = (id: string, token: string): string => `${id}:${token}`;

/** The interaction that `via` names; null when it is none. */
export function decodeInteractionRef(via: string | undefined): { id: string; token: string } | null {
  const found = /^(\d{1,20}):([\w=-]{1,1000})$/.exec(via ?? "");
  return found ? { id: found[1]!, token: found[2]! } : null;
}
