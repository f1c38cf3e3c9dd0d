import type { Heard, Person, PlatformStage } from "../stage.ts";
import { WebhookPeer } from "../webhook-peer.ts";

const ROOM = "room-1";
const THREAD = "thread-1";

/** A chat of its own behind the documented contract. */
export async function open(): Promise<PlatformStage> {
  const peer = await new WebhookPeer().start();
  const people: readonly [Person, Person] = [
    { id: "u-ann", name: "Ann" },
    { id: "u-bob", name: "Bob" },
  ];
  return {
    people,
    config: ({ room, ...policy }) => ({
      secret: peer.secret,
      outboundUrl: peer.url,
      ...policy,
      groups: room ? { [ROOM]: room } : {},
    }),
    connected: (http) => void (peer.door = `${http}/channels/webhook`),
    say: (person, where, text, { mention = false } = {}) =>
      peer.push({
        type: "message",
        chat: where === "direct" ? { kind: "direct", id: person.id } : { kind: "group", id: ROOM },
        ...(where === "thread" && { thread: THREAD }),
        sender: person,
        text,
        mentionsSelf: mention,
      }),
    heard: () =>
      peer.messages.map((each): Heard => ({
        where: each.thread ? "thread" : each.chat.kind === "direct" ? "direct" : "room",
        to: each.chat.id,
        text: each.text,
      })),
    repeat: () => peer.repeat(),
    close: () => peer.close(),
  };
}

export const skip = false;
export const keeps = true;
export const threads = true;
export const rooms = true;
