import { ALICE, BOB, BOT, DIRECT, DIRECT_BOB, DiscordServer, GUILD, OTHER_BOT, ROOM, THREAD } from "../discord-server.ts";
import type { Failure, Message } from "../discord-server.ts";
import { allOf, type Fault, type Heard, type Person, type PlatformStage, type StageModule } from "../stage.ts";

type Row = { components: { label: string; custom_id: string }[] };
const people = [
  { id: ALICE, name: "alice" },
  { id: BOB, name: "bob" },
] as const;
const directs: Readonly<Record<string, string>> = { [ALICE]: DIRECT, [BOB]: DIRECT_BOB };
const userOf = (person: Person) => ({ id: person.id, username: person.name, global_name: null, discriminator: "0", avatar: null });
const PARROT = { id: OTHER_BOT, username: "parrot", global_name: null, discriminator: "0", avatar: null, bot: true };
const FAULTS: Readonly<Partial<Record<Fault, Failure>>> = {
  limit: { status: 429, body: { message: "You are being rate limited.", retry_after: 0.3, global: false } },
  before: "close-before",
  after: "close-after",
};
const BOT_USER = { id: BOT, username: "robot", discriminator: "0", avatar: null, bot: true };

/** The scripted Discord with one server, one room, one thread in it, and two people. */
async function open({ behindMs = 0 }: { behindMs?: number } = {}): Promise<PlatformStage> {
  const server = await DiscordServer.start();
  server.behindMs = behindMs;
  const last = new Map<string, Message>();
  const sent = (): readonly Message[] => server.sent().filter(({ author }) => author["id"] === BOT);
  const newestInRoom = (): Message => sent().findLast((message) => message.channel_id === ROOM)!;
  const { token } = server.config();
  return {
    people,
    secrets: [token],
    wrong: { key: "token", value: "wrong and secret", told: /token: /, hidden: true },
    config({ room, preview, ...policy }) {
      const { allowFrom, ...rule } = room ?? {};
      const rules = { ...rule, ...(allowFrom && { users: allowFrom }) };
      const streaming = { mode: preview ? "partial" : "off" };
      return { ...server.config(), streaming, ...policy, guilds: room ? { [GUILD]: { channels: { [ROOM]: rules } } } : {} };
    },
    say(person, where, text, { mention = false, reply = false, file } = {}) {
      const channel = where === "direct" ? directs[person.id]! : where === "room" ? ROOM : THREAD;
      const said = mention ? `<@${BOT}> ${text}` : text;
      const answered = reply && {
        type: 19,
        message_reference: { type: 0, message_id: newestInRoom().id, channel_id: ROOM, guild_id: GUILD },
        referenced_message: { ...newestInRoom(), author: BOT_USER },
      };
      const fields = { channel_id: channel, author: userOf(person), ...answered };
      if (file) {
        const size = file.claims === undefined ? {} : { size: file.claims };
        return void server.pushFile(file.name, file.mimeType, file.bytes, { ...fields, content: said, ...size });
      }
      const message = server.push(said, fields);
      if (where === "direct") last.set(person.id, message);
    },
    edit: (person, text) => server.pushEdit(last.get(person.id)!, text),
    remove: (person) => server.pushDelete(last.get(person.id)!),
    react: (person, emoji) => server.pushReaction(newestInRoom().id, emoji, true, person.id),
    garble: () => server.dispatch("MESSAGE_CREATE", { id: server.id(), channel_id: DIRECT, content: "nobody has written this" }),
    fail: (how, times) => allOf((["send", "edit"] as const).map((operation) => server.fail(operation, FAULTS[how]!, times))),
    echo: () => server.dispatch("MESSAGE_CREATE", { ...newestInRoom(), guild_id: GUILD }),
    bot: (text) => void server.push(`<@${BOT}> ${text}`, { author: PARROT }),
    gap(person, lines) {
      for (const { text, ageMs } of lines) {
        server.behindMs = ageMs;
        server.push(text, { channel_id: directs[person.id]!, author: userOf(person), quiet: true });
      }
      server.behindMs = 0;
      server.endSessions("quietly");
    },
    heard: () =>
      sent().map((message): Heard => {
        const { channel_id: channel, content: text } = message;
        const files = (message["files"] as { name: string }[] | undefined) ?? [];
        const rows = (message["components"] as Row[] | undefined) ?? [];
        const buttons = rows
          .flatMap((row) => row.components)
          .map(({ label, custom_id: id }) => ({
            text: label,
            press: (person: Person) => void server.pushPress(message.id, id, userOf(person)),
          }));
        const more = { ...(files[0] && { file: files[0].name }), ...(buttons.length > 0 && { buttons }) };
        if (channel === ROOM) return { where: "room", to: ROOM, text, ...more };
        if (channel === THREAD) return { where: "thread", to: ROOM, text, ...more };
        return { where: "direct", to: channel === DIRECT ? ALICE : BOB, text, ...more };
      }),
    repeat: () => server.repeat(),
    seen: () => ({ changes: server.closes.length, taken: Math.max(0, ...server.acked.map(Number)) }),
    close: () => server.close(),
  };
}

const without = { refusals: "Discord refuses no markup: what it does not know is shown as it was written" };
const stage: StageModule = { open, skip: false, keeps: true, threads: true, rooms: true, without };
export const { skip, keeps, threads, rooms } = stage;
export { open, without };
