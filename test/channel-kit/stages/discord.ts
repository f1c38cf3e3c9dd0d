import { ALICE, BOB, BOT, DIRECT, DIRECT_BOB, DiscordServer, GUILD, ROOM, THREAD } from "../discord-server.ts";
import type { Heard, PlatformStage, StageModule } from "../stage.ts";

const people = [
  { id: ALICE, name: "alice" },
  { id: BOB, name: "bob" },
] as const;
const directs: Readonly<Record<string, string>> = { [ALICE]: DIRECT, [BOB]: DIRECT_BOB };

/** The scripted Discord with one server, one room, one thread in it, and two people. */
async function open(): Promise<PlatformStage> {
  const server = await DiscordServer.start();
  return {
    people,
    config({ room, ...policy }) {
      const { allowFrom, ...rule } = room ?? {};
      const rules = { ...rule, ...(allowFrom && { users: allowFrom }) };
      return { ...server.config(), ...policy, guilds: room ? { [GUILD]: { channels: { [ROOM]: rules } } } : {} };
    },
    say(person, where, text, { mention = false } = {}) {
      const channel = where === "direct" ? directs[person.id]! : where === "room" ? ROOM : THREAD;
      const author = { id: person.id, username: person.name, global_name: null, discriminator: "0", avatar: null };
      server.push(mention ? `<@${BOT}> ${text}` : text, { channel_id: channel, author });
    },
    heard: () =>
      server.sent().map(({ channel_id: channel, content }): Heard => {
        if (channel === ROOM) return { where: "room", to: ROOM, text: content };
        if (channel === THREAD) return { where: "thread", to: ROOM, text: content };
        return { where: "direct", to: channel === DIRECT ? ALICE : BOB, text: content };
      }),
    repeat: () => server.repeat(),
    seen: () => ({ changes: server.closes.length, taken: Math.max(0, ...server.acked.map(Number)) }),
    close: () => server.close(),
  };
}

const stage: StageModule = { open, skip: false, keeps: true, threads: true, rooms: true };
export const { skip, keeps, threads, rooms } = stage;
export { open };
