import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { asId, type AccountId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelEvent, ChannelHost } from "../channel.ts";
import type { Timings } from "./connection.ts";
import { channelToKnow, decode, INTERACTION, unreadable, type Frame, type InboundFacts } from "./inbound.ts";
import { toPlaceInfo, type Places } from "./places.ts";
import { RestFailure, sentence, type Rest } from "./rest.ts";
import { toCursor, withoutChat, withOwn, withOwnRole, withSeen, type PlaceInfo, type Self, type State } from "./state.ts";
import { isNewer, isSnowflake, record, records, textOf, type Json } from "./wire.ts";

/** Frames that are stored in one transaction. */
const BATCH = 100;
/** Messages in one page of a conversation's history: the most that Discord gives. */
const PAGE = 100;

type Item = { frame: Frame } | { change: (state: State) => State };
/** What one transaction stores, and what Discord is told once that has happened. */
type Batch = { count: number; events: ChannelEvent[]; state: State; answers: Json[]; isNewSession: boolean };

export type ReceiverDeps = {
  host: ChannelHost;
  rest: Rest;
  places: Places;
  clock: Clock;
  timings: Timings;
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
export class Receiver {
  readonly #deps: ReceiverDeps;
  readonly #queue: Item[] = [];
  /** As it is after the last item that was handled, and as it is stored. */
  #state: State;
  #stored: State;
  #self: Self | null;
  #working: Promise<void> | null = null;
  #flushing = false;
  /** The session was refused, and no other one is stored yet: its numbers mean nothing any more. */
  #isRefused = false;
  #timer: (() => void) | null = null;

  constructor(deps: ReceiverDeps, state: State) {
    this.#deps = deps;
    this.#state = this.#stored = state;
    this.#self = state.self;
  }

  /** Who we are; null before the first READY. */
  get self(): Self | null {
    return this.#self;
  }

  /** Our message with that nonce, when the session has brought it back; also one that still waits to be handled. */
  ownMessage(nonce: string): string | undefined {
    const waiting = this.#queue.flatMap((item) => ("frame" in item ? (ownOf(item.frame, this.#self?.id) ?? []) : []));
    return this.#state.own.get(nonce) ?? waiting.find((own) => own.nonce === nonce)?.id;
  }

  get commands(): string | null {
    return this.#state.commands;
  }

  /** The number of the last event that is stored. */
  storedSeq(): number | null {
    return this.#isRefused ? null : (this.#stored.session?.seq ?? null);
  }

  add(frame: Frame): void {
    if (frame.type === "READY") this.#self = toSelf(frame.data) ?? this.#self;
    if (this.#queue.length >= LIMITS.discordPendingFrames)
      return this.#deps.close(new Error("more events came than could be stored; they come again with the next connection"));
    this.#queue.push({ frame });
    this.#begin();
  }

  /** Changes what is kept beside the events, behind all that was added before. */
  change(change: (state: State) => State): void {
    this.#queue.push({ change });
    this.#begin();
  }

  /** The session cannot be resumed any more. What came before is stored with it. */
  forgetSession(): void {
    this.#isRefused = true;
    this.change((state) => ({ ...state, session: null }));
  }

  /** Waits for what is being stored, and stores the cursor. Called once the connection has ended. */
  async settled(): Promise<void> {
    this.#flushing = true;
    this.#begin();
    for (let current = this.#working; current; current = this.#working) await current;
    this.#timer?.();
    if (this.#queue.length > 0)
      this.#deps.host.log.warn("events were not stored; Discord repeats them when the session is resumed", { count: this.#queue.length });
  }

  #begin(): void {
    this.#working ??= this.#work().catch((err: unknown) => this.#deps.close(err instanceof Error ? err : new Error(reasonOf(err))));
  }

  async #work(): Promise<void> {
    // Frames come in bursts: those of one read are stored together.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (await this.#handleAll()) {
        if (this.#queue.length > 0) continue;
        if (this.#state === this.#stored) return;
        if (!this.#flushing) return this.#flushLater();
        this.#flushing = false;
        // What comes while this is stored is handled next.
        if (!(await this.#commit([], this.#state))) return;
      }
    } finally {
      // In one step with the last look at the queue: what comes from here on begins anew.
      this.#working = null;
    }
  }

  /** False: something could not be stored, and the connection is gone. */
  async #handleAll(): Promise<boolean> {
    while (this.#queue.length > 0) {
      await this.#mendGap();
      const batch = await this.#prepare();
      const isDue = batch.events.length > 0 || batch.isNewSession;
      if (isDue && !(await this.#commit(batch.events, batch.state, batch.isNewSession))) return false;
      this.#state = batch.state;
      this.#queue.splice(0, batch.count);
      for (const interaction of batch.answers) this.#acknowledge(interaction);
    }
    return true;
  }

  #flushLater(): void {
    this.#timer ??= this.#deps.clock.after(this.#deps.timings.cursorMs, () => {
      this.#timer = null;
      this.#flushing = true;
      this.#begin();
    });
  }

  /**
   * False: not stored, and the connection is gone. A new session is tried even then, until the account is stopped: one that is not stored
   * could not be resumed, and what it has brought would be lost with it.
   */
  async #commit(events: readonly ChannelEvent[], state: State, isNewSession = false): Promise<boolean> {
    const { host, owner, timings, clock, isOpen, signal } = this.#deps;
    for (let failed = false; ; failed = true) {
      try {
        await host.admit(events, toCursor(state, owner));
        this.#stored = state;
        if (isNewSession) this.#isRefused = false;
        if (failed && isOpen()) host.state("ready");
        return true;
      } catch (err) {
        host.log.error("events could not be stored; trying again", { cause: reasonOf(err), waiting: this.#queue.length });
        if (signal.aborted || (!isOpen() && !isNewSession)) return false;
        host.state("degraded", `messages cannot be stored: ${reasonOf(err)}`);
        await new Promise<void>((resolve) => void clock.after(timings.storeRetryMs, resolve));
      }
    }
  }

  /** The items up to the next READY, decoded. A READY stands alone, behind the gap before it. */
  async #prepare(): Promise<Batch> {
    const batch: Batch = { count: 0, events: [], state: this.#state, answers: [], isNewSession: false };
    for (const item of this.#queue.slice(0, BATCH)) {
      if ("change" in item) batch.state = item.change(batch.state);
      else if (item.frame.type !== "READY") await this.#handle(item.frame, batch);
      else if (batch.count > 0) break;
      else {
        batch.state = afterReady(batch.state, item.frame);
        return { ...batch, count: 1, isNewSession: true };
      }
      batch.count++;
    }
    return batch;
  }

  async #handle(frame: Frame, batch: Batch): Promise<void> {
    this.#readable(frame, batch, () => {
      const gone = this.#deps.places.learn(frame.type, frame.data);
      if (gone) batch.state = withoutChat(batch.state, gone.gone);
    });
    const { self, session } = batch.state;
    // Asking for a place may fail because of the network: then the connection ends, and the frame comes again.
    const channel = self && this.#readable(frame, batch, () => channelToKnow(frame, self.id));
    const place = channel ? await this.#placeOf(channel, frame, batch.state) : undefined;
    this.#readable(frame, batch, () => this.#read(frame, batch, channel ?? null, place));
    if (session) batch.state = { ...batch.state, session: { ...session, seq: Math.max(session.seq, frame.seq) } };
  }

  #read(frame: Frame, batch: Batch, channel: string | null, place: PlaceInfo | undefined): void {
    const { self, session } = batch.state;
    if (!self) return;
    const role = ownRoleOf(frame, self.id);
    if (role) batch.state = withOwnRole(batch.state, role.guild, role.id);
    const own = ownOf(frame, self.id);
    if (own) batch.state = withOwn(batch.state, own.nonce, own.id);
    const events = decode(frame, this.#facts(self.id, place, session?.id ?? "", "live", ownRoleIn(batch.state, frame.data, place)));
    batch.events.push(...events);
    if (frame.type === "INTERACTION_CREATE") batch.answers.push(frame.data);
    else batch.state = remembering(batch.state, events, channel, place);
  }

  /** A frame over which our own code stumbles is kept as unreadable: with an error of the connection it would come again without end. */
  #readable<T>(frame: Frame, batch: Batch, read: () => T): T | null {
    try {
      return read();
    } catch (err) {
      this.#deps.host.log.error("an event could not be read; it is kept as unreadable", { type: frame.type, error: err });
      const { self, session } = batch.state;
      batch.events.push(unreadable(frame, this.#facts(self?.id ?? "", undefined, session?.id ?? "", "live", undefined), err));
      return null;
    }
  }

  #facts(
    self: string,
    place: PlaceInfo | undefined,
    session: string,
    origin: InboundFacts["origin"],
    ownRole: string | undefined,
  ): InboundFacts {
    const now = this.#deps.clock.now();
    // The host puts the account in.
    return { account: asId<AccountId>("default"), self, place, session, now, origin, ...(ownRole !== undefined && { ownRole }) };
  }

  /** What kind of channel an event belongs to: heard of, said by the event, or asked for. */
  async #placeOf(channel: string, { type, data }: Frame, state: State): Promise<PlaceInfo | undefined> {
    const { places, rest, signal } = this.#deps;
    const found = places.get(channel) ?? state.known.get(channel)?.place ?? direct(type, data);
    if (found) {
      places.set(channel, found);
      return found;
    }
    const guild = isSnowflake(data["guild_id"]) ? data["guild_id"] : undefined;
    const unknown: PlaceInfo = { type: 0, ...(guild !== undefined && { guild }) };
    try {
      const answer = record(await rest.patient({ method: "GET", path: `/channels/${channel}`, signal }, [403, 404]));
      if (!answer) return unknown;
      const place = toPlaceInfo(answer, guild);
      places.set(channel, place);
      return place;
    } catch (err) {
      if (!(err instanceof RestFailure)) throw err;
      this.#deps.host.log.warn("Discord does not say what a channel is; it is taken for a plain one", { channel, cause: err.message });
      return unknown;
    }
  }

  /** Before the events of a new session: what was said in the known conversations since the old one. */
  async #mendGap(): Promise<void> {
    const first = this.#queue[0];
    if (!first || !("frame" in first) || first.frame.type !== "READY") return;
    const self = this.#self;
    if (!self || this.#state.known.size === 0) return;
    this.#deps.host.log.info("reading what was said since the last session", { conversations: this.#state.known.size });
    for (const [channel, { last, place }] of this.#state.known) {
      let after = last;
      for (let left = LIMITS.discordBackfillMessages; left > 0; left -= PAGE) {
        const page = await this.#page(channel, after);
        if (!page) this.#state = withoutChat(this.#state, channel);
        const newest = page?.at(-1);
        if (!page || !newest) break;
        after = textOf(newest["id"]);
        const events = page.flatMap((message) => {
          const data = { ...message, channel_id: channel, ...(place.guild !== undefined && { guild_id: place.guild }) };
          const facts = this.#facts(self.id, place, `${channel}:${textOf(message["id"])}`, "backfill", ownRoleIn(this.#state, data, place));
          return decode({ seq: 0, type: "MESSAGE_CREATE", data }, facts);
        });
        this.#state = withSeen(this.#state, channel, after, place);
        if (!(await this.#commit(events, this.#state))) throw new Error("the connection was lost while the history was read");
        if (page.length < PAGE) break;
      }
    }
  }

  /** Messages behind one, the oldest first; null when the conversation is gone or closed to us. */
  async #page(channel: string, after: string): Promise<readonly Json[] | null> {
    const { rest, signal } = this.#deps;
    const path = `/channels/${channel}/messages?after=${after}&limit=${PAGE}`;
    const page = await rest.patient({ method: "GET", path, signal }, [403, 404]);
    if (page === null) return null;
    return records(page)
      .filter((message) => isSnowflake(message["id"]))
      .toSorted((a, b) => (isNewer(textOf(a["id"]), textOf(b["id"])) ? 1 : -1));
  }

  /** Discord wants a sign within three seconds, which it gets only for what is stored. */
  #acknowledge(interaction: Json): void {
    const { rest, signal, host } = this.#deps;
    const { id, type } = interaction;
    const token = textOf(interaction["token"]);
    const isCommand = type === INTERACTION.command;
    if (!isSnowflake(id) || !/^[\w=-]+$/.test(token) || (!isCommand && type !== INTERACTION.press)) return;
    const path = `/interactions/${id}/${token}/callback`;
    rest
      .call({ method: "POST", path, body: { type: isCommand ? 5 : 6 }, signal })
      .then((answer) => {
        if (answer.kind !== "ok") host.log.warn("Discord did not take the sign for a command or a button", { cause: sentence(answer) });
      })
      .catch((err: unknown) => host.log.warn("the sign for a command or a button did not arrive", { cause: reasonOf(err) }));
  }
}

/** A message of our own, with the nonce that we gave it. */
function ownOf({ type, data }: Frame, self: string | undefined): { nonce: string; id: string } | null {
  const { nonce, id } = data;
  const isOwn = type === "MESSAGE_CREATE" && self !== undefined && record(data["author"])?.["id"] === self;
  return isOwn && typeof nonce === "string" && isSnowflake(id) ? { nonce, id } : null;
}

/** The role that Discord manages for the bot itself, where an event tells of the roles of a server. */
function ownRoleOf({ type, data }: Frame, self: string): { guild: string; id: string } | null {
  const isChange = type === "GUILD_ROLE_CREATE" || type === "GUILD_ROLE_UPDATE";
  if (!isChange && type !== "GUILD_CREATE") return null;
  const guild = isChange ? data["guild_id"] : data["id"];
  const roles = isChange ? [record(data["role"]) ?? {}] : records(data["roles"]);
  const id = roles.find((role) => record(role["tags"])?.["bot_id"] === self)?.["id"];
  return isSnowflake(guild) && isSnowflake(id) ? { guild, id } : null;
}

function ownRoleIn(state: State, data: Json, place: PlaceInfo | undefined): string | undefined {
  const guild = data["guild_id"] ?? place?.guild;
  return isSnowflake(guild) ? state.roles.get(guild) : undefined;
}

function toSelf(ready: Json): Self | null {
  const user = record(ready["user"]);
  const app = record(ready["application"])?.["id"];
  if (!user || !isSnowflake(user["id"])) return null;
  return { id: user["id"], name: textOf(user["username"]), app: isSnowflake(app) ? app : user["id"] };
}

function afterReady(state: State, { seq, data }: Frame): State {
  const id = textOf(data["session_id"]);
  const url = textOf(data["resume_gateway_url"]);
  return { ...state, self: toSelf(data) ?? state.self, session: id && url ? { id, seq, url } : null };
}

/** A message without a server was written to us directly: its author is the other person. */
function direct(type: string, data: Json): PlaceInfo | undefined {
  const author = record(data["author"])?.["id"];
  const isDirect = type === "MESSAGE_CREATE" && data["guild_id"] === undefined && (data["channel_type"] ?? 1) === 1;
  return isDirect && isSnowflake(author) ? { type: 1, peer: author } : undefined;
}

function remembering(state: State, events: readonly ChannelEvent[], channel: string | null, place: PlaceInfo | undefined): State {
  let next = state;
  for (const event of events)
    if (event.kind === "message" && channel !== null && place) next = withSeen(next, channel, event.message, place);
  return next;
}
