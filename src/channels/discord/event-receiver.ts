import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId } from "../../core/ids.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import type { ChannelEvent, ChannelContext } from "../channel.ts";
import type { DiscordTimings } from "./gateway-connection.ts";
import {
  requiredChannelId,
  decodeDiscordEvent,
  INTERACTION_TYPE,
  unreadableDiscordEvent,
  type GatewayFrame,
  type DiscordDecodeContext,
} from "./inbound.ts";
import { toChannelInfo, type DiscordChannelCache } from "./channel-cache.ts";
import { RestError, describeFailure, type RestClient } from "./rest-client.ts";
import {
  encodeDiscordCursor,
  withoutChat,
  withOwn,
  withOwnRole,
  withSeen,
  type ChannelInfo,
  type BotIdentity,
  type DiscordState,
} from "./state.ts";
import { isNewer, isSnowflake, asObject, asObjects, textOf, type DiscordObject } from "./protocol.ts";

/** Frames that are stored in one transaction. */
const BATCH_SIZE = 100;
/** Messages in one page of a conversation's history: the most that Discord gives. */
const PAGE_SIZE = 100;

type QueueItem = { frame: GatewayFrame } | { change: (state: DiscordState) => DiscordState };
/** What one transaction stores, and what is acknowledged to Discord after it. */
type Batch = { count: number; events: ChannelEvent[]; state: DiscordState; answers: DiscordObject[]; isNewSession: boolean };

export type ReceiverDeps = {
  host: ChannelContext;
  rest: RestClient;
  places: DiscordChannelCache;
  clock: Clock;
  timings: DiscordTimings;
  owner: string;
  signal: AbortSignal;
  /** Ends the connection; what is not stored comes again when its session is resumed. */
  close(cause: Error): void;
  isOpen(): boolean;
};

/**
 * Stores the events of one connection in their order, each batch with the cursor from which the session is resumed. Discord repeats what
 * comes behind the cursor, so whatever cannot be stored or understood at this moment ends the connection and is not lost.
 */
export class EventReceiver {
  readonly #deps: ReceiverDeps;
  readonly #queue: QueueItem[] = [];
  /** As it is after the last item that was handled, and as it is stored. */
  #state: DiscordState;
  #stored: DiscordState;
  #self: BotIdentity | null;
  #processing: Promise<void> | null = null;
  #flushing = false;
  /** The session was refused, and no other one is stored yet: its numbers mean nothing any more. */
  #hasFailed = false;
  #timer: (() => void) | null = null;

  constructor(deps: ReceiverDeps, state: DiscordState) {
    this.#deps = deps;
    this.#state = this.#stored = state;
    this.#self = state.self;
  }

  /** Who we are; null before the first READY. */
  get self(): BotIdentity | null {
    return this.#self;
  }

  /** Our message with that nonce, when the session has brought it back; also one that still waits to be handled. */
  ownMessage(nonce: string): string | undefined {
    const waiting = this.#queue.flatMap((item) => ("frame" in item ? (ownMessageOf(item.frame, this.#self?.id) ?? []) : []));
    return this.#state.own.get(nonce) ?? waiting.find((own) => own.nonce === nonce)?.id;
  }

  get commands(): string | null {
    return this.#state.commands;
  }

  /** The number of the last event that is stored. */
  storedSeq(): number | null {
    return this.#hasFailed ? null : (this.#stored.session?.seq ?? null);
  }

  add(frame: GatewayFrame): void {
    if (frame.type === "READY") this.#self = parseSelf(frame.data) ?? this.#self;
    if (this.#queue.length >= DISCORD_LIMITS.pendingFrames)
      return this.#deps.close(new Error("more events arrived than could be stored; Discord repeats them after the reconnect"));
    this.#queue.push({ frame });
    this.#schedule();
  }

  /** Changes what is kept beside the events, behind all that was added before. */
  change(change: (state: DiscordState) => DiscordState): void {
    this.#queue.push({ change });
    this.#schedule();
  }

  /** The session cannot be resumed any more. What came before is stored with it. */
  forgetSession(): void {
    this.#hasFailed = true;
    this.change((state) => ({ ...state, session: null }));
  }

  /** Waits for what is being stored, and stores the cursor. Called once the connection has ended. */
  async untilIdle(): Promise<void> {
    this.#flushing = true;
    this.#schedule();
    for (let current = this.#processing; current; current = this.#processing) await current;
    this.#timer?.();
    if (this.#queue.length > 0)
      this.#deps.host.log.warn("events were not stored; Discord repeats them when the session is resumed", { count: this.#queue.length });
  }

  #schedule(): void {
    this.#processing ??= this.#processQueue().catch((err: unknown) =>
      this.#deps.close(err instanceof Error ? err : new Error(reasonOf(err))),
    );
  }

  async #processQueue(): Promise<void> {
    // Frames come in bursts: those of one read are stored together.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (await this.#processBatch()) {
        if (this.#queue.length > 0) continue;
        if (this.#state === this.#stored) return;
        if (!this.#flushing) return this.#scheduleFlush();
        this.#flushing = false;
        // What comes while this is stored is handled next.
        if (!(await this.#commit([], this.#state))) return;
      }
    } finally {
      // Synchronous with the last check of the queue: later frames start a new run.
      this.#processing = null;
    }
  }

  /** False: something could not be stored, and the connection is gone. */
  async #processBatch(): Promise<boolean> {
    while (this.#queue.length > 0) {
      await this.#backfill();
      const batch = await this.#takeBatch();
      const isDue = batch.events.length > 0 || batch.isNewSession;
      if (isDue && !(await this.#commit(batch.events, batch.state, batch.isNewSession))) return false;
      this.#state = batch.state;
      this.#queue.splice(0, batch.count);
      for (const interaction of batch.answers) this.#acknowledge(interaction);
    }
    return true;
  }

  #scheduleFlush(): void {
    this.#timer ??= this.#deps.clock.after(this.#deps.timings.cursorMs, () => {
      this.#timer = null;
      this.#flushing = true;
      this.#schedule();
    });
  }

  /**
   * False: not stored, and the connection is gone. A new session is tried even then, until the account is stopped: one that is not stored
   * could not be resumed, and what it has brought would be lost with it.
   */
  async #commit(events: readonly ChannelEvent[], state: DiscordState, isNewSession = false): Promise<boolean> {
    const { host, owner, timings, clock, isOpen, signal } = this.#deps;
    for (let failed = false; ; failed = true) {
      try {
        await host.admit(events, encodeDiscordCursor(state, owner));
        this.#stored = state;
        if (isNewSession) this.#hasFailed = false;
        if (failed && isOpen()) host.setState("ready");
        return true;
      } catch (err) {
        host.log.error("events could not be stored; trying again", { cause: reasonOf(err), waiting: this.#queue.length });
        if (signal.aborted || (!isOpen() && !isNewSession)) return false;
        host.setState("degraded", `messages cannot be stored: ${reasonOf(err)}`);
        await new Promise<void>((resolve) => void clock.after(timings.storeRetryMs, resolve));
      }
    }
  }

  /** The items up to the next READY, decoded. A READY stands alone, behind the gap before it. */
  async #takeBatch(): Promise<Batch> {
    const batch: Batch = { count: 0, events: [], state: this.#state, answers: [], isNewSession: false };
    for (const item of this.#queue.slice(0, BATCH_SIZE)) {
      if ("change" in item) batch.state = item.change(batch.state);
      else if (item.frame.type !== "READY") await this.#handle(item.frame, batch);
      else if (batch.count > 0) break;
      else {
        batch.state = applyReady(batch.state, item.frame);
        return { ...batch, count: 1, isNewSession: true };
      }
      batch.count++;
    }
    return batch;
  }

  async #handle(frame: GatewayFrame, batch: Batch): Promise<void> {
    this.#decodeSafely(frame, batch, () => {
      const gone = this.#deps.places.applyEvent(frame.type, frame.data);
      if (gone) batch.state = withoutChat(batch.state, gone.gone);
    });
    const { self, session } = batch.state;
    // Asking for a place may fail because of the network: then the connection ends, and the frame comes again.
    const channel = self && this.#decodeSafely(frame, batch, () => requiredChannelId(frame, self.id));
    const place = channel ? await this.#placeOf(channel, frame, batch.state) : undefined;
    this.#decodeSafely(frame, batch, () => this.#decode(frame, batch, channel ?? null, place));
    if (session) batch.state = { ...batch.state, session: { ...session, seq: Math.max(session.seq, frame.seq) } };
  }

  #decode(frame: GatewayFrame, batch: Batch, channel: string | null, place: ChannelInfo | undefined): void {
    const { self, session } = batch.state;
    if (!self) return;
    const role = ownRoleOf(frame, self.id);
    if (role) batch.state = withOwnRole(batch.state, role.guild, role.id);
    const own = ownMessageOf(frame, self.id);
    if (own) batch.state = withOwn(batch.state, own.nonce, own.id);
    const events = decodeDiscordEvent(
      frame,
      this.#decodeContext(self.id, place, session?.id ?? "", "live", ownRoleIn(batch.state, frame.data, place)),
    );
    batch.events.push(...events);
    if (frame.type === "INTERACTION_CREATE") batch.answers.push(frame.data);
    else batch.state = withSeenEvents(batch.state, events, channel, place);
  }

  /** A frame over which our own code stumbles is kept as unreadable: with an error of the connection it would come again without end. */
  #decodeSafely<T>(frame: GatewayFrame, batch: Batch, read: () => T): T | null {
    try {
      return read();
    } catch (err) {
      this.#deps.host.log.error("an event could not be read; it is kept as unreadable", { type: frame.type, error: err });
      const { self, session } = batch.state;
      batch.events.push(
        unreadableDiscordEvent(frame, this.#decodeContext(self?.id ?? "", undefined, session?.id ?? "", "live", undefined), err),
      );
      return null;
    }
  }

  #decodeContext(
    self: string,
    place: ChannelInfo | undefined,
    session: string,
    origin: DiscordDecodeContext["origin"],
    ownRole: string | undefined,
  ): DiscordDecodeContext {
    const now = this.#deps.clock.now();
    // The host puts the account in.
    return { account: asId<AccountId>("default"), self, place, session, now, origin, ...(ownRole !== undefined && { ownRole }) };
  }

  /** What kind of channel an event belongs to: heard of, said by the event, or asked for. */
  async #placeOf(channel: string, { type, data }: GatewayFrame, state: DiscordState): Promise<ChannelInfo | undefined> {
    const { places, rest, signal } = this.#deps;
    const found = places.get(channel) ?? state.known.get(channel)?.place ?? directChannelOf(type, data);
    if (found) {
      places.set(channel, found);
      return found;
    }
    const guild = isSnowflake(data["guild_id"]) ? data["guild_id"] : undefined;
    const unknown: ChannelInfo = { type: 0, ...(guild !== undefined && { guild }) };
    try {
      const answer = asObject(await rest.callWithRetry({ method: "GET", path: `/channels/${channel}`, signal }, [403, 404]));
      if (!answer) return unknown;
      const place = toChannelInfo(answer, guild);
      places.set(channel, place);
      return place;
    } catch (err) {
      if (!(err instanceof RestError)) throw err;
      this.#deps.host.log.warn("Discord did not describe a channel; it is treated as a text channel", { channel, cause: err.message });
      return unknown;
    }
  }

  /** Reads what was sent in the known conversations between the old and the new session, before the events of the new one. */
  async #backfill(): Promise<void> {
    const first = this.#queue[0];
    if (!first || !("frame" in first) || first.frame.type !== "READY") return;
    const self = this.#self;
    if (!self || this.#state.known.size === 0) return;
    this.#deps.host.log.info("reading the messages since the last session", { conversations: this.#state.known.size });
    for (const [channel, { last, place }] of this.#state.known) {
      let after = last;
      for (let left = DISCORD_LIMITS.backfillMessages; left > 0; left -= PAGE_SIZE) {
        const page = await this.#fetchPage(channel, after);
        if (!page) this.#state = withoutChat(this.#state, channel);
        const newest = page?.at(-1);
        if (!page || !newest) break;
        after = textOf(newest["id"]);
        const events = page.flatMap((message) => {
          const data = { ...message, channel_id: channel, ...(place.guild !== undefined && { guild_id: place.guild }) };
          const facts = this.#decodeContext(
            self.id,
            place,
            `${channel}:${textOf(message["id"])}`,
            "backfill",
            ownRoleIn(this.#state, data, place),
          );
          return decodeDiscordEvent({ seq: 0, type: "MESSAGE_CREATE", data }, facts);
        });
        this.#state = withSeen(this.#state, channel, after, place);
        if (!(await this.#commit(events, this.#state))) throw new Error("the connection was lost while the history was read");
        if (page.length < PAGE_SIZE) break;
      }
    }
  }

  /** Messages behind one, the oldest first; null when the conversation is gone or closed to us. */
  async #fetchPage(channel: string, after: string): Promise<readonly DiscordObject[] | null> {
    const { rest, signal } = this.#deps;
    const path = `/channels/${channel}/messages?after=${after}&limit=${PAGE_SIZE}`;
    const page = await rest.callWithRetry({ method: "GET", path, signal }, [403, 404]);
    if (page === null) return null;
    return asObjects(page)
      .filter((message) => isSnowflake(message["id"]))
      .toSorted((a, b) => (isNewer(textOf(a["id"]), textOf(b["id"])) ? 1 : -1));
  }

  /** Discord wants a sign within three seconds, which it gets only for what is stored. */
  #acknowledge(interaction: DiscordObject): void {
    const { rest, signal, host } = this.#deps;
    const { id, type } = interaction;
    const token = textOf(interaction["token"]);
    const isCommand = type === INTERACTION_TYPE.applicationCommand;
    if (!isSnowflake(id) || !/^[\w=-]+$/.test(token) || (!isCommand && type !== INTERACTION_TYPE.messageComponent)) return;
    const path = `/interactions/${id}/${token}/callback`;
    rest
      .call({ method: "POST", path, body: { type: isCommand ? 5 : 6 }, signal })
      .then((answer) => {
        if (answer.kind !== "ok")
          host.log.warn("Discord rejected the acknowledgement of a command or button", { cause: describeFailure(answer) });
      })
      .catch((err: unknown) => host.log.warn("the acknowledgement of a command or button did not arrive", { cause: reasonOf(err) }));
  }
}

/** A message of our own, with the nonce that we gave it. */
function ownMessageOf({ type, data }: GatewayFrame, self: string | undefined): { nonce: string; id: string } | null {
  const { nonce, id } = data;
  const isOwn = type === "MESSAGE_CREATE" && self !== undefined && asObject(data["author"])?.["id"] === self;
  return isOwn && typeof nonce === "string" && isSnowflake(id) ? { nonce, id } : null;
}

/** The role that Discord manages for the bot itself, where an event tells of the roles of a server. */
function ownRoleOf({ type, data }: GatewayFrame, self: string): { guild: string; id: string } | null {
  const isChange = type === "GUILD_ROLE_CREATE" || type === "GUILD_ROLE_UPDATE";
  if (!isChange && type !== "GUILD_CREATE") return null;
  const guild = isChange ? data["guild_id"] : data["id"];
  const roles = isChange ? [asObject(data["role"]) ?? {}] : asObjects(data["roles"]);
  const id = roles.find((role) => asObject(role["tags"])?.["bot_id"] === self)?.["id"];
  return isSnowflake(guild) && isSnowflake(id) ? { guild, id } : null;
}

function ownRoleIn(state: DiscordState, data: DiscordObject, place: ChannelInfo | undefined): string | undefined {
  const guild = data["guild_id"] ?? place?.guild;
  return isSnowflake(guild) ? state.roles.get(guild) : undefined;
}

function parseSelf(ready: DiscordObject): BotIdentity | null {
  const user = asObject(ready["user"]);
  const app = asObject(ready["application"])?.["id"];
  if (!user || !isSnowflake(user["id"])) return null;
  return { id: user["id"], name: textOf(user["username"]), app: isSnowflake(app) ? app : user["id"] };
}

function applyReady(state: DiscordState, { seq, data }: GatewayFrame): DiscordState {
  const id = textOf(data["session_id"]);
  const url = textOf(data["resume_gateway_url"]);
  return { ...state, self: parseSelf(data) ?? state.self, session: id && url ? { id, seq, url } : null };
}

/** A message without a server was written to us directly: its author is the other person. */
function directChannelOf(type: string, data: DiscordObject): ChannelInfo | undefined {
  const author = asObject(data["author"])?.["id"];
  const isDirect = type === "MESSAGE_CREATE" && data["guild_id"] === undefined && (data["channel_type"] ?? 1) === 1;
  return isDirect && isSnowflake(author) ? { type: 1, peer: author } : undefined;
}

function withSeenEvents(
  state: DiscordState,
  events: readonly ChannelEvent[],
  channel: string | null,
  place: ChannelInfo | undefined,
): DiscordState {
  let next = state;
  for (const event of events)
    if (event.kind === "message" && channel !== null && place) next = withSeen(next, channel, event.message, place);
  return next;
}
