import type { ContextMessage } from "../agents/runtime.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import { contain } from "../core/contain.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { InboxRow, RunOutcome } from "../store/inbox.ts";
import type { InlineImage, StoredImage } from "../store/media.ts";
import type { Message, NewMessage } from "../store/messages.ts";
import { hasExternalSender } from "../store/external-senders.ts";
import { toNewConversation, type SessionRow } from "../store/sessions.ts";
import { ADDRESSED_MARKER, toAgentText, isRoom } from "./agent-text.ts";
import { answerCommand, parseCommand, refuseInRoom, type ParsedCommand } from "./commands.ts";
import type { RunRef } from "./events.ts";
import { containedClock } from "./contained-clock.ts";
import { buildContext } from "./conversation-context.ts";
import { endAsFailed, failureOutcome } from "./failed-run.ts";
import { nextAction, toActiveTurn, toQueuedMessage, waitingLanes, type ActiveTurn, type Lane, type QueuedMessage } from "./lane.ts";
import { toSlotRequest } from "./settings.ts";
import { SlotWaits } from "./slot-waits.ts";
import { TurnSlots, type SlotRequest } from "./slots.ts";
import { LastAttempts } from "./last-attempts.ts";
import { addIntent, conversationOf, type IntentExtras } from "./outbound.ts";
import {
  inboxIdentity,
  isSameSender,
  sessionTitle,
  toSubmitResult,
  toPayload,
  type SubmitResult,
  type Payload,
  type Submission,
} from "./submission.ts";
import { addMessage, addReply, addUserMessage, type GatewayReply } from "./transcript.ts";
import { runTurn } from "./turn.ts";
import type { TurnsOptions } from "./turns-options.ts";
import { OutcomeWaiters } from "./outcome-waiters.ts";
import { writeWithRetry } from "./write-with-retry.ts";

/** The step between a decision and its transaction: `apply` runs inside a `store.write`, `onCommit` once it is on disk. */
export type PendingSubmission = {
  apply: () => void;
  onCommit: () => SubmitResult;
  /** Instead of onCommit, when the commit failed. */ onRollback: () => void;
};

export type InflightRun = { runId: RunId; sessionKey: SessionKey; startedAt: number; text: string; seq: number };

/**
 * The heart: admits messages, keeps one ordered lane per session, runs turns and stores what they say. It calls contracts
 * (a runtime, a store, a bus) and knows no channel and no socket.
 */
export class Turns {
  readonly options: TurnsOptions;
  readonly #lanes = new Map<SessionKey, Lane>();
  readonly #inflight = new Map<RunId, InflightRun>();
  readonly #waiters: OutcomeWaiters;
  /** Lanes whose first message is in a commit that is under way. */
  readonly #laneReservations = new Set<SessionKey>();
  /** Messages that are written and not in their lane yet; those that are let go meanwhile never get there. */
  readonly #uncommittedRuns = new Map<RunId, { key: SessionKey; letGo: boolean }>();
  /** Lanes that wait for a quiet moment, with the cancel function of their timer. */
  readonly #debounceTimers = new Map<SessionKey, () => void>();
  readonly #lastAttempts = new LastAttempts();
  readonly #slots = new TurnSlots(() => this.options.concurrency());
  readonly #slotWaits: SlotWaits;
  #stopping = false;

  constructor(options: TurnsOptions) {
    this.options = { ...options, clock: containedClock(options.clock, options.log) };
    this.#waiters = new OutcomeWaiters(this.options.clock);
    this.#slotWaits = new SlotWaits(this.options);
  }

  /** Admits one message: on disk before the promise resolves. Rejects when it cannot be stored, or when its lane is full. */
  async submit(submission: Submission): Promise<SubmitResult> {
    const images = submission.images.length === 0 ? [] : await Promise.all(submission.images.map((image) => this.#saveImage(image)));
    const admission = this.prepareSubmission({ ...submission, images });
    try {
      await this.options.store.write(admission.apply);
    } catch (err) {
      admission.onRollback();
      throw err;
    }
    return admission.onCommit();
  }

  #saveImage(image: StoredImage): Promise<StoredImage> {
    return "data" in image ? this.options.media.saveImage(image) : Promise.resolve(image);
  }

  /** Pictures of a stored message, ready for an agent. Throws UNAVAILABLE when one can no longer be read. */
  loadImages(images: readonly StoredImage[]): Promise<InlineImage[]> {
    return Promise.all(images.map((image) => this.options.media.loadImage(image)));
  }

  isLaneFull(sessionKey: SessionKey): boolean {
    return (this.#lanes.get(sessionKey)?.queue.length ?? 0) >= LIMITS.laneDepth;
  }

  /** The command that a text is, as this gateway is configured; null for all other text. */
  parseCommand(text: string): ParsedCommand | null {
    return parseCommand(text, this.options.commands.resetTriggers());
  }

  /** The two halves of `submit`, for callers that commit several events and a cursor together. */
  prepareSubmission(submission: Submission): PendingSubmission {
    if (this.#stopping) throw new GatewayError("UNAVAILABLE", "the gateway is stopping", { retryAfterMs: 1_000 });
    if (submission.text.length > LIMITS.messageChars) {
      throw new GatewayError(
        "INVALID_REQUEST",
        `the message has ${submission.text.length} characters; at most ${LIMITS.messageChars} are taken`,
      );
    }
    if (!submission.deadLetter && this.isLaneFull(submission.sessionKey)) {
      throw detailError("LANE_FULL", `${LIMITS.laneDepth} messages are waiting in this session already`, {
        retryAfterMs: 5_000,
      });
    }
    const command = submission.ignoreCommands ? null : this.parseCommand(submission.text);
    const runId = submission.runId ?? asId<RunId>(this.options.newId());
    const refusal = command && submission.commandScope === "own" && isRoom(submission.target) ? refuseInRoom(command) : null;
    return command && (command.immediate || refusal !== null)
      ? this.#prepareImmediate(submission, runId, command, refusal)
      : this.#prepareQueued(submission, runId, command);
  }

  #prepareQueued(submission: Submission, runId: RunId, command: ParsedCommand | null): PendingSubmission {
    const { clock, inbox } = this.options;
    const payload = toPayload(submission, command ? "command" : "message");
    const now = clock.now();
    let known: InboxRow | undefined;
    let message: Message | undefined;
    let atOnce = false;
    return {
      apply: () => {
        known = this.#findDuplicate(submission, runId);
        if (known) return;
        const session = this.#ensureSession(submission, now);
        atOnce = !submission.deadLetter && this.#reserveLane(submission.sessionKey, toSlotRequest(this.options, payload, session));
        const noted = command ? null : this.options.takeContext(submission.sessionKey, now);
        inbox.add({
          ...inboxIdentity(submission, runId, session),
          payload: noted ? { ...payload, context: [noted, payload.context ?? ADDRESSED_MARKER].join("\n\n") } : payload,
          receivedAt: now,
          state: submission.deadLetter ? "parked" : atOnce ? "running" : "queued",
          startedAt: atOnce ? now : null,
          outcome: null,
        });
        message = addUserMessage(this.options, { submission, runId, session, now });
        if (!submission.deadLetter) this.#uncommittedRuns.set(runId, { key: submission.sessionKey, letGo: false });
      },
      onCommit: () => {
        if (known) return toSubmitResult(known, true);
        const letGo = this.#uncommittedRuns.get(runId)?.letGo === true;
        this.#uncommittedRuns.delete(runId);
        this.options.mark("admitted");
        this.options.metrics.count("gateway_turns_admitted_total", { channel: submission.channel });
        this.#emitMessageAdded(message!, "message");
        if (payload.target && !submission.deadLetter)
          this.#contained("to acknowledge a message", () => this.options.live?.acknowledge({ agentId: submission.agentId, payload }))();
        const { sessionKey, agentId } = submission;
        if (submission.deadLetter) return { runId, sessionKey, agentId, duplicate: false, state: "parked", outcome: null };
        const quietUntil = submission.queueMode === "collect" ? clock.monotonic() + this.options.quietMs(submission.channel) : 0;
        if (!letGo) this.#enqueue(sessionKey, { ...toQueuedMessage(runId, payload), debounceUntil: quietUntil }, atOnce);
        else if (atOnce) this.#laneReservations.delete(sessionKey);
        return { runId, sessionKey, agentId, duplicate: false, state: "running", outcome: null };
      },
      onRollback: () => {
        if (atOnce) this.#laneReservations.delete(submission.sessionKey);
        this.#uncommittedRuns.delete(runId);
      },
    };
  }

  /** An idle lane takes a message up in the transaction that admits it: one commit instead of two. One message per lane. */
  #reserveLane(key: SessionKey, use: SlotRequest): boolean {
    if (this.#lanes.has(key) || this.#laneReservations.has(key)) return false;
    if (!this.#slots.canStart(use, () => this.#waitingSlotRequests(key), this.#laneReservations.size)) return false;
    this.#laneReservations.add(key);
    return true;
  }

  /** `/stop`, `/status`, `/help`: answered at once, whatever waits or runs in the lane. */
  #prepareImmediate(submission: Submission, runId: RunId, command: ParsedCommand, refusal: string | null): PendingSubmission {
    const { clock, inbox, sessions } = this.options;
    const now = clock.now();
    let known: InboxRow | undefined;
    let added: Message[] = [];
    let outcome: RunOutcome | undefined;
    return {
      apply: () => {
        known = this.#findDuplicate(submission, runId);
        if (known) return;
        const session = this.#ensureSession(submission, now);
        const stopped = command.name === "stop" ? this.#stopFor(submission, now) : null;
        const text = refusal ?? stopped ?? answerCommand(command, session, this.options.commands).text;
        outcome = { status: "ok", text, stopReason: "stop", endedAt: now };
        inbox.add({
          ...inboxIdentity(submission, runId, session),
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
      onCommit: () => {
        if (known) return toSubmitResult(known, true);
        for (const message of added) this.#emitMessageAdded(message, "command");
        this.#emitEnded({ runId, sessionKey: submission.sessionKey, agentId: submission.agentId }, 1, outcome!);
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
      onRollback: () => {},
    };
  }

  /** `/stop`: everything of the session, or what belongs to the sender. The text when nothing was stopped; inside a `store.write`. */
  #stopFor(submission: Submission, now: number): string | null {
    const { sessionKey } = submission;
    const isTheirs = (runId: RunId): boolean => submission.commandScope !== "own" || isSameSender(submission, this.findRun(runId)?.payload);
    const lane = this.#lanes.get(sessionKey);
    const busy = lane && (lane.queue.length > 0 || lane.active?.abort.signal.aborted === false);
    const stopped = this.abort(sessionKey, undefined, "user", isTheirs);
    this.#writeAborted(stopped, now);
    return busy && stopped.length === 0 ? "Only an owner may stop an answer to somebody else." : null;
  }

  /** The row of an event that was here before. Throws when the same key now names another message, or the guard refuses a new one. */
  #findDuplicate(submission: Submission, runId: RunId): InboxRow | undefined {
    const row =
      this.options.inbox.byEvent<Payload>(submission.channel, submission.account, submission.eventId) ??
      this.options.inbox.byRun<Payload>(runId);
    if (!row) return void submission.precondition?.(this.options.sessions.get(submission.sessionKey));
    if (row.sessionKey !== submission.sessionKey || (row.payload && row.payload.text !== submission.text)) {
      throw detailError("IDEMPOTENCY_KEY_REUSED", "this idempotency key belongs to another message", {
        details: { runId: row.runId },
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
    if (over) sessions.patch(submission.sessionKey, toNewConversation(found, this.options.newId()));
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
  addReply(reply: GatewayReply): Message {
    return addReply(this.options, reply);
  }

  /** Writes what is to be said on a channel, with files and buttons; inside a `store.write`. With a session it is a reply. */
  addIntent(id: string, sessionKey: SessionKey | null, target: ReplyTarget, text: string, at: number, extras: IntentExtras = {}): void {
    addIntent(this.options, { id, sessionKey, target, text, at, ...extras });
  }

  /**
   * Stops the running turn of a session and lets what waits there go, or only `runId`. Returns the runs that are affected.
   * The outcome of each follows as `turn.ended`. A turn is stopped only when `may` holds for all of its messages.
   */
  abort(sessionKey: SessionKey, runId: RunId | undefined, cause: "user" | "interrupt", may: (id: RunId) => boolean = () => true): RunId[] {
    const lane = this.#lanes.get(sessionKey);
    const isMeant = (id: RunId): boolean => (runId ?? id) === id && may(id);
    const arriving = [...this.#uncommittedRuns].filter(([id, { key }]) => key === sessionKey && isMeant(id));
    for (const [, message] of arriving) message.letGo = true;
    const waiting = [...(lane?.queue.map((each) => each.runId).filter(isMeant) ?? []), ...arriving.map(([id]) => id)];
    if (lane) this.#withdraw(lane, waiting);
    const active = lane?.active;
    const inTurn = active ? [...active.runIds, ...active.steered] : [];
    const hit = active && (runId === undefined || inTurn.includes(runId)) && inTurn.every(may) && !active.abort.signal.aborted;
    if (hit) {
      active.abortCause = cause;
      active.abort.abort();
    }
    for (const each of waiting) this.#contained("to end a waiting message", () => this.#endQueued(each, sessionKey))();
    return [...(hit ? active.runIds : []), ...waiting];
  }

  /** Takes messages out of the queue of a lane, and its name off the list of those who wait. */
  #withdraw(lane: Lane, runIds: readonly RunId[]): void {
    lane.queue = lane.queue.filter((each) => !runIds.includes(each.runId));
    this.#slotWaits.settle(lane);
    if (!lane.active) setImmediate(() => this.#pump(lane));
  }

  /** Takes a waiting message out of its lane, for a caller that ends it on disk and then tells so; null when a turn has it already. */
  dequeue({ runId, sessionKey, agentId, state }: InboxRow): ((outcome: RunOutcome) => void) | null {
    const lane = this.#lanes.get(sessionKey);
    const arriving = this.#uncommittedRuns.get(runId);
    if (state !== "parked" && !arriving && !lane?.queue.some((each) => each.runId === runId)) return null;
    if (arriving) arriving.letGo = true;
    if (lane) this.#withdraw(lane, [runId]);
    return (outcome) => this.#emitEnded({ runId, sessionKey, agentId }, 1, outcome);
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
      if (!this.findRun(runId)?.outcome)
        this.options.inbox.end(runId, "aborted", { status: "aborted", text: "", stopReason: "aborted", endedAt: now });
    }
  }

  async #endQueued(runId: RunId, sessionKey: SessionKey): Promise<void> {
    const row = this.options.inbox.byRun<Payload>(runId);
    if (!row) return;
    const outcome: RunOutcome = { status: "aborted", text: "", stopReason: "aborted", endedAt: this.options.clock.now() };
    try {
      await this.#writeWithRetry(() => this.options.inbox.end(runId, "aborted", outcome));
    } finally {
      this.#emitEnded({ runId, sessionKey, agentId: row.agentId }, 1, outcome);
    }
  }

  /** The run as it stands; undefined for ids that were never admitted. */
  findRun(runId: string): InboxRow<Payload> | undefined {
    return this.options.inbox.byRun<Payload>(runId);
  }

  inflight(sessionKey: SessionKey): InflightRun[] {
    return [...this.#inflight.values()].filter((each) => each.sessionKey === sessionKey);
  }

  /** Sessions in which a turn runs or waits, with the first message of the one that runs, also before its agent has begun. */
  busySessions(): Map<SessionKey, RunId | undefined> {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.active || lane.queue.length > 0);
    return new Map(lanes.map((lane) => [lane.key, lane.active?.runIds[0]]));
  }

  /** Messages that wait behind the running turn of a session. */
  queuedRuns(sessionKey: SessionKey): RunId[] {
    return this.#lanes.get(sessionKey)?.queue.map((each) => each.runId) ?? [];
  }

  /** Lanes, running turns and waiting messages at this moment. */
  counts(): { lanes: number; running: number; waiting: number } {
    let waiting = 0;
    for (const lane of this.#lanes.values()) waiting += lane.queue.length;
    return { lanes: this.#lanes.size, running: this.#inflight.size, waiting };
  }

  /** Sessions whose next message has no slot, and how long the first of them has waited. */
  slotWaits(): { sessions: number; longestMs: number } {
    return this.#slotWaits.load();
  }

  /** Resolves with the outcome of a run, at once when it is over; null after `timeoutMs` or when `signal` aborts. */
  waitForOutcome(runId: RunId, timeoutMs: number, signal?: AbortSignal): Promise<RunOutcome | null> {
    const done = this.findRun(runId)?.outcome;
    if (done) return Promise.resolve(done);
    return this.#waiters.wait(runId, timeoutMs, signal);
  }

  /** People from outside write in this session: what they and the operator say has to be told apart. */
  hasExternalSenders(sessionKey: SessionKey): boolean {
    const session = this.options.sessions.get(sessionKey);
    return session !== undefined && session.target !== null && hasExternalSender(this.options.store, session, LIMITS.contextMessages);
  }

  /** What was said in a session before the given runs, for a runtime that rebuilds its context. */
  buildContext(session: SessionRow, leaveOut: readonly RunId[] = []): ContextMessage[] {
    const rows = this.options.messages.tail(session.key, session.session_id, LIMITS.contextMessages);
    return buildContext(rows, new Set<string>([...leaveOut, ...this.queuedRuns(session.key)]));
  }

  /** Gives a parked message another try, with its attempts forgotten. */
  async retry(runId: RunId): Promise<void> {
    const row = this.findRun(runId);
    if (row?.state !== "parked" || row.payload === null) throw new GatewayError("INVALID_REQUEST", "this message cannot be run any more");
    await this.options.store.write(() =>
      this.options.store.run("UPDATE inbox SET state = 'queued', attempts = 0, ended_at = NULL, outcome = NULL WHERE run_id = ?", runId),
    );
    this.#enqueue(row.sessionKey, toQueuedMessage(runId, row.payload, "followup"), false);
  }

  /**
   * Takes up again what an earlier process left: called once, before the gateway listens. See recover.ts. What ran when that process
   * ended runs by itself now, and on its last attempt beside no other such run: only what ends the process becomes a dead letter.
   */
  resume(rows: readonly InboxRow<Payload>[]): void {
    for (const { runId, sessionKey, payload, attempts } of rows) {
      this.#lastAttempts.add(runId, attempts);
      this.#enqueue(sessionKey, toQueuedMessage(runId, payload, attempts > 0 ? "followup" : payload.queueMode), false, true);
    }
  }

  /** Does something with a session while none of its turns runs; messages that come meanwhile wait in the lane. */
  async withSessionLock<T>(sessionKey: SessionKey, work: () => Promise<T>): Promise<T> {
    let lane = this.#laneOf(sessionKey);
    for (; lane.active; lane = this.#laneOf(sessionKey)) await lane.active.ended;
    const released = Promise.withResolvers<void>();
    const ended = released.promise;
    lane.active = { ...toActiveTurn([]), ended };
    try {
      return await work();
    } finally {
      lane.active = null;
      released.resolve();
      this.#pump(lane);
    }
  }

  /** Empties a session and waits until its running turn is over. */
  async drain(sessionKey: SessionKey): Promise<void> {
    this.abort(sessionKey, undefined, "user");
    await this.#lanes.get(sessionKey)?.active?.ended;
  }

  /** No new work; running turns are left as they are on disk, so that the next start resumes or closes them. */
  stop(): void {
    this.#stopping = true;
    this.#contained("to forgive the attempts of running turns", () =>
      this.options.store.writeNow(() => this.options.inbox.refundAttempts()),
    )();
    for (const cancel of this.#debounceTimers.values()) cancel();
    this.#slotWaits.stop();
    for (const lane of this.#lanes.values()) {
      lane.queue = [];
      if (!lane.active) continue;
      lane.active.abortCause = "shutdown";
      lane.active.abort.abort();
    }
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  #laneOf(key: SessionKey): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { key, queue: [], active: null };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #enqueue(key: SessionKey, waiting: QueuedMessage, started: boolean, later = false): void {
    const lane = this.#laneOf(key);
    // Nothing runs or waits: there is no turn to wait for others with.
    const alone = !lane.active && lane.queue.length === 0;
    lane.queue.push(alone ? { ...waiting, debounceUntil: 0 } : waiting);
    if (started) this.#laneReservations.delete(key);
    if (started && lane.queue.length === 1 && !lane.active) this.#startTurn(lane, [waiting], true);
    else if (later) setImmediate(() => this.#pump(lane));
    else this.#pump(lane);
  }

  /** Carries out what the lane does next. Never throws: it runs in timers and at the end of turns. */
  readonly #pump = this.#contained("to go on with a session", (lane: Lane): void => {
    if (this.#stopping) return;
    this.#debounceTimers.get(lane.key)?.();
    this.#debounceTimers.delete(lane.key);
    const now = this.options.clock.monotonic();
    const step = nextAction(lane, now);
    if (step.do === "start") {
      if (this.#mayStart(lane, step.take)) this.#startTurn(lane, step.take, false);
      else this.#slotWaits.begin(lane, (runId) => this.findRun(runId));
    } else if (step.do === "interrupt") {
      lane.active!.abortCause = "interrupt";
      lane.active!.abort.abort();
    } else if (step.do === "steer") this.#contained("to hand in a message", () => this.#steer(lane, step.message))();
    else if (step.do === "wait")
      this.#debounceTimers.set(
        lane.key,
        this.options.clock.after(step.untilMs - now, () => this.#pump(lane)),
      );
    else if (step.do === "nothing" && !lane.active && lane.queue.length === 0) this.#lanes.delete(lane.key);
  });

  /** Hands a waiting message into the running turn; it stays first in the queue when the turn can't take it. */
  async #steer(lane: Lane, message: QueuedMessage): Promise<void> {
    const active = lane.active!;
    const row = this.findRun(message.runId);
    if (!row?.payload) return;
    active.isSteering = true;
    const into = active.runIds[0]!;
    try {
      // Written first: after a crash the message belongs to a run that is resumed or closed, never to both.
      await this.options.store.write(() => this.options.inbox.markSteered(message.runId, into));
      // Let go meanwhile: its end is on its way to the disk.
      if (!lane.queue.some((each) => each.runId === message.runId)) return;
      if (!active.isPrompting) {
        // The turn's end is on disk or on its way there, without this message.
        await this.#writeWithRetry(() => this.options.inbox.returnToQueue(message.runId));
        message.mode = "followup";
        return;
      }
      lane.queue = lane.queue.filter((each) => each.runId !== message.runId);
      active.steered.push(message.runId);
      // Before the runtime has it: from here on the model may read it.
      active.grants.push(message.grant);
      const taken = await this.options.runtime.steer(lane.key, {
        runId: message.runId,
        text: toAgentText(row.payload, this.hasExternalSenders(lane.key)),
        images: await this.loadImages(row.payload.images),
      });
      if (!taken) this.#returnToQueue(lane, active, { ...message, mode: "followup" });
    } catch (err) {
      this.options.log.warn("a message could not be handed into the running turn", { runId: message.runId, cause: reasonOf(err) });
      this.#returnToQueue(lane, active, { ...message, mode: "followup" });
    } finally {
      active.isSteering = false;
      this.#pump(lane);
    }
  }

  /** The running turn did not take the message: it waits for a turn of its own. What the turn's end has settled stays as it is. */
  #returnToQueue(lane: Lane, active: ActiveTurn, message: QueuedMessage): void {
    const still = lane.queue.find((each) => each.runId === message.runId);
    if (still) still.mode = "followup";
    if (!active.steered.includes(message.runId)) return;
    active.steered = active.steered.filter((runId) => runId !== message.runId);
    lane.queue.unshift(message);
    this.#contained("to put a message back", () => this.#writeWithRetry(() => this.options.inbox.returnToQueue(message.runId)))();
  }

  #mayStart(lane: Lane, take: readonly QueuedMessage[]): boolean {
    if (this.#lastAttempts.mustWait(take.map((each) => each.runId))) return false;
    return this.#slots.canStart(this.#slotRequestOf(lane), () => this.#waitingSlotRequests(lane.key));
  }

  /** What the first message of a lane would take a slot for. */
  #slotRequestOf = ({ key, queue: [first] }: Lane): SlotRequest =>
    toSlotRequest(this.options, first && this.findRun(first.runId)?.payload, this.options.sessions.get(key));
  #waitingSlotRequests = (except: SessionKey): SlotRequest[] => waitingLanes(this.#lanes.values(), except).map(this.#slotRequestOf);

  #startTurn(lane: Lane, take: readonly QueuedMessage[], stored: boolean): void {
    this.#slots.acquire(lane.key, this.#slotRequestOf(lane));
    lane.queue = lane.queue.slice(take.length);
    const active = toActiveTurn(take);
    const attemptEnded = this.#lastAttempts.begin(active.runIds);
    lane.active = active;
    this.#slotWaits.settle(lane);
    active.ended = this.#run(lane, active, stored)
      .catch((err: unknown) => this.#endAsFailed(lane, active, err))
      .finally(() => {
        attemptEnded();
        this.#slots.release(lane.key);
        lane.active = null;
        this.#pump(lane);
        this.#pumpWaitingLanes();
      });
  }

  /** A bug ended the turn: its runs end as failed, so that nobody waits for an answer that cannot come. Never rejects. */
  async #endAsFailed(lane: Lane, active: ActiveTurn, err: unknown): Promise<void> {
    const { clock, log } = this.options;
    const write = (change: () => void): Promise<unknown> => this.#writeWithRetry(change);
    log.error("a turn failed in the gateway itself", { runId: active.runIds[0], error: err });
    for (const runId of [...active.runIds, ...active.steered]) {
      const seq = (this.#inflight.get(runId)?.seq ?? 0) + 1;
      this.#inflight.delete(runId);
      const emitEnded = (ref: RunRef, outcome: RunOutcome): void => this.#emitEnded(ref, seq, outcome);
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
      if (this.#slots.heldCount >= this.options.concurrency() + LIMITS.reserveSlots) return;
      if (!lane.active && lane.queue.length > 0) this.#pump(lane);
    }
  });

  async #run(lane: Lane, active: ActiveTurn, stored: boolean): Promise<void> {
    const { inbox, clock } = this.options;
    const [first, ...others] = active.runIds as [RunId, ...RunId[]];
    if (!stored) {
      await this.#writeWithRetry(() => {
        inbox.start(active.runIds, clock.now());
        for (const other of others) inbox.merge(other, first);
      });
    }
    this.options.mark("run-started");
    if (this.#stopping) return;
    const row = this.findRun(first);
    if (!row) return;
    const back = await runTurn(this, row, active, {
      inflight: this.#inflight,
      pumpLane: () => this.#pump(lane),
      writeWithRetry: (change) => this.#writeWithRetry(change),
      emitEnded: (ref, seq, outcome, mergedInto) => this.#emitEnded(ref, seq, outcome, mergedInto),
      emitMessageAdded: (message, reason) => this.#emitMessageAdded(message, reason),
    });
    const returned = back.filter((runId) => !lane.queue.some((each) => each.runId === runId));
    lane.queue.unshift(...returned.map((runId) => toQueuedMessage(runId, this.findRun(runId)?.payload ?? null, "followup")));
  }

  /** What has happened must be written, and nothing else of the lane may go on before. Rejects only for a bug in `change`. */
  async #writeWithRetry<T>(change: () => T): Promise<T | undefined> {
    const { store, clock, log } = this.options;
    return (await writeWithRetry({ store, clock, log, isStopping: () => this.#stopping }, "a turn waits for the store", change))?.value;
  }

  /** A callback that nobody awaits: its failure is logged and ends nothing else. */
  #contained<A extends unknown[]>(what: string, fn: (...args: A) => unknown): (...args: A) => void {
    return contain((err) => this.options.log.error("the gateway itself failed", { what, error: err }), fn);
  }

  #emitMessageAdded(message: Message, reason: string): void {
    this.options.bus.emit("message.added", { message });
    this.options.bus.emit("session.changed", {
      sessionKey: message.sessionKey,
      reason,
      fields: ["updated_at", "preview", "last_message_at", "title"],
      ...(message.runId ? { runId: message.runId } : {}),
    });
  }

  #emitEnded(ref: RunRef, seq: number, outcome: RunOutcome, mergedInto?: RunId): void {
    this.options.metrics.count("gateway_turns_ended_total", { status: outcome.status });
    this.options.bus.emit("turn.ended", { ...ref, seq, outcome, ...(mergedInto ? { mergedInto } : {}) });
    this.#waiters.settle(ref.runId, outcome);
  }
}

export { conversationOf };
