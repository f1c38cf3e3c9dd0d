import type { ChannelCapabilities } from "../../src/channels/channel.ts";

/**
 * The behavior that every channel must show. `level`: `room` scenarios need a channel under its host and a journal in memory; `gateway` scenarios
 * need the whole process, since they are about turns, restarts or policy. `applies` says for which abilities a scenario means something.
 */
export type Scenario = { number: number; name: string; level: "room" | "gateway"; applies: (abilities: ChannelCapabilities) => boolean };

const always = (): boolean => true;
const withAck = (abilities: ChannelCapabilities): boolean => abilities.ack !== "none";
const resumes = (abilities: ChannelCapabilities): boolean => abilities.ack === "session" || abilities.ack === "cursor";
const withRooms = (abilities: ChannelCapabilities): boolean => abilities.chatKinds.some((kind) => kind !== "direct");

const row = (number: number, level: Scenario["level"], name: string, applies: Scenario["applies"] = always): Scenario => ({
  number,
  name,
  level,
  applies,
});

export const SCENARIOS: readonly Scenario[] = [
  row(1, "gateway", "bad configuration is refused with its path, and secrets are masked in the status"),
  row(2, "room", "a first start ends in ready"),
  row(3, "gateway", "an unknown sender gets a pairing code once, is approved, and is then answered"),
  row(4, "gateway", "allowlist, open and disabled direct messages"),
  row(5, "gateway", "room gate, sender gate and mention gate, closed when the block is missing", withRooms),
  row(6, "gateway", "mention by entity, by pattern and by reply", withRooms),
  row(7, "gateway", "pending history is injected and bounded", withRooms),
  row(8, "gateway", "a thread has its own session and is answered in the thread", (abilities) => abilities.chatKinds.includes("channel")),
  row(9, "gateway", "two chats at once, one of them slow"),
  row(10, "room", "ten quick messages keep their order"),
  row(11, "gateway", "/stop overtakes"),
  row(12, "gateway", "a crash between commit and acknowledgement: the redelivery is deduplicated", withAck),
  row(13, "gateway", "a crash after the commit: the message is handled after the restart"),
  row(14, "gateway", "a crash after the send: no duplicate, or reported as unknown"),
  row(15, "gateway", "a crash within a reply of several parts: it continues at the right part"),
  row(16, "gateway", "a redelivery after half an hour and after a restart", withAck),
  row(17, "room", "the connection is lost and restored"),
  row(18, "gateway", "a refused resume: the gap is read from the history, old messages are not answered", resumes),
  row(19, "room", "a half-open socket is detected within the keep-alive deadline"),
  row(20, "room", "a slow first connect does not start a storm of reconnects"),
  row(21, "room", "an idle day: no restart"),
  row(22, "room", "a revoked credential is terminal, visible, and not retried"),
  row(23, "room", "one credential configured twice runs once"),
  row(24, "gateway", "the platform asks to slow down: finals are delivered in order", always),
  row(25, "gateway", "failures before and after the request was written: refused, and unknown"),
  row(26, "gateway", "bad markup falls back to plain text", (abilities) => abilities.markup !== "plain"),
  row(27, "room", "texts around the limit and in every script: within the limit and complete"),
  row(28, "gateway", "media in and out, too large, stalled", (abilities) => abilities.media.in || abilities.media.out),
  row(29, "gateway", "edits, deletions and reactions as events", (abilities) =>
    abilities.events.some((event) => event === "edit" || event === "delete" || event === "reaction"),
  ),
  row(30, "gateway", "buttons: the right person, the wrong one, twice, expired, after a restart", (abilities) => abilities.buttons),
  row(31, "gateway", "preview, then final: one message remains", (abilities) => abilities.edit),
  row(32, "gateway", "the bot's own messages and other bots start no loop"),
  row(33, "gateway", "a room changes its id", (abilities) => abilities.events.includes("migration")),
  row(34, "gateway", "a failing event becomes a dead letter, its lane continues, an operator retries it"),
  row(35, "gateway", "a main loop that is blocked for 30 s loses no connection"),
  row(36, "room", "an unrelated configuration change keeps the connection; a changed credential replaces it"),
  row(37, "room", "a stop ends the connection, and nothing is written after it"),
  row(38, "room", "a burst of 5,000 events: bounded memory, no loss"),
  row(39, "room", "malformed input from the platform ends nothing"),
  row(40, "room", "a stop takes less than two seconds"),
];

/** The scenario with that number. */
export const scenario = (number: number): Scenario => SCENARIOS.find((each) => each.number === number)!;

/** Scenarios of one channel at one level, in order. */
export function scenariosFor(abilities: ChannelCapabilities, level: Scenario["level"]): readonly Scenario[] {
  return SCENARIOS.filter((scenario) => scenario.level === level && scenario.applies(abilities));
}
