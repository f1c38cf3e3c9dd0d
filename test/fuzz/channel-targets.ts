import type { Channel } from "../../src/channels/channel.ts";
import { createDiscordChannel } from "../../src/channels/discord/index.ts";
import { DISCORD_TIMINGS as DISCORD } from "../../src/channels/discord/gateway-connection.ts";
import { createIrcChannel } from "../../src/channels/irc/index.ts";
import { IRC_TIMINGS as IRC } from "../../src/channels/irc/connection.ts";
import { createSignalChannel } from "../../src/channels/signal/index.ts";
import { SIGNAL_TIMINGS as SIGNAL } from "../../src/channels/signal/connection.ts";
import { createSlackChannel } from "../../src/channels/slack/index.ts";
import { SLACK_TIMINGS as SLACK } from "../../src/channels/slack/socket-mode.ts";
import { createTelegramChannel } from "../../src/channels/telegram/index.ts";
import { TELEGRAM_TIMINGS as TELEGRAM } from "../../src/channels/telegram/updates.ts";
import { createWebhookChannel } from "../../src/channels/webhook/index.ts";
import type { Clock } from "../../src/core/clock.ts";
import { asId, type AccountId } from "../../src/core/ids.ts";
import { DiscordServer } from "../channel-kit/discord-server.ts";
import type { TestHost } from "../channel-kit/test-host.ts";
import { startScriptedIrc } from "../channel-kit/scripted-irc.ts";
import { NUMBER, SignalServer } from "../channel-kit/signal-server.ts";
import { SlackServer } from "../channel-kit/slack-server.ts";
import { TelegramServer } from "../channel-kit/telegram-server.ts";
import { WebhookPeer } from "../channel-kit/webhook-peer.ts";

type Json = Record<string, unknown>;

/** A scripted platform with one account of a channel on it. */
export type ChannelTarget = {
  channel: Channel;
  config: unknown;
  /** What the platform sends for a message of a person: the shape from which odd events are made. */
  sample(text: string): Json;
  /** Sends one event, whatever it is. Resolves when the platform has sent it. */
  push(event: unknown, testHost: TestHost): void | Promise<void>;
  /** A person says something in a direct conversation. */
  say(text: string, testHost: TestHost): void | Promise<void>;
  /** Events that the channel has not told the platform to have arrived; null where the platform is not told. */
  unacknowledged(): number | null;
  close(): Promise<void>;
};

export const CHANNEL_TARGETS: Readonly<Record<string, (clock: Clock) => Promise<ChannelTarget>>> = {
  irc,
  telegram,
  discord,
  slack,
  signal: (clock) => signal(clock, "external-native"),
  "signal container": (clock) => signal(clock, "container"),
  webhook,
};

const word = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

async function irc(clock: Clock): Promise<ChannelTarget> {
  const server = await startScriptedIrc({
    on(line, say) {
      if (line.startsWith("CAP LS")) say(":s CAP * LS :message-tags server-time");
      else if (line.startsWith("CAP REQ")) say(`:s CAP * ACK :${line.slice(9)}`);
      else if (line === "CAP END") say(":s 001 bot :hi\r\n:s 376 bot :end");
      else if (line.startsWith("PING")) say(`:s PONG s ${line.slice(5)}`);
      else if (line.startsWith("JOIN")) say(`:bot!b@h ${line}`);
    },
  });
  const write = (line: string): void => {
    for (const socket of server.sockets) socket.write(`${line.replaceAll(/[\r\n]/g, " ")}\r\n`);
  };
  return {
    channel: createIrcChannel({ timings: { ...IRC, rejoinMs: 20 }, clock }) as Channel,
    config: { host: "127.0.0.1", port: server.port, tls: false, nick: "bot", channels: ["#a"], flood: { burst: 100, intervalMs: 0 } },
    sample: (text) => ({ tags: "time=2026-01-01T00:00:00.000Z", prefix: "ann!a@h", command: "PRIVMSG", to: "bot", text }),
    push(event) {
      if (typeof event !== "object" || event === null) return write(String(event));
      const { tags, prefix, command, to, text, ...more } = event as Json;
      write(`@${word(tags)} :${word(prefix)} ${word(command)} ${word(to)} ${Object.values(more).map(word).join(" ")} :${word(text)}`);
    },
    say: (text) => write(`:ann!a@h PRIVMSG bot :${text}`),
    unacknowledged: () => null,
    close: () => server.close(),
  };
}

async function telegram(clock: Clock): Promise<ChannelTarget> {
  const server = await TelegramServer.start();
  return {
    channel: createTelegramChannel({ clock, timings: { ...TELEGRAM, pollMs: 1_000, idleMs: 5, albumMs: 5, storeMs: 20 } }) as Channel,
    config: server.config(),
    sample: (text) => ({ message: server.message({ text }) }),
    push: (event) =>
      void server.push(typeof event === "object" && event !== null && !Array.isArray(event) ? (event as Json) : { message: event }),
    say: (text) => void server.say(text),
    unacknowledged: () => server.waiting(),
    close: () => server.close(),
  };
}

async function discord(clock: Clock): Promise<ChannelTarget> {
  const server = await DiscordServer.start();
  return {
    channel: createDiscordChannel({ clock, timings: { ...DISCORD, cursorMs: 5, storeRetryMs: 20, reidentifyMs: 10 } }) as Channel,
    config: server.config(),
    sample: (text) => ({
      type: "MESSAGE_CREATE",
      data: {
        id: server.id(),
        type: 0,
        channel_id: "4000000000000000001",
        content: text,
        author: { id: "7000000000000000001", username: "ann" },
        mentions: [],
        attachments: [],
        timestamp: "2026-01-01T00:00:00Z",
      },
    }),
    push(event) {
      const { type, data } = (typeof event === "object" && event !== null ? event : {}) as Json;
      server.dispatch(
        typeof type === "string" && type !== "READY" && type !== "RESUMED" ? type : "MESSAGE_CREATE",
        (data ?? event) as Json,
      );
    },
    say: (text) => void server.push(text),
    unacknowledged: () => null,
    close: () => server.close(),
  };
}

async function slack(clock: Clock): Promise<ChannelTarget> {
  const server = await SlackServer.start();
  return {
    channel: createSlackChannel({ clock, timings: { ...SLACK, openMs: 2_000, storeMs: 20, retryMs: 20 } }) as Channel,
    config: server.config(),
    sample: (text) => ({
      type: "event_callback",
      team_id: "T1",
      event_id: `Ev${Math.random()}`,
      event_time: 1,
      event: { type: "message", channel: "D1000001", channel_type: "im", user: "U000ADA1", ts: server.ts(), text },
    }),
    push: (event) => void server.envelope("events_api", event as Json),
    say: (text) => void server.say(text),
    unacknowledged: () => server.waiting(),
    close: () => server.close(),
  };
}

async function signal(clock: Clock, kind: "external-native" | "container"): Promise<ChannelTarget> {
  const server = await SignalServer.start();
  return {
    channel: createSignalChannel({ clock, timings: { ...SIGNAL, storeMs: 20 } }) as Channel,
    config: server.config(NUMBER, kind),
    sample: (text) => ({
      account: NUMBER,
      envelope: {
        sourceNumber: "+15550000009",
        sourceUuid: "10000000-0000-4000-8000-000000000009",
        sourceName: "Ann",
        timestamp: server.now(),
        dataMessage: { timestamp: server.now(), message: text },
      },
    }),
    // The account says which daemon it is for; that it stays ours is what makes it an event of this account.
    push: (event) =>
      server.pushRaw({ ...(typeof event === "object" && event !== null ? event : { envelope: event }), account: NUMBER } as Json),
    say: (text) => void server.say(text),
    unacknowledged: () => null,
    close: () => server.close(),
  };
}

const webhookSample = (text: string): Json => ({
  type: "message",
  chat: { kind: "direct", id: "ann" },
  sender: { id: "ann", name: "Ann" },
  text,
});

async function webhook(clock: Clock): Promise<ChannelTarget> {
  const peer = await new WebhookPeer().start();
  let count = 0;
  const push = async (event: unknown, testHost: TestHost): Promise<void> => {
    const body = JSON.stringify(event) ?? "null";
    const headers = peer.sign(`e-${++count}`, body);
    const request = { method: "POST", path: "/", query: "", headers, body: Buffer.from(body) };
    await testHost.host.receive(asId("webhook"), asId<AccountId>("default"), request);
  };
  return {
    channel: createWebhookChannel({ clock }) as Channel,
    config: { secret: peer.secret, outboundUrl: peer.url },
    sample: webhookSample,
    push,
    say: (text, testHost) => push(webhookSample(text), testHost),
    unacknowledged: () => null,
    close: () => peer.close(),
  };
}
