import { testConformance, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import { DM, OTHER_APP, OTHER_BOT, SlackServer } from "../../../test/channel-kit/slack-server.ts";
import type { Channel } from "../channel.ts";
import { SLACK_TIMINGS } from "./socket-mode.ts";
import { createSlackChannel } from "./index.ts";

const slack = createSlackChannel({
  timings: { ...SLACK_TIMINGS, openMs: 500, quietMs: 400, lingerMs: 100, retryMs: 20, storeMs: 20 },
}) as Channel;

async function openStage(pingMs = 50): Promise<ConformancePlatform> {
  const server = await SlackServer.start({ pingMs });
  return {
    config: server.config(),
    otherConfig: server.config(OTHER_BOT, OTHER_APP),
    refusedConfig: server.config("xoxb-1-revoked"),
    chat: { kind: "direct", id: DM },
    push: (text) => void server.say(text),
    sent: () => server.sent(),
    drop: (how) => server.drop(how),
    heal: () => server.heal(),
    slow: (ms) => void (server.lagMs = ms),
    sendMalformed() {
      for (const frame of ["no json", "[1]", '{"type":"new_kind"}']) server.raw(frame);
      server.event({ type: "message", channel: "../x", ts: "1.1", user: "U1", text: "x" });
      server.event({ type: "channel_rename", channel: {} });
    },
    close: () => server.close(),
  };
}

testConformance(slack, openStage, false, { channel: createSlackChannel() as Channel, openStage: () => openStage(15_000) });
