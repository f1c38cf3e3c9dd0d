import type { Heard, PlatformStage, StageModule } from "../stage.ts";
import { ADA, BOB, GROUP, NUMBER, SELF_UUID, SignalServer } from "../signal-server.ts";

const HUMANS = [ADA, BOB] as const;

/** The scripted signal-cli with two people, who share a group with the bot. */
async function open(): Promise<PlatformStage> {
  const server = await SignalServer.start();
  return {
    people: [
      { id: `uuid:${ADA.uuid}`, name: ADA.name },
      { id: `uuid:${BOB.uuid}`, name: BOB.name },
    ],
    config: ({ room, ...policy }) => ({ ...server.config(), ...policy, groups: room ? { [GROUP]: room } : {} }),
    say(person, where, text, { mention = false } = {}) {
      const from = HUMANS.find(({ uuid }) => person.id === `uuid:${uuid}`)!;
      const mentions = mention ? { mentions: [{ name: NUMBER, number: NUMBER, uuid: SELF_UUID, start: 0, length: 1 }] } : {};
      server.say(mention ? `\ufffc ${text}` : text, { from, group: where !== "direct", ...mentions });
    },
    heard: () =>
      server
        .shown()
        .map(({ to, text }): Heard => (to === GROUP ? { where: "room", to, text } : { where: "direct", to: `uuid:${to}`, text })),
    close: () => server.close(),
  };
}

/** What waits while nobody listens comes later, but what was written to a listener that dies does not come again. */
const stage: StageModule = { open, skip: false, keeps: false, threads: false, rooms: true };
export const { skip, keeps, threads, rooms } = stage;
export { open };
