import {
  REBUILD_CHECKPOINT,
  type AgentEvent,
  type AgentRuntime,
  type ToolCaller,
  type ToolName,
  type ToolPermit,
  type Turn,
  type TurnFailure,
} from "../agents/runtime.ts";
import type { Button, ReplyTarget } from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { AgentId, RunId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { clip } from "../core/text.ts";
import type { Audit } from "../store/audit.ts";
import type { Buttons } from "../store/buttons.ts";
import type { Inbox, InboxState, RunOutcome } from "../store/inbox.ts";
import type { Message } from "../store/messages.ts";
import type { Store } from "../store/open.ts";
import { toNewConversation, type SessionPatch, type SessionRow, type Sessions } from "../store/sessions.ts";
import type { ChannelLookup } from "./channel-lookup.ts";
import { answerCommand, parseCommand, type CommandAnswer, type CommandChoice, type CommandContext } from "./commands.ts";
import { toRunRef, type RunRef, type TurnEvents } from "./events.ts";
import { toHeartbeatReply } from "./heartbeat-reply.ts";
import { conversationOf, type Outbound } from "./outbound.ts";
import { collectOutboundMedia, type OutboundMedia } from "./outbound-media.ts";
import { isSendDenied } from "./permissions.ts";
import { failureNotice, retryText, tooLongFailure, waitingText, type PresentedEnd } from "./presentation.ts";
import { canWriteNotes, isNearCompaction, toFlushRow, type FlushSettings } from "./memory-flush.ts";
import { finishTurn, type TurnState } from "./reduce.ts";
import type { InflightRun, RunRegistry } from "./runs.ts";
import type { RunRecorder, Stages } from "./stages.ts";
import { NO_SKILLS, requestedSkill, skillListText, unknownSkillText, type TurnSkillSource, type TurnSkills } from "./skill-requests.ts";
import { isQuiet, type Payload } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import type { TurnContext } from "./turn-context.ts";
import type { TurnIndicators } from "./turn-indicators.ts";
import { TurnAudit } from "./turn-audit.ts";
import { promptTokens, UsageRecorder, type TurnUsageDeps } from "./turn-usage.ts";
import { TurnJournal } from "./turn-journal.ts";
import { TurnTools, type CheckedCall } from "./turn-tools.ts";
import { buildTurn, type TurnRequestDeps } from "./turn-request.ts";
import { TurnStream } from "./turn-stream.ts";
import type { RetryingWrite } from "./write-with-retry.ts";

export type RunningTurnDeps = TurnRequestDeps &
  TurnUsageDeps & {
    store: Store;
    sessions: Sessions;
    inbox: Inbox;
    audit: Audit;
    runs: RunRegistry;
    stages: Pick<Stages, "admitted" | "waited" | "beginRun">;
    transcript: Transcript;
    outbound: Outbound;
    runtime: Pick<AgentRuntime, "prompt" | "forget">;
    write: RetryingWrite;
    bus: Bus<TurnEvents>;
    clock: Clock;
    log: Log;
    metrics: Metrics;
    newId: () => string;
    commands: CommandContext;
    /** What a call of a tool may do now. `tools`: those of its turn. */
    permitFor: (caller: ToolCaller) => Promise<ToolPermit>;
    /** The trace of a run that requests to providers continue; null while no traces are exported, or not of this run. */
    traceFor?: (runId: RunId, traceparent: string | null) => NonNullable<Turn["trace"]> | null;
    /** How an agent writes its notes before its conversation is shortened; absent or null: it is not asked. */
    flushOf?: (agentId: AgentId) => FlushSettings | null;
    /** The skills of turns; absent where there are none. */
    skills?: TurnSkillSource;
    directory: Pick<ChannelLookup, "capabilities">;
    /** Called when parts for a conversation have been stored. */
    deliver: (conversation: string) => void;
    /** What a person sees of a turn before its answer; absent where nothing is visible. */
    live?: TurnIndicators;
    /** Buttons under answers; absent where none are shown. */
    buttons?: Buttons;
    crashPoint: (point: string) => void;
  };

type EndEvent = Extract<AgentEvent, { type: "end" }>;

/** One message, with those that were collected or handed in, from its prompt to its stored outcome. */
export class RunningTurn {
  /** Messages that were to be handed in but were not taken. */
  returnedRuns: RunId[] = [];
  readonly #deps: RunningTurnDeps;
  readonly #context: TurnContext;
  readonly #ref: RunRef;
  readonly #inflight: InflightRun;
  readonly #recorder: RunRecorder;
  readonly #stream: TurnStream;
  readonly #audit: TurnAudit;
  readonly #journal: TurnJournal;
  readonly #usage: UsageRecorder;
  readonly #tools: TurnTools;
  readonly #steeredRuns = new Set<RunId>();
  /** Why the gateway itself stopped the turn. */
  #stopFailure: TurnFailure | null = null;
  #waitNoticeSent = false;
  /** The conversation was shortened in this turn. */
  #isCompacted = false;
  #target: ReplyTarget | null;

  constructor(deps: RunningTurnDeps, context: TurnContext) {
    this.#deps = deps;
    this.#context = context;
    const { row } = context;
    this.#target = row.payload?.target ?? null;
    this.#ref = toRunRef(row);
    const recorder = deps.stages.beginRun(row, context.active.committedAt.get(row.runId));
    this.#recorder = recorder;
    this.#inflight = { runId: row.runId, sessionKey: row.sessionKey, startedAt: deps.clock.now(), text: "", seq: 0, recorder };
    this.#stream = new TurnStream(deps, this.#ref, this.#inflight);
    this.#audit = new TurnAudit(deps.audit, row);
    this.#journal = new TurnJournal(deps, this.#ref, this.#audit);
    this.#usage = new UsageRecorder(deps, row);
    this.#tools = new TurnTools(deps, context, this.#ref, {
      audit: this.#audit,
      recorder,
      reserveNext: (call) => this.#reserveNext(call),
      store: (call) => this.#storeToolCall(call),
      stop: (failure) => this.#abortWith(failure),
    });
  }

  /** Asks the agent and stores what it answers. */
  async run(): Promise<void> {
    const { bus, clock, runs, runtime } = this.#deps;
    const { active } = this.#context;
    const session = this.#session();
    if (!session) return this.close(errorOutcome("the session of this message was deleted", clock.now()));
    const tools = this.#tools.granted(session);
    const skills = await this.#skillsFor(tools);
    const refusal = this.#refuseSkill(skills) ?? this.#refuseFlush(session, tools);
    if (refusal !== null) return this.close({ status: "ok", text: refusal, stopReason: "stop", endedAt: clock.now() });
    let turn: Turn;
    try {
      turn = await buildTurn(this.#deps, this.#context, session, {
        tools,
        skills,
        beforeTool: (call) => this.#tools.beforeTool(call),
        beforeAgent: (name) => this.#tools.beforeAgent(name),
        isPrivate: this.#tools.isPrivate(session),
        ...(this.#flushSettings(session, tools) && { defersCompaction: true }),
        ...this.#trace(),
      });
      if (this.#usage.isLimited) turn = this.#withBudget(turn, session);
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      return this.close(errorOutcome(err.message, clock.now()));
    }
    runs.begin(this.#inflight);
    this.#recorder.asked({ sessionId: session.session_id, model: turn.models[0]!, skill: this.#askedSkill(skills) });
    this.#startIndicators(session);
    this.#stream.emitStarted(session.model ?? `${turn.models[0]!.provider}/${turn.models[0]!.id}`);
    bus.emit("session.changed", { sessionKey: this.#ref.sessionKey, reason: "run-start", fields: ["status"], runId: this.#ref.runId });
    const cancelTimeout = clock.after(this.#timeoutMs(), () => {
      active.abortCause ??= "timeout";
      active.abort.abort();
    });
    this.#recorder.prompted();
    active.isPrompting = true;
    this.#context.onPrompting();
    let end: EndEvent = {
      type: "end",
      reason: "error",
      checkpoint: session.checkpoint,
      error: { kind: "crashed", message: "the agent stopped without an answer" },
    };
    for await (const event of runtime.prompt(turn, active.abort.signal)) {
      if (event.type === "end") end = event;
      else this.#onEvent(event);
    }
    active.isPrompting = false;
    cancelTimeout();
    this.#usage.release();
    await this.#finish(end);
  }

  /** A chat command that changes the session, in its place in the lane. */
  async runCommand(): Promise<void> {
    const { clock, commands, newId, runtime, sessions } = this.#deps;
    const session = this.#session();
    const command = parseCommand(this.#context.row.payload.text, commands.resetTriggers());
    if (!session || !command) return this.close(errorOutcome("this command can no longer be carried out", clock.now()));
    const answer = command.name === "skill" ? await this.#listSkills(session) : answerCommand(command, session, commands);
    if (answer.newSession || answer.forgets)
      for (const context of sessions.contextsOf(session)) await runtime.forget(session.agent_id, context);
    const change = (): (keyof SessionRow)[] => {
      const changes = answer.newSession ? { ...answer.changes, ...toNewConversation(session, newId()) } : answer.changes;
      sessions.patch(session.key, changes);
      return Object.keys(changes) as (keyof SessionRow)[];
    };
    await this.close({ status: "ok", text: answer.text, stopReason: "stop", endedAt: clock.now() }, change, answer.choices);
  }

  #skillsFor(tools: readonly ToolName[]): Promise<TurnSkills> {
    return this.#deps.skills?.(this.#ref.agentId, tools) ?? Promise.resolve(NO_SKILLS);
  }

  async #listSkills(session: SessionRow): Promise<CommandAnswer> {
    return { text: skillListText(await this.#skillsFor(this.#tools.granted(session))), changes: {} };
  }

  /** What the gateway answers to a request for a skill that there is not. In a turn with further messages the agent answers it. */
  #refuseSkill(skills: TurnSkills): string | null {
    const { collected, row } = this.#context;
    return row.payload.skill === undefined || collected.length > 0 ? null : unknownSkillText(row.payload.skill, skills);
  }

  /** Ends the run with a text of the gateway's own. `change` runs in the same transaction and names the session's changed columns. */
  async close(outcome: RunOutcome, change?: () => (keyof SessionRow)[], choices: readonly CommandChoice[] = []): Promise<void> {
    const { bus, clock, outbound, transcript } = this.#deps;
    const { runId, sessionKey } = this.#ref;
    const now = clock.now();
    const ended: RunOutcome = { ...outcome, endedAt: now };
    this.#logEnd(ended);
    const text = outcome.text || failureNotice(ended);
    let message: Message | undefined;
    let fields: (keyof SessionRow)[] = [];
    await this.#deps.write(() => {
      fields = change?.() ?? [];
      const session = this.#session();
      const origin = outcome.status === "ok" ? "command" : "notice";
      if (session) message = transcript.addReply({ runId, session, text, now, origin });
      this.#endRuns(ended, now);
      if (this.#context.row.payload?.kind !== "command") this.#audit.addEnd(ended, session?.session_id ?? null, now);
      const target = this.#isHeartbeat ? null : this.#findTarget(session);
      if (target) outbound.add({ id: runId, sessionKey, target, text, at: now, buttons: this.#buttonsFor(choices, target, now) });
    });
    if (message) this.#deps.transcript.emitAdded(message, "command");
    if (fields.length > 0) bus.emit("session.changed", { sessionKey, reason: "command", fields });
    if (fields.includes("session_id")) bus.emit("session.renewed", { sessionKey });
    this.#emitAllEnded(ended);
  }

  /** Where the answer goes. Read again when it is stored: the chat may have received another id meanwhile. */
  #findTarget(session: SessionRow | undefined): ReplyTarget | null {
    if (this.#target === null) return null;
    if (isSendDenied(session)) return (this.#target = null);
    this.#target = this.#deps.inbox.byRun<Payload>(this.#ref.runId)?.payload?.target ?? this.#target;
    return this.#target;
  }

  /** One button for each choice, where the channel has buttons; only the sender may use them. Inside a `store.write`. */
  #buttonsFor(choices: readonly CommandChoice[], target: ReplyTarget, now: number): Button[][] {
    const { buttons, directory } = this.#deps;
    if (choices.length === 0 || !buttons || !directory.capabilities(target.channel)?.buttons) return [];
    const tokens = buttons.issue({
      conversation: conversationOf(target),
      sessionKey: this.#ref.sessionKey,
      sender: this.#context.row.payload.provenance.senderId ?? null,
      values: choices.map((choice) => choice.value),
      ttlMs: LIMITS.buttonMs,
      now,
    });
    return choices.map(({ text }, index) => [{ text, token: tokens[index]! }]);
  }

  /** Null: no notes are written before this conversation is shortened. */
  #flushSettings(session: SessionRow, tools: readonly ToolName[]): FlushSettings | null {
    const { payload, agentId, channel } = this.#context.row;
    if (channel === "subagent" || payload.heartbeat || (session.memory_flushed === 1 && !payload.flush)) return null;
    if (!canWriteNotes(tools) || !this.#tools.isPrivate(session)) return null;
    return this.#deps.flushOf?.(agentId) ?? null;
  }

  /** What was true when the notes were asked for may have changed: then the model is not asked. */
  #refuseFlush(session: SessionRow, tools: readonly ToolName[]): string | null {
    const isRefused = this.#context.row.payload.flush !== undefined && this.#flushSettings(session, tools) === null;
    return isRefused ? "No notes were written: they are off, or others than the owner read this conversation now." : null;
  }

  /** The turn that follows this one where the conversation is about to be shortened. */
  #nextFlush(session: SessionRow | undefined, { outcome, state, now }: TurnEnding): FlushRow | null {
    const { row } = this.#context;
    if (!session || outcome.status !== "ok" || this.#isCompacted || isQuiet(row.payload)) return null;
    const settings = this.#flushSettings(session, this.#tools.granted(session));
    const context = { tokens: state.contextTokens, window: state.contextWindow };
    if (!settings?.isAutomatic || !isNearCompaction(context, settings.softThresholdTokens)) return null;
    return toFlushRow(row, session, { settings, runId: this.#deps.newId(), now });
  }

  /** Stores the turn that follows, inside the write that ends this one: after a crash there is exactly one of it. */
  #addFlush(row: FlushRow, session: SessionRow): Message {
    this.#deps.inbox.add(row);
    this.#deps.sessions.patch(session.key, { memory_flushed: 1 });
    const { sessionKey, eventId, runId, receivedAt: now, payload } = row;
    return this.#deps.transcript.addUserMessage({ submission: { ...payload, sessionKey, eventId }, runId, session, now });
  }

  /** It is the next turn of the session, whatever waits there. */
  #announceFlush(row: FlushRow, message: Message): void {
    const { clock, stages, transcript } = this.#deps;
    stages.admitted(row, clock.monotonic());
    transcript.emitAdded(message, "message");
    this.returnedRuns = [row.runId, ...this.returnedRuns];
  }

  #askedSkill(skills: TurnSkills): string | null {
    const { skill } = this.#context.row.payload;
    return skill === undefined ? null : requestedSkill(skill, skills);
  }

  /** The trace that requests to providers continue, while traces are exported. */
  #trace(): Pick<Turn, "trace"> {
    const { runId, payload } = this.#context.row;
    const trace = this.#deps.traceFor?.(runId, payload.traceparent ?? null);
    return trace ? { trace } : {};
  }

  /** Nothing more is shown of the turn as it runs. */
  stopIndicators(): void {
    this.#stream.indicators?.stop();
    this.#stream.indicators = null;
  }

  #startIndicators(session: SessionRow): void {
    const { live, outbound } = this.#deps;
    const { runId, agentId, payload } = this.#context.row;
    const { target } = payload;
    if (!target || !live || this.#isHeartbeat || isSendDenied(session)) return;
    const intent = { id: runId, sessionKey: this.#ref.sessionKey, target, at: 0, batched: this.#isBatched };
    const render = (text: string): { text: string; target: ReplyTarget } | null => outbound.preview({ ...intent, text });
    this.#stream.indicators = live.begin({ runId, agentId, target, addressed: payload.addressed === true, render });
  }

  get #isHeartbeat(): boolean {
    return this.#context.row.payload?.heartbeat !== undefined;
  }

  get #isUnasked(): boolean {
    return isQuiet(this.#context.row.payload);
  }

  get #isBatched(): boolean {
    return this.#context.active.runIds.length > 1;
  }

  #session(): SessionRow | undefined {
    return this.#deps.sessions.get(this.#ref.sessionKey);
  }

  #timeoutMs(): number {
    const { payload, agentId } = this.#context.row;
    return payload.timeoutMs && payload.timeoutMs > 0 ? payload.timeoutMs : this.#deps.running.agents.settings(agentId).timeoutMs;
  }

  /** The same turn, of which the budgets are asked before a model is. */
  #withBudget(turn: Turn, session: SessionRow): Turn {
    const { signal } = this.#context.active.abort;
    const asked = { text: turn.text, tokens: promptTokens(session.context_tokens, turn) };
    return {
      ...turn,
      beforeModel: async (terms) => {
        const failure = await this.#usage.reserveFirst(terms, asked, signal);
        return failure === null ? { allow: true } : { allow: false, failure };
      },
    };
  }

  /** Before a further request of this turn to its model; stops the turn where a budget is used up. */
  async #reserveNext(call?: CheckedCall): Promise<string | null> {
    if (!this.#usage.isLimited) return null;
    const text = call === undefined ? "" : callText(call);
    const failure = await this.#usage.reserveNext(text, this.#context.active.abort.signal);
    if (failure) this.#abortWith(failure);
    return failure?.message ?? null;
  }

  async #storeToolCall(call: CheckedCall): Promise<void> {
    const { clock, crashPoint, inbox } = this.#deps;
    let counted = 0;
    await this.#journal.save(
      () => this.#stream.state.rows,
      () => {
        // A message that was handed in may be what the tool is called for: it must not run again by itself either.
        for (const runId of [this.#ref.runId, ...this.#mergedRuns()]) inbox.markToolsStarted(runId);
        const sessionId = this.#session()?.session_id;
        this.#audit.addCall(call, sessionId ?? null, clock.now());
        counted = this.#usage.add(sessionId ?? "");
      },
    );
    this.#usage.markStored(counted);
    crashPoint("tool-written");
  }

  #onEvent(given: AgentEvent): void {
    if (given.type === "call") return this.#usage.onCall(given.call, this.#deps.clock.now());
    const event = this.#withPrice(given);
    this.#recorder.onEvent(event);
    this.#stream.onEvent(event);
    const { tooLong } = this.#stream.state;
    if (tooLong) this.#abortWith(tooLongFailure(tooLong));
    if (event.type === "tool") {
      this.#tools.onEvent(event);
      this.#stream.emitTool(event);
    }
    if (event.type === "retry" || event.type === "steered") this.#reserveLater();
    if (event.type === "retry") this.#stream.emitNote({ kind: "retry", text: retryText(event) });
    if (event.type === "waiting") this.#onWaiting(event);
    if (event.type === "compaction" && event.isDone === true) this.#isCompacted = true;
    if (event.type === "compaction") this.#stream.emitNote({ kind: "compaction", phase: event.phase });
    if (event.type === "steered") this.#onSteered(event.runId);
  }

  /** The runtime asks the model again without asking first: the turn is stopped when it may not. */
  #reserveLater(): void {
    this.#reserveNext().catch((err: unknown) => {
      this.#deps.log.warn("a budget could not be asked", { runId: this.#ref.runId, cause: reasonOf(err) });
    });
  }

  #withPrice(event: AgentEvent): AgentEvent {
    if (event.type !== "message") return event;
    const costUsd = this.#usage.costOf(event.model, event.usage);
    return costUsd === event.usage.costUsd ? event : { ...event, usage: { ...event.usage, costUsd } };
  }

  /** In the transcript the message follows the text that preceded it when the agent read it, and those that came later stay behind it. */
  #onSteered(runId: RunId): void {
    const { bus, log, transcript } = this.#deps;
    const { rows } = this.#stream.state;
    const { sessionKey } = this.#ref;
    const { active, queuedRuns } = this.#context;
    this.#steeredRuns.add(runId);
    const moved = [runId, ...active.steered.filter((id) => !this.#steeredRuns.has(id)), ...queuedRuns()];
    this.#journal
      .save(
        () => rows,
        () => moved.forEach((id) => transcript.moveUserMessage(id)),
      )
      .then(() => {
        for (const id of moved) bus.emit("session.changed", { sessionKey, reason: "message-changed", fields: ["updated_at"], runId: id });
      })
      .catch((err: unknown) => log.warn("a message that was handed in keeps its old place", { runId, cause: reasonOf(err) }));
  }

  /** Clients see each wait; a chat gets one message, and only when it takes long. */
  #onWaiting(event: Extract<AgentEvent, { type: "waiting" }>): void {
    const { clock, deliver, log, outbound, store } = this.#deps;
    const { runId } = this.#ref;
    const text = waitingText(event);
    this.#stream.emitNote({ kind: "retry", text });
    const target = this.#target;
    const long = Math.max(event.forMs, event.untilMs ?? 0) >= LIMITS.waitNoticeAfterMs;
    if (!target || !long || this.#isHeartbeat || this.#waitNoticeSent || this.#inflight.text !== "") return;
    this.#waitNoticeSent = true;
    store
      .write(() => outbound.add({ id: `${runId}:waiting`, sessionKey: null, target, text, at: clock.now() }))
      .then(
        () => deliver(conversationOf(target)),
        (err: unknown) => log.warn("the notice that a turn takes long could not be sent", { runId, cause: reasonOf(err) }),
      );
  }

  /** Ends the turn for a reason of the gateway's own; the text so far is kept. */
  #abortWith(failure: TurnFailure): void {
    if (this.#stopFailure) return;
    this.#stopFailure = failure;
    this.#context.active.abort.abort();
  }

  async #finish(raw: EndEvent): Promise<void> {
    const { bus, clock, crashPoint, metrics, outbound, runs, sessions, transcript, write } = this.#deps;
    const { runId, sessionKey } = this.#ref;
    this.#recorder.onEvent(raw);
    this.#stream.flush();
    // The gateway stops: the rows stay as they are, and the next start resumes or closes the run.
    if (this.#context.active.abortCause === "shutdown") return void runs.finish(runId);
    await this.#journal.settled();
    const now = clock.now();
    const end = this.#withOwnReason(raw);
    const { state, outcome: ended, presented } = finishTurn(this.#stream.state, end, now, this.#isUnasked);
    const outcome: RunOutcome = this.#usage.isPriced ? ended : { ...ended, isUnpriced: true };
    // The runtime's own context has all of a message that was stopped for its length, and would be summarized with the next turn.
    const checkpoint = state.tooLong ? REBUILD_CHECKPOINT : end.checkpoint;
    this.#logEnd(outcome, state, presented);
    let added: Message[] = [];
    const flush = this.#nextFlush(this.#session(), { outcome, state, now });
    let flushMessage: Message | undefined;
    crashPoint("answered");
    const reply = await this.#toReply(outcome);
    this.stopIndicators();
    await write(() => {
      const session = this.#session();
      added = this.#journal.addFinal(state.rows, session, now);
      this.#endRuns(outcome, now);
      this.#audit.addEnd(outcome, session?.session_id ?? null, now);
      this.#usage.add(session?.session_id ?? "", { rows: state.rows, userMessages: 1 + this.#mergedRuns().length });
      const isUnasked = this.#isUnasked;
      const isCompacted = this.#isCompacted;
      if (session)
        sessions.patch(
          session.key,
          toSessionPatch(session, { run: this.#inflight, state, outcome, now, checkpoint, isUnasked, isCompacted }),
        );
      const target = isUnasked && reply.text === "" ? null : this.#findTarget(session);
      if (target) outbound.add({ id: runId, sessionKey, target, at: now, ...reply, batched: this.#isBatched });
      flushMessage = flush && session ? this.#addFlush(flush, session) : undefined;
    });
    crashPoint("stored");
    runs.finish(runId);
    this.#recorder.ended(outcome, presented.detail, state);
    for (const message of added) transcript.emitAdded(message, "message");
    metrics.observe("gateway_turns_duration_seconds", (now - this.#inflight.startedAt) / 1000);
    if (flush && flushMessage) this.#announceFlush(flush, flushMessage);
    this.#emitAllEnded(outcome);
    bus.emit("session.changed", { sessionKey, reason: "run-end", fields: ["status", "context_tokens", "used_model", "ended_at"], runId });
  }

  /** The end with the reason for which the gateway itself stopped the turn, if it did. */
  #withOwnReason(end: EndEvent): EndEvent {
    const { abortCause } = this.#context.active;
    if (abortCause === "timeout") {
      const message = `no answer within ${Math.round(this.#timeoutMs() / 1000)} s`;
      return { ...end, reason: "error", error: { kind: "timeout", message } };
    }
    return this.#stopFailure && abortCause === null ? { ...end, reason: "error", error: this.#stopFailure } : end;
  }

  /** One line for each turn that failed or whose answer is odd, with the raw cause, which is not sent to a chat. */
  #logEnd(outcome: RunOutcome, state: TurnState = this.#stream.state, presented?: PresentedEnd): void {
    if (outcome.status !== "error" && !presented?.cause) return;
    const { error } = outcome;
    this.#deps.log.warn(outcome.status === "error" ? "a turn failed" : "an answer is not as it should be", {
      sessionKey: this.#ref.sessionKey,
      runId: this.#ref.runId,
      model: state.model ?? outcome.model,
      kind: error?.kind,
      status: presented?.detail?.httpStatus,
      cause: presented?.cause ?? presented?.detail?.message ?? error?.message,
      attempts: state.retries + 1,
    });
  }

  /** What is sent to the channel: the text, and the files that it names where the conversation may read files at all. */
  async #toReply(outcome: RunOutcome): Promise<OutboundMedia> {
    const { media, log, running } = this.#deps;
    const { payload, agentId } = this.#context.row;
    const text = payload.heartbeat
      ? heartbeatText(outcome, payload.heartbeat.ackMaxChars)
      : outcome.status === "error"
        ? withFailureNotice(outcome)
        : outcome.text;
    if (!payload.target) return { text, media: [] };
    const workspace = payload.tools.includes("read") ? running.agents.settings(agentId).workspace : null;
    return collectOutboundMedia(text, { workspace, media, log });
  }

  /** Ends the run and everything that went into it; what was handed in but not taken goes back into the queue. */
  #endRuns(outcome: RunOutcome, now: number): void {
    const { inbox } = this.#deps;
    const state: InboxState = outcome.status === "ok" ? "done" : outcome.status === "error" ? "failed" : "aborted";
    const { committedAt, steered } = this.#context.active;
    inbox.end(this.#ref.runId, state, outcome, this.#recorder.stages);
    for (const runId of this.#mergedRuns()) {
      const at = committedAt.get(runId);
      inbox.end(runId, "merged", { ...outcome, endedAt: now }, at === undefined ? undefined : { committedAt: at, steps: [] });
    }
    this.returnedRuns = steered.filter((runId) => !this.#steeredRuns.has(runId));
    for (const runId of this.returnedRuns) inbox.requeue(runId);
  }

  #mergedRuns(): RunId[] {
    const { runIds, steered } = this.#context.active;
    return [...runIds.slice(1), ...steered.filter((runId) => this.#steeredRuns.has(runId))];
  }

  #emitAllEnded(outcome: RunOutcome): void {
    const { deliver, inbox, live, runs } = this.#deps;
    const { active, row, collected } = this.#context;
    const merged = this.#mergedRuns();
    const steered = active.steered.filter((runId) => this.#steeredRuns.has(runId));
    active.steered = [];
    runs.emitEnded(this.#ref, this.#stream.nextSeq(), outcome);
    for (const runId of merged) runs.emitEnded({ ...this.#ref, runId }, 1, outcome, this.#ref.runId);
    if (!this.#target) return;
    deliver(conversationOf(this.#target));
    const answered = [row, ...collected, ...steered.flatMap((runId) => inbox.byRun<Payload>(runId) ?? [])];
    for (const { payload } of answered) if (payload) live?.onAnswered({ agentId: row.agentId, payload });
  }
}

type TurnResult = {
  run: InflightRun;
  state: TurnState;
  outcome: RunOutcome;
  now: number;
  checkpoint: string | null;
  isUnasked: boolean;
  isCompacted: boolean;
};
type TurnEnding = { outcome: RunOutcome; state: TurnState; now: number };
type FlushRow = ReturnType<typeof toFlushRow>;

/** A call as budgets compare it: only its beginning counts. */
const callText = ({ name, args }: CheckedCall): string => `${name} ${JSON.stringify(args).slice(0, LIMITS.budgetTextChars)}`;

/** A heartbeat that failed says nothing to people: its log and the last heartbeat do. */
const heartbeatText = ({ status, text }: RunOutcome, ackMaxChars: number): string =>
  status === "ok" ? toHeartbeatReply(text, ackMaxChars).text : "";

/** What the end of a turn changes in its session. Pure. */
const toSessionPatch = (
  session: SessionRow,
  { run, state, outcome, now, checkpoint, isUnasked, isCompacted }: TurnResult,
): SessionPatch => ({
  checkpoint: checkpoint ?? session.checkpoint,
  status: outcome.status === "ok" ? "done" : outcome.status === "error" ? "error" : "killed",
  last_run_id: run.runId,
  started_at: run.startedAt,
  ended_at: now,
  // A heartbeat does not keep a conversation from its reset, and is not what people look for in a list.
  ...(!isUnasked && {
    updated_at: now,
    last_message_at: now,
    preview: clip(outcome.text || outcome.error?.message || "", 160),
  }),
  ...(isCompacted && { memory_flushed: 0 }),
  context_window: state.contextWindow || session.context_window,
  context_tokens: state.contextTokens || session.context_tokens,
  input_tokens: Math.min(session.input_tokens + state.usage.input, Number.MAX_SAFE_INTEGER),
  output_tokens: Math.min(session.output_tokens + state.usage.output, Number.MAX_SAFE_INTEGER),
  cost_usd: session.cost_usd + state.usage.costUsd,
  ...(state.model ? { used_model: state.model } : {}),
});

export const errorOutcome = (message: string, endedAt: number): RunOutcome => ({
  status: "error",
  text: "",
  stopReason: "error",
  endedAt,
  error: { kind: "unknown", message },
});

const withFailureNotice = (outcome: RunOutcome): string =>
  outcome.text ? `${outcome.text}\n\n${failureNotice(outcome)}` : failureNotice(outcome);
