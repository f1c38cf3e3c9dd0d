import { testChannel, type Stage } from "../../../test/channel-kit/conformance.ts";
import { ADA, OTHER_NUMBER, SignalServer } from "../../../test/channel-kit/signal-server.ts";
import type { Channel } from "../channel.ts";
import { TIMINGS } from "./connection.ts";
import { createSignalChannel } from "./index.ts";

const timings = { ...TIMINGS, streamQuietMs: 1_500, socketQuietMs: 1_500, openMs: 1_000, storeMs: 20 };
const signal = createSignalChannel({ timings }) as Channel;

/** The conformance suite, over the daemon and over the container. */
function openStage(kind: "external-native" | "container") {
  return async (): Promise<Stage> => {
    const server = await SignalServer.start();
    server.keepAliveMs = server.pingMs = 100;
    return {
      config: server.config(undefined, kind),
      otherConfig: server.config(OTHER_NUMBER, kind),
      refusedConfig: server.config("+15550009999", kind),
      chat: { kind: "direct", id: `uuid:${ADA.uuid}` },
      push: (text) => void server.say(text),
      sent: () => server.sent(),
      drop: (how) => server.drop(how),
      heal: () => server.heal(),
      close: () => server.close(),
    };
  };
}

testChannel(signal, openStage("external-native"), false);
testChannel(signal, openStage("container"), false);
