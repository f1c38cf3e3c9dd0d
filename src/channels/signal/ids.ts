import { asId, type MessageId } from "../../core/ids.ts";
import type { ChatId } from "../../core/ids.ts";
import type { ChatKind, ReplyTarget } from "../channel.ts";
import { canonicalSignalId, type SignalAccount } from "./config.ts";

/** Signal knows a message by its author and the millisecond in which it was written. */
export type MessageRef = { at: number; /** Null: we. */ author: string | null };

/** `<ms>` for our own messages, `<ms>@<author>` for those of others. */
export function toMessageId({ at, author }: MessageRef): MessageId {
  return asId<MessageId>(author === null ? String(at) : `${at}@${author}`);
}

/** Null when it is not the id of a Signal message. */
export function fromMessageId(id: string): MessageRef | null {
  const found = /^(\d{1,15})(?:@(.{1,200}))?$/.exec(id);
  return found ? { at: Number(found[1]), author: found[2] ?? null } : null;
}

/** A person as signal-cli expects it: the bare id, or the number. */
export const toRecipient = (id: string): string => id.replace(/^uuid:/, "");

/** Who is meant when the author is left out: in a direct chat an operator may name the other's message by its time alone. */
export const authorRecipient = (ref: MessageRef, account: SignalAccount): string =>
  ref.author === null ? account.number : toRecipient(ref.author);

export const isGroup = ({ chat }: Pick<ReplyTarget, "chat">): boolean => chat.kind !== "direct";

/** `+number`, `uuid:<id>` or the id alone, `group:<id>`; each may have `signal:` in front. */
export function toSignalChat(to: string): { kind: ChatKind; id: ChatId } | null {
  const bare = to.trim().replace(/^signal:/i, "");
  if (/^group:/i.test(bare)) return isGroupId(bare.slice(6)) ? { kind: "group", id: asId<ChatId>(bare.slice(6)) } : null;
  const id = canonicalSignalId(bare);
  if (/^(?:uuid:|\+\d)/.test(id)) return { kind: "direct", id: asId<ChatId>(id) };
  return isGroupId(id) ? { kind: "group", id: asId<ChatId>(id) } : null;
}

/** A group's id is 16 or 32 bytes in base64. */
const isGroupId = (id: string): boolean => /^(?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{43}=)$/.test(id);
