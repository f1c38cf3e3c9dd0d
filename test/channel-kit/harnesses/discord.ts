import { ALICE, BOB, BOT, DIRECT, DIRECT_BOB, DiscordServer, GUILD, OTHER_BOT, ROOM, THREAD } from "../discord-server.ts";
import type { Failure, Message } from "../discord-server.ts";
import {
  sumCounters,
  type SendFault,
  type BotMessage,
  type PlatformUser,
  type PlatformHarness,
  type HarnessModule,
} from "../platform-harness.ts";

type Row = { components: { label: string; custom_id: string }[] };
const people = [
  { id: ALICE, name: "alice" },
  { id: BOB, name: "bob" },
] as const;
const directs: Readonly<Record<string, string>> = { [ALICE]: DIRECT, [BOB]: DIRECT_BOB };
const userOf = (person: PlatformUser) => ({ id: person.id, username: person.name, global_name: null, discriminator: "0", avatar: null });
const OTHER_BOT_USER = { id: OTHER_BOT, username: "parrot", global_name: null, discriminator: "0", avatar: null, bot: true };
const FAULTS: Readonly<Partial<Record<SendFault, Failure>>> = {
  limit: { status: 429, body: { message: "You are being rate limited.", retry_after: 0.3, global: false } },
  before: "close-before",
  after: "close-after",
};
const BOT_USER = { id: BOT, username: "robot", discriminator: "0", avatar: null, bot: true };

/** The scripted Discord with one server, one room, one thread in it, and two people. */
async function open({ behindMs = 0 }: { behindMs?: number } = {}): Promise<PlatformHarness> {
  const server = await DiscordServer.start();
  server.behindMs = behindMs;
  const last = new Map<string, Message>();
  const sent = (): readonly Message[] => server.sent().filter(({ author }) => author["id"] === BOT);
  const newestInRoom = (): Message => sent().findLast((message) => message.channel_id === ROOM)!;
  const { token } = server.config();
  return {
    users: people,
    secrets: [token],
    invalidSetting: { key: "token", value: "wrong and secret", message: /token: /, isSecret: true },
    config({ room, preview, ...policy }) {
      const { allowFrom, ...rule } = room ?? {};
      const rules = { ...rule, ...(allowFrom && { users: allowFrom }) };
      const streaming = { mode: preview ? "partial" : "off" };
      return { ...server.config(), streaming, ...policy, guilds: room ? { [GUILD]: { channels: { [ROOM]: rules } } } : {} };
    },
    sendMessage(person, where, text, { mention = false, reply = false, file } = {}) {
      const channel = where === "direct" ? directs[person.id]! : where === "room" ? ROOM : THREAD;
      const said = mention ? `<@${BOT}> ${text}` : text;
      const answered = reply && {
        type: 19,
        message_reference: { type: 0, message_id: newestInRoom().id, channel_id: ROOM, guild_id: GUILD },
        referenced_message: { ...newestInRoom(), author: BOT_USER },
      };
      const fields = { channel_id: channel, author: userOf(person), ...answered };
      if (file) {
        const size = file.claimedSizeBytes === undefined ? {} : { size: file.claimedSizeBytes };
        return void server.pushFile(file.name, file.mimeType, file.bytes, { ...fields, content: said, ...size });
      }
      const message = server.push(said, fields);
      if (where === "direct") last.set(person.id, message);
    },
    editMessage: (person, text) => server.pushEdit(last.get(person.id)!, text),
    deleteMessage: (person) => server.pushDelete(last.get(person.id)!),
    react: (person, emoji) => server.pushReaction(newestInRoom().id, emoji, true, person.id),
    sendMalformed: () => server.dispatch("MESSAGE_CREATE", { id: server.id(), channel_id: DIRECT, content: "a message without author" }),
    failSends: (how, times) => sumCounters((["send", "edit"] as const).map((operation) => server.fail(operation, FAULTS[how]!, times))),
    echoBotMessage: () => server.dispatch("MESSAGE_CREATE", { ...newestInRoom(), guild_id: GUILD }),
    sendAsOtherBot: (text) => void server.push(`<@${BOT}> ${text}`, { author: OTHER_BOT_USER }),
    openHistoryGap(person, lines) {
      for (const { text, ageMs } of lines) {
        server.behindMs = ageMs;
        server.push(text, { channel_id: directs[person.id]!, author: userOf(person), quiet: true });
      }
      server.behindMs = 0;
      server.endSessions("quietly");
    },
    botMessages: () =>
      sent().map((message): BotMessage => {
        const { channel_id: channel, content: text } = message;
        const files = (message["files"] as { name: string }[] | undefined) ?? [];
        const rows = (message["components"] as Row[] | undefined) ?? [];
        const buttons = rows
          .flatMap((row) => row.components)
          .map(({ label, custom_id: id }) => ({
            text: label,
            click: (person: PlatformUser) => void server.pushPress(message.id, id, userOf(person)),
          }));
        const more = { ...(files[0] && { file: files[0].name }), ...(buttons.length > 0 && { buttons }) };
        if (channel === ROOM) return { where: "room", to: ROOM, text, ...more };
        if (channel === THREAD) return { where: "thread", to: ROOM, text, ...more };
        return { where: "direct", to: channel === DIRECT ? ALICE : BOB, text, ...more };
      }),
    redeliver: () => server.repeat(),
    connectionCounts: () => ({ changes: server.closes.length, acknowledged: Math.max(0, ...server.acked.map(Number)) }),
    close: () => server.close(),
  };
}

const inapplicable = { refusals: "Discord accepts any markup and shows unknown markup as text" };
const harness: HarnessModule = { open, skip: false, storesOffline: true, threads: true, rooms: true, inapplicable };
export const { skip, storesOffline, threads, rooms } = harness;
export { open, inapplicable };
