import { testConformance, type ConformancePlatform } from "../../../test/channel-kit/conformance.ts";
import { ADA, NUMBER, OTHER_NUMBER, SignalServer } from "../../../test/channel-kit/signal-server.ts";
import type { Channel } from "../channel.ts";
import { SIGNAL_TIMINGS } from "./connection.ts";
import { createSignalChannel } from "./index.ts";

const timings = { ...SIGNAL_TIMINGS, streamQuietMs: 1_500, socketQuietMs: 1_500, openMs: 1_000, storeMs: 20 };
const signal = createSignalChannel({ timings }) as Channel;

/** The conformance suite, over the daemon and over the container. */
function openStage(kind: "external-native" | "container", aliveMs = 100) {
  return async (): Promise<ConformancePlatform> => {
    const server = await SignalServer.start();
    server.keepAliveMs = server.pingMs = aliveMs;
    return {
      config: server.config(undefined, kind),
      otherConfig: server.config(OTHER_NUMBER, kind),
      refusedConfig: server.config("+15550009999", kind),
      chat: { kind: "direct", id: `uuid:${ADA.uuid}` },
      push: (text) => void server.say(text),
      sent: () => server.sent(),
      drop: (how) => server.drop(how),
      heal: () => server.heal(),
      slow: (ms) => void (server.lagMs = ms),
      sendMalformed() {
        for (const envelope of [undefined, [], { dataMessage: 5 }]) server.pushRaw({ account: NUMBER, envelope });
        server.pushRaw({});
        server.push({ dataMessage: { message: "no sender" } });
      },
      close: () => server.close(),
    };
  };
}

for (const kind of ["external-native", "container"] as const)
  testConformance(signal, openStage(kind), false, { channel: createSignalChannel() as Channel, openStage: openStage(kind, 15_000) });
