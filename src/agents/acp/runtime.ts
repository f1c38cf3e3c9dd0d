import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf, withDescriptorCause } from "../../core/errors.ts";
import { backoffDelay } from "../../core/async.ts";
import type { AgentId, SessionKey } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { GroupWatcher } from "../../tools/group-watcher.ts";
import { eventsOf, type EventSink } from "../event-queue.ts";
import type { AgentEvent, AgentRuntime, CallCost, ErrorKind, ModelCall, RuntimeStatus, Turn, TurnFailure } from "../runtime.ts";
import { createWorkspaceDir } from "../system-prompt.ts";
import { AgentSession, type Standing } from "./agent-session.ts";
import type { AcpAgentSpec } from "./agent-spec.ts";
import { parseAcpCheckpoint, toAcpCheckpoint } from "./checkpoint.ts";
import { AcpAgentError } from "./connection.ts";
import { ACP_LIMITS } from "./limits.ts";
import type { AcpServices } from "./services.ts";
import { NO_USAGE, TurnUpdates } from "./updates.ts";

export type AcpRuntimeOptions = {
  services: AcpServices;
  /** Processes at most, and how long one without a turn is kept; 0: until it is needed for another one. */
  limits: () => { maxSessions: number; idleMs: number };
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

type Running = { sessionId: string; abort: AbortController; done: Promise<void> };
type Failures = { count: number; until: number; message: string };
/** Why the runtime itself stopped a turn. */
type StopCause = { kind: ErrorKind; message: string };

/** Agents that are programs of others and speak ACP: one process for each conversation, kept while it is in use. */
export class AcpRuntime implements AgentRuntime {
  readonly #options: AcpRuntimeOptions;
  /** By the id of the gateway's session. */
  readonly #sessions = new Map<string, AgentSession>();
  readonly #running = new Map<SessionKey, Running>();
  /** Agents that did not start, by name. */
  readonly #failures = new Map<string, Failures>();
  #cancelIdleTimer: (() => void) | null = null;
  #isStopped = false;

  constructor(options: AcpRuntimeOptions) {
    this.#options = options;
    options.metrics.sample("gateway_agents_acp_processes", () => this.status().processes);
  }

  start(): void {}

  prompt(turn: Turn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    return eventsOf(signal, (abort, sink) => this.#run(turn, abort, sink));
  }

  /** The protocol has no way to add to a turn that runs. */
  async steer(): Promise<boolean> {
    return false;
  }

  compact(): ReturnType<AgentRuntime["compact"]> {
    throw new GatewayError("UNAVAILABLE", "This agent keeps its own context, which only the agent can shorten.", {
      fix: "Begin a new conversation with /new.",
      retryable: false,
    });
  }

  async forget(_agentId: AgentId, sessionId: string): Promise<void> {
    const running = [...this.#running.values()].filter((each) => each.sessionId === sessionId);
    for (const each of running) each.abort.abort();
    await Promise.all(running.map(({ done }) => done));
    await this.#close(sessionId);
  }

  status(): RuntimeStatus {
    const agents = [...this.#sessions.values()].filter(({ isDead }) => !isDead).map((session) => session.status());
    const busy = agents.filter(({ state }) => state === "busy").length;
    if (this.#isStopped) return { state: "stopped", canRun: false, processes: 0, busy: 0, restarts: 0, agents: [] };
    return { state: "ready", canRun: true, processes: agents.length, busy, restarts: 0, agents };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelIdleTimer?.();
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all([...this.#sessions.keys()].map((id) => this.#close(id)));
    await Promise.all(running.map(({ done }) => done));
    this.#options.watcher.killAll();
  }

  /** The whole life of a turn; never rejects and emits exactly one `end`, as the last event. */
  async #run(turn: Turn, abort: AbortController, out: EventSink): Promise<void> {
    const finished = Promise.withResolvers<void>();
    let end: AgentEvent;
    const isMine = !this.#running.has(turn.sessionKey);
    try {
      if (!isMine) throw new GatewayError("CONFLICT", "A turn is already running in this session.");
      this.#running.set(turn.sessionKey, { sessionId: turn.sessionId, abort, done: finished.promise });
      end = await this.#attempt(turn, abort.signal, out);
    } catch (err) {
      end = this.#toEndEvent(err, turn, abort.signal.aborted);
    }
    if (isMine) this.#running.delete(turn.sessionKey);
    const outcome = end.type === "end" ? (end.error?.kind ?? end.reason) : "none";
    this.#options.metrics.count("gateway_agents_turns_total", { outcome });
    this.#endIdleLater();
    finished.resolve();
    out.push(end);
  }

  #toEndEvent(thrown: unknown, turn: Turn, aborted: boolean): AgentEvent {
    const err = withDescriptorCause(thrown);
    const { checkpoint, runId } = turn;
    if (aborted) return { type: "end", reason: "aborted", checkpoint };
    const expected = err instanceof GatewayError || err instanceof AcpAgentError;
    if (!expected) this.#options.log.error("a turn failed", { runId, reason: reasonOf(err), stack: (err as Error).stack });
    const message = expected ? withFix(err) : "The agent could not run this turn because of an internal error.";
    const kind: ErrorKind = err instanceof AcpAgentError ? "crashed" : "unknown";
    return { type: "end", reason: "error", checkpoint, error: { kind, message } };
  }

  async #attempt(turn: Turn, signal: AbortSignal, out: EventSink): Promise<AgentEvent> {
    const { clock, log, services } = this.#options;
    const model = turn.models[0]!;
    const spec = services.spec(turn, model);
    const budget = await turn.beforeModel?.({ model, contextWindow: 0, maxTokens: 0, price: null });
    if (budget?.allow === false) return failed(turn.checkpoint, budget.failure);
    const verdict = await turn.beforeAgent?.(spec.name);
    if (verdict?.allow !== true)
      return failed(turn.checkpoint, { kind: "unknown", message: verdict?.reason ?? "No agent program may run here." });
    const reason = services.refuse(verdict.permit);
    if (reason !== null) return failed(turn.checkpoint, { kind: "unknown", message: `The agent ${spec.name} may not run: ${reason}.` });
    await createWorkspaceDir(turn.workspace);
    const updates = new TurnUpdates({ out, model, clock, idPrefix: `${turn.runId.slice(0, 8)}-` });
    const { session, standing } = await this.#openSession(turn, spec, signal);
    out.push({ type: "started", model, contextWindow: session.contextWindow });
    if (standing === "new" && spec.lifetime === "persistent" && turn.history().length > 0) updates.say(lostText(turn, spec));
    const before = session.costUsd;
    const startedAt = clock.monotonic();
    const call = (status: ModelCall["status"]): void => {
      const { usage, firstPieceAt } = updates;
      if (usage) session.contextWindow = usage.size;
      if (usage?.costUsd !== null && usage?.costUsd !== undefined) session.costUsd = Math.max(before, usage.costUsd);
      const cost = usage?.costUsd == null ? null : toCost(session.costUsd - before);
      const firstTokenMs = firstPieceAt === null ? null : Math.round(firstPieceAt - startedAt);
      const durationMs = Math.round(clock.monotonic() - startedAt);
      const tokens = { ...NO_USAGE, totalTokens: usage?.used ?? 0 };
      out.push({ type: "call", call: { purpose: "answer", model, usage: tokens, cost, status, durationMs, firstTokenMs } });
    };
    const stop: { cause: StopCause | null } = { cause: null };
    const watch = this.#watch(session, { signal, out, updates, stop });
    try {
      const asking = { turn, permit: verdict.permit, updates, signal };
      const stopReason = await session.prompt(asking, toBlocks(turn, session), watch.heard);
      updates.endCalls();
      call(signal.aborted ? "aborted" : "ok");
      if (signal.aborted) return { type: "end", reason: "aborted", checkpoint: this.#checkpointOf(session) };
      updates.say(STOP_TEXTS.get(stopReason) ?? "");
      updates.finish(STOP_REASONS.get(stopReason) ?? "stop", session.costUsd - before);
      return { type: "end", reason: "stop", checkpoint: this.#checkpointOf(session) };
    } catch (err) {
      updates.endCalls();
      call(signal.aborted ? "aborted" : "error");
      const checkpoint = this.#checkpointOf(session) ?? turn.checkpoint;
      if (signal.aborted) return { type: "end", reason: "aborted", checkpoint };
      if (!(err instanceof AcpAgentError)) throw err;
      log.warn("an agent failed in a turn", {
        agent: spec.name,
        runId: turn.runId,
        cause: err.message,
        exitCode: err.exitCode,
        stderr: err.stderr,
      });
      const isOpen = session.isOpen;
      return failed(checkpoint, stop.cause ?? { kind: isOpen ? "unknown" : "crashed", message: isOpen ? err.message : brokeOff(err) });
    } finally {
      watch.end();
      if (spec.lifetime === "oneshot" || !session.isOpen) await this.#close(turn.sessionId);
    }
  }

  #checkpointOf(session: AgentSession): string | null {
    const { checkpoint } = session;
    return checkpoint && toAcpCheckpoint(checkpoint);
  }

  /** The agent of the conversation, started when it does not run. Nothing of it is left when it fails. */
  async #openSession(turn: Turn, spec: AcpAgentSpec, signal: AbortSignal): Promise<{ session: AgentSession; standing: Standing }> {
    const { services, watcher, clock, log } = this.#options;
    const cwd = spec.cwd ?? turn.workspace;
    const earlier = spec.lifetime === "oneshot" ? null : parseAcpCheckpoint(turn.checkpoint);
    const known = this.#sessions.get(turn.sessionId);
    const wanted = earlier?.agent === spec.name ? earlier : null;
    if (known && isSame(known, spec, cwd) && known.isOpen && known.checkpoint?.session === wanted?.session)
      return { session: known, standing: "kept" };
    await this.#close(turn.sessionId);
    this.#refuseWhileFailing(spec.name);
    await this.#makeRoom();
    const session = new AgentSession({
      spec,
      cwd,
      sessionKey: turn.sessionKey,
      services,
      watcher,
      clock,
      log: log.child({ agent: spec.name }),
    });
    this.#sessions.set(turn.sessionId, session);
    const onAbort = (): void => session.fail("the turn was stopped");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const standing = await session.open(wanted, signal);
      signal.throwIfAborted();
      this.#failures.delete(spec.name);
      return { session, standing };
    } catch (err) {
      await this.#close(turn.sessionId);
      if (!signal.aborted && err instanceof AcpAgentError) this.#noteFailure(spec.name, err);
      throw err instanceof AcpAgentError ? new AcpAgentError(withStderr(err), { cause: err }) : err;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #noteFailure(name: string, err: AcpAgentError): void {
    const { clock, log, metrics } = this.#options;
    metrics.count("gateway_agents_acp_start_failures_total");
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const delay = backoffDelay({ minMs: ACP_LIMITS.minRetryMs, maxMs: ACP_LIMITS.maxRetryMs }, count - 1);
    this.#failures.set(name, { count, until: clock.monotonic() + delay, message: err.message });
    log.warn("an agent did not start", { agent: name, cause: err.message, exitCode: err.exitCode, stderr: err.stderr, retryInMs: delay });
  }

  #refuseWhileFailing(name: string): void {
    const failure = this.#failures.get(name);
    const waitMs = failure ? failure.until - this.#options.clock.monotonic() : 0;
    if (failure && waitMs > 0)
      throw new AcpAgentError(
        `${failure.message} It did not start ${times(failure.count)}, and is started again in ${Math.ceil(waitMs / 1_000)} s at the earliest.`,
      );
  }

  /** Ends the agent that was not used for the longest time, where there are too many. */
  async #makeRoom(): Promise<void> {
    const { maxSessions } = this.#options.limits();
    for (const [id, { isDead }] of this.#sessions) if (isDead) this.#sessions.delete(id);
    while (this.#sessions.size >= maxSessions) {
      const idle = [...this.#sessions].filter(([, session]) => session.isOpen && !session.isBusy);
      const [oldest] = idle.toSorted(([, a], [, b]) => a.lastUsedAt - b.lastUsedAt);
      if (!oldest)
        throw new GatewayError("UNAVAILABLE", `${this.#sessions.size} agents are at work already.`, {
          fix: "Wait for one of them, or raise acp.maxConcurrentSessions.",
        });
      await this.#close(oldest[0]);
    }
  }

  async #close(sessionId: string): Promise<void> {
    const session = this.#sessions.get(sessionId);
    await session?.close();
    if (session && this.#sessions.get(sessionId) === session) this.#sessions.delete(sessionId);
  }

  /** An agent that was not used for long ends; the next message starts it again. One that would forget the conversation stays. */
  #endIdleLater(): void {
    const { clock, limits } = this.#options;
    const { idleMs } = limits();
    this.#cancelIdleTimer?.();
    this.#cancelIdleTimer = null;
    const idle = [...this.#sessions].filter(([, session]) => session.isOpen && !session.isBusy && session.status().canReopen);
    if (idleMs === 0 || idle.length === 0 || this.#isStopped) return;
    const next = Math.min(...idle.map(([, session]) => session.lastUsedAt)) + idleMs - clock.monotonic();
    this.#cancelIdleTimer = clock.after(Math.max(1_000, next), () => {
      const due = idle.filter(([, session]) => !session.isBusy && clock.monotonic() - session.lastUsedAt >= idleMs);
      void Promise.all(due.map(([id]) => this.#close(id))).then(() => this.#endIdleLater());
    });
  }

  /** Stops the agent with the turn, and ends it when it does not stop or is silent for too long. */
  #watch(
    session: AgentSession,
    { signal, out, updates, stop }: { signal: AbortSignal; out: EventSink; updates: TurnUpdates; stop: { cause: StopCause | null } },
  ): { heard: () => void; end: () => void } {
    const { clock } = this.#options;
    const { spec } = session;
    let heardAt = clock.monotonic();
    let cancelKill: (() => void) | null = null;
    const onAbort = (): void => {
      session.cancel();
      cancelKill = clock.after(ACP_LIMITS.cancelMs, () => session.fail("it did not stop when it was asked to"));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    let cancelTick: () => void;
    const tick = (): void => {
      if (updates.hasOpenCalls || session.requests.pending > 0) heardAt = clock.monotonic();
      const silentMs = clock.monotonic() - heardAt;
      if (silentMs >= spec.silenceMs) {
        stop.cause = {
          kind: "timeout",
          message: `The agent ${spec.name} was silent for ${Math.round(silentMs / 1_000)} s and was stopped. The next message starts it again.`,
        };
        return session.fail(`it was silent for ${Math.round(silentMs / 1_000)} s`);
      }
      if (silentMs >= LIMITS.waitEventMs) out.push({ type: "waiting", for: "model", forMs: Math.round(silentMs) });
      cancelTick = clock.after(Math.min(LIMITS.waitEventMs, Math.max(1, spec.silenceMs - silentMs)), tick);
    };
    cancelTick = clock.after(Math.min(LIMITS.waitEventMs, spec.silenceMs), tick);
    return {
      heard: () => {
        heardAt = clock.monotonic();
      },
      end: () => {
        cancelTick();
        cancelKill?.();
        signal.removeEventListener("abort", onAbort);
      },
    };
  }
}

const failed = (checkpoint: string | null, error: TurnFailure): AgentEvent => ({ type: "end", reason: "error", checkpoint, error });
const times = (count: number): string => (count === 1 ? "once" : `${count} times in a row`);
const toCost = (dollars: number): CallCost => ({ input: 0, output: dollars, cacheRead: 0, cacheWrite: 0 });
const withFix = (err: GatewayError | AcpAgentError): string =>
  err instanceof GatewayError && err.fix ? `${err.message} ${err.fix}` : err.message;

/** Stop reasons of ACP in the words of the turn. */
const STOP_REASONS: ReadonlyMap<string, string> = new Map([
  ["end_turn", "stop"],
  ["max_tokens", "length"],
  ["refusal", "refusal"],
]);
const STOP_TEXTS: ReadonlyMap<string, string> = new Map([
  ["max_turn_requests", "\n\n(The agent stopped here: it reached its limit of requests for one turn. Ask it to go on.)"],
  ["cancelled", "\n\n(The agent cancelled this turn itself.)"],
]);

const isSame = (session: AgentSession, spec: AcpAgentSpec, cwd: string): boolean =>
  session.cwd === cwd && JSON.stringify(session.spec) === JSON.stringify(spec);

const lostText = ({ checkpoint }: Turn, { name }: AcpAgentSpec): string =>
  parseAcpCheckpoint(checkpoint)?.agent === name
    ? `(The agent ${name} could not open its earlier session again and does not know the earlier messages.)\n\n`
    : `(The agent ${name} is new in this conversation and does not know the earlier messages.)\n\n`;

const withStderr = (err: AcpAgentError): string =>
  err.stderr === "" ? err.message : `${err.message} Its error output ends with:\n${err.stderr}`;

const brokeOff = (err: AcpAgentError): string => `${withStderr(err)}\nThe turn broke off here; the next message starts the agent again.`;

function toBlocks({ text, images }: Turn, { takesImages }: AgentSession): readonly unknown[] {
  const note = images.length > 0 && !takesImages ? `\n\n[${images.length} pictures were left out: this agent does not take them.]` : "";
  const pictures = takesImages ? images.map(({ mimeType, data }) => ({ type: "image", mimeType, data })) : [];
  return [{ type: "text", text: text + note }, ...pictures];
}
