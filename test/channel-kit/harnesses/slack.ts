import { ADA, APP_TOKEN, BOB, BOT_ID, BOT_TOKEN, BOT_USER, DM, DM_BOB, ROOM, SlackServer, type Failure } from "../slack-server.ts";
import {
  sumCounters,
  type SendFault,
  type BotMessage,
  type PlatformUser,
  type PlatformHarness,
  type HarnessModule,
} from "../platform-harness.ts";

type Json = Record<string, unknown>;
type Block = { elements?: { type: string; action_id: string; value: string; text: { text: string } }[] };
const people = [
  { id: ADA, name: "ada" },
  { id: BOB, name: "bob" },
] as const;
const directs: Readonly<Record<string, string>> = { [ADA]: DM, [BOB]: DM_BOB };
/** The message that has opened the thread. */
const ROOT = "1700000000.000100";
const toEmoji: Readonly<Record<string, string>> = { "👍": "+1" };

const FAULTS: Readonly<Record<SendFault, Failure>> = {
  limit: { status: 429, retryAfter: 1 },
  before: "close-before",
  after: "close-after",
  markup: { error: "invalid_message_text" },
};

/** The scripted Slack with one channel, one thread in it, and two people. */
async function open({ behindMs = 0 }: { behindMs?: number } = {}): Promise<PlatformHarness> {
  const server = await SlackServer.start();
  server.behindMs = behindMs;
  const last = new Map<string, Json>();
  const newestInRoom = () => server.shown().findLast(({ channel }) => channel === ROOM)!;
  const change = (person: PlatformUser, subtype: string, more: Json): void =>
    void server.event({ type: "message", subtype, channel: directs[person.id]!, channel_type: "im", ts: server.ts(), ...more });
  return {
    users: people,
    secrets: [BOT_TOKEN, APP_TOKEN],
    invalidSetting: { key: "botToken", value: "wrong-and-secret", message: /botToken: /, isSecret: true },
    config({ room, preview, ...policy }) {
      const { allowFrom, ...rule } = room ?? {};
      const rules = { ...rule, ...(allowFrom && { users: allowFrom }) };
      return { ...server.config(), streaming: { mode: preview ? "partial" : "off" }, ...policy, channels: room ? { [ROOM]: rules } : {} };
    },
    sendMessage(person, where, text, { mention = false, reply = false, file } = {}) {
      const said = mention ? `<@${BOT_USER}> ${text}` : text;
      const given = file && { subtype: "file_share", files: [server.addFile(file.bytes, file.name, file.mimeType)] };
      if (given && file.claimedSizeBytes !== undefined) given.files[0]!["size"] = file.claimedSizeBytes;
      const thread = reply ? { thread_ts: newestInRoom().ts, parent_user_id: BOT_USER } : where === "thread" ? { thread_ts: ROOT } : {};
      const place = where === "direct" ? { channel: directs[person.id]! } : { channel: ROOM, channel_type: "channel" };
      const message = server.message({ text: said, user: person.id, ...place, ...thread, ...given });
      if (where === "direct") last.set(person.id, message);
      server.event(message);
    },
    editMessage(person, text) {
      const { channel: _c, channel_type: _t, ...before } = last.get(person.id)!;
      const message = { ...before, text, edited: { user: person.id, ts: server.ts() } };
      change(person, "message_changed", { message, previous_message: before });
    },
    deleteMessage(person) {
      const { channel: _c, channel_type: _t, ...before } = last.get(person.id)!;
      change(person, "message_deleted", { deleted_ts: before["ts"], previous_message: before });
    },
    react(person, emoji) {
      const item = { type: "message", channel: ROOM, ts: newestInRoom().ts };
      server.event({ type: "reaction_added", user: person.id, reaction: toEmoji[emoji]!, item, event_ts: server.ts() });
    },
    sendMalformed: () =>
      void server.event({ type: "message", channel: DM, channel_type: "im", user: ADA, text: "at no time", ts: "nonsense" }),
    failSends: (how, times) => sumCounters(["chat.postMessage", "chat.update"].map((method) => server.fail(method, FAULTS[how], times))),
    echoBotMessage() {
      const { ts, text } = newestInRoom();
      server.event({ type: "message", channel: ROOM, channel_type: "channel", user: BOT_USER, bot_id: BOT_ID, ts, text });
    },
    sendAsOtherBot: (text) => void server.sayInRoom(`<@${BOT_USER}> ${text}`, { user: "U000BOT9", bot_id: "B0000009" }),
    openHistoryGap(person, lines) {
      for (const { text, ageMs } of lines) {
        server.behindMs = ageMs;
        server.message({ text, user: person.id, channel: directs[person.id]! });
      }
      server.behindMs = 0;
      server.drop("close");
      server.heal();
    },
    botMessages: () =>
      server.shown().map(({ channel, ts, thread, text, file, blocks }): BotMessage => {
        const buttons = ((blocks as Block[] | undefined) ?? [])
          .flatMap(({ elements = [] }) => elements.filter(({ type }) => type === "button"))
          .map(({ action_id, value, text: label }) => ({
            text: label.text,
            click: (person: PlatformUser) =>
              void server.envelope("interactive", {
                type: "block_actions",
                trigger_id: `t${server.ts()}`,
                user: { id: person.id, name: person.name },
                channel: { id: channel },
                container: { type: "message", message_ts: ts, channel_id: channel, ...(thread !== undefined && { thread_ts: thread }) },
                actions: [{ type: "button", action_id, value }],
              }),
          }));
        const more = { text, formatted: /[*`]/.test(text), ...(file !== undefined && { file }), ...(buttons.length > 0 && { buttons }) };
        if (channel !== ROOM) return { where: "direct", to: channel === DM ? ADA : BOB, ...more };
        return { where: thread === undefined ? "room" : "thread", to: ROOM, ...more };
      }),
    redeliver: () => server.repeat(),
    connectionCounts: () => ({ changes: server.welcomed, acknowledged: server.acked().length }),
    close: () => server.close(),
  };
}

const harness: HarnessModule = { open, skip: false, storesOffline: true, threads: true, rooms: true };
export const { skip, storesOffline, threads, rooms } = harness;
export { open };
