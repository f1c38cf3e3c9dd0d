import type { ContextMessage } from "../agents/runtime.ts";
import type { Target } from "../channels/channel.ts";
import { contain } from "../core/contain.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { InboxRow, Outcome } from "../store/inbox.ts";
import type { InlineImage, KeptImage } from "../store/media.ts";
import type { Message, NewMessage } from "../store/messages.ts";
import { hasOutsider } from "../store/outsiders.ts";
import { newConversation, type SessionRow } from "../store/sessions.ts";
import { ADDRESSED, agentTextOf, isRoom } from "./agent-text.ts";
import { answerCommand, parseCommand, roomRefusal, type Command } from "./commands.ts";
import type { RunRef } from "./events.ts";
import { containedClock } from "./contained-clock.ts";
import { toContext } from "./context.ts";
import { endAsFailed, failureOutcome } from "./failed-run.ts";
import { nextStep, toActive, toWaiting, waitingLanes, type Active, type Lane, type Waiting } from "./lane.ts";
import { slotUseOf } from "./settings.ts";
import { SlotWaits } from "./slot-waits.ts";
import { Slots, type SlotUse } from "./slots.ts";
import { LastAttempts } from "./last-attempts.ts";
import { addIntent, conversationOf, type Extras } from "./outbound.ts";
import {
  identityOf,
  isSamePerson,
  sessionTitle,
  toAdmitted,
  toPayload,
  type Admitted,
  type Payload,
  type Submission,
} from "./submission.ts";
import { addMessage, addReply, addUserMessage, type Reply } from "./transcript.ts";
import { runTurn } from "./turn.ts";
import type { TurnsOptions } from "./turns-options.ts";
import { Waiters } from "./waiters.ts";
import { writeWithRetry } from "./write-with-retry.ts";

/** The step between a decision and its transaction: `inTransaction` runs inside a `store.write`, `afterCommit` once it is on disk. */
export type Admission = {
  inTransaction: () => void;
  afterCommit: () => Admitted;
  /** Instead of afterCommit, when the commit failed. */ undo: () => void;
};

export type Inflight = { runId: RunId; sessionKey: SessionKey; startedAt: number; text: string; seq: number };

/**
 * The heart: admits messages, keeps one ordered lane per session, runs turns and stores what they say. It calls contracts
 * (a runtime, a store, a bus) and knows no channel and no socket.
 */
export class Turns {
  readonly options: TurnsOptions;
  readonly #lanes = new Map<SessionKey, Lane>();
  readonly #inflight = new Map<RunId, Inflight>();
  readonly #waiters: Waiters;
  /** Lanes whose first message is in a commit that is under way. */
  readonly #claims = new Set<SessionKey>();
  /** Messages that are written and not in their lane yet; those that are let go meanwhile never get there. */
  readonly #arriving = new Map<RunId, { key: SessionKey; letGo: boolean }>();
  /** Lanes that wait for a quiet moment, with the cancel function of their timer. */
  readonly #quiet = new Map<SessionKey, () => void>();
  readonly #lastAttempts = new LastAttempts();
  readonly #slots = new Slots(() => this.options.concurrency());
  readonly #slotWaits: SlotWaits;
  #stopping = false;

  constructor(options: TurnsOptions) {
    this.options = { ...options, clock: containedClock(options.clock, options.log) };
    this.#waiters = new Waiters(this.options.clock);
    this.#slotWaits = new SlotWaits(this.options);
  }

  /** Admits one message: on disk before the promise resolves. Rejects when it cannot be stored, or when its lane is full. */
  async submit(submission: Submission): Promise<Admitted> {
    const images = submission.images.length === 0 ? [] : await Promise.all(submission.images.map((image) => this.#keepImage(image)));
    const admission = this.admission({ ...submission, images });
    try {
      await this.options.store.write(admission.inTransaction);
    } catch (err) {
      admission.undo();
      throw err;
    }
    return admission.afterCommit();
  }

  #keepImage(image: KeptImage): Promise<KeptImage> {
    return "data" in image ? this.options.media.keep(image) : Promise.resolve(image);
  }

  /** Pictures of a stored message, ready for an agent. Throws UNAVAILABLE when one can no longer be read. */
  loadImages(images: readonly KeptImage[]): Promise<InlineImage[]> {
    return Promise.all(images.map((image) => this.options.media.load(image)));
  }

  laneIsFull(sessionKey: SessionKey): boolean {
    return (this.#lanes.get(sessionKey)?.waiting.length ?? 0) >= LIMITS.laneDepth;
  }

  /** The command that a text is, as this gateway is configured; null for all other text. */
  parse(text: string): Command | null {
    return parseCommand(text, this.options.commands.resetTriggers());
  }

  /** The two halves of `submit`, for callers that commit several events and a cursor together. */
  admission(submission: Submission): Admission {
    if (this.#stopping) throw new GatewayError("UNAVAILABLE", "the gateway is stopping", { retryAfterMs: 1_000 });
    if (submission.text.length > LIMITS.messageChars) {
      throw new GatewayError(
        "INVALID_REQUEST",
        `the message has ${submission.text.length} characters; at most ${LIMITS.messageChars} are taken`,
      );
    }
    if (!submission.park && this.laneIsFull(submission.sessionKey)) {
      throw new GatewayError("UNAVAILABLE", `${LIMITS.laneDepth} messages are waiting in this session already`, {
        retryAfterMs: 5_000,
        details: { code: "LANE_FULL" },
      });
    }
    const command = submission.literal ? null : this.parse(submission.text);
    const runId = submission.runId ?? asId<RunId>(this.options.newId());
    const refusal = command && submission.changes === "own" && isRoom(submission.target) ? roomRefusal(command) : null;
    return command && (command.immediate || refusal !== null)
      ? this.#immediate(submission, runId, command, refusal)
      : this.#queued(submission, runId, command);
  }

  #queued(submission: Submission, runId: RunId, command: Command | null): Admission {
    const { clock, inbox } = this.options;
    const payload = toPayload(submission, command ? "command" : "message");
    const now = clock.now();
    let known: InboxRow | undefined;
    let message: Message | undefined;
    let atOnce = false;
    return {
      inTransaction: () => {
        known = this.#knownEvent(submission, runId);
        if (known) return;
        const session = this.#ensureSession(submission, now);
        atOnce = !submission.park && this.#claim(submission.sessionKey, slotUseOf(this.options, payload, session));
        const noted = command ? null : this.options.takeContext(submission.sessionKey, now);
        inbox.add({
          ...identityOf(submission, runId, session),
          payload: noted ? { ...payload, context: [noted, payload.context ?? ADDRESSED].join("\n\n") } : payload,
          receivedAt: now,
          state: submission.park ? "parked" : atOnce ? "running" : "queued",
          startedAt: atOnce ? now : null,
          outcome: null,
        });
        message = addUserMessage(this.options, { submission, runId, session, now });
        if (!submission.park) this.#arriving.set(runId, { key: submission.sessionKey, letGo: false });
      },
      afterCommit: () => {
        if (known) return toAdmitted(known, true);
        const letGo = this.#arriving.get(runId)?.letGo === true;
        this.#arriving.delete(runId);
        this.options.mark("admitted");
        this.options.metrics.count("gateway_turns_admitted_total", { channel: submission.channel });
        this.#announce(message!, "message");
        if (payload.target && !submission.park)
          this.#contained("to acknowledge a message", () => this.options.live?.acknowledge({ agentId: submission.agentId, payload }))();
        const { sessionKey, agentId } = submission;
        if (submission.park) return { runId, sessionKey, agentId, duplicate: false, state: "parked", outcome: null };
        const quietUntil = submission.queueMode === "collect" ? clock.monotonic() + this.options.quietMs(submission.channel) : 0;
        if (!letGo) this.#enqueue(sessionKey, { ...toWaiting(runId, payload), quietUntil }, atOnce);
        else if (atOnce) this.#claims.delete(sessionKey);
        return { runId, sessionKey, agentId, duplicate: false, state: "running", outcome: null };
      },
      undo: () => {
        if (atOnce) this.#claims.delete(submission.sessionKey);
        this.#arriving.delete(runId);
      },
    };
  }

  /** An idle lane takes a message up in the transaction that admits it: one commit instead of two. One message per lane. */
  #claim(key: SessionKey, use: SlotUse): boolean {
    if (this.#lanes.has(key) || this.#claims.has(key)) return false;
    if (!this.#slots.mayStart(use, () => this.#waitingUses(key), this.#claims.size)) return false;
    this.#claims.add(key);
    return true;
  }

  /** `/stop`, `/status`, `/help`: answered at once, whatever waits or runs in the lane. */
  #immediate(submission: Submission, runId: RunId, command: Command, refusal: string | null): Admission {
    const { clock, inbox, sessions } = this.options;
    const now = clock.now();
    let known: InboxRow | undefined;
    let added: Message[] = [];
    let outcome: Outcome | undefined;
    return {
      inTransaction: () => {
        known = this.#knownEvent(submission, runId);
        if (known) return;
        const session = this.#ensureSession(submission, now);
        const stopped = command.name === "stop" ? this.#stopFor(submission, now) : null;
        const text = refusal ?? stopped ?? answerCommand(command, session, this.options.commands).text;
        outcome = { status: "ok", text, stopReason: "stop", endedAt: now };
        inbox.add({
          ...identityOf(submission, runId, session),
          payload: toPayload(submission, "command"),
          receivedAt: now,
          state: "done",
          startedAt: now,
          outcome,
        });
        added = [
          addUserMessage(this.options, { submission, runId, session, now }),
          this.addReply({ runId, session, text, now, origin: "command" }),
        ];
        if (submission.target) this.addIntent(runId, submission.sessionKey, submission.target, text, now);
        sessions.patch(submission.sessionKey, { updated_at: now });
      },
      afterCommit: () => {
        if (known) return toAdmitted(known, true);
        for (const message of added) this.#announce(message, "command");
        this.#tellEnd({ runId, sessionKey: submission.sessionKey, agentId: submission.agentId }, 1, outcome!);
        if (submission.target) this.options.deliver(conversationOf(submission.target));
        return {
          runId,
          sessionKey: submission.sessionKey,
          agentId: submission.agentId,
          duplicate: false,
          state: "done",
          outcome: outcome!,
        };
      },
      undo: () => {},
    };
  }

  /** `/stop`: everything of the session, or what belongs to the sender. The text when nothing was stopped; inside a `store.write`. */
  #stopFor(submission: Submission, now: number): string | null {
    const { sessionKey } = submission;
    const isTheirs = (runId: RunId): boolean => submission.changes !== "own" || isSamePerson(submission, this.find(runId)?.payload);
    const lane = this.#lanes.get(sessionKey);
    const busy = lane && (lane.waiting.length > 0 || lane.active?.abort.signal.aborted === false);
    const stopped = this.abort(sessionKey, undefined, "user", isTheirs);
    this.#writeAborted(stopped, now);
    return busy && stopped.length === 0 ? "Only an owner may stop an answer to somebody else." : null;
  }

  /** The row of an event that was here before. Throws when the same key now names another message, or the guard refuses a new one. */
  #knownEvent(submission: Submission, runId: RunId): InboxRow | undefined {
    const row =
      this.options.inbox.byEvent<Payload>(submission.channel, submission.account, submission.eventId) ??
      this.options.inbox.byRun<Payload>(runId);
    if (!row) return void submission.guard?.(this.options.sessions.get(submission.sessionKey));
    if (row.sessionKey !== submission.sessionKey || (row.payload && row.payload.text !== submission.text)) {
      throw new GatewayError("INVALID_REQUEST", "this idempotency key belongs to another message", {
        details: { code: "IDEMPOTENCY_KEY_REUSED", runId: row.runId },
      });
    }
    this.options.metrics.count("gateway_turns_duplicates_total", { channel: submission.channel });
    return row;
  }

  #ensureSession(submission: Submission, now: number): SessionRow {
    const { sessions } = this.options;
    const found = sessions.ensure(submission.sessionKey, {
      sessionId: this.options.newId(),
      agentId: submission.agentId,
      chatKind: submission.chatKind,
      channel: submission.target?.channel ?? "webchat",
      now,
    });
    // A turn that runs or waits belongs to the old conversation; it is not cut off from it.
    const over = !this.#lanes.has(submission.sessionKey) && this.options.expired(found, now);
    if (over) sessions.patch(submission.sessionKey, newConversation(found, this.options.newId()));
    const session = over ? sessions.get(submission.sessionKey)! : found;
    sessions.patch(submission.sessionKey, {
      updated_at: now,
      archived: 0,
      ...(submission.target ? { target: JSON.stringify(submission.target), channel: submission.target.channel } : {}),
      ...(session.title ? {} : { title: sessionTitle(submission) }),
    });
    return session;
  }

  /** Stores a message; inside a `store.write`. */
  addMessage(message: NewMessage): Message {
    return addMessage(this.options, message);
  }

  /** Stores a text that the gateway itself says in a session; inside a `store.write`. */
  addReply(reply: Reply): Message {
    return addReply(this.options, reply);
  }

  /** Writes what is to be said on a channel, with files and buttons; inside a `store.write`. With a session it is a reply. */
  addIntent(id: string, sessionKey: SessionKey | null, target: Target, text: string, at: number, extras: Extras = {}): void {
    addIntent(this.options, { id, sessionKey, target, text, at, ...extras });
  }

  /**
   * Stops the running turn of a session and lets what waits there go, or only `runId`. Returns the runs that are affected.
   * The outcome of each follows as `turn.ended`. A turn is stopped only when `may` holds for all of its messages.
   */
  abort(sessionKey: SessionKey, runId: RunId | undefined, cause: "user" | "interrupt", may: (id: RunId) => boolean = () => true): RunId[] {
    const lane = this.#lanes.get(sessionKey);
    const isMeant = (id: RunId): boolean => (runId ?? id) === id && may(id);
    const arriving = [...this.#arriving].filter(([id, { key }]) => key === sessionKey && isMeant(id));
    for (const [, message] of arriving) message.letGo = true;
    const waiting = [...(lane?.waiting.map((each) => each.runId).filter(isMeant) ?? []), ...arriving.map(([id]) => id)];
    if (lane) this.#withdraw(lane, waiting);
    const active = lane?.active;
    const inTurn = active ? [...active.runIds, ...active.steered] : [];
    const hit = active && (runId === undefined || inTurn.includes(runId)) && inTurn.every(may) && !active.abort.signal.aborted;
    if (hit) {
      active.abortCause = cause;
      active.abort.abort();
    }
    for (const each of waiting) this.#contained("to end a waiting message", () => this.#endWaiting(each, sessionKey))();
    return [...(hit ? active.runIds : []), ...waiting];
  }

  /** Takes messages out of the queue of a lane, and its name off the list of those who wait. */
  #withdraw(lane: Lane, runIds: readonly RunId[]): void {
    lane.waiting = lane.waiting.filter((each) => !runIds.includes(each.runId));
    this.#slotWaits.settle(lane);
    if (!lane.active) setImmediate(() => this.#pump(lane));
  }

  /** Takes a waiting message out of its lane, for a caller that ends it on disk and then tells so; null when a turn has it already. */
  letGo({ runId, sessionKey, agentId, state }: InboxRow): ((outcome: Outcome) => void) | null {
    const lane = this.#lanes.get(sessionKey);
    const arriving = this.#arriving.get(runId);
    if (state !== "parked" && !arriving && !lane?.waiting.some((each) => each.runId === runId)) return null;
    if (arriving) arriving.letGo = true;
    if (lane) this.#withdraw(lane, [runId]);
    return (outcome) => this.#tellEnd({ runId, sessionKey, agentId }, 1, outcome);
  }

  /** As `abort` by a person; resolves when it is on disk, so that a crash does not bring the runs back. */
  async abortDurably(sessionKey: SessionKey, runId?: RunId): Promise<RunId[]> {
    const runIds = this.abort(sessionKey, runId, "user");
    await this.options.store.write(() => this.#writeAborted(runIds, this.options.clock.now()));
    return runIds;
  }

  /** The end of a turn that is being stopped comes later and says more; this is what counts if it never comes. */
  #writeAborted(runIds: readonly RunId[], now: number): void {
    for (const runId of runIds) {
      if (!this.find(runId)?.outcome)
        this.options.inbox.end(runId, "aborted", { status: "aborted", text: "", stopReason: "aborted", endedAt: now });
    }
  }

  async #endWaiting(runId: RunId, sessionKey: SessionKey): Promise<void> {
    const row = this.options.inbox.byRun<Payload>(runId);
    if (!row) return;
    const outcome: Outcome = { status: "aborted", text: "", stopReason: "aborted", endedAt: this.options.clock.now() };
    try {
      await this.#untilStored(() => this.options.inbox.end(runId, "aborted", outcome));
    } finally {
      this.#tellEnd({ runId, sessionKey, agentId: row.agentId }, 1, outcome);
    }
  }

  /** The run as it stands; undefined for ids that were never admitted. */
  find(runId: string): InboxRow<Payload> | undefined {
    return this.options.inbox.byRun<Payload>(runId);
  }

  inflight(sessionKey: SessionKey): Inflight[] {
    return [...this.#inflight.values()].filter((each) => each.sessionKey === sessionKey);
  }

  /** Sessions in which a turn runs or waits, with the first message of the one that runs, also before its agent has begun. */
  busy(): Map<SessionKey, RunId | undefined> {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.active || lane.waiting.length > 0);
    return new Map(lanes.map((lane) => [lane.key, lane.active?.runIds[0]]));
  }

  /** Messages that wait behind the running turn of a session. */
  waiting(sessionKey: SessionKey): RunId[] {
    return this.#lanes.get(sessionKey)?.waiting.map((each) => each.runId) ?? [];
  }

  /** Lanes, running turns and waiting messages at this moment. */
  load(): { lanes: number; running: number; waiting: number } {
    let waiting = 0;
    for (const lane of this.#lanes.values()) waiting += lane.waiting.length;
    return { lanes: this.#lanes.size, running: this.#inflight.size, waiting };
  }

  /** Sessions whose next message has no slot, and how long the first of them has waited. */
  slotWaits(): { sessions: number; longestMs: number } {
    return this.#slotWaits.load();
  }

  /** Resolves with the outcome of a run, at once when it is over; null after `timeoutMs` or when `signal` aborts. */
  wait(runId: RunId, timeoutMs: number, signal?: AbortSignal): Promise<Outcome | null> {
    const done = this.find(runId)?.outcome;
    if (done) return Promise.resolve(done);
    return this.#waiters.wait(runId, timeoutMs, signal);
  }

  /** People from outside write in this session: what they and the operator say has to be told apart. */
  isShared(sessionKey: SessionKey): boolean {
    const session = this.options.sessions.get(sessionKey);
    return session !== undefined && session.target !== null && hasOutsider(this.options.store, session, LIMITS.contextMessages);
  }

  /** What was said in a session before the given runs, for a runtime that rebuilds its context. */
  contextOf(session: SessionRow, leaveOut: readonly RunId[] = []): ContextMessage[] {
    const rows = this.options.messages.tail(session.key, session.session_id, LIMITS.contextMessages);
    return toContext(rows, new Set<string>([...leaveOut, ...this.waiting(session.key)]));
  }

  /** Gives a parked message another try, with its attempts forgotten. */
  async revive(runId: RunId): Promise<void> {
    const row = this.find(runId);
    if (row?.state !== "parked" || row.payload === null) throw new GatewayError("INVALID_REQUEST", "this message cannot be run any more");
    await this.options.store.write(() =>
      this.options.store.run("UPDATE inbox SET state = 'queued', attempts = 0, ended_at = NULL, outcome = NULL WHERE run_id = ?", runId),
    );
    this.#enqueue(row.sessionKey, toWaiting(runId, row.payload, "followup"), false);
  }

  /**
   * Takes up again what an earlier process left: called once, before the gateway listens. See recover.ts. What ran when that process
   * ended runs by itself now, and on its last attempt beside no other such run: only what ends the process becomes a dead letter.
   */
  adopt(rows: readonly InboxRow<Payload>[]): void {
    for (const { runId, sessionKey, payload, attempts } of rows) {
      this.#lastAttempts.add(runId, attempts);
      this.#enqueue(sessionKey, toWaiting(runId, payload, attempts > 0 ? "followup" : payload.queueMode), false, true);
    }
  }

  /** Does something with a session while none of its turns runs; messages that come meanwhile wait in the lane. */
  async exclusively<T>(sessionKey: SessionKey, work: () => Promise<T>): Promise<T> {
    let lane = this.#laneOf(sessionKey);
    for (; lane.active; lane = this.#laneOf(sessionKey)) await lane.active.ended;
    const released = Promise.withResolvers<void>();
    const ended = released.promise;
    lane.active = { ...toActive([]), ended };
    try {
      return await work();
    } finally {
      lane.active = null;
      released.resolve();
      this.#pump(lane);
    }
  }

  /** Empties a session and waits until its running turn is over. */
  async quiesce(sessionKey: SessionKey): Promise<void> {
    this.abort(sessionKey, undefined, "user");
    await this.#lanes.get(sessionKey)?.active?.ended;
  }

  /** No new work; running turns are left as they are on disk, so that the next start resumes or closes them. */
  stop(): void {
    this.#stopping = true;
    this.#contained("to forgive the attempts of running turns", () =>
      this.options.store.writeNow(() => this.options.inbox.forgiveRunning()),
    )();
    for (const cancel of this.#quiet.values()) cancel();
    this.#slotWaits.stop();
    for (const lane of this.#lanes.values()) {
      lane.waiting = [];
      if (!lane.active) continue;
      lane.active.abortCause = "shutdown";
      lane.active.abort.abort();
    }
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  #laneOf(key: SessionKey): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { key, waiting: [], active: null };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #enqueue(key: SessionKey, waiting: Waiting, started: boolean, later = false): void {
    const lane = this.#laneOf(key);
    // Nothing runs or waits: there is no turn to wait for others with.
    const alone = !lane.active && lane.waiting.length === 0;
    lane.waiting.push(alone ? { ...waiting, quietUntil: 0 } : waiting);
    if (started) this.#claims.delete(key);
    if (started && lane.waiting.length === 1 && !lane.active) this.#startTurn(lane, [waiting], true);
    else if (later) setImmediate(() => this.#pump(lane));
    else this.#pump(lane);
  }

  /** Carries out what the lane does next. Never throws: it runs in timers and at the end of turns. */
  readonly #pump = this.#contained("to go on with a session", (lane: Lane): void => {
    if (this.#stopping) return;
    this.#quiet.get(lane.key)?.();
    this.#quiet.delete(lane.key);
    const now = this.options.clock.monotonic();
    const step = nextStep(lane, now);
    if (step.do === "start") {
      if (this.#mayStart(lane, step.take)) this.#startTurn(lane, step.take, false);
      else this.#slotWaits.begin(lane, (runId) => this.find(runId));
    } else if (step.do === "interrupt") {
      lane.active!.abortCause = "interrupt";
      lane.active!.abort.abort();
    } else if (step.do === "steer") this.#contained("to hand in a message", () => this.#steer(lane, step.message))();
    else if (step.do === "wait")
      this.#quiet.set(
        lane.key,
        this.options.clock.after(step.untilMs - now, () => this.#pump(lane)),
      );
    else if (step.do === "nothing" && !lane.active && lane.waiting.length === 0) this.#lanes.delete(lane.key);
  });

  /** Hands a waiting message into the running turn; it stays first in the queue when the turn can't take it. */
  async #steer(lane: Lane, message: Waiting): Promise<void> {
    const active = lane.active!;
    const row = this.find(message.runId);
    if (!row?.payload) return;
    active.steering = true;
    const into = active.runIds[0]!;
    try {
      // Written first: after a crash the message belongs to a run that is resumed or closed, never to both.
      await this.options.store.write(() => this.options.inbox.handIn(message.runId, into));
      // Let go meanwhile: its end is on its way to the disk.
      if (!lane.waiting.some((each) => each.runId === message.runId)) return;
      if (!active.prompting) {
        // The turn's end is on disk or on its way there, without this message.
        await this.#untilStored(() => this.options.inbox.takeBack(message.runId));
        message.mode = "followup";
        return;
      }
      lane.waiting = lane.waiting.filter((each) => each.runId !== message.runId);
      active.steered.push(message.runId);
      // Before the runtime has it: from here on the model may read it.
      active.grants.push(message.grant);
      const taken = await this.options.runtime.steer(lane.key, {
        runId: message.runId,
        text: agentTextOf(row.payload, this.isShared(lane.key)),
        images: await this.loadImages(row.payload.images),
      });
      if (!taken) this.#unsteer(lane, active, { ...message, mode: "followup" });
    } catch (err) {
      this.options.log.warn("a message could not be handed into the running turn", { runId: message.runId, cause: reasonOf(err) });
      this.#unsteer(lane, active, { ...message, mode: "followup" });
    } finally {
      active.steering = false;
      this.#pump(lane);
    }
  }

  /** The running turn did not take the message: it waits for a turn of its own. What the turn's end has settled stays as it is. */
  #unsteer(lane: Lane, active: Active, message: Waiting): void {
    const still = lane.waiting.find((each) => each.runId === message.runId);
    if (still) still.mode = "followup";
    if (!active.steered.includes(message.runId)) return;
    active.steered = active.steered.filter((runId) => runId !== message.runId);
    lane.waiting.unshift(message);
    this.#contained("to put a message back", () => this.#untilStored(() => this.options.inbox.takeBack(message.runId)))();
  }

  #mayStart(lane: Lane, take: readonly Waiting[]): boolean {
    if (this.#lastAttempts.mustWait(take.map((each) => each.runId))) return false;
    return this.#slots.mayStart(this.#useOf(lane), () => this.#waitingUses(lane.key));
  }

  /** What the first message of a lane would take a slot for. */
  #useOf = ({ key, waiting: [first] }: Lane): SlotUse =>
    slotUseOf(this.options, first && this.find(first.runId)?.payload, this.options.sessions.get(key));
  #waitingUses = (except: SessionKey): SlotUse[] => waitingLanes(this.#lanes.values(), except).map(this.#useOf);

  #startTurn(lane: Lane, take: readonly Waiting[], stored: boolean): void {
    this.#slots.take(lane.key, this.#useOf(lane));
    lane.waiting = lane.waiting.slice(take.length);
    const active = toActive(take);
    const attemptEnded = this.#lastAttempts.begin(active.runIds);
    lane.active = active;
    this.#slotWaits.settle(lane);
    active.ended = this.#run(lane, active, stored)
      .catch((err: unknown) => this.#endBroken(lane, active, err))
      .finally(() => {
        attemptEnded();
        this.#slots.free(lane.key);
        lane.active = null;
        this.#pump(lane);
        this.#pumpWaitingLanes();
      });
  }

  /** A bug ended the turn: its runs end as failed, so that nobody waits for an answer that cannot come. Never rejects. */
  async #endBroken(lane: Lane, active: Active, err: unknown): Promise<void> {
    const { clock, log } = this.options;
    const write = (change: () => void): Promise<unknown> => this.#untilStored(change);
    log.error("a turn failed in the gateway itself", { runId: active.runIds[0], error: err });
    for (const runId of [...active.runIds, ...active.steered]) {
      const seq = (this.#inflight.get(runId)?.seq ?? 0) + 1;
      this.#inflight.delete(runId);
      const emitEnded = (ref: RunRef, outcome: Outcome): void => this.#tellEnd(ref, seq, outcome);
      try {
        await endAsFailed({ turns: this, write, emitEnded }, lane.key, runId);
      } catch (failure) {
        // The row stays as it is: the next start counts one more attempt, until the message becomes a dead letter.
        log.error("the end of a run could not be stored", { runId, error: failure });
        this.#waiters.settle(runId, failureOutcome(clock.now()));
      }
    }
    active.steered = [];
  }

  /** A slot is free: lanes that had to wait for one are asked, the longest waiting first. */
  readonly #pumpWaitingLanes = this.#contained("to start waiting sessions", (): void => {
    for (const lane of this.#lanes.values()) {
      if (this.#slots.held >= this.options.concurrency() + LIMITS.reserveSlots) return;
      if (!lane.active && lane.waiting.length > 0) this.#pump(lane);
    }
  });

  async #run(lane: Lane, active: Active, stored: boolean): Promise<void> {
    const { inbox, clock } = this.options;
    const [first, ...others] = active.runIds as [RunId, ...RunId[]];
    if (!stored) {
      await this.#untilStored(() => {
        inbox.start(active.runIds, clock.now());
        for (const other of others) inbox.merge(other, first);
      });
    }
    this.options.mark("adopted");
    if (this.#stopping) return;
    const row = this.find(first);
    if (!row) return;
    const back = await runTurn(this, row, active, {
      inflight: this.#inflight,
      pump: () => this.#pump(lane),
      untilStored: (change) => this.#untilStored(change),
      tellEnd: (ref, seq, outcome, mergedInto) => this.#tellEnd(ref, seq, outcome, mergedInto),
      announce: (message, reason) => this.#announce(message, reason),
    });
    const returned = back.filter((runId) => !lane.waiting.some((each) => each.runId === runId));
    lane.waiting.unshift(...returned.map((runId) => toWaiting(runId, this.find(runId)?.payload ?? null, "followup")));
  }

  /** What has happened must be written, and nothing else of the lane may go on before. Rejects only for a bug in `change`. */
  async #untilStored<T>(change: () => T): Promise<T | undefined> {
    const { store, clock, log } = this.options;
    return (await writeWithRetry({ store, clock, log, isStopping: () => this.#stopping }, "a turn waits for the store", change))?.value;
  }

  /** A callback that nobody awaits: its failure is logged and ends nothing else. */
  #contained<A extends unknown[]>(what: string, fn: (...args: A) => unknown): (...args: A) => void {
    return contain((err) => this.options.log.error("the gateway itself failed", { what, error: err }), fn);
  }

  #announce(message: Message, reason: string): void {
    this.options.bus.emit("message.added", { message });
    this.options.bus.emit("session.changed", {
      sessionKey: message.sessionKey,
      reason,
      fields: ["updated_at", "preview", "last_message_at", "title"],
      ...(message.runId ? { runId: message.runId } : {}),
    });
  }

  #tellEnd(ref: RunRef, seq: number, outcome: Outcome, mergedInto?: RunId): void {
    this.options.metrics.count("gateway_turns_ended_total", { status: outcome.status });
    this.options.bus.emit("turn.ended", { ...ref, seq, outcome, ...(mergedInto ? { mergedInto } : {}) });
    this.#waiters.settle(ref.runId, outcome);
  }
}

export { conversationOf };
