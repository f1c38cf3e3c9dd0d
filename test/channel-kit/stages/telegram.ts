import { allOf, type Fault, type Heard, type Person, type PlatformStage, type StageModule } from "../stage.ts";
import { PERSON, TelegramServer, TOKEN, type Failure } from "../telegram-server.ts";

type Json = Record<string, unknown>;
type Markup = { inline_keyboard: { text: string; callback_data: string }[][] };
const USERS = [PERSON, { ...PERSON, id: 8, first_name: "Bob", username: "bob" }] as const;
const ROOM = { id: -1_001_234, type: "supergroup", title: "Room", is_forum: true };
const MOVED = { ...ROOM, id: -1_005_678 };
const TOPIC = 42;
const MENTION = "@Test_Bot";
const BOT = { id: Number(TOKEN.split(":")[0]), is_bot: true, first_name: "Test_Bot", username: "Test_Bot" };
const PARROT = { id: 1009, is_bot: true, first_name: "Parrot", username: "Parrot_Bot" };
const FAULTS: Readonly<Record<Fault, Failure>> = {
  limit: { status: 429, description: "Too Many Requests: retry after 1", parameters: { retry_after: 1 } },
  // Something in between refuses it: Telegram has not seen it.
  before: { status: 403, page: "<h1>Forbidden</h1>" },
  after: "close-after",
  markup: { status: 400, description: "Bad Request: can't parse entities: Unsupported start tag at byte offset 10" },
};
const userOf = (person: Person): (typeof USERS)[number] => USERS.find((user) => String(user.id) === person.id)!;
const directOf = (person: Person): Json => ({ id: userOf(person).id, type: "private", first_name: userOf(person).first_name });

/** The scripted Bot API with two people, who share a forum with the bot. */
async function open(): Promise<PlatformStage> {
  const server = await TelegramServer.start();
  const last = new Map<string, Json>();
  let room = ROOM;
  let queries = 0;
  const newestInRoom = () => server.shown().findLast(({ chat }) => chat === String(room.id))!;
  const fileOf = ({
    name,
    mimeType,
    bytes,
    claims = bytes.length,
  }: NonNullable<Parameters<PlatformStage["say"]>[3]>["file"] & {}): Json => {
    const file_id = server.addFile(bytes, name);
    return { document: { file_id, file_name: name, mime_type: mimeType, file_size: claims } };
  };
  return {
    people: [
      { id: String(USERS[0].id), name: "Ada" },
      { id: String(USERS[1].id), name: "Bob" },
    ],
    secrets: [TOKEN, TOKEN.split(":")[1]!],
    wrong: { key: "botToken", value: "wrong-and-secret", told: /botToken: is not a bot token/, hidden: true },
    config: ({ room: rule, preview, ...policy }) => ({
      ...server.config(),
      streaming: { mode: preview ? "partial" : "off" },
      ...policy,
      groups: rule ? { [ROOM.id]: rule } : {},
    }),
    say(person, where, text, { mention = false, reply = false, file } = {}) {
      const chat = where === "direct" ? directOf(person) : room;
      const topic = where === "thread" ? { is_topic_message: true, message_thread_id: TOPIC } : {};
      const entities = mention ? [{ type: "mention", offset: 0, length: MENTION.length }] : [];
      const said = mention ? `${MENTION} ${text}` : text;
      const words = file ? { caption: said, caption_entities: entities, ...fileOf(file) } : { text: said, entities };
      const answered = reply ? { reply_to_message: { message_id: newestInRoom().id, date: 1, chat, from: BOT, text: "x" } } : {};
      const message = server.message({ from: userOf(person), chat, ...words, ...topic, ...answered });
      if (where === "direct") last.set(person.id, message);
      server.push({ message });
    },
    edit: (person, text) =>
      void server.push({ edited_message: { ...last.get(person.id)!, text, edit_date: Math.floor(Date.now() / 1_000) } }),
    react: (person, emoji) =>
      void server.push({
        message_reaction: {
          chat: room,
          message_id: newestInRoom().id,
          user: userOf(person),
          date: Math.floor(Date.now() / 1_000),
          old_reaction: [],
          new_reaction: [{ type: "emoji", emoji }],
        },
      }),
    move() {
      server.push({ message: server.message({ chat: room, text: undefined, migrate_to_chat_id: MOVED.id }) });
      server.upgrade(room.id, MOVED.id);
      room = MOVED;
    },
    garble: () => void server.push({ message: server.message({ chat: { id: "nonsense", type: "private" }, text: "x" }) }),
    fail: (how, times) => allOf(["sendMessage", "editMessageText"].map((method) => server.fail(method, FAULTS[how], times))),
    echo: () => void server.push({ message: server.message({ from: BOT, chat: room, text: newestInRoom().text }) }),
    bot(text) {
      const entities = [{ type: "mention", offset: 0, length: MENTION.length }];
      server.push({ message: server.message({ from: PARROT, chat: room, text: `${MENTION} ${text}`, entities }) });
    },
    heard: () =>
      server.shown().map(({ id, chat, thread, text, file, markup, marked }): Heard => {
        const isRoom = chat === String(ROOM.id) || chat === String(MOVED.id);
        const rows = (markup as Markup | undefined)?.inline_keyboard ?? [];
        const buttons = rows.flat().map((button) => ({
          text: button.text,
          press: (person: Person) => {
            const message = { message_id: id, date: 1, chat: isRoom ? room : directOf(person) };
            server.push({ callback_query: { id: `q${++queries}`, from: userOf(person), data: button.callback_data, message } });
          },
        }));
        const where = !isRoom ? "direct" : thread === undefined ? "room" : "thread";
        return {
          where,
          to: chat,
          text,
          marked: marked === true,
          ...(file !== undefined && { file }),
          ...(buttons.length > 0 && { buttons }),
        };
      }),
    repeat: () => server.again(),
    // Whoever connects begins with getMe.
    seen: () => ({ changes: server.of("getMe").length, taken: server.acked().length }),
    close: () => server.close(),
  };
}

const without = { history: "Telegram keeps what nobody has taken, and shows bots no history" };
const stage: StageModule = { open, skip: false, keeps: true, threads: true, rooms: true, without };
export const { skip, keeps, threads, rooms } = stage;
export { open, without };
