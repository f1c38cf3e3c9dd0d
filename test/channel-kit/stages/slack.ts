import { ADA, BOB, BOT_USER, DM, DM_BOB, ROOM, SlackServer } from "../slack-server.ts";
import type { Heard, PlatformStage, StageModule } from "../stage.ts";

const people = [
  { id: ADA, name: "ada" },
  { id: BOB, name: "bob" },
] as const;
const directs: Readonly<Record<string, string>> = { [ADA]: DM, [BOB]: DM_BOB };
/** The message that has opened the thread. */
const ROOT = "1700000000.000100";

/** The scripted Slack with one channel, one thread in it, and two people. */
async function open(): Promise<PlatformStage> {
  const server = await SlackServer.start();
  return {
    people,
    config({ room, ...policy }) {
      const { allowFrom, ...rule } = room ?? {};
      return { ...server.config(), ...policy, channels: room ? { [ROOM]: { ...rule, ...(allowFrom && { users: allowFrom }) } } : {} };
    },
    say(person, where, text, { mention = false } = {}) {
      const said = mention ? `<@${BOT_USER}> ${text}` : text;
      if (where === "direct") server.say(said, { user: person.id, channel: directs[person.id]! });
      else server.sayInRoom(said, { user: person.id, ...(where === "thread" && { thread_ts: ROOT }) });
    },
    heard: () =>
      server.shown().map(({ channel, thread, text }): Heard => {
        if (channel !== ROOM) return { where: "direct", to: channel === DM ? ADA : BOB, text };
        return { where: thread === undefined ? "room" : "thread", to: ROOM, text };
      }),
    repeat: () => server.repeat(),
    seen: () => ({ changes: server.welcomed, taken: server.acked().length }),
    close: () => server.close(),
  };
}

const stage: StageModule = { open, skip: false, keeps: true, threads: true, rooms: true };
export const { skip, keeps, threads, rooms } = stage;
export { open };
