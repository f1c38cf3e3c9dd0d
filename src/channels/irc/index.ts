import { LIMITS } from "../../core/limits.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { silentLog } from "../../core/log.ts";
import { asId, type AccountId, type ChatId } from "../../core/ids.ts";
import { contain } from "../../core/contain.ts";
import type { Channel, ChannelEvent, ChannelContext, Link } from "../channel.ts";
import { containedClock } from "../containment.ts";
import { channelFacts } from "../manifest.ts";
import { DESCRIPTION } from "./description.ts";
import { canonicalIrcId, ircIdentity, parseIrcAccount, type IrcAccount } from "./config.ts";
import { IrcConnection, openIrcSocket, IRC_TIMINGS, type IrcTimings } from "./connection.ts";
import { addressedNick, redecodeIrcEvent, decodeIrcMessage, unreadableIrcEvent, type IrcDecodeContext } from "./inbound.ts";
import type { IrcLine } from "./message-line.ts";
import { IrcLink } from "./link.ts";
import { IrcSession } from "./session.ts";

/** Messages that wait to be stored before reading is paused. */
const PENDING_EVENTS = LIMITS.channelPendingEvents;
const STORE_RETRY_MS = 1_000;
/** How long the answers to JOIN are waited for before the account goes live without them. */
const JOIN_REPORT_MS = 5_000;

/** `decode`: what reads messages; tests give one that fails. */
type Options = { timings?: IrcTimings; clock?: Clock; decode?: typeof decodeIrcMessage };
type IrcDeps = Required<Options>;

/** The IRC channel. Tests give it shorter times; the protocol does not change with them. */
export function createIrcChannel({
  timings = IRC_TIMINGS,
  clock = systemClock,
  decode = decodeIrcMessage,
}: Options = {}): Channel<IrcAccount> {
  const tools: IrcDeps = { timings, clock, decode };
  return {
    ...channelFacts(DESCRIPTION),
    parse: parseIrcAccount,
    identity: ircIdentity,
    canonicalId: canonicalIrcId,
    parseChat: toIrcChat,
    isAddressed: (account, text) => addressedNick(text, { nick: account.nick, casemapping: "rfc1459" }).mentioned,
    redecode: redecodeIrcEvent,
    run: (account, host, live, signal) => runIrc(account, host, live, signal, tools),
    async verify(account, signal) {
      const done = new AbortController();
      const quiet: ChannelContext = {
        admit: async () => {},
        cursor: () => null,
        reportActivity: () => {},
        setState: () => {},
        reportRateLimit: () => {},
        fail: (err) => done.abort(err),
        commands: [],
        log: silentLog,
      };
      const name = Promise.withResolvers<string>();
      const lonely = { ...account, channels: [] };
      const run = runIrc(lonely, quiet, (link, nick) => link && name.resolve(nick), AbortSignal.any([signal, done.signal]), tools);
      try {
        return { name: await Promise.race([name.promise, run.then(() => Promise.reject(new Error("cancelled")))]) };
      } finally {
        done.abort(new Error("verified"));
        await run.catch(() => undefined);
      }
    },
  };
}

/** `#room` or `&room`, else a nick or a whole `nick!user@host`. */
function toIrcChat(to: string): ReturnType<Channel["parseChat"]> {
  if (!/^[^\s,:*][^\s,]{0,254}$/.test(to)) return null;
  return /^[#&+!]/.test(to) ? { kind: "group", id: asId<ChatId>(canonicalIrcId(to)) } : { kind: "direct", id: asId<ChatId>(to) };
}

/** Ids of the lines of a connection to which the server gives none. */
function countedIds(connection: string): () => string {
  let counter = 0;
  return () => `c:${connection}:${++counter}`;
}

async function runIrc(
  account: IrcAccount,
  host: ChannelContext,
  live: (link: Link | null, nick: string) => void,
  signal: AbortSignal,
  { timings, clock: plainClock, decode }: IrcDeps,
): Promise<void> {
  const { fail } = host;
  const clock = containedClock(plainClock, fail);
  const deadline = new AbortController();
  const cancel = clock.after(timings.connectMs, () => deadline.abort(new Error("the server could not be reached in time")));
  const socket = await openIrcSocket(account, AbortSignal.any([signal, deadline.signal])).finally(cancel);
  const inbox = createInbox(host, clock, () => connection);
  const connection = new IrcConnection(socket, {
    flood: account.flood,
    timings,
    clock,
    onRead: () => host.reportActivity(),
    onLine: (line) => session.handle(line),
    onUnreadable: (text, cause) => keepUnreadable(text, cause),
    fail,
  });
  const session: IrcSession = new IrcSession({
    account,
    connection,
    timings,
    clock,
    log: host.log,
    hooks: {
      // "Ready" means that the rooms are joined as well, unless the server leaves us without an answer.
      onRegistered: () =>
        void clock.after(JOIN_REPORT_MS, () => connection.open && !announced && rooms("the server has not answered JOIN yet")),
      onChannelsChanged: (cause) => rooms(cause),
      onMessage: (line) => receive(line),
      onErrorReply: (target, code, text) => link.onErrorReply(target, code, text),
    },
  });
  const link = new IrcLink(connection, session, clock);
  let announced = false;
  function rooms(cause: string | null): void {
    if (!announced) live(link, session.nick);
    announced = true;
    host.setState(cause === null ? "ready" : "degraded", cause ?? undefined);
  }
  const localId = countedIds(connection.id);
  const factsNow = (): Omit<IrcDecodeContext, "localId"> => {
    const { nick, casemapping, chanTypes, statusMarks } = session;
    return { account: asId<AccountId>("default"), nick, casemapping, chanTypes, statusMarks, now: clock.now() };
  };
  function keepUnreadable(text: string, err: unknown): void {
    host.log.error("a line could not be processed; it was skipped", { error: err });
    inbox.add(unreadableIrcEvent(text, factsNow(), localId(), reasonOf(err)));
  }
  function receive(line: IrcLine): void {
    const message = decode(line, { ...factsNow(), localId });
    if (!message) return;
    link.onInbound(message, line);
    if (!message.sender.isSelf) inbox.add(message);
  }
  const stop = contain(fail, () => connection.close(new Error("stopped"), "QUIT :bye"));
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  else session.begin();
  const cause = await connection.closed;
  signal.removeEventListener("abort", stop);
  session.end();
  live(null, session.nick);
  await inbox.settled(signal);
  if (!signal.aborted) throw cause;
}

/**
 * Stores messages in their order, many in one transaction when they come fast. IRC never repeats a message, so one that cannot be
 * stored is kept and tried again, and reading stops when too many wait.
 */
function createInbox(host: ChannelContext, clock: Clock, connection: () => IrcConnection) {
  const waiting: ChannelEvent[] = [];
  let storing: Promise<void> | null = null;
  async function store(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, PENDING_EVENTS);
      try {
        await host.admit(batch);
        waiting.splice(0, batch.length);
      } catch (err) {
        host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: waiting.length });
        if (!connection().open) return;
        host.setState("degraded", `messages cannot be stored: ${reasonOf(err)}`);
        await new Promise<void>((resolve) => void clock.after(STORE_RETRY_MS, resolve));
      }
      if (waiting.length < PENDING_EVENTS) connection().setReading(true);
    }
  }
  function begin(): void {
    storing ??= store()
      .catch((err: unknown) => host.fail(err))
      .finally(() => {
        storing = null;
        if (waiting.length > 0 && connection().open) begin();
      });
  }
  return {
    add(event: ChannelEvent): void {
      waiting.push(event);
      if (waiting.length >= PENDING_EVENTS) connection().setReading(false);
      begin();
    },
    /** Waits for what is being stored, so that a lost connection loses nothing that was read. */
    async settled(signal: AbortSignal): Promise<void> {
      for (let current = storing; current; current = storing) await current;
      if (waiting.length > 0)
        host.log.error("messages were lost because they could not be stored", { count: waiting.length, stopping: signal.aborted });
    },
  };
}

export const channel: Channel = createIrcChannel() as Channel;
