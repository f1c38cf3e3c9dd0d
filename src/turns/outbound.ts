import type { Target } from "../channels/channel.ts";
import type { SessionKey } from "../core/ids.ts";
import type { Outbox } from "../store/outbox.ts";

/** What is needed to write down what is to be said on a channel. */
export type OutboundOptions = {
  outbox: Outbox;
  /** The text of one reply, cut into pieces that the channel of `target` can show. */
  split: (target: Target, text: string) => readonly string[];
  /** Text in front of every reply of this session on that channel; empty for none. */
  replyPrefix: (target: Target, sessionKey: SessionKey) => string;
};

/** One thing to be said on a channel. With a session it is a reply. */
export type Intent = { id: string; sessionKey: SessionKey | null; target: Target; text: string; at: number };

/** The line in which the parts of a target leave: one after the other. */
export const conversationOf = (target: Target): string => [target.channel, target.account, target.chat.id, target.thread ?? ""].join("|");

/** Writes what is to be said, in the order in which it is to be said; inside a `store.write`. */
export function addIntent(options: OutboundOptions, intent: Intent): void {
  const { id, sessionKey, target, text, at } = intent;
  if (text.trim() === "" || text.trim() === "NO_REPLY") return;
  const prefix = sessionKey === null ? "" : options.replyPrefix(target, sessionKey);
  options.split(target, prefix === "" ? text : `${prefix} ${text}`).forEach((part, position) => {
    options.outbox.add({
      partKey: `${id}:${position}`,
      intentId: id,
      position,
      runId: id,
      sessionKey,
      conversation: conversationOf(target),
      target,
      text: part,
      at,
    });
  });
}
