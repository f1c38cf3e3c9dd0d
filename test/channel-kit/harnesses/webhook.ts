import type { SendFault, BotMessage, PlatformUser, PlatformHarness, ConversationKind } from "../platform-harness.ts";
import { WebhookPeer } from "../webhook-peer.ts";

const ROOM = "room-1";
const THREAD = "thread-1";
const FAULTS: Readonly<Partial<Record<SendFault, number | "cut-after">>> = { limit: 429, before: 503, after: "cut-after" };
const chatOf = (person: PlatformUser, where: ConversationKind) =>
  where === "direct" ? { kind: "direct", id: person.id } : { kind: "group", id: ROOM };

/** A chat of its own behind the documented contract. */
export async function open(): Promise<PlatformHarness> {
  const peer = await new WebhookPeer().start();
  const last = new Map<string, string>();
  let said = 0;
  const newestInRoom = (): string => peer.messages.findLast(({ chat }) => chat.id === ROOM)!.id;
  const people: readonly [PlatformUser, PlatformUser] = [
    { id: "u-ann", name: "Ann" },
    { id: "u-bob", name: "Bob" },
  ];
  return {
    users: people,
    secrets: [peer.secret],
    invalidSetting: { key: "secret", value: "wrong-and-short", message: /secret: must be a text of at least/, isSecret: true },
    config: ({ room, preview: _preview, ...policy }) => ({
      secret: peer.secret,
      outboundUrl: peer.url,
      ...policy,
      groups: room ? { [ROOM]: room } : {},
    }),
    onGatewayListening: (http) => void (peer.door = `${http}/channels/webhook`),
    async sendMessage(person, where, text, { mention = false, reply = false, file } = {}) {
      const message = `m${++said}`;
      if (where === "direct") last.set(person.id, message);
      if (file) peer.files.set(`/${file.name}`, file.bytes);
      const url = file && new URL(`/${file.name}`, peer.url).href;
      await peer.push({
        type: "message",
        message,
        chat: chatOf(person, where),
        ...(where === "thread" && { thread: THREAD }),
        ...(reply && { replyTo: { id: newestInRoom(), isSelf: true } }),
        ...(file && { media: [{ name: file.name, mimeType: file.mimeType, sizeBytes: file.claimedSizeBytes ?? file.bytes.length, url }] }),
        sender: person,
        text,
        mentionsSelf: mention,
      });
    },
    editMessage: (person, text) =>
      peer.push({ type: "edit", chat: chatOf(person, "direct"), sender: person, message: last.get(person.id)!, text }),
    deleteMessage: (person) => peer.push({ type: "delete", chat: chatOf(person, "direct"), message: last.get(person.id)! }),
    react: (person, emoji) =>
      peer.push({ type: "reaction", chat: chatOf(person, "room"), sender: person, message: newestInRoom(), emoji, added: true }),
    failSends(how, times) {
      const headers = how === "limit" ? { "retry-after": "1" } : {};
      return peer.fail(FAULTS[how]!, times, headers, ["message", "edit"]);
    },
    // Nothing of ours comes back: the contract asks a peer for what others say.
    sendAsOtherBot: (text) =>
      peer.push({
        type: "message",
        message: `m${++said}`,
        chat: { kind: "group", id: ROOM },
        sender: { id: "u-parrot", name: "Parrot", isBot: true },
        text,
        mentionsSelf: true,
      }),
    botMessages: () =>
      peer.messages.map((each): BotMessage => ({
        where: each.thread ? "thread" : each.chat.kind === "direct" ? "direct" : "room",
        to: each.chat.id,
        text: each.text,
        ...(each.files[0] !== undefined && { file: each.files[0].split(":")[0]! }),
        ...(each.buttons && {
          buttons: each.buttons.flat().map(({ text, token }) => ({
            text,
            click: (person: PlatformUser) => peer.push({ type: "press", chat: each.chat, sender: person, message: each.id, token }),
          })),
        }),
      })),
    redeliver: () => peer.repeat(),
    close: () => peer.close(),
  };
}

export const skip = false;
export const storesOffline = true;
export const threads = true;
export const rooms = true;
export const inapplicable = {
  previews: "the contract has no previews",
  refusals: "the peer receives Markdown unchanged and cannot reject it",
  history: "the peer resends unacknowledged events",
};
