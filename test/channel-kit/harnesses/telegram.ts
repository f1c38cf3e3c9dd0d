import {
  sumCounters,
  type SendFault,
  type BotMessage,
  type PlatformUser,
  type PlatformHarness,
  type HarnessModule,
} from "../platform-harness.ts";
import { PERSON, TelegramServer, TOKEN, type Failure } from "../telegram-server.ts";

type Json = Record<string, unknown>;
type Markup = { inline_keyboard: { text: string; callback_data: string }[][] };
const USERS = [PERSON, { ...PERSON, id: 8, first_name: "Bob", username: "bob" }] as const;
const ROOM = { id: -1_001_234, type: "supergroup", title: "Room", is_forum: true };
const MIGRATED_ROOM = { ...ROOM, id: -1_005_678 };
const TOPIC = 42;
const MENTION = "@Test_Bot";
const BOT = { id: Number(TOKEN.split(":")[0]), is_bot: true, first_name: "Test_Bot", username: "Test_Bot" };
const OTHER_BOT_USER = { id: 1009, is_bot: true, first_name: "Parrot", username: "Parrot_Bot" };
const FAULTS: Readonly<Record<SendFault, Failure>> = {
  limit: { status: 429, description: "Too Many Requests: retry after 1", parameters: { retry_after: 1 } },
  // Something in between refuses it: Telegram has not seen it.
  before: { status: 403, page: "<h1>Forbidden</h1>" },
  after: "close-after",
  markup: { status: 400, description: "Bad Request: can't parse entities: Unsupported start tag at byte offset 10" },
};
const userOf = (person: PlatformUser): (typeof USERS)[number] => USERS.find((user) => String(user.id) === person.id)!;
const directOf = (person: PlatformUser): Json => ({ id: userOf(person).id, type: "private", first_name: userOf(person).first_name });

/** The scripted Bot API with two people, who share a forum with the bot. */
async function open(): Promise<PlatformHarness> {
  const server = await TelegramServer.start();
  const last = new Map<string, Json>();
  let room = ROOM;
  let queries = 0;
  const newestInRoom = () => server.shown().findLast(({ chat }) => chat === String(room.id))!;
  const fileOf = ({
    name,
    mimeType,
    bytes,
    claimedSizeBytes: claims = bytes.length,
  }: NonNullable<Parameters<PlatformHarness["sendMessage"]>[3]>["file"] & {}): Json => {
    const file_id = server.addFile(bytes, name);
    return { document: { file_id, file_name: name, mime_type: mimeType, file_size: claims } };
  };
  return {
    users: [
      { id: String(USERS[0].id), name: "Ada" },
      { id: String(USERS[1].id), name: "Bob" },
    ],
    secrets: [TOKEN, TOKEN.split(":")[1]!],
    invalidSetting: { key: "botToken", value: "wrong-and-secret", message: /botToken: is not a bot token/, isSecret: true },
    config: ({ room: rule, preview, ...policy }) => ({
      ...server.config(),
      streaming: { mode: preview ? "partial" : "off" },
      ...policy,
      groups: rule ? { [ROOM.id]: rule } : {},
    }),
    sendMessage(person, where, text, { mention = false, reply = false, file } = {}) {
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
    editMessage: (person, text) =>
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
    migrateRoom() {
      server.push({ message: server.message({ chat: room, text: undefined, migrate_to_chat_id: MIGRATED_ROOM.id }) });
      server.upgrade(room.id, MIGRATED_ROOM.id);
      room = MIGRATED_ROOM;
    },
    sendMalformed: () => void server.push({ message: server.message({ chat: { id: "nonsense", type: "private" }, text: "x" }) }),
    failSends: (how, times) => sumCounters(["sendMessage", "editMessageText"].map((method) => server.fail(method, FAULTS[how], times))),
    echoBotMessage: () => void server.push({ message: server.message({ from: BOT, chat: room, text: newestInRoom().text }) }),
    sendAsOtherBot(text) {
      const entities = [{ type: "mention", offset: 0, length: MENTION.length }];
      server.push({ message: server.message({ from: OTHER_BOT_USER, chat: room, text: `${MENTION} ${text}`, entities }) });
    },
    botMessages: () =>
      server.shown().map(({ id, chat, thread, text, file, markup, marked }): BotMessage => {
        const isRoom = chat === String(ROOM.id) || chat === String(MIGRATED_ROOM.id);
        const rows = (markup as Markup | undefined)?.inline_keyboard ?? [];
        const buttons = rows.flat().map((button) => ({
          text: button.text,
          click: (person: PlatformUser) => {
            const message = { message_id: id, date: 1, chat: isRoom ? room : directOf(person) };
            server.push({ callback_query: { id: `q${++queries}`, from: userOf(person), data: button.callback_data, message } });
          },
        }));
        const where = !isRoom ? "direct" : thread === undefined ? "room" : "thread";
        return {
          where,
          to: chat,
          text,
          formatted: marked === true,
          ...(file !== undefined && { file }),
          ...(buttons.length > 0 && { buttons }),
        };
      }),
    redeliver: () => server.again(),
    // Every connection begins with getMe.
    connectionCounts: () => ({ changes: server.of("getMe").length, acknowledged: server.acked().length }),
    close: () => server.close(),
  };
}

const inapplicable = { history: "Telegram keeps unacknowledged updates and gives bots no history" };
const harness: HarnessModule = { open, skip: false, storesOffline: true, threads: true, rooms: true, inapplicable };
export const { skip, storesOffline, threads, rooms } = harness;
export { open, inapplicable };
