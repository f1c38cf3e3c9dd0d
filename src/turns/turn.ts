import type { AgentEvent, ToolName, Turn, TurnFailure } from "../agents/runtime.ts";
import type { Button, ReplyTarget } from "../channels/channel.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { RunId } from "../core/ids.ts";
import { clip } from "../core/text.ts";
import { LIMITS } from "../core/limits.ts";
import type { InboxRow, InboxState, RunOutcome } from "../store/inbox.ts";
import type { Message, MessageBody } from "../store/messages.ts";
import { toNewConversation, type SessionRow } from "../store/sessions.ts";
import { answerCommand, type CommandChoice } from "./commands.ts";
import { collectOutboundMedia, type OutboundMedia } from "./outbound-media.ts";
import { toAgentText } from "./agent-text.ts";
import { conversationOf, type InflightRun, type Turns } from "./engine.ts";
import type { RunRef } from "./events.ts";
import { intersectGrants } from "./grant.ts";
import type { ActiveTurn } from "./lane.ts";
import type { ActiveIndicators } from "./turn-indicators.ts";
import { firstTarget, toPreviewText, type Intent } from "./outbound.ts";
import { retryText, waitingText, type PresentedEnd } from "./presentation.ts";
import { isSendDenied, permittedTools } from "./permissions.ts";
import { initialTurnState, finishTurn, reduce, visibleText, type TurnState } from "./reduce.ts";
import { resolveModels, resolveThinking } from "./settings.ts";
import type { Payload } from "./submission.ts";
import { ToolCallLimits, type ToolCallVerdict } from "./tool-calls.ts";
import { moveUserMessage } from "./transcript.ts";

/** What the engine lends to one turn. */
type TurnContext = {
  inflight: Map<RunId, InflightRun>;
  pumpLane: () => void;
  writeWithRetry: <T>(change: () => T) => Promise<T | undefined>;
  emitEnded: (ref: RunRef, seq: number, outcome: RunOutcome, mergedInto?: RunId) => void;
  emitMessageAdded: (message: Message, reason: string) => void;
};

type Row = InboxRow<Payload>;

/**
 * Runs one admitted message to its end and stores what came of it. Never rejects for anything that an agent does. Resolves to
 * the runs that were to be handed in but were not taken: they go back into the queue.
 */
export async function runTurn(turns: Turns, row: Row, active: ActiveTurn, loan: TurnContext): Promise<RunId[]> {
  const turn = new RunningTurn(turns, row, active, loan);
  if (row.payload === null)
    await turn.close({
      status: "error",
      text: "",
      stopReason: "error",
      endedAt: 0,
      error: { kind: "unknown", message: "this message was damaged on disk" },
    });
  else if (row.payload.kind === "command") await turn.runCommand();
  else await turn.run().finally(() => turn.stopIndicators());
  return turn.returnedRuns;
}

class RunningTurn {
  returnedRuns: RunId[] = [];
  readonly #turns: Turns;
  readonly #row: Row;
  readonly #active: ActiveTurn;
  readonly #context: TurnContext;
  readonly #ref: RunRef;
  readonly #inflight: InflightRun;
  readonly #steeredRuns = new Set<RunId>();
  #state: TurnState = initialTurnState;
  #storedRows = 0;
  /** Settles when the last tool call that was asked about has been written down. */
  #pendingWrite: Promise<unknown> = Promise.resolve();
  /** How much of the text and of the thinking clients have, and which revision of the text. */
  #emitted = { chars: 0, thinking: 0, revision: 0 };
  readonly #toolLimits = new ToolCallLimits();
  readonly #verdicts = new Map<string, ToolCallVerdict>();
  /** Why the gateway itself stopped the turn. */
  #stopFailure: TurnFailure | null = null;
  #waitNoticeSent = false;
  #toolUpdateAt = -Infinity;
  #cancelFlush: (() => void) | null = null;
  #indicators: ActiveIndicators | null = null;
  #target: ReplyTarget | null;

  constructor(turns: Turns, row: Row, active: ActiveTurn, loan: TurnContext) {
    this.#turns = turns;
    this.#row = row;
    this.#target = row.payload?.target ?? null;
    this.#active = active;
    this.#context = loan;
    this.#ref = { runId: row.runId, sessionKey: row.sessionKey, agentId: row.agentId };
    this.#inflight = { runId: row.runId, sessionKey: row.sessionKey, startedAt: turns.options.clock.now(), text: "", seq: 0 };
  }

  async run(): Promise<void> {
    const { clock, runtime, bus } = this.#turns.options;
    const session = this.#session();
    if (!session) return this.close(errorOutcome("the session of this message was deleted", clock.now()));
    let turn: Turn;
    try {
      turn = await this.#buildTurn(session);
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
      return this.close(errorOutcome(err.message, clock.now()));
    }
    this.#context.inflight.set(this.#row.runId, this.#inflight);
    this.#indicators = this.#startIndicators();
    const seq = this.#nextSeq();
    // The start is told as two events: the lifecycle and its model.
    this.#nextSeq();
    bus.emit("turn.started", {
      ...this.#ref,
      seq,
      model: session.model ?? `${turn.models[0]!.provider}/${turn.models[0]!.id}`,
      startedAt: this.#inflight.startedAt,
    });
    bus.emit("session.changed", { sessionKey: this.#row.sessionKey, reason: "run-start", fields: ["status"], runId: this.#row.runId });
    const cancelTimeout = clock.after(this.#timeoutMs(), () => {
      this.#active.abortCause ??= "timeout";
      this.#active.abort.abort();
    });
    this.#active.isPrompting = true;
    this.#context.pumpLane();
    let end: Extract<AgentEvent, { type: "end" }> = {
      type: "end",
      reason: "error",
      checkpoint: session.checkpoint,
      error: { kind: "crashed", message: "the agent stopped without an answer" },
    };
    for await (const event of runtime.prompt(turn, this.#active.abort.signal)) {
      if (event.type === "end") end = event;
      else this.#onEvent(event);
    }
    this.#active.isPrompting = false;
    cancelTimeout();
    await this.#finish(end);
  }

  /** A chat command that changes the session, in its place in the lane. */
  async runCommand(): Promise<void> {
    const { options } = this.#turns;
    const session = this.#session();
    const command = this.#turns.parseCommand(this.#row.payload.text);
    if (!session || !command) return this.close(errorOutcome("this command can no longer be carried out", options.clock.now()));
    const answer = answerCommand(command, session, options.commands);
    if (answer.newSession) await options.runtime.forget(session.agent_id, session.session_id);
    await this.close(
      { status: "ok", text: answer.text, stopReason: "stop", endedAt: options.clock.now() },
      () => {
        const changes = answer.newSession ? { ...answer.changes, ...toNewConversation(session, options.newId()) } : answer.changes;
        options.sessions.patch(session.key, changes);
        return Object.keys(changes) as (keyof SessionRow)[];
      },
      answer.choices,
    );
  }

  /** Ends the run with a text of the gateway's own. `change` runs in the same transaction and names the session's changed columns. */
  async close(outcome: RunOutcome, change?: () => (keyof SessionRow)[], choices: readonly CommandChoice[] = []): Promise<void> {
    const { options } = this.#turns;
    const now = options.clock.now();
    const ended: RunOutcome = { ...outcome, endedAt: now };
    this.#logEnd(ended);
    const said = outcome.text || failureNotice(ended);
    let message: Message | undefined;
    let fields: (keyof SessionRow)[] = [];
    await this.#context.writeWithRetry(() => {
      fields = change?.() ?? [];
      const session = this.#session();
      if (session)
        message = this.#turns.addReply({
          runId: this.#row.runId,
          session,
          text: said,
          now,
          origin: outcome.status === "ok" ? "command" : "notice",
        });
      this.#endRuns(ended, now);
      const target = this.#findTarget();
      if (target)
        this.#turns.addIntent(this.#row.runId, this.#row.sessionKey, target, said, now, {
          buttons: this.#buttonsFor(choices, target, now),
        });
    });
    if (message) this.#context.emitMessageAdded(message, "command");
    if (fields.length > 0) options.bus.emit("session.changed", { sessionKey: this.#row.sessionKey, reason: "command", fields });
    this.#emitAllEnded(ended);
  }

  /** Where the answer goes. Read again when it is written: the chat may have got another id meanwhile. */
  #findTarget(): ReplyTarget | null {
    if (isSendDenied(this.#session())) return (this.#target = null);
    this.#target = this.#turns.findRun(this.#row.runId)?.payload?.target ?? this.#target;
    return this.#target;
  }

  /** One button for each choice, where the channel has buttons; only who asked may press. Inside a `store.write`. */
  #buttonsFor(choices: readonly CommandChoice[], target: ReplyTarget, now: number): Button[][] {
    const { buttons, abilities } = this.#turns.options;
    if (choices.length === 0 || !buttons || !abilities(target.channel)?.buttons) return [];
    const tokens = buttons.issue({
      conversation: conversationOf(target),
      sessionKey: this.#row.sessionKey,
      sender: this.#row.payload.provenance.senderId ?? null,
      values: choices.map((choice) => choice.value),
      ttlMs: LIMITS.buttonMs,
      now,
    });
    return choices.map(({ text }, index) => [{ text, token: tokens[index]! }]);
  }

  /** Nothing more is shown of the turn as it runs. */
  stopIndicators(): void {
    this.#indicators?.stop();
    this.#indicators = null;
  }

  #startIndicators(): ActiveIndicators | null {
    const { runId, agentId, payload } = this.#row;
    const { target } = payload;
    if (!target || !this.#turns.options.live || isSendDenied(this.#session())) return null;
    const render = (text: string): { text: string; target: ReplyTarget } | null => {
      const intent: Intent = { id: runId, sessionKey: this.#row.sessionKey, target, text, at: 0, batched: this.#isBatched() };
      const shown = toPreviewText(this.#turns.options, intent);
      return shown === null ? null : { text: shown, target: firstTarget(this.#turns.options, intent) };
    };
    return this.#turns.options.live.begin({ runId, agentId, target, addressed: payload.addressed === true, render });
  }

  #isBatched = (): boolean => this.#active.runIds.length > 1;

  #session(): SessionRow | undefined {
    return this.#turns.options.sessions.get(this.#row.sessionKey);
  }

  #timeoutMs(): number {
    const { payload, agentId } = this.#row;
    return payload.timeoutMs && payload.timeoutMs > 0 ? payload.timeoutMs : this.#turns.options.settings(agentId).timeoutMs;
  }

  async #buildTurn(session: SessionRow): Promise<Turn> {
    const { options } = this.#turns;
    const { payload } = this.#row;
    const settings = options.settings(this.#row.agentId);
    const rows = [this.#row, ...this.#active.runIds.slice(1).flatMap((runId) => this.#turns.findRun(runId) ?? [])];
    const payloads = await Promise.all(rows.filter((row) => row.payload !== null).map((row) => this.#withMedia(row)));
    const shared = this.#turns.hasExternalSenders(session.key);
    return {
      runId: this.#row.runId,
      sessionKey: this.#row.sessionKey,
      sessionId: session.session_id,
      agentId: this.#row.agentId,
      text: payloads.map((each) => toAgentText(each, shared)).join("\n\n"),
      images: await this.#turns.loadImages(payloads.flatMap((each) => each.images)),
      models: resolveModels(settings, session, payload.model),
      thinking: resolveThinking(settings, session, payload.thinking),
      tools: this.#grantedTools(),
      workspace: settings.workspace,
      conversationContext: [options.situation(payload, session), payload.extraSystem].filter(Boolean).join("\n\n"),
      checkpoint: session.checkpoint,
      history: () => this.#turns.buildContext(session, [...this.#active.runIds, ...this.#active.steered]),
      beforeTool: (call) => this.#beforeTool(call),
    };
  }

  #withMedia(row: Row): Promise<Payload> {
    const { attachments } = this.#turns.options;
    return row.payload.media && attachments ? attachments(row, this.#active.abort.signal) : Promise.resolve(row.payload);
  }

  /**
   * The tools that every message of this turn grants, also one that was handed in while the turn ran, as far as the session permits them
   * now: it may have become read-only since the turn began.
   */
  #grantedTools = (): readonly ToolName[] => permittedTools(this.#session(), intersectGrants(this.#active.grants).tools);

  /** The call is on disk before it runs: a crash from here on closes the turn instead of repeating the tool. */
  async #beforeTool(call: { id: string; name: string; args: unknown }): Promise<{ allow: true } | { allow: false; reason: string }> {
    const refused = { allow: false as const, reason: `the tool ${call.name} is not available in this conversation` };
    const isGranted = (): boolean => (this.#grantedTools() as readonly string[]).includes(call.name);
    if (!isGranted()) return refused;
    const verdict = this.#checkToolCall(call);
    if (verdict.reason !== null) return { allow: false, reason: verdict.reason };
    // One after the other: each stores the messages that the one before has not.
    const written = this.#pendingWrite.then(() => this.#storeToolCall());
    this.#pendingWrite = written.catch(() => undefined);
    await written;
    if (!isGranted()) return refused;
    if (this.#active.abort.signal.aborted) return { allow: false, reason: "the turn was stopped" };
    return { allow: true };
  }

  async #storeToolCall(): Promise<void> {
    const upTo = this.#state.rows.length;
    const added = await this.#turns.options.store.write(() => {
      // A message that was handed in may be what the tool is called for: it must not run again by itself either.
      for (const runId of [this.#row.runId, ...this.#mergedRuns()]) this.#turns.options.inbox.markToolsStarted(runId);
      return this.#storeRows(upTo, false);
    });
    this.#storedRows = upTo;
    this.#turns.options.mark("tool-written");
    for (const message of added) this.#context.emitMessageAdded(message, "message");
  }

  #onEvent(event: AgentEvent): void {
    const { bus } = this.#turns.options;
    const streams = event.type === "text" || event.type === "thinking";
    if (!streams) this.#flush();
    this.#state = reduce(this.#state, event);
    this.#onStreamed(streams);
    if (this.#state.tooLong) this.#abortWith(tooLongFailure(this.#state.tooLong));
    if (event.type === "thinking") this.#indicators?.thinking();
    if (event.type === "tool" && event.phase === "start") this.#checkToolCall(event);
    if (event.type === "tool" && event.phase === "end") this.#verdicts.delete(event.id);
    if (event.type === "tool" && !this.#isTooSoon(event))
      bus.emit("turn.tool", { ...this.#ref, seq: this.#nextSeq(), ...withoutType(event) });
    if (event.type === "retry") this.#emitNote({ kind: "retry", text: retryText(event) });
    if (event.type === "waiting") this.#onWaiting(event);
    if (event.type === "compaction") this.#emitNote({ kind: "compaction", phase: event.phase });
    if (event.type === "steered") this.#onSteered(event.runId);
  }

  /** The message stands in the transcript after what had been said when the agent read it. */
  #onSteered(runId: RunId): void {
    this.#steeredRuns.add(runId);
    const upTo = this.#state.rows.length;
    this.#pendingWrite = this.#pendingWrite
      .then(() => this.#storeSteered(runId, upTo))
      .catch((err: unknown) =>
        this.#turns.options.log.warn("a message that was handed in keeps its old place", { runId, cause: reasonOf(err) }),
      );
  }

  async #storeSteered(runId: RunId, upTo: number): Promise<void> {
    const { options } = this.#turns;
    const added = await options.store.write(() => {
      const rows = this.#storeRows(upTo, false);
      moveUserMessage(options, runId);
      return rows;
    });
    this.#storedRows = Math.max(this.#storedRows, upTo);
    for (const message of added) this.#context.emitMessageAdded(message, "message");
    options.bus.emit("session.changed", { sessionKey: this.#row.sessionKey, reason: "message-changed", fields: ["updated_at"], runId });
  }

  /** Counts a call once, whether its event or its question comes first. A tool that does not exist has no question. */
  #checkToolCall(call: { id: string; name: string; args: unknown }): ToolCallVerdict {
    const known = this.#verdicts.get(call.id);
    if (known) return known;
    const verdict = this.#toolLimits.check(call);
    this.#verdicts.set(call.id, verdict);
    if (verdict.stop) this.#abortWith(verdict.stop);
    return verdict;
  }

  /** Each update repeats the output so far: some are left out, and the result has everything. */
  #isTooSoon(event: Extract<AgentEvent, { type: "tool" }>): boolean {
    if (event.phase !== "update") return false;
    const now = this.#turns.options.clock.monotonic();
    if (now - this.#toolUpdateAt < LIMITS.toolUpdateMs) return true;
    this.#toolUpdateAt = now;
    return false;
  }

  #emitNote(note: { kind: "retry"; text: string } | { kind: "compaction"; phase: "start" | "end" }): void {
    this.#turns.options.bus.emit("turn.note", { ...this.#ref, seq: this.#nextSeq(), ...note });
  }

  /** Whoever waits is told; in a chat once, and only when it takes long. */
  #onWaiting(event: Extract<AgentEvent, { type: "waiting" }>): void {
    const text = waitingText(event);
    this.#emitNote({ kind: "retry", text });
    const target = this.#target;
    const long = Math.max(event.forMs, event.untilMs ?? 0) >= LIMITS.waitNoticeAfterMs;
    if (!target || !long || this.#waitNoticeSent || this.#inflight.text !== "") return;
    this.#waitNoticeSent = true;
    const { options } = this.#turns;
    const written = options.store.write(() => this.#turns.addIntent(`${this.#row.runId}:waiting`, null, target, text, options.clock.now()));
    written.then(
      () => options.deliver(conversationOf(target)),
      (err: unknown) =>
        options.log.warn("a person could not be told that a turn takes long", { runId: this.#row.runId, cause: reasonOf(err) }),
    );
  }

  /** Ends the turn for a reason of the gateway's own; what was said so far is kept. */
  #abortWith(failure: TurnFailure): void {
    if (this.#stopFailure) return;
    this.#stopFailure = failure;
    this.#active.abort.abort();
  }

  /** The first piece goes out at once, the following ones together every LIMITS.deltaCoalesceMs. */
  #onStreamed(streams: boolean): void {
    const { revision, thinking } = this.#state;
    const first = this.#emitted.chars === 0;
    if (thinking.length < this.#emitted.thinking) this.#emitted.thinking = 0;
    this.#inflight.text = visibleText(this.#state);
    const changed = revision !== this.#emitted.revision || this.#inflight.text.length !== this.#emitted.chars;
    if (!changed && thinking.length === this.#emitted.thinking) return;
    if (!streams || (changed && first)) this.#flush();
    else this.#cancelFlush ??= this.#turns.options.clock.after(LIMITS.deltaCoalesceMs, () => this.#flush());
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const { bus } = this.#turns.options;
    const { thinking, revision } = this.#state;
    const { text } = this.#inflight;
    const before = this.#emitted;
    this.#emitted = { chars: text.length, thinking: thinking.length, revision };
    if (thinking.length > before.thinking)
      bus.emit("turn.thinking", { ...this.#ref, seq: this.#nextSeq(), delta: thinking.slice(before.thinking), text: thinking });
    const replace = revision !== before.revision;
    if (!replace && text.length === before.chars) return;
    // A preview cannot show nothing.
    this.#indicators?.text(text || "…");
    bus.emit("turn.text", {
      ...this.#ref,
      seq: this.#nextSeq(),
      delta: replace ? text : text.slice(before.chars),
      text,
      ...(replace ? { replace } : {}),
    });
  }

  #nextSeq(): number {
    return ++this.#inflight.seq;
  }

  async #finish(end: Extract<AgentEvent, { type: "end" }>): Promise<void> {
    this.#flush();
    // Stopping: the rows stay as they are, and the next start resumes or closes the run.
    if (this.#active.abortCause === "shutdown") return void this.#context.inflight.delete(this.#row.runId);
    await this.#pendingWrite;
    const { options } = this.#turns;
    const now = options.clock.now();
    const told =
      this.#active.abortCause === "timeout"
        ? {
            ...end,
            reason: "error" as const,
            error: { kind: "timeout" as const, message: `no answer within ${Math.round(this.#timeoutMs() / 1000)} s` },
          }
        : this.#stopFailure && this.#active.abortCause === null
          ? { ...end, reason: "error" as const, error: this.#stopFailure }
          : end;
    const { state, outcome, presented } = finishTurn(this.#state, told, now);
    this.#logEnd(outcome, presented);
    this.#state = state;
    let added: Message[] = [];
    options.mark("answered");
    const reply = await this.#toReply(outcome);
    this.stopIndicators();
    await this.#context.writeWithRetry(() => {
      added = this.#storeRows(state.rows.length, true);
      this.#endRuns(outcome, now);
      this.#patchSession(end.checkpoint, outcome, now);
      const { runId, sessionKey } = this.#row;
      const target = this.#findTarget();
      if (target) this.#turns.addIntent(runId, sessionKey, target, reply.text, now, { media: reply.media, batched: this.#isBatched() });
    });
    this.#storedRows = state.rows.length;
    options.mark("stored");
    this.#context.inflight.delete(this.#row.runId);
    for (const message of added) this.#context.emitMessageAdded(message, "message");
    options.metrics.observe("gateway_turns_duration_seconds", (now - this.#inflight.startedAt) / 1000);
    this.#emitAllEnded(outcome);
    options.bus.emit("session.changed", {
      sessionKey: this.#row.sessionKey,
      reason: "run-end",
      fields: ["status", "context_tokens", "used_model", "ended_at"],
      runId: this.#row.runId,
    });
  }

  /** One line for each turn that failed or answered oddly: the raw cause, which people in a chat are not told. */
  #logEnd(outcome: RunOutcome, presented?: PresentedEnd): void {
    if (outcome.status !== "error" && !presented?.cause) return;
    const { error } = outcome;
    this.#turns.options.log.warn(outcome.status === "error" ? "a turn failed" : "an answer is not as it should be", {
      sessionKey: this.#row.sessionKey,
      runId: this.#row.runId,
      model: this.#state.model ?? outcome.model,
      kind: error?.kind,
      status: presented?.detail?.httpStatus,
      cause: presented?.cause ?? presented?.detail?.message ?? error?.message,
      attempts: this.#state.retries + 1,
    });
  }

  /** What goes to the channel: the text, and the files that it names where the conversation may read files at all. */
  async #toReply(outcome: RunOutcome): Promise<OutboundMedia> {
    const { media, log, settings } = this.#turns.options;
    const { payload, agentId } = this.#row;
    const text = outcome.status === "error" ? withFailureNotice(outcome) : outcome.text;
    if (!payload.target) return { text, media: [] };
    return collectOutboundMedia(text, { workspace: payload.tools.includes("read") ? settings(agentId).workspace : null, media, log });
  }

  /**
   * Stores the complete messages that are not on disk yet, up to the given number; inside a `store.write`, which may be tried
   * again. With `last` the final one of them is the run's answer.
   */
  #storeRows(upTo: number, last: boolean): Message[] {
    const { options } = this.#turns;
    const session = this.#session();
    const bodies = this.#state.rows.slice(this.#storedRows, upTo);
    if (!session) return [];
    return bodies.map((body: MessageBody, index) =>
      this.#turns.addMessage({
        id: options.newId(),
        sessionKey: session.key,
        sessionId: session.session_id,
        runId: this.#row.runId,
        idempotencyKey:
          last && body.role === "assistant" && this.#storedRows + index === lastAssistantIndex(this.#state.rows)
            ? `${this.#row.runId}:assistant`
            : null,
        at: options.clock.now(),
        body,
      }),
    );
  }

  /** Ends the run and everything that went into it; what was handed in but not taken goes back into the queue. */
  #endRuns(outcome: RunOutcome, now: number): void {
    const { inbox } = this.#turns.options;
    const state: InboxState = outcome.status === "ok" ? "done" : outcome.status === "error" ? "failed" : "aborted";
    inbox.end(this.#row.runId, state, outcome);
    for (const runId of this.#mergedRuns()) inbox.end(runId, "merged", { ...outcome, endedAt: now });
    this.returnedRuns = this.#active.steered.filter((runId) => !this.#steeredRuns.has(runId));
    for (const runId of this.returnedRuns) inbox.requeue(runId);
  }

  #mergedRuns(): RunId[] {
    return [...this.#active.runIds.slice(1), ...this.#active.steered.filter((runId) => this.#steeredRuns.has(runId))];
  }

  #patchSession(checkpoint: string | null, outcome: RunOutcome, now: number): void {
    const { options } = this.#turns;
    const session = this.#session();
    if (!session) return;
    options.sessions.patch(session.key, {
      checkpoint: checkpoint ?? session.checkpoint,
      status: outcome.status === "ok" ? "done" : outcome.status === "error" ? "error" : "killed",
      last_run_id: this.#row.runId,
      started_at: this.#inflight.startedAt,
      ended_at: now,
      updated_at: now,
      last_message_at: now,
      preview: clip(outcome.text || outcome.error?.message || "", 160),
      context_window: this.#state.contextWindow || session.context_window,
      context_tokens: this.#state.contextTokens || session.context_tokens,
      input_tokens: Math.min(session.input_tokens + this.#state.usage.input, Number.MAX_SAFE_INTEGER),
      output_tokens: Math.min(session.output_tokens + this.#state.usage.output, Number.MAX_SAFE_INTEGER),
      cost_usd: session.cost_usd + this.#state.usage.costUsd,
      ...(this.#state.model ? { used_model: this.#state.model } : {}),
    });
  }

  #emitAllEnded(outcome: RunOutcome): void {
    const merged = this.#mergedRuns();
    this.#active.steered = [];
    this.#context.emitEnded(this.#ref, this.#nextSeq(), outcome);
    for (const runId of merged) this.#context.emitEnded({ ...this.#ref, runId }, 1, outcome, this.#row.runId);
    const { payload, agentId } = this.#row;
    const target = this.#target;
    if (!target) return;
    this.#turns.options.deliver(conversationOf(target));
    for (const each of [payload, ...merged.flatMap((runId) => this.#turns.findRun(runId)?.payload ?? [])])
      this.#turns.options.live?.onAnswered({ agentId, payload: each });
  }
}

type WithoutType<T> = T extends unknown ? Omit<T, "type"> : never;
const withoutType = <T extends { type: string }>({ type: _type, ...rest }: T): WithoutType<T> => rest as WithoutType<T>;

const errorOutcome = (message: string, endedAt: number): RunOutcome => ({
  status: "error",
  text: "",
  stopReason: "error",
  endedAt,
  error: { kind: "unknown", message },
});

/** The row that counts as the answer: what the agent said, or else what the gateway said for it. */
function lastAssistantIndex(rows: readonly MessageBody[]): number {
  const own = rows.findLastIndex((row) => row.role === "assistant" && row.origin === undefined);
  return own === -1 ? rows.findLastIndex((row) => row.role === "assistant") : own;
}

const tooLongFailure = (what: "answer" | "thinking"): TurnFailure => ({
  kind: "too_long",
  message:
    what === "answer"
      ? `The answer was stopped at ${LIMITS.answerChars} characters, which is the most that is kept. Ask for the rest, or for a shorter answer.`
      : `The model was stopped after it had thought for ${LIMITS.thinkingChars} characters. Ask again, and say more exactly what you want.`,
});

/** What a person is told when a run could not be answered. */
export function failureNotice({ error }: RunOutcome): string {
  if (!error) return "Stopped.";
  // A sentence of its own stands alone.
  return /^\p{Lu}/u.test(error.message) ? error.message : `That did not work: ${error.message}`;
}

const withFailureNotice = (outcome: RunOutcome): string =>
  outcome.text ? `${outcome.text}\n\n${failureNotice(outcome)}` : failureNotice(outcome);
