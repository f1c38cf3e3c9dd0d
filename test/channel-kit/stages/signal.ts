import type { Fault, Heard, Person, PlatformStage, StageModule } from "../stage.ts";
import { ADA, BOB, GROUP, NUMBER, SELF_UUID, SignalServer, type Failure, type Human } from "../signal-server.ts";

const HUMANS = [ADA, BOB] as const;
const SELF: Human = { uuid: SELF_UUID, number: NUMBER, name: "robot" };
const FAULTS: Readonly<Record<Fault, Failure>> = {
  limit: { code: -5, message: "Rate limited", results: [{ type: "RATE_LIMIT_FAILURE", retryAfterSeconds: 1 }] },
  before: { code: -32_603, message: "Failed to send message: chat.signal.org (ConnectException)" },
  after: "close-after",
  markup: { code: -1, message: "Invalid style: BOLD" },
};
const humanOf = (person: Person) => HUMANS.find(({ uuid }) => person.id === `uuid:${uuid}`)!;

/** The scripted signal-cli with two people, who share a group with the bot. */
async function open(): Promise<PlatformStage> {
  const server = await SignalServer.start();
  /** When each person has written last in a direct chat. */
  const last = new Map<string, number>();
  const newestInRoom = () => server.shown().findLast(({ to }) => to === GROUP)!;
  return {
    people: [
      { id: `uuid:${ADA.uuid}`, name: ADA.name },
      { id: `uuid:${BOB.uuid}`, name: BOB.name },
    ],
    secrets: [],
    wrong: { key: "account", value: "no number", told: /account: /, hidden: false },
    config: ({ room, preview, ...policy }) => ({
      ...server.config(),
      streaming: { mode: preview ? "partial" : "off" },
      ...policy,
      groups: room ? { [GROUP]: room } : {},
    }),
    say(person, where, text, { mention = false, reply = false, file } = {}) {
      const mentions = mention ? { mentions: [{ name: NUMBER, number: NUMBER, uuid: SELF_UUID, start: 0, length: 1 }] } : {};
      const quote = reply ? { quote: { id: newestInRoom().at, authorNumber: NUMBER, authorUuid: SELF_UUID, text: "x" } } : {};
      const given = file && server.addFile(file.bytes, file.mimeType, file.name);
      const attachments = given ? { attachments: [{ ...given, ...(file.claims !== undefined && { size: file.claims }) }] } : {};
      const more = { from: humanOf(person), group: where !== "direct", ...mentions, ...quote, ...attachments };
      const at = server.say(mention ? `\ufffc ${text}` : text, more);
      if (where === "direct") last.set(person.id, at);
    },
    edit(person, text) {
      const dataMessage = { timestamp: server.now(), message: text, expiresInSeconds: 0, viewOnce: false };
      server.push(server.envelope(humanOf(person), { editMessage: { targetSentTimestamp: last.get(person.id), dataMessage } }));
    },
    remove: (person) => void server.say("", { from: humanOf(person), message: null, remoteDelete: { timestamp: last.get(person.id) } }),
    react(person, emoji) {
      const target = { targetAuthorNumber: NUMBER, targetAuthorUuid: SELF_UUID, targetSentTimestamp: newestInRoom().at };
      server.say("", { from: humanOf(person), group: true, message: null, reaction: { emoji, ...target, isRemove: false } });
    },
    garble: () => void server.say("at no time", { timestamp: "nonsense" }),
    fail: (how, times) => server.fail("send", FAULTS[how], times),
    // A message of ours that was written on another device, and one that comes as if it were somebody's.
    echo() {
      const { at: timestamp, text: message } = newestInRoom();
      const groupInfo = { groupId: GROUP, groupName: "Room", revision: 3, type: "DELIVER" };
      const sentMessage = { timestamp, message, expiresInSeconds: 0, viewOnce: false, groupInfo };
      server.push(server.envelope(SELF, { syncMessage: { sentMessage } }));
      server.say(message, { from: SELF, group: true });
    },
    heard: () =>
      server.shown().map(({ to, text, files, styles }): Heard => {
        const more = { text, marked: styles.length > 0, ...(files[0] && { file: files[0].name }) };
        return to === GROUP ? { where: "room", to, ...more } : { where: "direct", to: `uuid:${to}`, ...more };
      }),
    close: () => server.close(),
  };
}

/** What waits while nobody listens comes later, but what was written to a listener that dies does not come again. */
const without = {
  bots: "Signal does not say who is a bot",
  history: "Signal keeps what nobody has fetched, and gives it out once",
};
const stage: StageModule = { open, skip: false, keeps: false, threads: false, rooms: true, without };
export const { skip, keeps, threads, rooms } = stage;
export { open, without };
