import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { GatewayError } from "../core/errors.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Inbox, InboxRow, RunOutcome } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import { toRunRef } from "./events.ts";
import { nextAction, toActiveTurn, toQueuedMessage, waitingLanes, type ActiveTurn, type Lane, type QueuedMessage } from "./lane.ts";
import { LastAttempts } from "./last-attempts.ts";
import type { RunRegistry } from "./runs.ts";
import { toSlotRequest, type RunningAgents } from "./settings.ts";
import type { SlotWaits } from "./slot-waits.ts";
import { TurnSlots, type SlotRequest } from "./slots.ts";
import type { Payload, RunRow } from "./submission.ts";
import type { TurnContext } from "./turn-context.ts";
import type { RetryingWrite } from "./write-with-retry.ts";

/** What runs the turns of the lanes. */
export type LaneRunner = {
  /** Runs one turn to its end. Resolves to the messages that were handed in but not taken: they go back into the queue. */
  run(context: TurnContext): Promise<RunId[]>;
  /** Ends the runs of a turn that failed by a bug of the gateway. Never rejects. */
  endAsFailed(runIds: readonly RunId[], err: unknown): Promise<void>;
};

/** What hands a waiting message into a running turn; false when nothing was tried. */
export type LaneSteering = { steer(lane: Lane, active: ActiveTurn, message: QueuedMessage): Promise<boolean> };

export type SessionLanesDeps = {
  store: Store;
  inbox: Inbox;
  sessions: Sessions;
  runs: RunRegistry;
  runner: LaneRunner;
  steering: LaneSteering;
  slotWaits: SlotWaits;
  write: RetryingWrite;
  clock: Clock;
  log: Log;
  running: RunningAgents;
  /** Turns that may run at the same time. */
  concurrency: () => number;
  crashPoint: (point: string) => void;
  /** Aborted by `stop`. */
  stopping: AbortController;
};

/** The place in a lane of a message whose transaction is under way. Exactly one of `commit` and `rollback` follows. */
export type LaneEntry = {
  /** The lane is idle and takes the message in the transaction that admits it: one commit instead of two. */
  readonly startsAtOnce: boolean;
  /** The message is on disk. `row` is used when its turn starts at once. */
  commit(message: QueuedMessage, row: RunRow): void;
  rollback(): void;
};

/** One ordered lane per session: which message waits, which turn runs, and when the next one starts. */
export class SessionLanes {
  readonly #deps: SessionLanesDeps;
  readonly #lanes = new Map<SessionKey, Lane>();
  /** Idle lanes whose next message is being committed. */
  readonly #reserved = new Set<SessionKey>();
  /** Messages whose transaction is under way; a withdrawn one never enters its lane. */
  readonly #entering = new Map<RunId, { key: SessionKey; withdrawn: boolean }>();
  /** Lanes that wait for a quiet moment, with the cancel function of their timer. */
  readonly #debounceTimers = new Map<SessionKey, () => void>();
  readonly #lastAttempts = new LastAttempts();
  readonly #slots: TurnSlots;

  constructor(deps: SessionLanesDeps) {
    this.#deps = deps;
    this.#slots = new TurnSlots(deps.concurrency);
  }

  isFull(sessionKey: SessionKey): boolean {
    return (this.#lanes.get(sessionKey)?.queue.length ?? 0) >= LIMITS.laneDepth;
  }

  /** Nothing runs or waits in the session. */
  isIdle(sessionKey: SessionKey): boolean {
    return !this.#lanes.has(sessionKey);
  }

  /** Reserves a place for a message that is being stored; inside its `store.write`. */
  enter({ runId, slotNeed }: QueuedMessage, session: SessionRow): LaneEntry {
    const { key } = session;
    const request = toSlotRequest(this.#deps.running, slotNeed, session);
    const startsAtOnce = this.#reserve(key, request);
    const entry = { key, withdrawn: false };
    this.#entering.set(runId, entry);
    const rollback = (): void => {
      if (startsAtOnce) this.#reserved.delete(key);
      this.#entering.delete(runId);
    };
    const commit = (message: QueuedMessage, row: RunRow): void => {
      rollback();
      if (!entry.withdrawn) this.#enqueue(key, message, startsAtOnce ? { row, request } : null);
    };
    return { startsAtOnce, commit, rollback };
  }

  #reserve(key: SessionKey, request: SlotRequest): boolean {
    if (this.#lanes.has(key) || this.#reserved.has(key)) return false;
    if (!this.#slots.canStart(request, () => this.#waitingSlotRequests(key), this.#reserved.size)) return false;
    this.#reserved.add(key);
    return true;
  }

  /**
   * Stops the running turn of a session and withdraws what waits there, or only `runId`. Returns the affected runs; the outcome of each
   * follows as `turn.ended`. A turn is stopped only when `may` holds for all of its messages.
   */
  abort(sessionKey: SessionKey, runId: RunId | undefined, may: (id: RunId) => boolean = () => true): RunId[] {
    const lane = this.#lanes.get(sessionKey);
    const isMeant = (id: RunId): boolean => (runId ?? id) === id && may(id);
    const entering = [...this.#entering].filter(([id, { key }]) => key === sessionKey && isMeant(id));
    for (const [, entry] of entering) entry.withdrawn = true;
    const waiting = [...(lane?.queue.map((each) => each.runId).filter(isMeant) ?? []), ...entering.map(([id]) => id)];
    if (lane) this.#withdraw(lane, waiting);
    const active = lane?.active;
    const inTurn = active ? [...active.runIds, ...active.steered] : [];
    const hit = active && (runId === undefined || inTurn.includes(runId)) && inTurn.every(may) && !active.abort.signal.aborted;
    if (hit) {
      active.abortCause = "user";
      active.abort.abort();
    }
    for (const each of waiting) this.#contained("to end a waiting message", () => this.#endQueued(each))();
    if (hit || runId === undefined) this.#deps.runs.noteStopped(sessionKey);
    return [...(hit ? active.runIds : []), ...waiting];
  }

  /** As `abort`; resolves when it is on disk, so that a crash does not bring the runs back. */
  async abortDurably(sessionKey: SessionKey, runId?: RunId): Promise<RunId[]> {
    const runIds = this.abort(sessionKey, runId);
    await this.#deps.store.write(() => this.#storeAborted(runIds));
    return runIds;
  }

  /** `/stop`: aborts what `may` allows; inside a `store.write`. False when there was something to stop and nothing of it was allowed. */
  abortAllowed(sessionKey: SessionKey, may: (id: RunId) => boolean): boolean {
    const lane = this.#lanes.get(sessionKey);
    const busy = lane && (lane.queue.length > 0 || lane.active?.abort.signal.aborted === false);
    const aborted = this.abort(sessionKey, undefined, may);
    this.#storeAborted(aborted);
    return !busy || aborted.length > 0;
  }

  /** The end of a turn that is being stopped comes later and has more details; this is what counts if it never comes. */
  #storeAborted(runIds: readonly RunId[]): void {
    for (const runId of runIds)
      if (!this.#deps.inbox.byRun<Payload>(runId)?.outcome) this.#deps.inbox.end(runId, "aborted", this.#abortedOutcome());
  }

  async #endQueued(runId: RunId): Promise<void> {
    const row = this.#deps.inbox.byRun<Payload>(runId);
    if (!row) return;
    const outcome = this.#abortedOutcome();
    try {
      await this.#deps.write(() => this.#deps.inbox.end(runId, "aborted", outcome));
    } finally {
      this.#deps.runs.emitEnded(toRunRef(row), 1, outcome);
    }
  }

  #abortedOutcome = (): RunOutcome => ({ status: "aborted", text: "", stopReason: "aborted", endedAt: this.#deps.clock.now() });

  /** Takes a waiting message out of its lane, for a caller that ends it; false when a turn has it already. */
  dequeue({ runId, sessionKey, state }: InboxRow): boolean {
    const lane = this.#lanes.get(sessionKey);
    const entering = this.#entering.get(runId);
    if (state !== "parked" && !entering && !lane?.queue.some((each) => each.runId === runId)) return false;
    if (entering) entering.withdrawn = true;
    if (lane) this.#withdraw(lane, [runId]);
    return true;
  }

  /** Takes messages out of the queue of a lane, and off the list of messages that wait for a slot. */
  #withdraw(lane: Lane, runIds: readonly RunId[]): void {
    lane.queue = lane.queue.filter((each) => !runIds.includes(each.runId));
    this.#deps.slotWaits.settle(lane);
    if (!lane.active) setImmediate(() => this.#pump(lane));
  }

  /** Sessions in which a turn runs or waits, with the first message of the running turn, also before its agent has started. */
  busySessions(): Map<SessionKey, RunId | undefined> {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.active || lane.queue.length > 0);
    return new Map(lanes.map((lane) => [lane.key, lane.active?.runIds[0]]));
  }

  /** Messages that wait behind the running turn of a session. */
  queuedRuns(sessionKey: SessionKey): RunId[] {
    return this.#lanes.get(sessionKey)?.queue.map((each) => each.runId) ?? [];
  }

  /** Lanes, running turns, waiting messages, and the sessions whose next message waits for a slot. */
  load(): { lanes: number; running: number; waiting: number; slotWaits: { sessions: number; longestMs: number } } {
    let waiting = 0;
    for (const lane of this.#lanes.values()) waiting += lane.queue.length;
    return { lanes: this.#lanes.size, running: this.#deps.runs.inflightCount, waiting, slotWaits: this.#deps.slotWaits.load() };
  }

  /** Runs a dead letter again; its earlier attempts do not count. */
  async retry(runId: RunId): Promise<void> {
    const { store, inbox } = this.#deps;
    const row = inbox.byRun<Payload>(runId);
    if (row?.state !== "parked" || row.payload === null) throw new GatewayError("INVALID_REQUEST", "this message cannot be run any more");
    await store.write(() => inbox.retry(runId));
    this.#enqueue(row.sessionKey, toQueuedMessage(runId, row.payload, "followup"), null);
  }

  /**
   * Queues what an earlier process left; see recover.ts. What ran when that process ended runs alone now, and on its last attempt it runs
   * beside no other such run: only a message that ends the process itself becomes a dead letter.
   */
  resume(rows: readonly InboxRow<Payload>[]): void {
    for (const { runId, sessionKey, payload, attempts } of rows) {
      this.#lastAttempts.add(runId, attempts);
      const lane = this.#laneOf(sessionKey);
      push(lane, toQueuedMessage(runId, payload, attempts > 0 ? "followup" : payload.queueMode));
      setImmediate(() => this.#pump(lane));
    }
  }

  /** Runs `work` while no turn of the session runs; messages that arrive meanwhile wait in the lane. */
  async withSessionLock<T>(sessionKey: SessionKey, work: () => Promise<T>): Promise<T> {
    let lane = this.#laneOf(sessionKey);
    for (; lane.active; lane = this.#laneOf(sessionKey)) await lane.active.ended;
    const released = Promise.withResolvers<void>();
    lane.active = { ...toActiveTurn([]), ended: released.promise };
    try {
      return await work();
    } finally {
      lane.active = null;
      released.resolve();
      this.#pump(lane);
    }
  }

  /** Empties a session and waits until its running turn has ended. */
  async drain(sessionKey: SessionKey): Promise<void> {
    this.abort(sessionKey, undefined);
    await this.#lanes.get(sessionKey)?.active?.ended;
  }

  /** Starts nothing more. Running turns stay as they are on disk: the next start resumes or closes them. */
  stop(): void {
    const { stopping, store, inbox, slotWaits } = this.#deps;
    stopping.abort();
    this.#contained("to forgive the attempts of running turns", () => store.writeNow(() => inbox.refundAttempts()))();
    for (const cancel of this.#debounceTimers.values()) cancel();
    slotWaits.stop();
    for (const lane of this.#lanes.values()) {
      lane.queue = [];
      if (!lane.active) continue;
      lane.active.abortCause = "shutdown";
      lane.active.abort.abort();
    }
  }

  get isStopping(): boolean {
    return this.#deps.stopping.signal.aborted;
  }

  #laneOf(key: SessionKey): Lane {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { key, queue: [], active: null };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** `reserved`: the message is marked as running already, and starts at once. */
  #enqueue(key: SessionKey, message: QueuedMessage, reserved: { row: RunRow; request: SlotRequest } | null): void {
    const lane = this.#laneOf(key);
    const queued = push(lane, message);
    if (reserved && lane.queue.length === 1 && !lane.active) this.#startTurn(lane, [queued], reserved.request, reserved.row);
    else this.#pump(lane);
  }

  /** Carries out the next action of a lane. Never throws: it runs in timers and at the end of turns. */
  readonly #pump = this.#contained("to go on with a session", (lane: Lane): void => {
    if (this.isStopping) return;
    this.#debounceTimers.get(lane.key)?.();
    this.#debounceTimers.delete(lane.key);
    const now = this.#deps.clock.monotonic();
    const action = nextAction(lane, now);
    if (action.do === "start") {
      const request = this.#slotRequestOf(lane.key, action.take[0]!);
      if (this.#mayStart(lane, action.take, request)) this.#startTurn(lane, action.take, request, null);
      else this.#deps.slotWaits.begin(lane);
    } else if (action.do === "interrupt") {
      lane.active!.abortCause = "interrupt";
      lane.active!.abort.abort();
    } else if (action.do === "steer") this.#steer(lane, action.message);
    else if (action.do === "wait") {
      const cancel = this.#deps.clock.after(action.untilMs - now, () => this.#pump(lane));
      this.#debounceTimers.set(lane.key, cancel);
    } else if (!lane.active && lane.queue.length === 0) this.#lanes.delete(lane.key);
  });

  readonly #steer = this.#contained("to hand in a message", async (lane: Lane, message: QueuedMessage) => {
    if (await this.#deps.steering.steer(lane, lane.active!, message)) this.#pump(lane);
  });

  #mayStart(lane: Lane, take: readonly QueuedMessage[], request: SlotRequest): boolean {
    if (this.#lastAttempts.mustWait(take.map((each) => each.runId))) return false;
    return this.#slots.canStart(request, () => this.#waitingSlotRequests(lane.key));
  }

  #slotRequestOf = (key: SessionKey, { slotNeed }: QueuedMessage): SlotRequest =>
    toSlotRequest(this.#deps.running, slotNeed, this.#deps.sessions.get(key));
  #waitingSlotRequests = (except: SessionKey): SlotRequest[] =>
    waitingLanes(this.#lanes.values(), except).map((lane) => this.#slotRequestOf(lane.key, lane.queue[0]!));

  /** `row` of a message that is marked as running already; null: marks all of them. */
  #startTurn(lane: Lane, take: readonly QueuedMessage[], request: SlotRequest, row: RunRow | null): void {
    this.#slots.acquire(lane.key, request);
    lane.queue = lane.queue.slice(take.length);
    const active = toActiveTurn(take);
    const attemptEnded = this.#lastAttempts.begin(active.runIds);
    lane.active = active;
    this.#deps.slotWaits.settle(lane);
    active.ended = this.#run(lane, active, row)
      .catch(async (err: unknown) => {
        await this.#deps.runner.endAsFailed([...active.runIds, ...active.steered], err);
        active.steered = [];
      })
      .finally(() => {
        attemptEnded();
        this.#slots.release(lane.key);
        lane.active = null;
        this.#pump(lane);
        this.#pumpWaitingLanes();
      });
  }

  async #run(lane: Lane, active: ActiveTurn, stored: RunRow | null): Promise<void> {
    const { crashPoint, inbox, runner } = this.#deps;
    if (!stored) await this.#markRunning(active.runIds);
    crashPoint("run-started");
    if (this.isStopping) return;
    const [row, ...collected] = stored ? [stored] : active.runIds.flatMap((runId) => inbox.byRun<Payload>(runId) ?? []);
    if (row?.runId !== active.runIds[0]) return;
    const returned = await runner.run({
      row: row!,
      collected,
      active,
      onPrompting: () => this.#pump(lane),
      queuedRuns: () => this.queuedRuns(lane.key),
    });
    const missing = returned.filter((runId) => !lane.queue.some((each) => each.runId === runId));
    lane.queue.unshift(...missing.map((runId) => toQueuedMessage(runId, inbox.byRun<Payload>(runId)?.payload ?? null, "followup")));
  }

  async #markRunning([first, ...others]: readonly RunId[]): Promise<void> {
    const { write, inbox, clock } = this.#deps;
    await write(() => {
      inbox.start([first!, ...others], clock.now());
      for (const other of others) inbox.merge(other, first!);
    });
  }

  /** A slot is free: lanes that had to wait for one are asked, the longest waiting first. */
  readonly #pumpWaitingLanes = this.#contained("to start waiting sessions", (): void => {
    for (const lane of this.#lanes.values()) {
      if (this.#slots.heldCount >= this.#deps.concurrency() + LIMITS.reserveSlots) return;
      if (!lane.active && lane.queue.length > 0) this.#pump(lane);
    }
  });

  /** A callback that is not awaited: its failure is logged and affects nothing else. */
  #contained<A extends unknown[]>(what: string, fn: (...args: A) => unknown): (...args: A) => void {
    return contain((err) => this.#deps.log.error("the gateway itself failed", { what, error: err }), fn);
  }
}

/** Where nothing runs or waits, there is no turn with which others could be collected. */
function push(lane: Lane, message: QueuedMessage): QueuedMessage {
  const alone = !lane.active && lane.queue.length === 0;
  const queued = alone ? { ...message, debounceUntil: 0 } : message;
  const behind = queued.givesWay ? -1 : lane.queue.findIndex(({ givesWay }) => givesWay);
  if (behind === -1) lane.queue.push(queued);
  else lane.queue.splice(behind, 0, queued);
  return queued;
}
