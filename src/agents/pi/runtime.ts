import { randomBytes } from "node:crypto";
import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../core/clock.ts";
import { detailError, GatewayError, reasonOf } from "../../core/errors.ts";
import type { AgentId, SessionKey } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { ProviderTable } from "../models.ts";
import { loadSystemPrompt, createWorkspaceDir, type PromptLimits, type UnreadFile } from "../system-prompt.ts";
import { modelName, type AgentEvent, type AgentRuntime, type ModelRef, type RuntimeStatus, type Turn } from "../runtime.ts";
import type { TurnGrant } from "./extension.ts";
import {
  cleanTemp,
  processMarkerOf,
  configGeneration,
  hasPiFiles,
  piDirs,
  removeLocks,
  setAsideUnreadable,
  toPiArgs,
  toPiConfig,
  toPiEnv,
  writePiFiles,
  type CompactionSettings,
  type PiConfig,
} from "./files.ts";
import { GUIDE_PROVIDER, type GuideFacts } from "./guide.ts";
import { classifyProviderError, shouldTryFallback, type TurnError } from "./event-mapping.ts";
import { killMarkedProcesses } from "./orphans.ts";
import { PiPool, type LaunchSpec, type PiWorker } from "./pool.ts";
import { PiCommandError, PiTimeoutError } from "./process.ts";
import { EventQueue } from "./event-queue.ts";
import {
  truncateToCheckpoint,
  measureCheckpoint,
  parseCheckpoint,
  rebuildSessionFile,
  setWorkingDirectory,
  sessionPath,
  compareWithCheckpoint,
  toCheckpoint,
  type Checkpoint,
} from "./session-file.ts";
import { answerExtensionRequest, PromptAttempt, type ExtensionAnswers, type PromptAttemptResult } from "./attempt.ts";

export type PiRuntimeOptions = {
  /** `~/.openclaw`; everything is kept under `gateway/` in it. */
  stateDir: string;
  /** The providers of the configuration and the local ones that were found; asked before each turn. */
  models: () => ProviderTable;
  /** The gateway's environment. Only named variables of it reach Pi. */
  env: NodeJS.ProcessEnv;
  /** Where the keys of providers are looked for that `models` gives none to; default: `env`. */
  keys?: () => NodeJS.ProcessEnv;
  /** How conversations are shortened by themselves; default: when the context is nearly full. */
  compaction?: () => CompactionSettings;
  /** What the setup guide may tell in a chat. No secrets. */
  guideFacts: () => GuideFacts;
  /** How much of the workspace files an agent's system prompt may hold; default: LIMITS.workspaceFileChars and workspaceChars. */
  promptLimits?: (agentId: AgentId) => PromptLimits;
  log: Log;
  metrics: Metrics;
  clock: Clock;
  /** Processes that are kept ready (default 1) and at most started (default LIMITS.piProcesses). */
  warmProcesses?: number;
  maxProcesses?: number;
};

type SessionContext = Omit<Turn, "runId" | "text" | "images" | "beforeTool">;
type EventSink = { emit: (event: AgentEvent) => void; drained: () => Promise<void> };
type ActivePrompt = { attempt: PromptAttempt | null; abort: AbortController; file: string; done: Promise<void> };
type Prepared = { checkpoint: Checkpoint };
type ModelRun = { turn: Turn; model: ModelRef; hasFallback: boolean; active: ActivePrompt; out: EventSink; checkpoint: Checkpoint | null };

/** A provider or model that Pi cannot use, found before anything was asked. */
class ModelUnavailable extends Error {
  readonly error: TurnError;

  constructor(error: TurnError) {
    super(error.message);
    this.error = error;
  }
}

/** No file stands at this checkpoint: the next turn builds the context from the rows. */
const REBUILD = "rebuild";

const siblingPath = (name: string): string =>
  fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? `./${name}.ts` : `./pi-${name}.mjs`, import.meta.url));

/** The file that Pi loads; throws at once when the installation lacks it. */
async function resolveExtension(): Promise<string> {
  const path = siblingPath("extension");
  await access(path);
  return path;
}

/** The default runtime: stock Pi processes in RPC mode. Nothing starts before `start()` or the first turn. */
export function createPiRuntime(options: PiRuntimeOptions): AgentRuntime {
  return new PiRuntime(options);
}

class PiRuntime implements AgentRuntime {
  readonly #options: PiRuntimeOptions;
  readonly #pool: PiPool;
  readonly #running = new Map<SessionKey, ActivePrompt>();
  readonly #agentsDir: string;
  /** Same for every life of the gateway on this state directory, so that leftovers of an earlier one can be found. */
  #processMarker: string | null = null;
  readonly #entry = fileURLToPath(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry"));
  /** Where this process has seen session files end; the longest unused are forgotten. */
  readonly #measured = new Map<string, Checkpoint>();
  /** Workspace files whose absence from the prompt was said. */
  readonly #reportedUnread = new Set<string>();
  #extension: string | null = null;
  #config: { config: PiConfig; generation: string } | null = null;
  #sweepDone: Promise<void> | null = null;
  #writing: Promise<unknown> = Promise.resolve();
  #state: "starting" | "running" | "stopped" = "starting";

  constructor(options: PiRuntimeOptions) {
    this.#options = options;
    this.#agentsDir = join(options.stateDir, "gateway", "agents");
    this.#pool = new PiPool({
      spec: () => this.#spec(),
      warm: options.warmProcesses ?? 1,
      max: options.maxProcesses ?? LIMITS.piProcesses,
      clock: options.clock,
      log: options.log,
      metrics: options.metrics,
    });
    options.metrics.sample("gateway_agents_processes", () => this.#pool.processCount);
    options.metrics.sample("gateway_agents_busy_processes", () => this.#pool.busyCount);
  }

  start(): void {
    if (this.#state !== "starting") return;
    this.#state = "running";
    this.#pool.start();
  }

  async *prompt(turn: Turn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    const queue = new EventQueue<AgentEvent>();
    const abort = new AbortController();
    const forward = (): void => abort.abort();
    signal.addEventListener("abort", forward, { once: true });
    if (signal.aborted) forward();
    const done = this.#run(turn, abort, { emit: (event) => queue.push(event), drained: () => queue.drained() }).finally(() =>
      queue.close(),
    );
    try {
      yield* queue;
    } finally {
      // Reached early when the caller stops listening: nobody would see the rest of the turn.
      forward();
      signal.removeEventListener("abort", forward);
      await done;
    }
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
    const worker = await this.#pool.acquire(file);
    try {
      const grant = await this.#grant(turn, model);
      worker.onRecord = (record) =>
        record.type === "extension_ui_request" && void answerExtensionRequest(worker, record, { grant }, this.#options.log);
      await this.#prepare(worker, turn, file, parseCheckpoint(turn.checkpoint));
      await this.#selectModel(worker, model, turn.thinking);
      const command = { type: "compact", ...(instructions ? { customInstructions: instructions } : {}) };
      const result = (await worker.process.request(command, LIMITS.piCompactMs)) as { tokensBefore?: number; summary?: string };
      const checkpoint = await measureCheckpoint(file);
      return { checkpoint: checkpoint && toCheckpoint(checkpoint), tokensBefore: result.tokensBefore ?? 0, summary: result.summary ?? "" };
    } catch (err) {
      if (err instanceof PiTimeoutError) worker.process.kill("SIGKILL");
      if (err instanceof PiCommandError) {
        if (/^(Nothing to compact|Already compacted)/.test(err.message))
          throw detailError("NOTHING_TO_COMPACT", err.message, { cause: err });
        throw new GatewayError("UNAVAILABLE", err.message, { cause: err, retryable: false });
      }
      if (err instanceof PiTimeoutError || err instanceof ModelUnavailable)
        throw new GatewayError("UNAVAILABLE", err.message, { cause: err });
      throw err;
    } finally {
      this.#pool.release(worker);
    }
  }

  async forget(agentId: AgentId, sessionId: string): Promise<void> {
    const file = sessionPath(this.#agentsDir, agentId, sessionId);
    const running = [...this.#running.values()].filter((entry) => entry.file === file);
    for (const entry of running) entry.abort.abort();
    await Promise.all(running.map((entry) => entry.done));
    const owner = this.#pool.acquireLoaded(file);
    if (owner) await this.#unloadSession(owner).finally(() => this.#pool.release(owner));
    await rm(file, { force: true });
  }

  status(): RuntimeStatus {
    const counts = { processes: this.#pool.processCount, busy: this.#pool.busyCount, restarts: this.#pool.restarts };
    if (this.#state === "stopped") return { state: "stopped", ...counts };
    const cause = this.#pool.problem;
    if (cause) return { state: "degraded", cause, ...counts };
    return this.#pool.isReady ? { state: "ready", ...counts } : { state: "starting", cause: "The agent process is starting.", ...counts };
  }

  async stop(): Promise<void> {
    this.#state = "stopped";
    const running = [...this.#running.values()];
    for (const entry of running) entry.abort.abort();
    // Closing stdin ends Pi in the middle of a turn too, together with its tools.
    await this.#pool.stop(1_500);
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
    out.emit(end);
  }

  #toEndEvent(err: unknown, turn: Turn, aborted: boolean): AgentEvent {
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
      const run = await this.#tryModel({ turn, model, hasFallback, active: mine, out, checkpoint });
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
   * One model, with as many processes as it takes: one that ends before anything was said or done costs the turn another try, not
   * the message.
   */
  async #tryModel(job: ModelRun): Promise<{ result: PromptAttemptResult; checkpoint: Checkpoint }> {
    const { turn, model, hasFallback, active: mine, out } = job;
    const { signal } = mine.abort;
    let { checkpoint } = job;
    for (let tries = 1; ; tries++) {
      const again = (): boolean => tries < LIMITS.piTurnAttempts && !signal.aborted && this.#state !== "stopped";
      const worker = await this.#acquire(mine.file, signal, out);
      let result: PromptAttemptResult;
      try {
        ({ checkpoint } = await this.#prepare(worker, turn, mine.file, checkpoint));
        result = await this.#attempt(worker, turn, model, hasFallback, mine, out);
      } catch (err) {
        await this.#releaseOrDiscard(worker, err instanceof ModelUnavailable || err instanceof PiCommandError);
        // Nothing was asked yet.
        if (!(err instanceof PiTimeoutError) || !again()) throw err;
        this.#options.log.warn("an agent process ended before the prompt; another one is used", { runId: turn.runId, reason: err.message });
        continue;
      }
      await this.#releaseOrDiscard(worker, result.settled);
      if (result.reason !== "crashed" || result.visible || !again()) return { result, checkpoint: checkpoint! };
      this.#options.log.warn("an agent process ended before it said anything; another one is used", { runId: turn.runId });
    }
  }

  /** A process of the pool; whoever waits long for one is told. */
  async #acquire(file: string, signal: AbortSignal, out: EventSink): Promise<PiWorker> {
    const { clock } = this.#options;
    const since = clock.monotonic();
    let cancel: (() => void) | null = null;
    const tell = (): void => {
      out.emit({ type: "waiting", for: "process", forMs: Math.round(clock.monotonic() - since) });
      cancel = clock.after(LIMITS.waitEventMs, tell);
    };
    cancel = clock.after(LIMITS.waitEventMs, tell);
    try {
      return await this.#pool.acquire(file, signal);
    } finally {
      cancel?.();
    }
  }

  async #releaseOrDiscard(worker: PiWorker, fit: boolean): Promise<void> {
    if (fit || !worker.process.isAlive) this.#pool.release(worker);
    else await this.#pool.discard(worker);
  }

  async #attempt(worker: PiWorker, turn: Turn, model: ModelRef, hasFallback: boolean, mine: ActivePrompt, out: EventSink) {
    const { signal } = mine.abort;
    try {
      await this.#selectModel(worker, model, turn.thinking);
    } catch (err) {
      if (!(err instanceof ModelUnavailable)) throw err;
      return { reason: "error", error: err.error, visible: false, settled: true } satisfies PromptAttemptResult;
    }
    const answers: ExtensionAnswers = {
      grant: { ...(await this.#grant(turn, model)), providerWaitMs: hasFallback ? 0 : LIMITS.retryAfterTotalMs },
      // The caller writes down what it has seen; the call itself must be part of that.
      beforeTool: (call) => out.drained().then(() => turn.beforeTool(call)),
    };
    const { clock, log } = this.#options;
    const silenceMs = (this.#options.models()[model.provider]?.timeoutSeconds ?? 0) * 1_000;
    const limits = {
      firstTokenMs: silenceMs || LIMITS.modelFirstTokenMs,
      idleMs: silenceMs || LIMITS.modelIdleMs,
    };
    const attempt = new PromptAttempt({ worker, turn, model, answers, hasFallback, signal, emit: out.emit, clock, log, limits });
    mine.attempt = attempt;
    try {
      return await attempt.run();
    } finally {
      mine.attempt = null;
    }
  }

  /** A turn that left no visible trace leaves none in the context either, so that it can be run again. */
  async #end(result: PromptAttemptResult, turn: Turn, before: Checkpoint, file: string): Promise<AgentEvent> {
    const failed = result.reason === "error" || result.reason === "crashed";
    const keep = !failed || result.visible;
    const after = keep ? await this.#measure(file) : before;
    const checkpoint = result.contextDiffers ? REBUILD : after && toCheckpoint(after);
    if (failed) return { type: "end", reason: "error", checkpoint, error: result.error! };
    return { type: "end", reason: result.reason === "aborted" ? "aborted" : "stop", checkpoint };
  }

  async #grant(turn: SessionContext, model: ModelRef): Promise<TurnGrant> {
    if (model.provider === GUIDE_PROVIDER) return { system: "", tools: [], facts: this.#options.guideFacts() };
    const limits = this.#options.promptLimits?.(turn.agentId);
    const system = await loadSystemPrompt(turn, limits, (unread) => this.#reportUnread(turn.workspace, unread));
    return { system, tools: turn.tools };
  }

  /** Said once for each file: every turn would say it again. */
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

  /** Brings the file to the checkpoint and loads it; resolves to where it stands. Only then may a prompt follow. */
  async #prepare(worker: PiWorker, turn: SessionContext, file: string, wanted: Checkpoint | null): Promise<Prepared> {
    const standing = await compareWithCheckpoint(file, wanted, this.#measured.get(file));
    let checkpoint = wanted;
    if (standing !== "same") {
      // Pi holds the old content in memory and would go on from there.
      if (worker.session === file) await this.#unloadSession(worker);
      if (standing === "ahead") await truncateToCheckpoint(file, wanted!);
      else {
        const session = { id: turn.sessionId, cwd: turn.workspace, startedAt: this.#options.clock.now() };
        checkpoint = await rebuildSessionFile(file, session, turn.history(), this.#options.log);
      }
    }
    if (worker.session === file && worker.cwd !== turn.workspace) await this.#unloadSession(worker);
    if (worker.session !== file) {
      checkpoint = (await setWorkingDirectory(file, turn.workspace)) ?? checkpoint;
      await this.#load(worker, file);
      worker.cwd = turn.workspace;
    }
    return { checkpoint: checkpoint! };
  }

  async #load(worker: PiWorker, file: string): Promise<void> {
    worker.session = null;
    await worker.process.request({ type: "switch_session", sessionPath: file }, LIMITS.piSwitchMs);
    const state = (await worker.process.request({ type: "get_state" })) as {
      sessionFile?: string;
      model?: { provider: string; id: string; contextWindow?: number };
      thinkingLevel?: string;
    };
    if (state.sessionFile !== file) throw new PiTimeoutError("The agent process did not open the session.");
    worker.session = file;
    worker.model = state.model ? modelName(state.model) : null;
    worker.contextWindow = state.model?.contextWindow ?? 0;
    worker.thinking = state.thinkingLevel ?? null;
  }

  /** Makes a process forget its session file, by loading one that does not exist and will not be written. */
  async #unloadSession(worker: PiWorker): Promise<void> {
    worker.session = null;
    const nowhere = join(piDirs(this.#options.stateDir).start, `parked-${worker.number}.jsonl`);
    await worker.process.request({ type: "switch_session", sessionPath: nowhere }, LIMITS.piSwitchMs);
  }

  async #selectModel(worker: PiWorker, model: ModelRef, thinking: Turn["thinking"]): Promise<void> {
    const name = modelName(model);
    if (worker.model !== name) {
      try {
        const command = { type: "set_model", provider: model.provider, modelId: model.id };
        const chosen = (await worker.process.request(command)) as { contextWindow?: number };
        worker.model = name;
        worker.contextWindow = chosen.contextWindow ?? 0;
        worker.thinking = null;
      } catch (err) {
        if (!(err instanceof PiCommandError)) throw err;
        const message = `The model ${name} cannot be used: its name is not known, or its provider has no key.`;
        throw new ModelUnavailable({ ...classifyProviderError(err.message), kind: "auth", message });
      }
    }
    if (worker.thinking === thinking) return;
    await worker.process.request({ type: "set_thinking_level", level: thinking });
    worker.thinking = thinking;
  }

  /** Before the first process of this life exists, whatever carries the family's mark is a leftover of an earlier one. */
  async #sweep(): Promise<void> {
    const { stateDir, log, clock } = this.#options;
    await killMarkedProcesses(`${await this.#loadProcessMarker()}-`, log);
    try {
      await removeLocks(piDirs(stateDir), this.#options.log);
      await setAsideUnreadable(piDirs(stateDir), this.#options.log);
      await cleanTemp(piDirs(stateDir), clock.now(), this.#options.log);
    } catch (err) {
      log.warn("leftovers of an earlier agent process could not be removed", { reason: reasonOf(err) });
    }
  }

  async #loadProcessMarker(): Promise<string> {
    return (this.#processMarker ??= await processMarkerOf(this.#options.stateDir));
  }

  async #spec(): Promise<LaunchSpec> {
    const { stateDir, env } = this.#options;
    const dirs = piDirs(stateDir);
    const config = toPiConfig(this.#options.models(), this.#options.keys?.() ?? env, this.#options.compaction?.());
    const generation = configGeneration(config);
    // Whoever cleans up by hand may remove the directory of a gateway that runs.
    if (this.#config?.generation !== generation || !(await hasPiFiles(dirs))) {
      const previous = this.#writing;
      this.#writing = previous.catch(() => undefined).then(() => writePiFiles(dirs, config, this.#options.log));
      await this.#writing;
      this.#config = { config, generation };
    }
    this.#sweepDone ??= this.#sweep();
    await this.#sweepDone;
    const extension = (this.#extension ??= await resolveExtension());
    const marker = `${await this.#loadProcessMarker()}-${randomBytes(6).toString("hex")}`;
    return {
      generation,
      args: toPiArgs(this.#entry, extension),
      env: toPiEnv(env, dirs, marker),
      keys: config.keys,
      cwd: dirs.start,
      marker,
    };
  }
}
