import type { Button, MediaUpload, ReplyTarget } from "../channel.ts";

/** Where a message belongs, as the peer named it. */
export type OutboundLocation = { chat: { kind: string; id: string }; thread?: string; replyTo?: string };
export type OutboundFile = { name: string; mimeType: string; sizeBytes: number; /** base64 */ data: string };

/** What the peer gets; `key` is the same for every repetition of the same request. */
export type OutboundEvent = { type: string; key: string } & Partial<OutboundLocation> & Record<string, unknown>;

export function toOutboundLocation({ chat, thread, replyTo }: ReplyTarget): OutboundLocation {
  return { chat: { kind: chat.kind, id: chat.id }, ...(thread !== undefined && { thread }), ...(replyTo !== undefined && { replyTo }) };
}

export async function toOutboundFile(media: MediaUpload): Promise<OutboundFile> {
  const data = Buffer.from(await media.read()).toString("base64");
  return { name: media.name, mimeType: media.mimeType, sizeBytes: media.sizeBytes, data };
}

export const toOutboundButtons = (rows: readonly (readonly Button[])[]): Button[][] =>
  rows.map((row) => row.map(({ text, token }) => ({ text, token })));

/** Ids of the messages that an answer of the peer names; none when it names none. */
export function parseMessageIds(body: unknown): string[] {
  const ids = typeof body === "object" && body !== null ? (body as { ids?: unknown }).ids : undefined;
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string" && id !== "" && id.length <= 200) : [];
}
