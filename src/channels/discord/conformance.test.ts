import { testChannel, type Stage } from "../../../test/channel-kit/conformance.ts";
import { DiscordServer, OTHER_BOT, ROOM } from "../../../test/channel-kit/discord-server.ts";
import type { Channel } from "../channel.ts";
import { TIMINGS } from "./connection.ts";
import { createDiscordChannel } from "./index.ts";

const discord = createDiscordChannel({ timings: { ...TIMINGS, reidentifyMs: 10, cursorMs: 20, storeRetryMs: 20 } }) as Channel;

async function openStage(): Promise<Stage> {
  const server = await DiscordServer.start();
  return {
    config: server.config(),
    otherConfig: server.config({}, OTHER_BOT),
    refusedConfig: server.config({ token: "bm9ib2R5.AAAA.wrong" }),
    chat: { kind: "channel", id: ROOM },
    push: (text) => void server.push(text),
    sent: () => server.sent().map((message) => message.content),
    drop: (how) => server.drop(how),
    heal: () => server.heal(),
    close: () => server.close(),
  };
}

testChannel(discord, openStage, false);
