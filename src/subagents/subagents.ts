import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { clip } from "../core/text.ts";
import { endOfRun, type Inbox } from "../store/inbox.ts";
import type { Messages } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import type { SessionRow, Sessions } from "../store/sessions.ts";
import type { TurnEvents } from "../turns/events.ts";
import type { Submission, SubmitResult } from "../turns/submission.ts";
import { oneLine } from "../turns/untrusted-text.ts";
import { combineWork, commitWork, planInTransaction, type UnitOfWork } from "../turns/unit-of-work.ts";
import { dueDeliveries } from "./delivery.ts";
import { SUBAGENT_LIMITS } from "./limits.ts";
import {
  nextTrail,
  refuseMessage,
  refuseSpawn,
  toEnd,
  toolsOfTask,
  toTaskGrant,
  toResultSubmission,
  toTaskSubmission,
  type MessageEnd,
  type SpawnWish,
  type TaskLookups,
} from "./plan.ts";
import {
  hasEnded,
  isMessage,
  type SubagentEvents,
  type SubagentSettings,
  type Task,
  type TaskRecord,
  type TaskRows,
  type Trail,
} from "./task.ts";

export type SubagentsDeps = {
  rows: TaskRows;
  store: Store;
  inbox: Pick<Inbox, "byRun" | "end">;
  sessions: Pick<Sessions, "get" | "insert">;
  messages: Pick<Messages, "copy" | "count">;
  bus: Bus<TurnEvents & SubagentEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: (agentId: AgentId) => SubagentSettings;
  lookups: TaskLookups;
  /** The admission of a message; committed together with the row of its task. */
  prepare: (submission: Submission) => UnitOfWork<SubmitResult>;
  /** Stops a run; resolves when that is on disk. */
  abort: (sessionKey: SessionKey, runId: RunId) => Promise<unknown>;
  newId: () => string;
};

/** Who gives a task: the turn, its message, how that came in, and the tools that the turn has. */
export type TaskParent = {
  agentId: AgentId;
  sessionKey: SessionKey;
  runId: RunId | null;
  message: Pick<Submission, "provenance" | "target" | "roomTools" | "payer">;
  channel: string;
  tools: Submission["tools"];
};

/**
 * Tasks of sub-agents from their start to the message that hands their results back. A task and its session, a run and its inbox row, and a
 * result and the message that has it are one transaction each. What follows from the end of a run is read from the inbox, so that nothing
 * depends on having heard of it.
 */
export class Subagents {
  readonly #deps: SubagentsDeps;
  /** Runs of tasks, and runs whose tool calls read results. */
  #watched = new Set<string>();
  /** Tasks that a tool call waits for: their results are not handed back by a message meanwhile. */
  readonly #awaited = new Map<RunId, number>();
  #cancelTimer: (() => void) | null = null;
  #step: Promise<void> | null = null;
  #isAgain = false;
  #isStopped = false;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(deps: SubagentsDeps) {
    this.#deps = deps;
    this.#unsubscribe = [
      deps.bus.on("turn.ended", ({ runId }) => {
        if (this.#watched.has(runId)) void this.wake();
      }),
      deps.bus.on("session.stopped", ({ sessionKey }) => this.#stopBelow(sessionKey)),
    ];
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Throws when a task is refused. */
  checkSpawn(wish: SpawnWish, parent: TaskParent): void {
    const { lookups, settings } = this.#deps;
    const { sessionKey, agentId: parentAgentId } = parent;
    const place = { depth: this.#depthOf(parent), openChildren: this.childrenOf(sessionKey).length };
    const refusal = refuseSpawn(wish, place, { settings: settings(parentAgentId), lookups, parentAgentId });
    if (refusal) throw refusal;
  }

  /** Gives a task: on disk before the promise resolves. Throws when it is refused. */
  async spawn(wish: SpawnWish & { expectsResult: boolean }, parent: TaskParent): Promise<Task> {
    const { rows, store, sessions, clock, newId, settings } = this.#deps;
    const { sessionKey, agentId: parentAgentId } = parent;
    const limits = settings(parentAgentId);
    this.checkSpawn(wish, parent);
    const agentId = asId<AgentId>(wish.agentId ?? parentAgentId);
    const id = newId();
    const runId = asId<RunId>(id);
    const childKey = asId<SessionKey>(`agent:${agentId}:subagent:${id}`);
    const seconds = wish.runTimeoutSeconds ?? limits.runTimeoutSeconds;
    await store.write(() => {
      const session = sessions.get(sessionKey);
      if (!session) throw new GatewayError("NOT_FOUND", "the session that gives the task was deleted");
      const record: TaskRecord = {
        task: wish.task,
        label: labelOf(wish),
        agentId,
        model: wish.model ?? limits.model,
        thinking: wish.thinking ?? limits.thinking,
        timeoutMs: seconds === 0 ? null : seconds * 1_000,
        ...(wish.files && { files: wish.files }),
        ...this.#fromParent(parent, session.session_id, false),
        depth: this.#depthOf(parent) + 1,
      };
      const now = clock.now();
      const identity = { key: childKey, session_id: newId(), agent_id: agentId, chat_kind: "direct" as const, channel: "webchat" };
      const isFork = wish.context === "fork";
      const forked = isFork ? { forked_from: session.session_id } : {};
      sessions.insert({ ...identity, created_at: now, updated_at: now, parent_key: sessionKey, label: record.label, ...forked });
      if (isFork) this.#copyConversation(session, { key: childKey, sessionId: identity.session_id });
      const delivery = wish.expectsResult ? "pending" : "none";
      rows.add({ runId, childKey, parentKey: sessionKey, delivery, createdAt: now, record });
    });
    this.#changed(runId);
    await this.wake();
    return rows.get(runId)!;
  }

  /** What the conversation has so far, with the message that is being answered. */
  #copyConversation({ key, session_id: sessionId }: SessionRow, to: { key: SessionKey; sessionId: string }): void {
    const { messages } = this.#deps;
    const count = messages.count(key, sessionId);
    if (count > LIMITS.forkMessages)
      throw new GatewayError(
        "INVALID_REQUEST",
        `context: the conversation has ${count} messages; at most ${LIMITS.forkMessages} are copied`,
        {
          fix: "Give the task without context, and write into it what the sub-agent has to know.",
        },
      );
    messages.copy({ key, sessionId, upToSeq: Number.MAX_SAFE_INTEGER }, to);
  }

  /**
   * Writes to the session of another agent, which answers in a turn of its own. The answer comes back as the result of a task does.
   * `timeoutMs`: how long the call waits for it; 0: it is not asked for. Throws when it is refused.
   */
  async send(
    { message, to, timeoutMs }: { message: string; to: MessageEnd; timeoutMs: number },
    parent: TaskParent,
    signal: AbortSignal,
  ): Promise<{ task: Task; isAnswered: boolean }> {
    const { rows, store, sessions, clock, newId, lookups, settings } = this.#deps;
    const { sessionKey, agentId: parentAgentId } = parent;
    const refusal = refuseMessage(
      message,
      { from: { ...parent, surface: surfaceOf(parent.message) }, to, trail: this.#trailOf(parent.runId) },
      lookups,
    );
    if (refusal) throw refusal;
    const open = this.childrenOf(sessionKey).length;
    if (open >= settings(parentAgentId).maxChildrenPerAgent) throw tooMany(open);
    const runId = asId<RunId>(newId());
    // Before the message is stored, so that its answer cannot come as a message as well.
    if (timeoutMs > 0) this.#await(runId);
    try {
      await store.write(() => {
        const session = sessions.get(sessionKey);
        if (!session) throw new GatewayError("NOT_FOUND", "the session that sends the message was deleted");
        const record: TaskRecord = {
          kind: "message",
          task: message,
          label: labelOf({ task: message }),
          agentId: to.agentId,
          model: null,
          thinking: null,
          timeoutMs: null,
          ...this.#fromParent(parent, session.session_id, true),
          depth: this.#depthOf(parent) + 1,
        };
        const delivery = timeoutMs > 0 ? "pending" : "none";
        rows.add({ runId, childKey: to.sessionKey, parentKey: sessionKey, delivery, createdAt: clock.now(), record });
      });
      this.#changed(runId);
      await this.wake();
      const ended = timeoutMs > 0 ? await this.wait([runId], parent.runId, timeoutMs, signal) : [];
      return { task: ended[0] ?? rows.get(runId)!, isAnswered: ended.length > 0 };
    } finally {
      if (timeoutMs > 0) this.#unawait(runId);
    }
  }

  /** What a task has of the turn that gave it. */
  #fromParent(
    { agentId: parentAgentId, sessionKey, runId, message, tools, channel }: TaskParent,
    parentSessionId: string,
    isHop: boolean,
  ): Pick<TaskRecord, "trail" | "payer" | "parentAgentId" | "parentRunId" | "parentSessionId" | "grant"> {
    return {
      trail: nextTrail(this.#trailOf(runId), sessionKey, isHop),
      payer: message.payer ?? parentAgentId,
      parentAgentId,
      parentRunId: runId,
      parentSessionId,
      grant: toTaskGrant(message, tools, channel),
    };
  }

  /** How a turn came about among agents: it works on a task, or reads a result, whose trail goes on; else people started it. */
  #trailOf(runId: RunId | null): Trail {
    const none: Trail = { path: [], hops: 0 };
    const row = runId === null ? undefined : this.#deps.inbox.byRun(runId);
    if (row?.channel !== "subagent") return none;
    const ofResult = /^result:([^:]+)/.exec(row.eventId)?.[1];
    const { path, hops } = this.#deps.rows.get(ofResult ?? row.runId)?.record.trail ?? none;
    return ofResult === undefined ? { path, hops } : { path: path.slice(0, -1), hops };
  }

  /** How deep a turn is among the tasks; 0: people started it. */
  #depthOf({ sessionKey, runId }: Pick<TaskParent, "sessionKey" | "runId">): number {
    const { rows } = this.#deps;
    const own = runId === null ? undefined : rows.get(runId);
    return (own ?? this.#madeFor(sessionKey))?.record.depth ?? 0;
  }

  /** The task for which a session was made. */
  #madeFor(sessionKey: SessionKey): Task | undefined {
    const task = this.#deps.rows.byChild(sessionKey);
    return task && !isMessage(task) ? task : undefined;
  }

  /** Tasks of a session that have not ended. */
  childrenOf = (sessionKey: SessionKey): Task[] =>
    this.#deps.rows.list({ parentKey: sessionKey, states: ["waiting", "running"] }, Number.MAX_SAFE_INTEGER);

  /**
   * Waits until tasks have ended, or for so long. Their results count as handed back when the run `reader` ends well; until then nothing
   * else hands them back.
   */
  async wait(runIds: readonly RunId[], reader: RunId | null, timeoutMs: number, signal: AbortSignal): Promise<Task[]> {
    const { rows, store, bus, clock } = this.#deps;
    for (const runId of runIds) this.#await(runId);
    const isOver = (): boolean => runIds.every((runId) => hasEnded(rows.get(runId) ?? { state: "aborted" }));
    const done = Promise.withResolvers<void>();
    const off = bus.on("task.changed", () => {
      if (isOver()) done.resolve();
    });
    const cancel = clock.after(timeoutMs, done.resolve);
    signal.addEventListener("abort", () => done.resolve(), { once: true });
    try {
      if (!isOver() && !signal.aborted) await done.promise;
      if (signal.aborted) return [];
      const ended = runIds.flatMap((runId) => rows.get(runId) ?? []).filter(hasEnded);
      if (reader !== null)
        await store.write(() => {
          for (const { runId } of ended) rows.setDelivery(runId, "pending", "reading", reader);
        });
      return ended;
    } finally {
      off();
      cancel();
      for (const runId of runIds) this.#unawait(runId);
      void this.wake();
    }
  }

  #await(runId: RunId): void {
    this.#awaited.set(runId, (this.#awaited.get(runId) ?? 0) + 1);
  }

  #unawait(runId: RunId): void {
    const left = this.#awaited.get(runId)! - 1;
    if (left > 0) this.#awaited.set(runId, left);
    else this.#awaited.delete(runId);
  }

  /** Ends a task and everything that it has started. False: it had ended. */
  async cancel({ runId, childKey }: Pick<Task, "runId" | "childKey">, why: string): Promise<boolean> {
    const { rows, store, clock, abort } = this.#deps;
    const ended = await store.write(() => {
      const task = rows.get(runId);
      if (task?.state !== "waiting") return false;
      return rows.end(runId, "aborted", clock.now(), { ...task.record, error: why });
    });
    if (ended) this.#changed(runId);
    const isRunning = rows.get(runId)?.state === "running";
    if (isRunning) await abort(childKey, runId);
    await this.wake();
    return ended || isRunning;
  }

  /** Hands a result back that was not: its conversation was over, its message was not answered, or a person wants it. */
  async retry(runId: RunId): Promise<void> {
    const { rows, store, sessions } = this.#deps;
    await store.write(() => {
      const task = rows.get(runId);
      if (!task || !hasEnded(task)) throw new GatewayError("INVALID_REQUEST", "this task has not ended");
      const session = sessions.get(task.parentKey);
      if (!session)
        throw new GatewayError("INVALID_REQUEST", "the session that gave this task was deleted", {
          fix: `openclaw tasks show ${task.runId}`,
        });
      if (task.delivery !== "undelivered" && task.delivery !== "none")
        throw new GatewayError("INVALID_REQUEST", "the result was handed back");
      this.#withdrawMessage(task);
      rows.reopen(runId, { ...task.record, parentSessionId: session.session_id, retries: (task.record.retries ?? 0) + 1 });
    });
    this.#changed(runId);
    await this.wake();
  }

  /** The message that had the result may be a dead letter: it does not bring the result a second time. Throws when it was run after all. */
  #withdrawMessage({ delivery, reader }: Task): void {
    const { inbox, clock } = this.#deps;
    const row = delivery === "undelivered" && reader !== null ? inbox.byRun(reader) : undefined;
    if (!row) return;
    if (row.state === "parked")
      return inbox.end(reader!, "dropped", { status: "aborted", text: "", stopReason: "dropped", endedAt: clock.now() });
    const end = endOfRun(row, clock.now());
    if (end === null || end.status === "ok")
      throw new GatewayError("INVALID_REQUEST", "the message with the result was retried as a dead letter");
  }

  /** The result is not needed any more. False: it was not one to dismiss. */
  async dismiss(runId: RunId): Promise<boolean> {
    const { rows, store } = this.#deps;
    const done = await store.write(() => rows.setDelivery(runId, "undelivered", "none"));
    if (done) this.#changed(runId);
    return done;
  }

  /** Tasks that have not ended, of this session and of all tasks below it: the one that gave a task may have ended before it. */
  #openBelow(sessionKey: SessionKey): Task[] {
    const { rows } = this.#deps;
    const isBelow = ({ parentKey, record: { parentRunId } }: Task): boolean => {
      if (parentKey === sessionKey) return true;
      // A session of people answers messages of agents beside its own: what it started for one of them is below that one alone.
      const giver = (parentRunId === null ? undefined : rows.get(parentRunId)) ?? this.#madeFor(parentKey);
      return giver !== undefined && isBelow(giver);
    };
    return rows.open().filter((task) => !hasEnded(task) && isBelow(task));
  }

  #stopBelow(sessionKey: SessionKey): void {
    for (const task of this.#openBelow(sessionKey))
      this.cancel(task, "the session that gave the task was stopped").catch((err: unknown) =>
        this.#deps.log.warn("a task of a stopped session could not be ended", { task: task.runId, cause: reasonOf(err) }),
      );
  }

  #changed(runId: RunId): void {
    this.#deps.bus.emit("task.changed", { runId });
  }

  /** Looks at what has ended, what may start and which results are due. Resolves when that is stored; never rejects. */
  wake(): Promise<void> {
    this.#isAgain = true;
    this.#step ??= this.#steps();
    return this.#step;
  }

  async #steps(): Promise<void> {
    let hasFailed = false;
    while (this.#isAgain && !this.#isStopped) {
      this.#isAgain = false;
      try {
        await commitWork(this.#deps.store, this.#planStep());
      } catch (err) {
        hasFailed = true;
        if (!this.#isStopped) this.#deps.log.warn("tasks of sub-agents could not be advanced; it is tried again", { cause: reasonOf(err) });
        break;
      }
    }
    this.#step = null;
    this.#setTimer(hasFailed);
  }

  /** One timer, and only while something waits for it. */
  #setTimer(hasFailed: boolean): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#isStopped) return;
    const { rows, clock } = this.#deps;
    const { due, nextInMs } = dueDeliveries(rows.open(), clock.now(), (runId) => this.#awaited.has(runId));
    // What is still due after a step found no place in its lane.
    const delay = hasFailed || due.length > 0 ? SUBAGENT_LIMITS.retryMs : nextInMs;
    if (delay !== null) this.#cancelTimer = clock.after(delay, () => void this.wake());
  }

  #planStep(): UnitOfWork<void> {
    const changed = new Set<RunId>();
    const work = planInTransaction(() => {
      changed.clear();
      const note = (runId: RunId): void => void changed.add(runId);
      this.#endTasks(note);
      this.#settleReaders(note);
      const started = this.#startWaiting(note);
      const delivered = this.#deliver(note);
      return combineWork([...started, ...delivered]);
    });
    return {
      ...work,
      onCommit: () => {
        work.onCommit();
        const open = this.#deps.rows.open();
        this.#watched = new Set(
          open.flatMap(({ state, runId, reader }) => [...(state === "running" ? [runId] : []), ...(reader ? [reader] : [])]),
        );
        for (const runId of changed) this.#changed(runId);
      },
    };
  }

  /** Tasks whose run has an outcome. */
  #endTasks(note: (runId: RunId) => void): void {
    const { rows, inbox, clock, metrics } = this.#deps;
    for (const task of rows.open()) {
      if (task.state !== "running") continue;
      const outcome = endOfRun(inbox.byRun(task.runId), clock.now());
      if (outcome === null) continue;
      const { state, record } = toEnd(task.record, outcome);
      if (!rows.end(task.runId, state, outcome.endedAt, record)) continue;
      metrics.count("gateway_subagent_tasks_total", { status: state });
      note(task.runId);
    }
  }

  /**
   * Results that a tool call or a message has: they are handed back when its run has ended well. After a tool call a message hands them
   * back otherwise; after a message a person decides.
   */
  #settleReaders(note: (runId: RunId) => void): void {
    const { rows, inbox, clock, log } = this.#deps;
    for (const { runId, parentKey, delivery, reader } of rows.open()) {
      if (delivery !== "reading" && delivery !== "sent") continue;
      const outcome = endOfRun(inbox.byRun(reader!), clock.now());
      if (outcome === null) continue;
      const isRead = outcome.status === "ok";
      rows.setDelivery(runId, delivery, isRead ? "delivered" : delivery === "reading" ? "pending" : "undelivered", reader);
      if (!isRead && delivery === "sent")
        log.warn("the result of a sub-agent was not handed back: its message was not answered", {
          session: parentKey,
          task: runId,
          fix: `openclaw tasks retry ${runId.slice(0, 8)}`,
        });
      note(runId);
    }
  }

  /** Tasks for which there is a place now. */
  #startWaiting(note: (runId: RunId) => void): UnitOfWork<unknown>[] {
    const { rows, clock, settings, lookups, prepare, sessions } = this.#deps;
    const open = rows.open();
    let running = open.filter(({ state }) => state === "running").length;
    const units: UnitOfWork<unknown>[] = [];
    for (const task of open) {
      if (task.state !== "waiting") continue;
      const { maxConcurrent, maxSpawnDepth } = settings(task.record.parentAgentId);
      if (running >= maxConcurrent) break;
      note(task.runId);
      if (!lookups.hasAgent(task.record.agentId)) {
        rows.end(task.runId, "error", clock.now(), { ...task.record, error: `the agent ${task.record.agentId} was removed` });
        continue;
      }
      if (isMessage(task)) {
        const why = this.#refuseNow(task);
        if (why !== null) {
          rows.end(task.runId, "error", clock.now(), { ...task.record, error: why });
          continue;
        }
      }
      const session = sessions.get(task.childKey);
      const isOfChannel = isMessage(task) && session !== undefined && session.channel !== "webchat";
      const tools = toolsOfTask(task.record, { maxSpawnDepth, isOfChannel }, lookups);
      units.push(prepare(toTaskSubmission(task, tools, session?.chat_kind)));
      rows.start(task.runId, clock.now());
      running++;
    }
    return units;
  }

  /** Why a message that waited is not sent any more; null: it is. */
  #refuseNow({ parentKey, childKey, record }: Task): string | null {
    const from = { agentId: record.parentAgentId, sessionKey: parentKey, surface: surfaceOf(record.grant) };
    const why = this.#deps.lookups.refuseMessage(from, { agentId: record.agentId, sessionKey: childKey });
    return why === null ? null : `it is not allowed any more: ${why}`;
  }

  /** Hands results back: those of one conversation in one message. */
  #deliver(note: (runId: RunId) => void): UnitOfWork<unknown>[] {
    const { rows, sessions, clock, lookups, prepare, log, newId } = this.#deps;
    const units: UnitOfWork<unknown>[] = [];
    for (const tasks of dueDeliveries(rows.open(), clock.now(), (runId) => this.#awaited.has(runId)).due) {
      const [{ parentKey, record }] = tasks as [Task, ...Task[]];
      const session = sessions.get(parentKey);
      const isOver = session?.session_id !== record.parentSessionId || !lookups.hasAgent(record.parentAgentId);
      const message = asId<RunId>(newId());
      if (!isOver) {
        try {
          units.push(prepare({ ...toResultSubmission(tasks, session.chat_kind, lookups), runId: message }));
        } catch (err) {
          if (!(err instanceof GatewayError) || err.details?.["code"] !== "LANE_FULL") throw err;
          continue;
        }
      } else
        log.warn("results of sub-agents were not handed back: their conversation is over", { session: parentKey, tasks: tasks.length });
      for (const { runId } of tasks) {
        rows.setDelivery(runId, "pending", isOver ? "undelivered" : "sent", isOver ? null : message);
        note(runId);
      }
    }
    return units;
  }
}

const labelOf = ({ label, task }: SpawnWish): string => clip(oneLine(label ?? task, 200), SUBAGENT_LIMITS.labelChars) || "task";

const surfaceOf = ({ provenance }: Pick<Submission, "provenance">): "operator" | "channel" =>
  provenance.channel === "webchat" ? "operator" : "channel";

const tooMany = (open: number): GatewayError =>
  new GatewayError(
    "UNAVAILABLE",
    `${open} tasks and messages of this conversation have not ended; more are not accepted (agents.defaults.subagents.maxChildrenPerAgent)`,
    { fix: "Wait for one of them, or cancel one, with the tool subagents." },
  );
