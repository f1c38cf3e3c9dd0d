import { AsyncLocalStorage } from "node:async_hooks";
import { LIMITS } from "../../../core/limits.ts";
import type { ToolContent, ToolResult } from "../../../tools/tool.ts";
import type { GuideFacts } from "../guide.ts";
import { deferredReserve } from "../../compaction.ts";
import { HOST, type ToolReply, type TurnGrant } from "../records.ts";
import { CallArguments, type CallUpdate } from "./call-arguments.ts";
import { gatewayExtension, type GatewayPort, type PiApi } from "./gateway-extension.ts";
import type { HostOutput } from "./host-output.ts";
import type { RunWaits } from "./provider-fetch.ts";
import type { PiModelRuntime, PiSdk, PiSession, PiSessionEvent, PiSettings } from "./sdk.ts";

/** What the requests of a run can find out about it. */
export type RunScope = RunWaits & { facts: GuideFacts };
export const currentRun = new AsyncLocalStorage<RunScope>();

/** Shared by all sessions of a host; nothing in it belongs to one of them. */
export type HostParts = {
  sdk: PiSdk;
  models: PiModelRuntime;
  /** Content of Pi's settings file; each session has a copy in memory, and no one writes the file. */
  settings: Record<string, unknown>;
  agentDir: string;
  secrets: readonly string[];
  output: HostOutput;
};

export type SessionCommand = { type: string } & Record<string, unknown>;
type RunningTool = { resolve: (result: ToolResult) => void; onUpdate: (content: readonly ToolContent[]) => void };

/** A message with more text, thinking and arguments than this is stopped: the gateway keeps less of it anyway. */
const MESSAGE_CHARS = LIMITS.answerChars + LIMITS.thinkingChars;

/** Events that say nothing that the gateway uses, or that repeat what it has had. */
const SILENT_EVENTS = new Set([
  "agent_end",
  "turn_end",
  "entry_appended",
  "queue_update",
  "session_info_changed",
  "thinking_level_changed",
]);

/** One Pi session in the host. Its commands and events are those of Pi's RPC mode. */
export class HostSession {
  readonly #s: number;
  readonly #parts: HostParts;
  readonly #tools = new Map<string, RunningTool>();
  #session!: PiSession;
  #grant: TurnGrant | null = null;
  readonly #calls = new CallArguments();
  /** Characters of the message that streams. */
  #streamed = 0;
  #lastSilentUpdate = 0;

  private constructor(s: number, parts: HostParts) {
    this.#s = s;
    this.#parts = parts;
  }

  /** Opens the session file `path`, whose tools work in `cwd`. */
  static async open(s: number, path: string, cwd: string, parts: HostParts): Promise<HostSession> {
    const session = new HostSession(s, parts);
    await session.#open(path, cwd);
    return session;
  }

  /** A session without a file. */
  static async openInMemory(cwd: string, parts: HostParts): Promise<HostSession> {
    const session = new HostSession(0, parts);
    await session.#open(null, cwd);
    return session;
  }

  async #open(path: string | null, cwd: string): Promise<void> {
    const { sdk, models, settings, agentDir } = this.#parts;
    const settingsManager = sdk.SettingsManager.inMemory(structuredClone(settings));
    this.#deferCompaction(settingsManager);
    const resourceLoader = new sdk.DefaultResourceLoader({
      cwd,
      agentDir,
      settingsManager,
      extensionFactories: [(pi) => gatewayExtension(pi as unknown as PiApi, this.#port())],
      noExtensions: true,
      noSkills: true,
      noPromptTemplates: true,
      noThemes: true,
      noContextFiles: true,
      systemPrompt: "-",
      appendSystemPrompt: [],
    });
    await resourceLoader.reload();
    const { session } = await sdk.createAgentSession({
      cwd,
      agentDir,
      modelRuntime: models,
      settingsManager,
      resourceLoader,
      sessionManager: path === null ? sdk.SessionManager.inMemory(cwd) : sdk.SessionManager.open(path, undefined, cwd),
      noTools: "builtin",
    });
    this.#session = session;
    this.#limitSummaries(session);
    keepMessages(session);
    session.subscribe(this.#onEvent);
    session.agent.subscribe(this.#parts.output.drained);
    await session.bindExtensions({ mode: "rpc" });
  }

  get isRunning(): boolean {
    return !this.#session.isIdle;
  }

  /** Runs one command; resolves to the data of its answer, rejects with the reason of a refusal. */
  async run(command: SessionCommand): Promise<unknown> {
    const session = this.#session;
    switch (command.type) {
      case "prompt":
        return this.#prompt(command);
      case "steer":
        return session.steer(String(command["message"]), command["images"] as never, { source: "rpc" });
      case "compact":
        return currentRun.run(this.#scope(), () => session.compact(command["customInstructions"] as string | undefined));
      case "set_model":
        return this.#setModel(command);
      case "set_thinking_level":
        return session.setThinkingLevel(command["level"] as never);
      case "abort":
        return session.abort();
      case "abort_retry":
        return session.abortRetry();
      case "clear_queue":
        session.clearQueue();
        return undefined;
      case "get_state":
        return this.state();
      default:
        throw new Error(`Unknown command: ${command.type}`);
    }
  }

  /** The gateway's answer to a tool request. */
  onToolReply(callId: string, reply: ToolReply): void {
    const running = this.#tools.get(callId);
    if (!running) return;
    if ("update" in reply) running.onUpdate(reply.update);
    else running.resolve(reply);
  }

  async close(): Promise<void> {
    if (this.isRunning) await this.#session.abort();
    this.#session.dispose();
    this.#parts.output.forget(this.#s);
  }

  state(): Record<string, unknown> {
    const { model, thinkingLevel, isStreaming, isCompacting, sessionFile } = this.#session;
    const shown = model && { provider: model.provider, id: model.id, ...termsOf(model) };
    return { model: shown, thinkingLevel, isStreaming, isCompacting, sessionFile };
  }

  #prompt({ message, images, grant }: SessionCommand): Promise<void> {
    this.#grant = grant as TurnGrant;
    const accepted = Promise.withResolvers<void>();
    let isAccepted = false;
    const preflightResult = (ok: boolean): void => {
      if (!ok) return;
      isAccepted = true;
      accepted.resolve();
    };
    const options = { images: images as never, source: "rpc" as const, expandPromptTemplates: false, preflightResult };
    currentRun
      .run(this.#scope(), () => this.#session.prompt(String(message), options))
      .catch((err: unknown) => {
        if (!isAccepted) accepted.reject(err as Error);
        else this.#parts.output.send({ s: this.#s, type: HOST.promptFailed, error: textOf(err) });
      });
    return accepted.promise;
  }

  /** One turn outside of `currentRun`'s usual scope; resolves when it has ended. */
  async runDry(message: string, scope: RunScope): Promise<void> {
    this.#grant = { system: "-", tools: [], facts: {} };
    await currentRun.run(scope, () => this.#session.prompt(message, { expandPromptTemplates: false }));
  }

  async #setModel({ provider, modelId }: SessionCommand): Promise<unknown> {
    const model = this.#parts.models.getAvailableSnapshot().find((each) => each.provider === provider && each.id === modelId);
    if (!model) throw new Error(`Model not found: ${String(provider)}/${String(modelId)}`);
    await this.#session.setModel(model);
    return termsOf(model);
  }

  #scope(): RunScope {
    return {
      remainingWaitMs: this.#grant?.providerWaitMs ?? 0,
      facts: this.#grant?.facts ?? {},
      onWait: (ms, waits) => this.#parts.output.send({ s: this.#s, type: HOST.providerWait, ms, waits }),
      trace: this.#grant?.trace,
      onRequest: (spanId) => this.#parts.output.send({ s: this.#s, type: HOST.modelRequest, spanId }),
    };
  }

  #port(): GatewayPort {
    return {
      secrets: this.#parts.secrets,
      isCut: this.#calls.isCut,
      grant: () => (this.#grant ? Promise.resolve(this.#grant) : Promise.reject(new Error("the gateway did not describe the turn"))),
      runTool: (call, signal, onUpdate) =>
        new Promise((resolve, reject) => {
          const cancel = (): void => {
            this.#tools.delete(call.id);
            reject(new Error("The call was cancelled."));
          };
          if (signal?.aborted) return cancel();
          signal?.addEventListener("abort", cancel, { once: true });
          const done: RunningTool["resolve"] = (reply) => {
            signal?.removeEventListener("abort", cancel);
            this.#tools.delete(call.id);
            resolve(reply);
          };
          this.#tools.set(call.id, { resolve: done, onUpdate });
          this.#parts.output.send({ s: this.#s, type: HOST.toolRequest, call });
        }),
    };
  }

  /** As long as notes must be written first, less of the window stays free. */
  #deferCompaction(settings: PiSettings): void {
    const read = settings.getCompactionSettings.bind(settings);
    settings.getCompactionSettings = (model) => {
      const given = read(model);
      return this.#grant?.defersCompaction ? { ...given, reserveTokens: deferredReserve(given.reserveTokens) } : given;
    };
  }

  /** Summaries stream without events of the session: nothing else would stop one that does not end. */
  #limitSummaries({ agent }: PiSession): void {
    const stream = agent.streamFunction;
    agent.streamFunction = async (model, context, options) => {
      if (!this.#session.isCompacting) return stream(model, context, options);
      const tooLong = new AbortController();
      const signals = [tooLong.signal, ...(options?.signal ? [options.signal] : [])];
      const summary = await stream(model, context, { ...options, signal: AbortSignal.any(signals) });
      const push = summary.push.bind(summary);
      let chars = 0;
      summary.push = (event) => {
        if ("delta" in event) chars += event.delta.length;
        if (chars > LIMITS.summaryChars) tooLong.abort(new Error("the summary is too long"));
        // What has arrived beyond the limit is not kept until the request has ended.
        if (!("delta" in event) || chars <= LIMITS.summaryChars) push(event);
      };
      return summary;
    };
  }

  readonly #onEvent = (event: PiSessionEvent): void => {
    const { output } = this.#parts;
    const s = this.#s;
    if (SILENT_EVENTS.has(event.type)) return;
    switch (event.type) {
      case "message_update":
        return this.#onUpdate(event.assistantMessageEvent as Record<string, unknown>);
      case "compaction_end":
        // Without the summary.
        return output.send({
          s,
          type: event.type,
          reason: event.reason,
          willRetry: event.willRetry,
          aborted: event.aborted,
          ...(event.result !== undefined && { done: true }),
          ...(event.result?.usage && { usage: event.result.usage }),
        });
      case "message_start":
        if (event.message.role === "assistant") this.#calls.begin();
        this.#streamed = 0;
        return output.send({ s, type: event.type, message: { role: event.message.role } });
      case "message_end":
        // What a person or a tool said is known to the gateway already.
        return output.send({
          s,
          type: event.type,
          message: event.message.role === "assistant" ? event.message : { role: event.message.role },
        });
      default:
        return output.send({ s, ...event });
    }
  };

  #onUpdate(update: Record<string, unknown>): void {
    const { type, delta } = update;
    if (typeof delta === "string") this.#countStreamed(delta.length);
    if ((type === "text_delta" || type === "thinking_delta") && typeof delta === "string")
      return this.#parts.output.delta(this.#s, type, Number(update["contentIndex"]), delta);
    this.#calls.note(update as CallUpdate);
    const isPlain = type !== "text_delta" && type !== "thinking_delta";
    // Parts of a tool call only show that the model is not silent.
    const now = performance.now();
    if (isPlain && now - this.#lastSilentUpdate < 1_000) return;
    this.#lastSilentUpdate = isPlain ? now : this.#lastSilentUpdate;
    this.#parts.output.send({
      s: this.#s,
      type: "message_update",
      assistantMessageEvent: isPlain ? { type } : { type, contentIndex: update["contentIndex"], delta },
    });
  }

  #countStreamed(chars: number): void {
    const before = this.#streamed;
    this.#streamed += chars;
    if (before > MESSAGE_CHARS || this.#streamed <= MESSAGE_CHARS) return;
    this.#parts.output.send({ s: this.#s, type: HOST.answerTooLong });
    void this.#session.abort();
  }
}

/**
 * Pi copies the whole conversation for each request, so that extensions may change the copy. Ours does not ask for it, and a copy costs
 * time in proportion to the conversation.
 */
function keepMessages({ extensionRunner }: PiSession): void {
  const copy = extensionRunner.emitContext.bind(extensionRunner);
  extensionRunner.emitContext = (messages) =>
    CONTEXT_EVENTS.some((event) => extensionRunner.hasHandlers(event)) ? copy(messages) : Promise.resolve(messages);
}
const CONTEXT_EVENTS = ["context", "context_with_system"];

/** What the gateway has to know of a model before it is asked. */
const termsOf = ({ contextWindow, maxTokens, cost }: NonNullable<PiSession["model"]>): Record<string, unknown> => ({
  contextWindow,
  maxTokens,
  cost,
});

const textOf = (err: unknown): string => (err instanceof Error ? err.message : String(err));
