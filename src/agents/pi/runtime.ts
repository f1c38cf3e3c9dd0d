import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { detailError, GatewayError, reasonOf, withDescriptorCause } from "../../core/errors.ts";
import type { AgentId, SessionKey } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { listedTools, toMeantCall, type ToolContent, type ToolExecutor } from "../../tools/tool.ts";
import type { ProviderTable } from "../models.ts";
import {
  modelName,
  REBUILD_CHECKPOINT,
  type AgentEvent,
  type AgentRuntime,
  type ErrorKind,
  type ModelCall,
  type ModelRef,
  type RuntimeStatus,
  type Turn,
} from "../runtime.ts";
import { createWorkspaceDir, loadSystemPrompt, type UnreadFile } from "../system-prompt.ts";
import { PromptAttempt, type PromptAttemptResult } from "./attempt.ts";
import { classifyProviderError, shouldTryFallback, type TurnError } from "./event-mapping.ts";
import { eventsOf, type EventSink } from "../event-queue.ts";
import { piDirs, type CompactionSettings } from "./files.ts";
import { GUIDE_PROVIDER } from "../../core/guide-model.ts";
import { toCallCost, toContextWindow, toModelPrice, toUsage } from "./fields.ts";
import type { GuideFacts } from "./guide.ts";
import { PiHosts } from "./hosts.ts";
import { PiLaunch } from "./launch.ts";
import type { Launcher } from "./launcher.ts";
import { PiCommandError, PiTimeoutError } from "./process.ts";
import type { ToolReply, ToolRequest, TurnGrant } from "./records.ts";
import {
  compareWithCheckpoint,
  measureCheckpoint,
  parseCheckpoint,
  rebuildSessionFile,
  sessionPath,
  setWorkingDirectory,
  toCheckpoint,
  truncateToCheckpoint,
  type Checkpoint,
} from "./session-file.ts";
import type { HostChoice, PiAgents, SharedHostSettings } from "./settings.ts";
import type { PiSlot, SlotSource } from "./slot.ts";

export type PiRuntimeOptions = {
  /** `~/.openclaw`; everything is kept under `gateway/` in it. */
  stateDir: string;
  /** The providers of the configuration and the local ones that were found; asked before each turn. */
  models: () => ProviderTable;
  /** The gateway's environment. Only listed variables reach Pi. */
  env: NodeJS.ProcessEnv;
  agents: () => PiAgents;
  /** Automatic compaction; default: when the context is nearly full. */
  compaction?: () => CompactionSettings;
  /** Facts that the setup guide may show in a chat. No secrets. */
  guideFacts: () => GuideFacts;
  /** Runs the tool calls of all agents. */
  tools: ToolExecutor;
  /** Where most agents run. */
  defaultHost: () => HostChoice["host"];
  shared: () => SharedHostSettings;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** Stock processes at most; default LIMITS.piProcesses. */
  maxProcesses?: number;
  /** How processes are started; default: PiLaunch. */
  launch?: Launcher;
};

type SessionContext = Omit<Turn, "runId" | "text" | "images" | "beforeTool">;
type ActivePrompt = { attempt: PromptAttempt | null; abort: AbortController; file: string; done: Promise<void> };
type Prepared = { checkpoint: Checkpoint };
type ModelRun = {
  turn: Turn;
  model: ModelRef;
  hasFallback: boolean;
  active: ActivePrompt;
  out: EventSink;
  checkpoint: Checkpoint | null;
  after: ErrorKind | undefined;
};

/** A provider or model that Pi cannot use, detected before the prompt. */
class ModelUnavailable extends Error {
  readonly error: TurnError;

  constructor(error: TurnError) {
    super(error.message);
    this.error = error;
  }
}

const refused = (reason: string): ToolReply => ({ content: [{ type: "text", text: reason }], isError: true });

/** The default runtime: Pi in RPC mode, outside of this process. No process starts before `start()` or the first turn. */
export function createPiRuntime(options: PiRuntimeOptions): AgentRuntime {
  return new PiRuntime(options);
}

class PiRuntime implements AgentRuntime {
  readonly #options: PiRuntimeOptions;
  readonly #hosts: PiHosts;
  readonly #running = new Map<SessionKey, ActivePrompt>();
  readonly #agentsDir: string;
  /** Known ends of session files; the least recently used are dropped. */
  readonly #measured = new Map<string, Checkpoint>();
  /** Workspace files that were logged as not read. */
  readonly #reportedUnread = new Set<string>();
  #state: "starting" | "running" | "stopped" = "starting";

  constructor(options: PiRuntimeOptions) {
    this.#options = options;
    this.#agentsDir = join(options.stateDir, "gateway", "agents");
    const launch = options.launch ?? new PiLaunch(options);
    const { start } = piDirs(options.stateDir);
    this.#hosts = new PiHosts({
      ...options,
      maxProcesses: options.maxProcesses ?? LIMITS.piProcesses,
      launch,
      parkedFile: (number) => join(start, `parked-${number}.jsonl`),
    });
  }

  start(): void {
    if (this.#state !== "starting") return;
    this.#state = "running";
    this.#hosts.start();
  }

  prompt(turn: Turn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    return eventsOf(signal, (abort, sink) => this.#run(turn, abort, sink));
  }

  async steer(sessionKey: SessionKey, message: Parameters<AgentRuntime["steer"]>[1]): Promise<boolean> {
    const attempt = this.#running.get(sessionKey)?.attempt;
    return attempt ? attempt.steer(message) : false;
  }

  async compact(turn: SessionContext, instructions: string | undefined): ReturnType<AgentRuntime["compact"]> {
    const [model] = turn.models;
    if (!model || model.provider === GUIDE_PROVIDER) {
      throw new GatewayError("UNAVAILABLE", "The context can only be shortened with an AI model; the setup guide is a script.", {
        fix: "Connect a model first.",
        retryable: false,
      });
    }
    const file = sessionPath(this.#agentsDir, turn.agentId, turn.sessionId);
    if (this.#running.has(turn.sessionKey)) throw new GatewayError("CONFLICT", "A turn is running in this session.", { retryable: true });
    const { slot, source } = await this.#hosts.acquire(turn.agentId, file);
    try {
      await this.#prepare(slot, turn, file, parseCheckpoint(turn.checkpoint));
      await this.#selectModel(slot, model, turn.thinking);
      const since = this.#options.clock.monotonic();
      const command = { type: "compact", ...(instructions ? { customInstructions: instructions } : {}) };
      const result = (await slot.request(command, LIMITS.piCompactMs)) as { tokensBefore?: number; summary?: string; usage?: unknown };
      const checkpoint = await measureCheckpoint(file);
      return {
        checkpoint: checkpoint && toCheckpoint(checkpoint),
        tokensBefore: result.tokensBefore ?? 0,
        summary: result.summary ?? "",
        ...(result.usage !== undefined && { call: this.#toSummaryCall(model, result.usage, since) }),
      };
    } catch (err) {
      if (err instanceof PiTimeoutError) await slot.end(LIMITS.piSessionEndMs);
      if (err instanceof PiCommandError) {
        if (/^(Nothing to compact|Already compacted)/.test(err.message))
          throw detailError("NOTHING_TO_COMPACT", err.message, { cause: err });
        throw new GatewayError("UNAVAILABLE", err.message, { cause: err, retryable: false });
      }
      if (err instanceof PiTimeoutError || err instanceof ModelUnavailable)
        throw new GatewayError("UNAVAILABLE", err.message, { cause: err });
      throw err;
    } finally {
      await source.release(slot, slot.isAlive);
    }
  }

  #toSummaryCall(model: ModelRef, usage: unknown, since: number): ModelCall {
    const { clock, log } = this.#options;
    const note = (problem: string): void => log.warn("the usage of a summary cannot be kept as it is", { problem });
    return {
      purpose: "summary",
      model,
      usage: toUsage(usage, note),
      cost: toCallCost(usage),
      status: "ok",
      durationMs: Math.round(clock.monotonic() - since),
      firstTokenMs: null,
    };
  }

  async forget(agentId: AgentId, sessionId: string): Promise<void> {
    const file = sessionPath(this.#agentsDir, agentId, sessionId);
    const running = [...this.#running.values()].filter((entry) => entry.file === file);
    for (const entry of running) entry.abort.abort();
    await Promise.all(running.map((entry) => entry.done));
    await this.#hosts.unload(file);
    await rm(file, { force: true });
  }

  status(): RuntimeStatus {
    const counts = this.#hosts.counts();
    if (this.#state === "stopped") return { state: "stopped", canRun: false, ...counts };
    const { problem, isReady } = this.#hosts;
    if (problem) return { state: "degraded", cause: problem, canRun: isReady, ...counts };
    return isReady
      ? { state: "ready", canRun: true, ...counts }
      : { state: "starting", cause: "The agent process is starting.", canRun: true, ...counts };
  }

  async stop(): Promise<void> {
    this.#state = "stopped";
    const running = [...this.#running.values()];
    for (const entry of running) entry.abort.abort();
    // Closing stdin ends Pi in the middle of a turn too, together with its tools.
    await Promise.all([this.#hosts.stop(1_500), this.#options.tools.stop()]);
    await Promise.all(running.map((entry) => entry.done));
  }

  /** The whole life of a turn; never rejects and emits exactly one `end`, as the last event. */
  async #run(turn: Turn, abort: AbortController, out: EventSink): Promise<void> {
    const finished = Promise.withResolvers<void>();
    let end: AgentEvent;
    let mine: ActivePrompt | undefined;
    try {
      const file = sessionPath(this.#agentsDir, turn.agentId, turn.sessionId);
      if (this.#running.has(turn.sessionKey)) throw new GatewayError("CONFLICT", "A turn is already running in this session.");
      mine = { attempt: null, abort, file, done: finished.promise };
      this.#running.set(turn.sessionKey, mine);
      end = await this.#attemptAll(turn, mine, out);
    } catch (err) {
      end = this.#toEndEvent(err, turn, abort.signal.aborted);
    }
    if (mine) this.#running.delete(turn.sessionKey);
    const kind = end.type === "end" ? (end.error?.kind ?? end.reason) : "none";
    this.#options.metrics.count("gateway_agents_turns_total", { outcome: kind });
    finished.resolve();
    out.push(end);
  }

  #toEndEvent(thrown: unknown, turn: Turn, aborted: boolean): AgentEvent {
    const err = withDescriptorCause(thrown);
    const { checkpoint } = turn;
    if (aborted) return { type: "end", reason: "aborted", checkpoint };
    if (err instanceof ModelUnavailable) return { type: "end", reason: "error", checkpoint, error: err.error };
    const expected = err instanceof GatewayError || err instanceof PiTimeoutError || err instanceof PiCommandError;
    if (!expected) this.#options.log.error("a turn failed", { runId: turn.runId, reason: reasonOf(err), stack: (err as Error).stack });
    const message = expected ? (err as Error).message : "The agent could not run this turn because of an internal error.";
    const invalid = err instanceof GatewayError && err.code !== "UNAVAILABLE";
    return { type: "end", reason: "error", checkpoint, error: { kind: invalid || !expected ? "unknown" : "crashed", message } };
  }

  async #attemptAll(turn: Turn, mine: ActivePrompt, out: EventSink): Promise<AgentEvent> {
    const { signal } = mine.abort;
    let checkpoint = parseCheckpoint(turn.checkpoint);
    let last: PromptAttemptResult | undefined;
    await createWorkspaceDir(turn.workspace);
    for (const [index, model] of turn.models.entries()) {
      const hasFallback = index < turn.models.length - 1;
      const run = await this.#tryModel({ turn, model, hasFallback, active: mine, out, checkpoint, after: last?.error?.kind });
      checkpoint = run.checkpoint;
      last = run.result;
      const tryNext = last.reason === "error" && !last.visible && shouldTryFallback(last.error!.kind);
      if (!tryNext || !hasFallback || signal.aborted) break;
      this.#options.log.warn("a model failed; the next one takes over", {
        runId: turn.runId,
        model: modelName(model),
        next: modelName(turn.models[index + 1]!),
        kind: last.error!.kind,
        status: last.error!.httpStatus,
        reason: last.error!.message,
      });
    }
    return this.#end(last!, turn, checkpoint!, mine.file);
  }

  /**
   * One model, with as many processes as it takes: one that ends before any output or tool call costs the turn an attempt, not
   * the message.
   */
  async #tryModel(job: ModelRun): Promise<{ result: PromptAttemptResult; checkpoint: Checkpoint }> {
    const { turn, active: mine, out } = job;
    const { signal } = mine.abort;
    let { checkpoint } = job;
    for (let tries = 1; ; tries++) {
      const again = (): boolean => tries < LIMITS.piTurnAttempts && !signal.aborted && this.#state !== "stopped";
      const { slot, source } = await this.#acquire(turn.agentId, mine, out);
      let result: PromptAttemptResult;
      try {
        ({ checkpoint } = await this.#prepare(slot, turn, mine.file, checkpoint));
        result = await this.#attempt(slot, job);
      } catch (err) {
        await source.release(slot, err instanceof ModelUnavailable || err instanceof PiCommandError);
        // Nothing was asked yet.
        if (!(err instanceof PiTimeoutError) || !again()) throw err;
        this.#options.log.warn("an agent process ended before the prompt; another one is used", { runId: turn.runId, reason: err.message });
        continue;
      }
      await source.release(slot, result.settled);
      if (result.reason !== "crashed" || result.visible || !again()) return { result, checkpoint: checkpoint! };
      this.#options.log.warn("an agent process ended before any output; another one is used", { runId: turn.runId });
    }
  }

  /** A slot for the session; emits a notice when the wait is long. */
  async #acquire(agentId: AgentId, { file, abort }: ActivePrompt, out: EventSink): Promise<{ slot: PiSlot; source: SlotSource }> {
    const { clock } = this.#options;
    const since = clock.monotonic();
    let cancel: (() => void) | null = null;
    const tell = (): void => {
      out.push({ type: "waiting", for: "process", forMs: Math.round(clock.monotonic() - since) });
      cancel = clock.after(LIMITS.waitEventMs, tell);
    };
    cancel = clock.after(LIMITS.waitEventMs, tell);
    try {
      return await this.#hosts.acquire(agentId, file, abort.signal);
    } finally {
      cancel?.();
    }
  }

  async #attempt(slot: PiSlot, { turn, model, hasFallback, active: mine, out, after }: ModelRun) {
    const { signal } = mine.abort;
    try {
      await this.#selectModel(slot, model, turn.thinking);
    } catch (err) {
      if (!(err instanceof ModelUnavailable)) throw err;
      return { reason: "error", error: err.error, visible: false, settled: true } satisfies PromptAttemptResult;
    }
    const verdict = await this.#askCaller(slot, turn, model);
    if (!verdict.allow) return { reason: "error", error: verdict.failure, visible: false, settled: true } satisfies PromptAttemptResult;
    const grant = {
      ...(await this.#grant(turn, model)),
      providerWaitMs: hasFallback ? 0 : LIMITS.retryAfterTotalMs,
      ...(turn.trace && { trace: turn.trace }),
      ...(turn.defersCompaction === true && { defersCompaction: true }),
    };
    const { clock } = this.#options;
    const log = this.#logOf(turn);
    const silenceMs = (this.#options.models()[model.provider]?.timeoutSeconds ?? 0) * 1_000;
    const limits = {
      firstTokenMs: silenceMs || LIMITS.modelFirstTokenMs,
      idleMs: silenceMs || LIMITS.modelIdleMs,
    };
    const runTool = this.#toolRunner(turn, out);
    const attempt = new PromptAttempt({ slot, turn, model, grant, runTool, hasFallback, after, signal, out, clock, log, limits });
    mine.attempt = attempt;
    try {
      return await attempt.run();
    } finally {
      mine.attempt = null;
    }
  }

  /** The setup guide is a script: it costs nothing. */
  async #askCaller(slot: PiSlot, turn: Turn, model: ModelRef): ReturnType<NonNullable<Turn["beforeModel"]>> {
    if (!turn.beforeModel || model.provider === GUIDE_PROVIDER) return { allow: true };
    const { contextWindow, maxTokens, price } = slot.loaded!;
    return turn.beforeModel({
      model,
      contextWindow: toContextWindow(contextWindow),
      maxTokens: toContextWindow(maxTokens),
      price,
    });
  }

  /** Runs a call after the caller has stored and allowed it. */
  #toolRunner(turn: Turn, out: EventSink): (call: ToolRequest, signal: AbortSignal, reply: (reply: ToolReply) => void) => Promise<void> {
    return async (request, signal, reply) => {
      const { tools } = this.#options;
      const log = this.#logOf(turn);
      const call = toMeantCall(request);
      try {
        // The caller stores the events so far; the call itself must be one of them.
        await out.drained();
        const verdict = await turn.beforeTool(call);
        if (!verdict.allow) return reply(refused(verdict.reason));
        signal.throwIfAborted();
        const context = { ...verdict.permit, signal, update: (update: readonly ToolContent[]) => reply({ update }), log };
        reply(await tools.run(call, context));
      } catch (err) {
        if (!signal.aborted) log.warn("a tool call was not allowed because its check failed", { tool: call.name, reason: reasonOf(err) });
        reply(refused("The call was cancelled."));
      }
    };
  }

  #logOf = ({ runId, sessionKey }: Turn): Log => this.#options.log.child({ runId, sessionKey });

  /** A turn without output is removed from the context too, so that it can be run again. */
  async #end(result: PromptAttemptResult, turn: Turn, before: Checkpoint, file: string): Promise<AgentEvent> {
    const failed = result.reason === "error" || result.reason === "crashed";
    const keep = !failed || result.visible;
    const after = keep ? await this.#measure(file) : before;
    const checkpoint = result.contextDiffers ? REBUILD_CHECKPOINT : after && toCheckpoint(after);
    if (failed) return { type: "end", reason: "error", checkpoint, error: result.error! };
    return { type: "end", reason: result.reason === "aborted" ? "aborted" : "stop", checkpoint };
  }

  async #grant(turn: SessionContext, model: ModelRef): Promise<TurnGrant> {
    if (model.provider === GUIDE_PROVIDER) return { system: "", tools: [], facts: this.#options.guideFacts() };
    const limits = this.#options.agents().promptLimits(turn.agentId);
    const system = turn.system ?? (await loadSystemPrompt(turn, limits, (unread) => this.#reportUnread(turn.workspace, unread)));
    return { system, tools: this.#options.tools.describe(listedTools(turn.tools)) };
  }

  /** Logged once for each file, not by every turn. */
  #reportUnread(workspace: string, { name, reason }: UnreadFile): void {
    const key = `${workspace}/${name}: ${reason}`;
    if (this.#reportedUnread.has(key) || this.#reportedUnread.size >= LIMITS.workspaceFilesCached) return;
    this.#reportedUnread.add(key);
    this.#options.log.warn("a workspace file is not read into the system prompt", { workspace, name, reason });
  }

  /** Measures a session file and remembers where it ended. */
  async #measure(file: string): Promise<Checkpoint | null> {
    const checkpoint = await measureCheckpoint(file);
    this.#measured.delete(file);
    if (this.#measured.size >= LIMITS.checkpointsCached) this.#measured.delete(this.#measured.keys().next().value!);
    if (checkpoint) this.#measured.set(file, checkpoint);
    return checkpoint;
  }

  /** Brings the file to the checkpoint and loads it; resolves to its checkpoint. Must precede a prompt. */
  async #prepare(slot: PiSlot, turn: SessionContext, file: string, wanted: Checkpoint | null): Promise<Prepared> {
    const standing = compareWithCheckpoint(file, wanted, this.#measured.get(file));
    let checkpoint = wanted;
    const isLoaded = (): boolean => slot.loaded?.file === file;
    if (standing !== "same") {
      // Pi has the old content in memory and would continue from it.
      if (isLoaded()) await slot.unload();
      if (standing === "ahead") await truncateToCheckpoint(file, wanted!);
      else {
        const session = { id: turn.sessionId, cwd: turn.workspace, startedAt: this.#options.clock.now() };
        checkpoint = await rebuildSessionFile(file, session, turn.history(), this.#options.log);
      }
    }
    if (isLoaded() && slot.loaded!.cwd !== turn.workspace) await slot.unload();
    if (!isLoaded()) {
      checkpoint = (await setWorkingDirectory(file, turn.workspace)) ?? checkpoint;
      await slot.load(file, turn.workspace);
    }
    return { checkpoint: checkpoint! };
  }

  async #selectModel(slot: PiSlot, model: ModelRef, thinking: Turn["thinking"]): Promise<void> {
    const name = modelName(model);
    const loaded = slot.loaded!;
    if (loaded.model !== name) {
      try {
        const command = { type: "set_model", provider: model.provider, modelId: model.id };
        const chosen = (await slot.request(command)) as { contextWindow?: number; maxTokens?: number; cost?: unknown };
        Object.assign(loaded, {
          model: name,
          contextWindow: chosen.contextWindow ?? 0,
          maxTokens: chosen.maxTokens ?? 0,
          price: toModelPrice(chosen.cost),
          thinking: null,
        });
      } catch (err) {
        if (!(err instanceof PiCommandError)) throw err;
        const message = `The model ${name} cannot be used: its name is not known, or its provider has no key.`;
        throw new ModelUnavailable({ ...classifyProviderError(err.message), kind: "auth", message });
      }
    }
    if (loaded.thinking === thinking) return;
    await slot.request({ type: "set_thinking_level", level: thinking });
    loaded.thinking = thinking;
  }
}
