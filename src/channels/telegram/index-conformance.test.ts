import { testConformance, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import { OTHER_TOKEN, PERSON, TelegramServer } from "../../../test/channel-kit/telegram-server.ts";
import type { Channel } from "../channel.ts";
import { TELEGRAM_TIMINGS } from "./updates.ts";
import { createTelegramChannel } from "./index.ts";

const telegram = createTelegramChannel({ timings: { ...TELEGRAM_TIMINGS, pollMs: 1_000, graceMs: 500, idleMs: 20 } }) as Channel;

async function openStage(): Promise<ConformancePlatform> {
  const server = await TelegramServer.start();
  return {
    config: server.config(),
    otherConfig: server.config(OTHER_TOKEN),
    refusedConfig: server.config("1003:AArevoked_token"),
    chat: { kind: "direct", id: String(PERSON.id) },
    push: (text) => void server.say(text),
    sent: () => server.sent(),
    drop: (how) => server.drop(how),
    heal: () => server.heal(),
    slow: (ms) => void (server.lagMs = ms),
    sendMalformed() {
      for (const update of [{}, { message: { text: 5 } }, { message: "nonsense" }, { callback_query: [] }]) server.push(update);
    },
    close: () => server.close(),
  };
}

testConformance(telegram, openStage, false, { channel: createTelegramChannel() as Channel, openStage });
