import { isSafeUrl } from "../url.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { asId, type ChatId } from "../../core/ids.ts";
import { contain } from "../../core/contain.ts";
import type { Channel, ChannelContext, Link } from "../channel.ts";
import { containedClock } from "../containment.ts";
import { commandsDigest, registerCommands, toSlashCommands } from "./slash-commands.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { canonicalDiscordId, discordIdentity, intentBits, parseDiscordAccount, type DiscordAccount } from "./config.ts";
import {
  closeError,
  GatewayConnection,
  openGatewaySocket,
  SessionLostError,
  DISCORD_TIMINGS,
  type DiscordTimings,
} from "./gateway-connection.ts";
import { redecodeDiscordEvent } from "./inbound.ts";
import { DiscordLink } from "./link.ts";
import { toDiscord } from "./outbound.ts";
import { DiscordChannelCache } from "./channel-cache.ts";
import { EventReceiver } from "./event-receiver.ts";
import { RestClient, describeFailure } from "./rest-client.ts";
import { decodeDiscordCursor, type SessionInfo } from "./state.ts";
import type { WebSocket } from "../websocket.ts";
import { isSnowflake, asObject, textOf } from "./protocol.ts";

type Options = { timings?: DiscordTimings; clock?: Clock; random?: () => number };
type DiscordDeps = { timings: DiscordTimings; clock: Clock; random: () => number };

/** The Discord channel. Tests give it shorter times; the protocol does not change with them. */
export function createDiscordChannel(options: Options = {}): Channel<DiscordAccount> {
  const tools: DiscordDeps = { timings: DISCORD_TIMINGS, clock: systemClock, random: Math.random, ...options };
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseDiscordAccount,
    identity: discordIdentity,
    canonicalId: canonicalDiscordId,
    toRenderedText: toDiscord,
    redecode: redecodeDiscordEvent,
    parseChat: toDiscordChat,
    isAddressed(account, text) {
      const self = botIdOf(account);
      return self !== null && (text.includes(`<@${self}>`) || text.includes(`<@!${self}>`));
    },
    run: (account, host, live, signal) => runDiscord(account, host, live, signal, tools),
    async verify(account, signal) {
      const rest = new RestClient(account, tools.clock, { onLimited: () => {}, onRefused: () => {} });
      const answer = await rest.call({ method: "GET", path: "/users/@me", signal });
      if (answer.kind === "ok") return { name: textOf(asObject(answer.body)?.["username"]) };
      throw answer.kind === "failed" && answer.status === 401 ? closeError(4004, "") : new Error(describeFailure(answer));
    },
  };
}

/** The bot's own id, which is the first part of its token. */
function botIdOf(account: DiscordAccount): string | null {
  const id = Buffer.from(account.token.reveal().split(".")[0]!, "base64").toString("latin1");
  return isSnowflake(id) ? id : null;
}

/** `user:<id>` or `<@id>` for a person; `channel:<id>`, `<#id>` or the bare id for a channel or a thread. */
function toDiscordChat(to: string): ReturnType<Channel["parseChat"]> {
  const id = canonicalDiscordId(to);
  if (!isSnowflake(id)) return null;
  const isPerson = /^(?:discord:)?user:|^<@[!\d]/i.test(to.trim());
  return { kind: isPerson ? "direct" : "channel", id: asId<ChatId>(id) };
}

async function runDiscord(
  account: DiscordAccount,
  host: ChannelContext,
  live: (link: Link | null) => void,
  signal: AbortSignal,
  { timings, clock: plainClock, random }: DiscordDeps,
): Promise<void> {
  const clock = containedClock(plainClock, host.fail);
  const owner = discordIdentity(account);
  const state = decodeDiscordCursor(host.cursor(), owner);
  const places = new DiscordChannelCache();
  for (const [id, { place }] of state.known) places.set(id, place);
  const rest = new RestClient(account, clock, {
    onLimited: () => host.reportRateLimit(),
    onRefused: () => connection?.close(closeError(4004, "")),
  });
  let connection: GatewayConnection | null = null;
  const socket = await connectGateway({ host, rest, session: state.session, proxy: account.proxy, signal, timings, clock });
  const close = (cause: Error): void => connection?.close(cause);
  const isOpen = (): boolean => connection?.open ?? false;
  const receiver = new EventReceiver({ host, rest, places, clock, timings, owner, signal, close, isOpen }, state);
  const opened = new GatewayConnection(socket, {
    token: account.token,
    intents: intentBits(account),
    timings,
    clock,
    random,
    log: host.log,
    resume: state.session,
    stored: () => receiver.storedSeq(),
    onFrame: (frame) => receiver.add(frame),
    onRead: () => host.reportActivity(),
    onInvalid: () => receiver.forgetSession(),
  });
  connection = opened;
  const stop = contain(host.fail, () => opened.close(new Error("stopped")));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const app = (): string => account.applicationId ?? receiver.self?.app ?? "";
  const greeted = opened.ready.then(
    contain(host.fail, () => {
      live(new DiscordLink({ account, rest, places, clock, log: host.log, app, ownMessage: (nonce) => receiver.ownMessage(nonce) }));
      if (account.nativeCommands) syncCommands(host, rest, receiver, app(), signal);
    }),
    () => undefined,
  );
  const cause = await opened.closed;
  await greeted;
  signal.removeEventListener("abort", stop);
  live(null);
  if (cause instanceof SessionLostError) receiver.forgetSession();
  await receiver.untilIdle();
  if (!signal.aborted) throw cause;
}

/** A failure costs nothing but the list of commands that Discord shows; it is tried again with the next connection. */
function syncCommands(host: ChannelContext, rest: RestClient, receiver: EventReceiver, app: string, signal: AbortSignal): void {
  const commands = toSlashCommands(host.commands);
  const digest = commandsDigest(commands);
  if (!isSnowflake(app) || receiver.commands === digest) return;
  registerCommands(rest, app, commands, signal)
    .then(() => receiver.change((state) => ({ ...state, commands: digest })))
    .catch((err: unknown) => host.log.warn("the slash commands could not be offered", { cause: reasonOf(err) }));
}

type ConnectDeps = Pick<DiscordDeps, "timings" | "clock"> & {
  host: Pick<ChannelContext, "log" | "fail">;
  rest: RestClient;
  session: SessionInfo | null;
  proxy: string | null;
  signal: AbortSignal;
};

/** A socket to the place where the session can be resumed, or to the general one. */
async function connectGateway({ host, rest, session, proxy, signal, timings, clock }: ConnectDeps): Promise<WebSocket> {
  const open = (url: string): Promise<WebSocket> => {
    if (!isSafeUrl(url, "wss:", "ws:")) throw new Error("Discord returned an unencrypted address");
    return openGatewaySocket({ url, clock, timeoutMs: timings.connectMs, proxy, signal, onFailure: host.fail });
  };
  if (session) {
    try {
      return await open(session.url);
    } catch (err) {
      signal.throwIfAborted();
      host.log.info("the address for resuming the session cannot be reached; trying the general one", { cause: reasonOf(err) });
    }
  }
  return open(await fetchGatewayUrl(rest, signal));
}

async function fetchGatewayUrl(rest: RestClient, signal: AbortSignal): Promise<string> {
  const answer = await rest.call({ method: "GET", path: "/gateway/bot", signal });
  if (answer.kind === "limited") throw new GatewayError("RATE_LIMITED", describeFailure(answer), { retryAfterMs: answer.retryAfterMs });
  if (answer.kind === "failed") throw answer.status === 401 ? closeError(4004, "") : new Error(describeFailure(answer));
  const body = asObject(answer.body) ?? {};
  const starts = asObject(body["session_start_limit"]);
  const waitMs = starts?.["reset_after"];
  if (starts?.["remaining"] === 0 && typeof waitMs === "number")
    throw new GatewayError("RATE_LIMITED", "the bot has started too many sessions today", { retryAfterMs: waitMs });
  return textOf(body["url"]);
}

export const channel: Channel = createDiscordChannel() as Channel;
