import { testConformance, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import { DiscordServer, OTHER_BOT, ROOM } from "../../../test/channel-kit/discord-server.ts";
import type { Channel } from "../channel.ts";
import { DISCORD_TIMINGS } from "./gateway-connection.ts";
import { createDiscordChannel } from "./index.ts";

const discord = createDiscordChannel({ timings: { ...DISCORD_TIMINGS, reidentifyMs: 10, cursorMs: 20, storeRetryMs: 20 } }) as Channel;

async function openStage(heartbeatMs = 400): Promise<ConformancePlatform> {
  const server = await DiscordServer.start({ heartbeatMs });
  return {
    config: server.config(),
    otherConfig: server.config({}, OTHER_BOT),
    refusedConfig: server.config({ token: "bm9ib2R5.AAAA.wrong" }),
    chat: { kind: "channel", id: ROOM },
    push: (text) => void server.push(text),
    sent: () => server.sent().map((message) => message.content),
    drop: (how) => server.drop(how),
    heal: () => server.heal(),
    slow: (ms) => void (server.lagMs = ms),
    sendMalformed() {
      for (const frame of ["{", "[]", "null", { op: 0, s: "x", t: "MESSAGE_CREATE" }, { op: 99, d: {} }]) server.say(frame);
      server.dispatch("MESSAGE_CREATE", { id: "x", channel_id: ROOM });
      server.dispatch("MESSAGE_CREATE", { id: "1", channel_id: "../../x", author: { id: "2" } });
      server.dispatch("NO_SUCH_EVENT", { a: 1 });
    },
    close: () => server.close(),
  };
}

testConformance(discord, openStage, false, { channel: createDiscordChannel() as Channel, openStage: () => openStage(41_250) });
