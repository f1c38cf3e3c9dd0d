import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { GUIDE_PROVIDER } from "../../core/guide-model.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import { modelName, type ErrorKind, type ImageInput, type ModelRef, type Turn } from "../runtime.ts";
import { HOST, type ToolReply, type ToolRequest, type TurnGrant } from "./records.ts";
import { toContextWindow } from "./fields.ts";
import {
  createMappingState,
  mapRecord,
  classifyProviderError,
  shouldTryFallback,
  type MappedRecord,
  type MessageOutcome,
  type TurnError,
} from "./event-mapping.ts";
import type { EventSink } from "../event-queue.ts";
import type { PiSlot, SlotListener } from "./slot.ts";
import { PiCommandError, SKIPPED_RECORD, type PiExit, type PiRecord } from "./process.ts";
import { ModelWatchdog, type ModelTimeouts } from "./model-watchdog.ts";

/** Made once: an abort without a reason makes an exception with a stack. */
const TURN_OVER = new DOMException("The turn has ended.", "AbortError");

/** Result of one attempt with one model. After `aborted` and `crashed` the slot is reusable only if `settled`. */
export type PromptAttemptResult = {
  reason: "stop" | "aborted" | "error" | "crashed";
  error?: TurnError;
  /** It produced output or a tool call: it must not be repeated with another model. */
  visible: boolean;
  /** Pi is idle again. */
  settled: boolean;
  /** Pi's own context differs from the emitted events: it must be rebuilt from the rows. */
  contextDiffers?: true;
};

type PendingSteer = { message: SteerMessage; sent: boolean; resolve: (entered: boolean) => void };
export type SteerMessage = { runId: Turn["runId"]; text: string; images: readonly ImageInput[] };

/** Pi reads text that begins with "/" as one of its own commands; a leading space prevents that. */
export const toPlainText = (text: string): string => (text.startsWith("/") ? ` ${text}` : text);

export const toPiImages = (images: readonly ImageInput[]): { type: "image"; data: string; mimeType: string }[] =>
  images.map(({ data, mimeType }) => ({ type: "image", data, mimeType }));

export type PromptAttemptOptions = {
  slot: PiSlot;
  turn: Turn;
  model: ModelRef;
  grant: TurnGrant;
  /** Runs a tool call, or refuses it; never rejects. `signal` ends it with the attempt. */
  runTool: (call: ToolRequest, signal: AbortSignal, reply: (reply: ToolReply) => void) => Promise<void>;
  /** Whether another model could take over. */
  hasFallback: boolean;
  /** Why the model before this one failed. */
  after?: ErrorKind | undefined;
  signal: AbortSignal;
  out: Pick<EventSink, "push">;
  clock: Clock;
  log: Log;
  limits: ModelTimeouts;
};

/** Without `agent_start` this long after Pi accepted a prompt, the prompt may be lost. */
const START_MS = 5_000;
const TOO_LONG_ERROR: TurnError = {
  kind: "too_long",
  message: "The model sent more in one piece than this gateway reads. Ask for a shorter answer.",
};
/** Failures that are retried once even if another model could take over. */
const RETRY_ONCE_KINDS = new Set<ErrorKind>(["network", "cut", "overloaded"]);
/** Failures for which a provider can request a wait. */
const PROVIDER_WAIT_KINDS = new Set<ErrorKind>(["rate_limit", "overloaded", "network"]);

/** Limit of different problems logged for one turn. */
const PROBLEMS = 20;
/** Time for an abort to settle, and for each further step. */
const ABORT_MS = 5_000;
const CLEAR_MS = 1_000;

/** One prompt to one process with one model, until `agent_settled`. */
export class PromptAttempt implements SlotListener {
  readonly grant: TurnGrant;
  readonly #options: PromptAttemptOptions;
  readonly #map = createMappingState();
  readonly #steers: PendingSteer[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #done = Promise.withResolvers<PromptAttemptResult>();
  #running = false;
  #closing = false;
  #visible = false;
  #userMessages = 0;
  #resent = false;
  #aborting = false;
  #outcome: MessageOutcome | undefined;
  #retryGivenUp: TurnError | undefined;
  #cancelStartCheck: (() => void) | null = null;
  #contextDiffers = false;
  readonly #problems = new Set<string>();
  readonly #watchdog: ModelWatchdog;
  /** Ends the tool calls of this attempt. */
  readonly #tools = new AbortController();
  /** Why the gateway ended this attempt; its abort counts as this failure. */
  #failure: TurnError | undefined;
  /** The wait that the provider requested and that was not granted. */
  #retryAfterMs: number | undefined;

  constructor(options: PromptAttemptOptions) {
    this.#options = options;
    this.grant = options.grant;
    const { clock, limits, out } = options;
    this.#watchdog = new ModelWatchdog({
      clock,
      limits,
      onWaiting: (forMs) => out.push({ type: "waiting", for: "model", forMs }),
      onTimeout: (forMs) => {
        const message = `the model said nothing for ${Math.round(forMs / 1_000)} s`;
        this.#fail({ kind: "timeout", message, origin: "provider" });
      },
    });
  }

  /** Never rejects. */
  async run(): Promise<PromptAttemptResult> {
    const { slot, signal } = this.#options;
    slot.listen(this);
    const abort = (): void => void this.#abort();
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) this.#finish({ reason: "aborted", visible: false, settled: true });
    else await this.#prompt();
    const result = await this.#done.promise;
    signal.removeEventListener("abort", abort);
    this.#tools.abort(TURN_OVER);
    this.#cancelStartCheck?.();
    this.#watchdog.stop();
    await this.#closeSteers(result.settled);
    return result;
  }

  /** Resolves to true once the message is in the context, to false once it is certain that it will not be. */
  steer(message: SteerMessage): Promise<boolean> {
    if (this.#closing || this.#aborting) return Promise.resolve(false);
    return new Promise((resolve) => {
      const steer: PendingSteer = { message, sent: false, resolve };
      this.#steers.push(steer);
      if (this.#running) this.#sendSteers();
    });
  }

  async #prompt(): Promise<void> {
    const { slot, turn, log } = this.#options;
    try {
      await slot.prompt(toPlainText(turn.text), toPiImages(turn.images));
      if (this.#running || this.#closing) return;
      this.#cancelStartCheck?.();
      this.#cancelStartCheck = this.#options.clock.after(START_MS, () => void this.#checkStart());
    } catch (err) {
      if (err instanceof PiCommandError) {
        const error = classifyProviderError(err.message);
        this.#finish({ reason: "error", error, visible: this.#visible, settled: true });
      } else if (slot.isAlive) log.debug("the prompt was not answered", { reason: reasonOf(err) });
      // It ended before this attempt listened, so no event reports it.
      else this.onExit({ code: null, signal: null });
    }
  }

  /** A prompt that Pi accepted and lost is sent again once; a second loss counts as a crash. */
  async #checkStart(): Promise<void> {
    if (this.#running || this.#closing) return;
    const { slot, log } = this.#options;
    try {
      const state = (await slot.request({ type: "get_state" })) as { isStreaming?: boolean; isCompacting?: boolean };
      if (this.#running || this.#closing || state.isStreaming || state.isCompacting) return;
    } catch (err) {
      log.debug("the state of a silent process could not be read", { reason: reasonOf(err) });
    }
    if (this.#resent || !slot.isAlive) return slot.kill();
    this.#resent = true;
    log.warn("Pi accepted a prompt and did not start; sending it again", { runId: this.#options.turn.runId });
    await this.#prompt();
  }

  onRecord(record: PiRecord): void {
    const { slot, out, clock, model } = this.#options;
    this.#watchdog.onRecord(record);
    if (record.type === SKIPPED_RECORD || record.type === HOST.answerTooLong) {
      // Pi's file has what was too long, and the next turn would read it again.
      this.#contextDiffers = true;
      return this.#fail(TOO_LONG_ERROR);
    }
    if (record.type === HOST.promptFailed) return this.#onPromptFailed(String(record["error"]));
    if (record.type === "agent_start" && !this.#running) {
      this.#running = true;
      this.#watchdog.start();
      const { after } = this.#options;
      out.push({ type: "started", model, contextWindow: toContextWindow(slot.loaded?.contextWindow), ...(after && { after }) });
      this.#sendSteers();
    }
    const mapped = mapRecord(record, this.#map, clock.monotonic());
    this.#reportProblems(mapped);
    if (mapped.outcome) this.#outcome = mapped.outcome;
    // The setup guide is a script, not a model.
    if (mapped.call && model.provider !== GUIDE_PROVIDER) out.push({ type: "call", call: { model, ...mapped.call } });
    if (mapped.userMessage && this.#userMessages++ > 0) this.#onSteered();
    if (mapped.retry && this.#shouldAbandonRetry(mapped.retry)) return;
    for (const event of mapped.events) {
      if (event.type === "text" || event.type === "tool" || event.type === "message") this.#visible = true;
      out.push(event);
    }
    if (mapped.settled) this.#settle();
  }

  /** After an abort Pi gets no answer: it would arrive before the abort does, and Pi would ask the model once more. */
  onToolCall(call: ToolRequest, reply: (reply: ToolReply) => void): void {
    void this.#options.runTool(call, this.#tools.signal, (answer) => {
      if (!this.#aborting) reply(answer);
    });
  }

  /** The provider requested a wait: either it is granted, or the request failed with the requested time. */
  onProviderWait(requestedMs: number, waits: boolean): void {
    const ms = Math.min(Math.max(0, requestedMs), LIMITS.retryAfterMaxMs);
    if (!waits) {
      this.#retryAfterMs = ms;
      return;
    }
    this.#watchdog.pause(ms);
    this.#options.out.push({ type: "waiting", for: "provider", forMs: 0, untilMs: ms });
  }

  /** The id becomes that of a span: other text is ignored. */
  onModelRequest(spanId: string): void {
    if (/^[0-9a-f]{16}$/.test(spanId)) this.#options.out.push({ type: "request", spanId });
  }

  /** Pi gave the run up without a last event. */
  #onPromptFailed(message: string): void {
    const error = classifyProviderError(message);
    this.#finish({ reason: "error", error, visible: this.#visible, settled: false });
  }

  /** Ends the attempt because the gateway decided so. */
  #fail(error: TurnError): void {
    if (this.#failure || this.#closing) return;
    this.#failure = error;
    void this.#abort();
  }

  /** Each kind of problem is logged once per turn, because a stream may repeat it with every record. */
  #reportProblems({ problems, contextDiffers }: MappedRecord): void {
    const { log, turn, model } = this.#options;
    if (contextDiffers) this.#contextDiffers = true;
    for (const problem of problems ?? []) {
      if (this.#problems.has(problem) || this.#problems.size >= PROBLEMS) continue;
      this.#problems.add(problem);
      log.warn("a model sent something that cannot be kept as it is", { runId: turn.runId, model: modelName(model), problem });
    }
  }

  /** With a fallback model a long wait is pointless; without one, so is a retry before the requested time. */
  #shouldAbandonRetry({ attempt, error }: { attempt: number; error: TurnError }): boolean {
    const { slot, hasFallback, log } = this.#options;
    const waits = this.#withRetryAfter(error);
    const tooLong =
      (waits.retryAfterMs ?? 0) > LIMITS.retryAfterMs || (this.#retryAfterMs !== undefined && PROVIDER_WAIT_KINDS.has(error.kind));
    const elsewhere = hasFallback && !this.#visible && shouldTryFallback(error.kind) && !(RETRY_ONCE_KINDS.has(error.kind) && attempt < 2);
    if (!tooLong && !elsewhere) return false;
    this.#retryGivenUp = waits;
    slot.request({ type: "abort_retry" }).catch((err: unknown) => log.debug("abort_retry failed", { reason: reasonOf(err) }));
    return true;
  }

  #withRetryAfter(error: TurnError): TurnError {
    if (this.#retryAfterMs === undefined || !PROVIDER_WAIT_KINDS.has(error.kind)) return error;
    return { ...error, retryAfterMs: this.#retryAfterMs };
  }

  #settle(): void {
    if (this.#aborting) return this.#finishAborted(true);
    const error = this.#retryGivenUp ?? this.#outcome?.error;
    if (error) return this.#finish({ reason: "error", error: this.#withRetryAfter(error), visible: this.#visible, settled: true });
    const reason = this.#outcome?.stopReason === "aborted" ? "aborted" : "stop";
    this.#finish({ reason, visible: this.#visible, settled: true });
  }

  #finishAborted(settled: boolean): void {
    const failed = this.#failure && !this.#options.signal.aborted;
    if (failed) this.#finish({ reason: "error", error: this.#failure!, visible: this.#visible, settled });
    else this.#finish({ reason: "aborted", visible: this.#visible, settled });
  }

  onExit(exit: Pick<PiExit, "code" | "signal">): void {
    if (this.#aborting) return this.#finishAborted(false);
    // Pi's file may have a message of which no event has come; it runs by itself, and would be read twice.
    if (this.#steers.some((steer) => steer.sent)) this.#contextDiffers = true;
    const how = exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
    const message = `The agent process ended in the middle of the turn (${how}). The answer is incomplete; tools are not run again.`;
    this.#finish({ reason: "crashed", error: { kind: "crashed", message }, visible: this.#visible, settled: false });
  }

  #finish(result: PromptAttemptResult): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#done.resolve(this.#contextDiffers ? { ...result, contextDiffers: true } : result);
  }

  /** clear_queue, abort, then closing stdin, SIGTERM, SIGKILL; each step only if the previous one failed. */
  async #abort(): Promise<void> {
    if (this.#closing || this.#aborting) return;
    this.#aborting = true;
    const { slot, log } = this.#options;
    this.#tools.abort();
    const quietly = (err: unknown): void => log.debug("a command of the abort failed", { reason: reasonOf(err) });
    await slot.request({ type: "clear_queue" }, CLEAR_MS).catch(quietly);
    slot.request({ type: "abort" }, ABORT_MS).then(() => this.#settleAbortBeforeStart(), quietly);
    const cancel = this.#options.clock.after(ABORT_MS - CLEAR_MS, () => {
      if (this.#closing) return;
      log.warn("the agent process did not stop its turn and is ended", { pid: slot.pid });
      void slot.end(1_500);
    });
    await this.#done.promise;
    cancel();
  }

  /** An abort that arrives before the run begins is answered without an `agent_settled`. */
  #settleAbortBeforeStart(): void {
    if (!this.#running) this.#finishAborted(false);
  }

  #sendSteers(): void {
    for (const steer of this.#steers) {
      if (steer.sent || this.#closing) continue;
      steer.sent = true;
      const sending = this.#sendSteer(steer);
      this.#inFlight.add(sending);
      void sending.then(() => this.#inFlight.delete(sending));
    }
  }

  async #sendSteer(steer: PendingSteer): Promise<void> {
    const { slot, log } = this.#options;
    const { text, images } = steer.message;
    try {
      await slot.request({ type: "steer", message: toPlainText(text), images: toPiImages(images) });
    } catch (err) {
      log.warn("Pi did not take a message into the running turn", { reason: reasonOf(err) });
      const at = this.#steers.indexOf(steer);
      if (at !== -1) this.#steers.splice(at, 1);
      steer.resolve(false);
    }
  }

  #onSteered(): void {
    const steer = this.#steers.shift();
    if (!steer) return;
    // Another attempt would not have it in its context.
    this.#visible = true;
    this.#options.out.push({ type: "steered", runId: steer.message.runId });
    steer.resolve(true);
  }

  /** A message that has not entered the context is removed from Pi's queue before the caller may queue it elsewhere. */
  async #closeSteers(settled: boolean): Promise<void> {
    if (this.#steers.length === 0) return;
    const { slot, log } = this.#options;
    if (settled && this.#steers.some((steer) => steer.sent)) {
      try {
        // Pi handles commands concurrently: a pending steer must be in the queue before the queue is cleared.
        await Promise.all(this.#inFlight);
        await slot.request({ type: "clear_queue" });
      } catch (err) {
        log.warn("Pi's queue could not be cleared; its process is replaced", { reason: reasonOf(err) });
        slot.kill();
      }
    }
    for (const steer of this.#steers.splice(0)) steer.resolve(false);
  }
}
