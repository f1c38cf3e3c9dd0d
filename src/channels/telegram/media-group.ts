import type { JsonObject } from "../../core/json.ts";
import type { ChannelEvent, InboundMessage } from "../channel.ts";

/** Which album an update belongs to; null for every other update. Telegram sends each picture of an album by itself. */
export function mediaGroupOf(update: unknown): string | null {
  const { message, channel_post: post } = (update ?? {}) as JsonObject;
  const raw = (message ?? post ?? {}) as JsonObject;
  const chat = (raw["chat"] ?? {}) as JsonObject;
  return typeof raw["media_group_id"] === "string" ? `${String(chat["id"])} ${raw["media_group_id"]}` : null;
}

/** Makes one message of the pictures of an album, at the place of its first one. Pure. */
export function joinMediaGroups(decoded: readonly { update: unknown; events: readonly ChannelEvent[] }[]): readonly ChannelEvent[] {
  const out: ChannelEvent[] = [];
  const albums = new Map<string, number>();
  for (const { update, events } of decoded) {
    const [event] = events;
    const album = event?.kind === "message" ? mediaGroupOf(update) : null;
    const at = album === null ? undefined : albums.get(album);
    const first = at === undefined ? undefined : out[at];
    if (at !== undefined && first?.kind === "message" && event?.kind === "message") {
      out[at] = joinMessages(first, event);
      continue;
    }
    if (album !== null) albums.set(album, out.length);
    out.push(...events);
  }
  return out;
}

function joinMessages(first: InboundMessage, next: InboundMessage): InboundMessage {
  return {
    ...first,
    text: [first.text, next.text].filter(Boolean).join("\n"),
    media: [...first.media, ...next.media],
    mentionsSelf: first.mentionsSelf || next.mentionsSelf,
  };
}
