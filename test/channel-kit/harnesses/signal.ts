import type { SendFault, BotMessage, PlatformUser, PlatformHarness, HarnessModule } from "../platform-harness.ts";
import { ADA, BOB, GROUP, NUMBER, SELF_UUID, SignalServer, type Failure, type Human } from "../signal-server.ts";

const USERS = [ADA, BOB] as const;
const SELF: Human = { uuid: SELF_UUID, number: NUMBER, name: "robot" };
const FAULTS: Readonly<Record<SendFault, Failure>> = {
  limit: { code: -5, message: "Rate limited", results: [{ type: "RATE_LIMIT_FAILURE", retryAfterSeconds: 1 }] },
  before: { code: -32_603, message: "Failed to send message: chat.signal.org (ConnectException)" },
  after: "close-after",
  markup: { code: -1, message: "Invalid style: BOLD" },
};
const signalUserOf = (person: PlatformUser) => USERS.find(({ uuid }) => person.id === `uuid:${uuid}`)!;

/** The scripted signal-cli with two people, who share a group with the bot. */
async function open(): Promise<PlatformHarness> {
  const server = await SignalServer.start();
  /** When each person has written last in a direct chat. */
  const last = new Map<string, number>();
  const newestInRoom = () => server.shown().findLast(({ to }) => to === GROUP)!;
  return {
    users: [
      { id: `uuid:${ADA.uuid}`, name: ADA.name },
      { id: `uuid:${BOB.uuid}`, name: BOB.name },
    ],
    secrets: [],
    invalidSetting: { key: "account", value: "no number", message: /account: /, isSecret: false },
    config: ({ room, preview, ...policy }) => ({
      ...server.config(),
      streaming: { mode: preview ? "partial" : "off" },
      ...policy,
      groups: room ? { [GROUP]: room } : {},
    }),
    sendMessage(person, where, text, { mention = false, reply = false, file } = {}) {
      const mentions = mention ? { mentions: [{ name: NUMBER, number: NUMBER, uuid: SELF_UUID, start: 0, length: 1 }] } : {};
      const quote = reply ? { quote: { id: newestInRoom().at, authorNumber: NUMBER, authorUuid: SELF_UUID, text: "x" } } : {};
      const given = file && server.addFile(file.bytes, file.mimeType, file.name);
      const attachments = given
        ? { attachments: [{ ...given, ...(file.claimedSizeBytes !== undefined && { size: file.claimedSizeBytes }) }] }
        : {};
      const more = { from: signalUserOf(person), group: where !== "direct", ...mentions, ...quote, ...attachments };
      const at = server.say(mention ? `\ufffc ${text}` : text, more);
      if (where === "direct") last.set(person.id, at);
    },
    editMessage(person, text) {
      const dataMessage = { timestamp: server.now(), message: text, expiresInSeconds: 0, viewOnce: false };
      server.push(server.envelope(signalUserOf(person), { editMessage: { targetSentTimestamp: last.get(person.id), dataMessage } }));
    },
    deleteMessage: (person) =>
      void server.say("", { from: signalUserOf(person), message: null, remoteDelete: { timestamp: last.get(person.id) } }),
    react(person, emoji) {
      const target = { targetAuthorNumber: NUMBER, targetAuthorUuid: SELF_UUID, targetSentTimestamp: newestInRoom().at };
      server.say("", { from: signalUserOf(person), group: true, message: null, reaction: { emoji, ...target, isRemove: false } });
    },
    sendMalformed: () => void server.say("at no time", { timestamp: "nonsense" }),
    failSends: (how, times) => server.fail("send", FAULTS[how], times),
    // A message of ours that was written on another device, and one that comes as if it were someone's.
    echoBotMessage() {
      const { at: timestamp, text: message } = newestInRoom();
      const groupInfo = { groupId: GROUP, groupName: "Room", revision: 3, type: "DELIVER" };
      const sentMessage = { timestamp, message, expiresInSeconds: 0, viewOnce: false, groupInfo };
      server.push(server.envelope(SELF, { syncMessage: { sentMessage } }));
      server.say(message, { from: SELF, group: true });
    },
    botMessages: () =>
      server.shown().map(({ to, text, files, styles }): BotMessage => {
        const more = { text, formatted: styles.length > 0, ...(files[0] && { file: files[0].name }) };
        return to === GROUP ? { where: "room", to, ...more } : { where: "direct", to: `uuid:${to}`, ...more };
      }),
    close: () => server.close(),
  };
}

/** Messages that wait without a listener are delivered later; messages written to a listener that dies are not repeated. */
const inapplicable = {
  bots: "Signal does not say who is a bot",
  history: "Signal keeps unfetched messages and delivers them once",
};
const harness: HarnessModule = { open, skip: false, storesOffline: false, threads: false, rooms: true, inapplicable: inapplicable };
export const { skip, storesOffline, threads, rooms } = harness;
export { open, inapplicable };
