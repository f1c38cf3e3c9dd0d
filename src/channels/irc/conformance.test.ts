import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { testChannel, type Stage } from "../../../test/channel-kit/conformance.ts";
import { IrcPeer } from "../../../test/channel-kit/irc-peer.ts";
import { noNgircd, startNgircd } from "../../../test/channel-kit/ngircd.ts";
import type { Channel } from "../channel.ts";
import { TIMINGS } from "./connection.ts";
import { createIrcChannel } from "./index.ts";

const irc = createIrcChannel({ timings: { ...TIMINGS, quietMs: 400, pongMs: 400, rejoinMs: 50, nickRetryMs: 100 } }) as Channel;

/** A real server behind a wire that can be cut or go silent, and a person in the bot's room. */
async function openStage(): Promise<Stage> {
  const server = await startNgircd({ password: "pw" });
  const peer = await IrcPeer.join(server.port, "person", ["#stage"], "pw");
  const sockets = new Set<Socket>();
  let silent = false;
  const wire = createServer((client) => {
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
    async close() {
      peer.close();
      cut();
      await new Promise((resolve) => wire.close(resolve));
      await server.close();
    },
  };
}

testChannel(irc, openStage, noNgircd);
