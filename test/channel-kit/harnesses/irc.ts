import { IrcClient } from "../irc-client.ts";
import { IrcFaultProxy, type ProxyFault } from "../irc-fault-proxy.ts";
import { noNgircd, startNgircd } from "../ngircd.ts";
import type { SendFault, BotMessage, PlatformUser, PlatformHarness, HarnessModule } from "../platform-harness.ts";

const BOT = "robot";
const ROOM = "#stage";
const PASSWORD = "password-of-the-server";

const FAULTS: Readonly<Partial<Record<SendFault, ProxyFault>>> = { limit: "slow", before: "lost-before", after: "lost-after" };

/** A real ngircd with two people in the bot's room. */
async function open({ impatient = false }: { impatient?: boolean } = {}): Promise<PlatformHarness> {
  const server = await startNgircd({ password: PASSWORD, ...(impatient && { pingSeconds: 5 }) });
  const wire = await IrcFaultProxy.open(server.port, BOT);
  const peers = new Map<string, IrcClient>();
  const people: PlatformUser[] = [];
  let asked = 0;
  for (const name of ["ann", "bob"]) {
    const peer = await IrcClient.join(server.port, name, [ROOM], PASSWORD);
    peer.say(name, "who am I?");
    await peer.line(/who am I\?/);
    const { prefix } = peer.said().find((line) => line.text === "who am I?")!;
    peer.lines.splice(0);
    peers.set(prefix, peer);
    people.push({ id: prefix, name });
  }
  const heardBy = (person: PlatformUser): BotMessage[] =>
    peers
      .get(person.id)!
      .said()
      .filter((line) => line.from === BOT)
      .map((line) =>
        line.to === ROOM ? { where: "room", to: ROOM, text: line.text } : { where: "direct", to: person.id, text: line.text },
      );
  return {
    users: [people[0]!, people[1]!],
    secrets: [PASSWORD],
    invalidSetting: { key: "nick", value: "no nick", message: /nick: /, isSecret: false },
    config: ({ room, preview: _preview, ...policy }) => ({
      host: "127.0.0.1",
      port: wire.port,
      tls: false,
      nick: BOT,
      password: PASSWORD,
      channels: [ROOM],
      flood: { burst: 100, intervalMs: 1 },
      ...policy,
      groups: room ? { [ROOM]: room } : {},
    }),
    async sendMessage(person, where, text, { mention = false } = {}) {
      const peer = peers.get(person.id)!;
      peer.say(where === "direct" ? BOT : ROOM, mention ? `${BOT}: ${text}` : text);
      // The server handles the lines of a connection in order: its answer means that it has taken the one before.
      const token = `taken${++asked}`;
      peer.raw(`PING ${token}`);
      await peer.line(new RegExp(`PONG .*${token}\\b`));
    },
    failSends: (how, times) => wire.fail(FAULTS[how]!, times),
    // ngircd does neither; servers with echo-message and with bot mode do.
    echoBotMessage() {
      const { prefix, text } = peers
        .get(people[0]!.id)!
        .said()
        .findLast(({ from, to }) => from === BOT && to === ROOM)!;
      wire.setUpstream(`:${prefix} PRIVMSG ${ROOM} :${text}`);
    },
    sendAsOtherBot: (text) => wire.setUpstream(`@bot :parrot!~parrot@localhost PRIVMSG ${ROOM} :${BOT}: ${text}`),
    // Both users receive the messages of the room: each counts once.
    botMessages: () => [...heardBy(people[0]!), ...heardBy(people[1]!).filter((each) => each.where === "direct")],
    // The room hears who comes and goes.
    connectionCounts: () => ({
      changes: peers.get(people[0]!.id)!.lines.filter((line) => line.startsWith(`:${BOT}!`) && / (?:JOIN|QUIT) /.test(line)).length,
      acknowledged: null,
    }),
    async close() {
      for (const peer of peers.values()) peer.close();
      await wire.close();
      await server.close();
    },
  };
}

const inapplicable = {
  replies: "IRC has no replies",
  bots: "few servers say who is a bot, and there is no key that lets those in",
  history: "IRC has no history of messages from before the bot connected",
};
const harness: HarnessModule = { open, skip: noNgircd, storesOffline: false, threads: false, rooms: true, inapplicable };
export const { skip, storesOffline, threads, rooms } = harness;
export { open, inapplicable };
