import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { testConformance, type ReconnectPlatform, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import { IrcClient } from "../../../test/channel-kit/irc-client.ts";
import { delayResponse } from "../../../test/channel-kit/response-delay.ts";
import { noNgircd, startNgircd } from "../../../test/channel-kit/ngircd.ts";
import { startScriptedIrc } from "../../../test/channel-kit/scripted-irc.ts";
import type { Channel } from "../channel.ts";
import { IRC_TIMINGS } from "./connection.ts";
import { createIrcChannel } from "./index.ts";

const irc = createIrcChannel({ timings: { ...IRC_TIMINGS, quietMs: 400, pongMs: 400, rejoinMs: 50, nickRetryMs: 100 } }) as Channel;

/** What no server should send. */
const NONSENSE = [
  "",
  ":",
  ":::",
  "@",
  ":a",
  "@=;=; :x",
  "001",
  "433",
  "353 a",
  "JOIN",
  ":x!y@z PRIVMSG",
  ":x!y@z PRIVMSG robot :caf\xe9",
  "x".repeat(60_000),
];

/** A real server behind a wire that can be cut or go silent, and a person in the bot's room. */
async function openStage(): Promise<ConformancePlatform> {
  const server = await startNgircd({ password: "pw" });
  const peer = await IrcClient.join(server.port, "person", ["#stage"], "pw");
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let silent = false;
  const wire = createServer((client) => {
    clients.add(client);
    const upstream = connect(server.port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => !silent && to.write(chunk));
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => wire.once("listening", resolve));
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  const { port } = wire.address() as AddressInfo;
  const config = {
    host: "127.0.0.1",
    port,
    tls: false,
    nick: "robot",
    password: "pw",
    channels: ["#stage"],
    flood: { burst: 100, intervalMs: 1 },
  };
  return {
    config,
    otherConfig: { ...config, nick: "robot2" },
    refusedConfig: { ...config, password: "wrong" },
    chat: { kind: "group", id: "#stage" },
    push: (text) => peer.say("#stage", text),
    sent: () => peer.said().map((line) => line.text),
    drop: (how) => (how === "close" ? cut() : void (silent = true)),
    heal: () => void (silent = false),
    sendMalformed: () => clients.forEach((client) => NONSENSE.forEach((line) => client.write(Buffer.from(`${line}\r\n`, "latin1")))),
    async close() {
      peer.close();
      cut();
      await new Promise((resolve) => wire.close(resolve));
      await server.close();
    },
  };
}

const answer = (line: string, say: (line: string) => void): void => {
  if (line.startsWith("CAP END")) say(":s 001 bot :hi\r\n:s 376 bot :end");
  else if (line.startsWith("CAP LS")) say(":s CAP * LS :server-time");
  else if (line.startsWith("CAP REQ")) say(`:s CAP * ACK :${line.slice(9)}`);
  else if (line.startsWith("PING")) say(`:s PONG s ${line.slice(5)}`);
  else if (line.startsWith("JOIN")) say(`:bot!b@h ${line}`);
};

/** A server of this process, whose time is virtual as well; it is slow where real ones are: before its first word. */
async function openPatientStage(): Promise<ReconnectPlatform> {
  let lagMs = 0;
  let silent = false;
  const begun = new WeakSet<Socket>();
  const server = await startScriptedIrc({
    async on(line, say, socket) {
      if (silent) return;
      if (!begun.has(socket)) {
        begun.add(socket);
        await delayResponse(lagMs);
      }
      answer(line, say);
    },
  });
  const config = { host: "127.0.0.1", port: server.port, tls: false, nick: "bot", channels: ["#stage"] };
  const cut = (): void => server.sockets.forEach((socket) => socket.destroy());
  return {
    config,
    push: (text) => server.sockets.forEach((socket) => socket.write(`:al!a@h PRIVMSG #stage :${text}\r\n`)),
    drop: (how) => (how === "close" ? cut() : void (silent = true)),
    heal() {
      silent = false;
      cut();
    },
    slow: (ms) => void (lagMs = ms),
    close: () => server.close(),
  };
}

testConformance(irc, openStage, noNgircd, { channel: createIrcChannel() as Channel, openStage: openPatientStage });
