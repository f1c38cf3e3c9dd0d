import type { Button, ReplyTarget } from "../channels/channel.ts";
import type { SessionKey } from "../core/ids.ts";
import type { StoredFile } from "../store/media.ts";
import type { Outbox, OutboxPart } from "../store/outbox.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { stripMediaLines } from "./outbound-media.ts";
import { isSilentReply, mayBecomeSilentReply } from "./presentation.ts";
import { mayBecomeReplyTag, takeReplyTag, type TaggedReply } from "./reply-tag.ts";

/** Which parts of a reply are shown as the answer to the message: none, the first, all, or the first when several messages were answered together. */
export type ReplyToMode = "off" | "first" | "all" | "batched";

/** What is needed to split replies into outbox parts. */
export type OutboundDeps = {
  outbox: Outbox;
  /** The text of one reply, cut into pieces that the channel of `target` can show. */
  split: (target: ReplyTarget, text: string) => readonly string[];
  /** Text in front of every reply of this session on that channel; empty for none. */
  replyPrefix: (target: ReplyTarget, sessionKey: SessionKey) => string;
  directory: Pick<ChannelLookup, "capabilities">;
  replyToMode: (target: ReplyTarget) => ReplyToMode;
  /** This gateway receives and does not send. Default: it sends. */
  isShadow?: () => boolean;
};

/** What goes out with a text: files after it, buttons under it. */
type IntentExtras = {
  media?: readonly StoredFile[];
  buttons?: readonly (readonly Button[])[];
  /** Several messages are answered together. */
  batched?: boolean;
  /** The run that it is about, where that is not its id; the preview of that run becomes its first part. */
  runId?: string;
};

/** One message for a channel, before it is split. With a session it is a reply. */
export type Intent = { id: string; sessionKey: SessionKey | null; target: ReplyTarget; text: string; at: number } & IntentExtras;

type IntentPart = Pick<OutboxPart, "text"> & { target: ReplyTarget } & Partial<Pick<OutboxPart, "media" | "buttons">>;

/** The queue in which the parts of a target are sent, one after the other. */
export const conversationOf = (target: ReplyTarget): string =>
  [target.channel, target.account, target.chat.id, target.thread ?? ""].join("|");

/** Turns replies into parts of the outbox, and shows what the first part would be. */
export class Outbound {
  readonly #deps: OutboundDeps;

  constructor(deps: OutboundDeps) {
    this.#deps = deps;
  }

  /** Stores a message as parts in sending order; inside a `store.write`. */
  add(intent: Intent): void {
    const { outbox, directory } = this.#deps;
    const { id, sessionKey, target, at, runId = id } = intent;
    const conversation = conversationOf(target);
    // Decided when it is written: the end of shadow mode sends nothing of it.
    const held = this.#deps.isShadow?.() === true;
    const add = (piece: IntentPart, position: number): unknown =>
      outbox.add({ partKey: `${id}:${position}`, intentId: id, position, runId, sessionKey, conversation, at, held, ...piece });
    const pieces = this.#split(intent);
    pieces.forEach(add);
    // Nothing to say, but a preview is visible: this part removes it.
    if (pieces.length === 0 && directory.capabilities(target.channel)?.edit && outbox.previews.get(runId)) add({ target, text: "" }, 0);
  }

  /** The first part if the answer ended here, and where it goes; null while there is nothing to show. */
  preview(intent: Intent): { text: string; target: ReplyTarget } | null {
    const text = stripMediaLines(intent.text);
    const begun = text.trim();
    // An instruction for the gateway that is not complete yet must not be visible.
    if (begun === "" || mayBecomeSilentReply(begun) || mayBecomeReplyTag(begun)) return null;
    const [first] = this.#split({ ...intent, text });
    return first ? { text: first.text, target: first.target } : null;
  }

  /** The pieces of an intent as the channel shows them: text, then files. None when there is nothing to say. */
  #split(intent: Intent): IntentPart[] {
    const { sessionKey, target } = intent;
    const reply = sessionKey === null ? { text: intent.text, to: null } : takeReplyTag(intent.text);
    const abilities = this.#deps.directory.capabilities(target.channel);
    const files = intent.media ?? [];
    const rows = intent.buttons?.filter((row) => row.length > 0) ?? [];
    const shown = [
      isSilentReply(reply.text) || reply.text.trim() === "" ? "" : reply.text,
      ...(abilities?.media.out ? [] : files.map((file) => `[${file.name}]`)),
      ...(abilities?.buttons ? [] : rows.flat().map((button, index) => `${index + 1}. ${button.text}`)),
    ];
    const text = shown.length === 1 ? shown[0]! : shown.filter(Boolean).join("\n");
    const prefix = sessionKey === null || text === "" ? "" : this.#deps.replyPrefix(target, sessionKey);
    const pieces: Omit<IntentPart, "target">[] =
      text === "" ? [] : this.#deps.split(target, prefix === "" ? text : `${prefix} ${text}`).map((part) => ({ text: part }));
    const last = pieces.at(-1);
    if (last && rows.length > 0 && abilities?.buttons) last.buttons = rows;
    if (abilities?.media.out) pieces.push(...files.map((media) => ({ text: "", media })));
    return pieces.map((piece, index) => ({ ...piece, target: this.#partTarget(intent, reply.to, index) }));
  }

  /** A tag counts for the first part, whatever the account's mode is. What an operator sends keeps the requested target. */
  #partTarget(intent: Intent, tag: TaggedReply["to"], position: number): ReplyTarget {
    const { target } = intent;
    if (intent.sessionKey === null) return target;
    if (tag && tag !== "current" && position === 0) return { ...target, replyTo: tag.id };
    if (target.replyTo === undefined) return target;
    const mode = this.#deps.replyToMode(target);
    const first = tag !== null || mode === "first" || (mode === "batched" && intent.batched === true);
    if (mode === "all" || (first && position === 0)) return target;
    const { replyTo: _left, ...rest } = target;
    return rest;
  }
}
