import type { Heard, PlatformStage, StageModule } from "../stage.ts";
import { PERSON, TelegramServer } from "../telegram-server.ts";

const USERS = [PERSON, { ...PERSON, id: 8, first_name: "Bob", username: "bob" }] as const;
const ROOM = { id: -1_001_234, type: "supergroup", title: "Room", is_forum: true };
const TOPIC = 42;
const MENTION = "@Test_Bot";

/** The scripted Bot API with two people, who share a forum with the bot. */
async function open(): Promise<PlatformStage> {
  const server = await TelegramServer.start();
  return {
    people: [
      { id: String(USERS[0].id), name: "Ada" },
      { id: String(USERS[1].id), name: "Bob" },
    ],
    config: ({ room, ...policy }) => ({
      ...server.config(),
      streaming: { mode: "off" },
      ...policy,
      groups: room ? { [ROOM.id]: room } : {},
    }),
    say(person, where, text, { mention = false } = {}) {
      const from = USERS.find((user) => String(user.id) === person.id)!;
      const chat = where === "direct" ? { id: from.id, type: "private", first_name: from.first_name } : ROOM;
      const topic = where === "thread" ? { is_topic_message: true, message_thread_id: TOPIC } : {};
      const entities = mention ? [{ type: "mention", offset: 0, length: MENTION.length }] : [];
      server.push({ message: server.message({ from, chat, text: mention ? `${MENTION} ${text}` : text, entities, ...topic }) });
    },
    heard: () =>
      server.shown().map(({ chat, thread, text }): Heard => {
        const where = chat !== String(ROOM.id) ? "direct" : thread === undefined ? "room" : "thread";
        return { where, to: chat, text };
      }),
    repeat: () => server.again(),
    // Whoever connects begins with getMe.
    seen: () => ({ changes: server.of("getMe").length, taken: server.acked().length }),
    close: () => server.close(),
  };
}

const stage: StageModule = { open, skip: false, keeps: true, threads: true, rooms: true };
export const { skip, keeps, threads, rooms } = stage;
export { open };
