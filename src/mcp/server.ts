import { backoffDelay, deadlineAfter, sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import type { McpServerConfig } from "../config/schema.ts";
import { reasonOf } from "../core/errors.ts";
import { isObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { clip, toWellFormed } from "../core/text.ts";
import type { GroupWatcher } from "../tools/group-watcher.ts";
import { errorResult } from "../tools/results.ts";
import type { CallContext, ToolResult } from "../tools/tool.ts";
import type { CallAnswer, Connection, ContentCounts, TransportName } from "./connection.ts";
import { MCP_LIMITS } from "./limits.ts";
import { LoginStore, type SecretVault } from "./login-store.ts";
import type { LeftOutTool, ListedTools, OfferedTool } from "./offered-tools.ts";
import type { ToolPins, WithheldReason } from "./pins.ts";

export type McpServerDeps = {
  /** Variables of every server that is a process. */
  env: Readonly<Record<string, string>>;
  idleMs: () => number;
  /** Instead of `MCP_LIMITS.waitMs`. */
  waitMs?: number;
  pins: ToolPins;
  /** Keeps the sign-in at a server. */
  vault: (server: string) => SecretVault;
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

/** `idle`: not in use, it is started with the next call. */
export type McpServerState = "idle" | "starting" | "ready" | "failed";

export type McpServerStatus = {
  state: McpServerState;
  /** Why it failed. */
  cause: string | null;
  /** Start of the state, ms since the epoch. */
  since: number;
  /** Earliest next start after a failure, ms since the epoch. */
  retryAt: number | null;
  transport: TransportName | null;
  pid: number | null;
  /** Null until its tools have been listed. */
  tools: readonly OfferedTool[] | null;
  /** Tools that differ from what was accepted. */
  withheld: readonly WithheldTool[];
  leftOut: readonly LeftOutTool[];
  /** As they were counted last; null when they were not counted, or it has none to offer. */
  resources: number | null;
  prompts: number | null;
  /** Requests of the server that are refused, such as `sampling/createMessage`. */
  refused: readonly string[];
};

export type WithheldTool = { name: string; reason: WithheldReason };

type Listed = ListedTools & {
  withheld: ReadonlyMap<string, WithheldReason>;
  /** Tools that only read, by what was accepted. */
  reading: ReadonlySet<string>;
};

const startConnection = async (options: Parameters<typeof import("./connection.ts").connectServer>[0]): Promise<Connection> =>
  (await import("./connection.ts")).connectServer(options);

/**
 * One server with one configuration: one process or connection for all sessions. It is started by the first use, ends when it is idle, and
 * after a failure is not started again before a pause that grows.
 */
export class McpServer {
  readonly name: string;
  readonly config: McpServerConfig;
  readonly #deps: McpServerDeps;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #state: McpServerState = "idle";
  #cause: string | null = null;
  /** The cause of the last failure in the log, until the server is ready again: each failure in a row is not another change. */
  #loggedCause: string | null = null;
  #since: number;
  #connection: Connection | null = null;
  /** The start that runs, and when it began. */
  #opening: { done: Promise<Connection>; at: number } | null = null;
  /** The end of the last connection; there is never more than one process. */
  #closing: Promise<void> = Promise.resolve();
  #listed: Listed | null = null;
  #failures = 0;
  #readyAt = 0;
  /** On the monotonic clock: when it may be started again. */
  #retryAt = 0;
  #calls = 0;
  /** Calls in a row that took too long. */
  #timeouts = 0;
  #cancelIdle: () => void = () => {};
  /** The last call of each session, which the next one waits for. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #refresh: { isDue: boolean } | null = null;
  #content: ContentCounts = { resources: null, prompts: null };
  readonly #refused = new Set<string>();

  constructor(name: string, config: McpServerConfig, deps: McpServerDeps) {
    this.name = name;
    this.config = config;
    this.#deps = deps;
    this.#log = deps.log.child({ server: name });
    this.#since = deps.clock.now();
  }

  /** The sign-in at this server; null where none is configured. */
  get login(): LoginStore | null {
    const { auth, url } = this.config;
    return auth === "oauth" && url !== undefined ? new LoginStore(this.#deps.vault(this.name), url) : null;
  }

  status(): McpServerStatus {
    const { clock } = this.#deps;
    const waitMs = this.#retryAt - clock.monotonic();
    return {
      state: this.#state,
      cause: this.#cause,
      since: this.#since,
      retryAt: this.#state === "failed" && waitMs > 0 ? Math.round(clock.now() + waitMs) : null,
      transport: this.#connection?.transport ?? null,
      pid: this.#connection?.pid ?? null,
      tools: this.#listed?.tools.map((tool) => ({ ...tool, readsOnly: this.describe(tool.name).readsOnly })) ?? null,
      withheld: this.#withheld(),
      leftOut: this.#listed?.leftOut ?? [],
      ...this.#content,
      refused: [...this.#refused],
    };
  }

  /** The tools that can be called, as far as they are known when `signal` aborts, or a start has taken too long. Never rejects. */
  async list(signal: AbortSignal): Promise<readonly OfferedTool[]> {
    if (this.#listed === null && !signal.aborted) await this.#waitForStart(signal);
    return this.usable();
  }

  /** The tools that can be called, as far as they are known. */
  usable(): readonly OfferedTool[] {
    const { tools = [], withheld } = this.#listed ?? {};
    return tools.filter(({ name }) => !withheld!.has(name));
  }

  /** Whether the server has a tool; true while that is unknown. */
  mayHave(tool: string): boolean {
    return this.#listed === null || this.#find(tool) !== undefined;
  }

  /** What is known of a tool. It only reads as far as the server can be believed. */
  describe(tool: string): { readsOnly: boolean; hash: string } {
    const found = this.#find(tool);
    if (found === undefined) return { readsOnly: false, hash: "" };
    return { readsOnly: found.isContent === true || this.#listed!.reading.has(found.name), hash: found.hash };
  }

  /** Starts the server unless it runs, also during the pause after a failure, and lists its tools. Rejects with the cause. */
  async contact(): Promise<void> {
    if (this.#connection === null) this.#retryAt = 0;
    const connection = await this.#open();
    try {
      this.#content = await connection.countContent(this.config.requestTimeoutMs);
    } catch (err) {
      // Its tools work without; the next contact counts again.
      this.#log.debug("the resources and prompts of an MCP server could not be counted", { reason: this.#redact(reasonOf(err)) });
    }
  }

  /** One line of the log for each kind of request. */
  #noteRefused(method: string): void {
    const shown = clip(toOneLine(toWellFormed(method)), MCP_LIMITS.toolNameChars);
    if (this.#refused.has(shown) || this.#refused.size >= MCP_LIMITS.refusedKinds) return;
    this.#refused.add(shown);
    this.#log.info("an MCP server asked for what is refused", { request: shown });
  }

  /** Accepts the tools as they were listed last. Resolves to the names of those that were withheld. */
  async accept(): Promise<readonly string[]> {
    if (this.#listed === null) await this.contact();
    const withheld = this.#withheld();
    const { pins } = this.#deps;
    const { seen } = this.#listed!;
    await pins.accept(this.name, seen);
    this.#listed = { ...this.#listed!, withheld: new Map(), reading: pins.reading(this.name, seen) };
    return withheld.map(({ name }) => name);
  }

  async call(tool: string, args: unknown, context: CallContext): Promise<ToolResult> {
    const key = context.caller.sessionKey;
    const previous = this.config.supportsParallelToolCalls ? undefined : this.#turns.get(key);
    const running = (async () => {
      await previous;
      return await this.#call(tool, args, context);
    })();
    this.#turns.set(key, running);
    const result = await running;
    if (this.#turns.get(key) === running) this.#turns.delete(key);
    this.#deps.metrics.count("gateway_mcp_calls_total", { outcome: result.isError ? "error" : "ok" });
    return result;
  }

  /** Ends the server for good. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the server is stopped"));
    this.#cancelIdle();
    await Promise.all([this.#close(), this.#opening?.done.catch(() => {})]);
  }

  /** Of the tools that agents would be offered. */
  #withheld(): readonly WithheldTool[] {
    const { tools = [], withheld } = this.#listed ?? {};
    return tools.flatMap(({ name }) => {
      const reason = withheld!.get(name);
      return reason === undefined ? [] : [{ name, reason }];
    });
  }

  #find(tool: string): OfferedTool | undefined {
    return this.#listed?.tools.find(({ name }) => name.toLowerCase() === tool.toLowerCase());
  }

  /** Never rejects. */
  async #call(tool: string, args: unknown, context: CallContext): Promise<ToolResult> {
    const full = `${this.name}__${tool}`;
    this.#calls += 1;
    this.#cancelIdle();
    try {
      const given = toArguments(full, args);
      const connection = await this.#openSoon(context.signal);
      const found = this.#find(tool);
      if (!found) return errorResult(this.#unknownTool(tool));
      const withheld = this.#listed!.withheld.get(found.name);
      if (withheld !== undefined) return errorResult(this.#withheldTool(full, withheld));
      if (context.signal.aborted) return errorResult("The call was stopped.");
      const options = { signal: context.signal, timeoutMs: this.config.requestTimeoutMs };
      const answer = await (found.isContent ? connection.useContent : connection.call)(found.name, given, options);
      await this.#countAnswer(connection, answer);
      return answer.result;
    } catch (err) {
      return await this.#failedCall(full, err, context.signal);
    } finally {
      this.#calls -= 1;
      this.#endWhenIdle();
    }
  }

  /** A server that does not answer any more is ended, so that no further call waits for it. */
  async #countAnswer(connection: Connection, { isTimeout }: CallAnswer): Promise<void> {
    this.#timeouts = isTimeout ? this.#timeouts + 1 : 0;
    if (!isTimeout) this.#failures = 0;
    if (this.#timeouts < MCP_LIMITS.timeouts || this.#connection !== connection) return;
    this.#fail(`it did not answer ${this.#timeouts} calls in a row`);
    await this.#end(connection);
  }

  async #failedCall(full: string, err: unknown, signal: AbortSignal): Promise<ToolResult> {
    if (err instanceof NotRunning) return errorResult(err.message);
    if (err instanceof InvalidArguments) return errorResult(err.message);
    if (signal.aborted) return errorResult("The call was stopped, and the server notified; what it has done until then is unknown.");
    const reason = this.#redact(reasonOf(err));
    // A process that has ended has said why.
    const connection = this.#connection;
    if (connection !== null) {
      this.#fail(reason);
      await this.#end(connection);
    }
    return errorResult(`The call of ${full} failed: ${toOneLine(this.#cause ?? reason)}. Whether it had an effect is unknown.`);
  }

  #unknownTool(tool: string): string {
    const names = this.usable().map(({ name }) => name);
    const shown = clip(toWellFormed(tool), MCP_LIMITS.toolNameChars);
    return `The MCP server ${this.name} has no tool ${JSON.stringify(shown)}. Its tools: ${names.join(", ") || "none"}.`;
  }

  #withheldTool(full: string, reason: WithheldReason): string {
    return `The tool ${full} is withheld: ${WITHHELD_TEXTS[reason]}. An operator reads it with openclaw mcp tools ${this.name}, and accepts it with openclaw mcp accept ${this.name}.`;
  }

  /** The connection, soon: a server that takes long to start goes on to do so, and the call is refused. */
  async #openSoon(signal: AbortSignal): Promise<Connection> {
    const opening = this.#open();
    opening.catch(() => {});
    const over = new AbortController();
    const tooLong = sleep(this.#deps.clock, this.#waitMs, AbortSignal.any([signal, over.signal])).then(() => null);
    try {
      const connection = await Promise.race([opening, tooLong]);
      if (connection) return connection;
    } catch (err) {
      throw err instanceof NotRunning ? err : new NotRunning(this.#describeFailure());
    } finally {
      over.abort();
    }
    throw new NotRunning(`The MCP server ${this.name} is still starting; nothing was called. Try again in some seconds.`);
  }

  #describeFailure(): string {
    const waitMs = this.#retryAt - this.#deps.clock.monotonic();
    const when = waitMs > 0 ? `in ${Math.ceil(waitMs / 1_000)} s at the earliest` : "with the next call";
    return `The MCP server ${this.name} does not run: ${toOneLine(this.#cause ?? "it is stopped")}. Nothing was called. It is started again ${when}.`;
  }

  get #waitMs(): number {
    return this.#deps.waitMs ?? MCP_LIMITS.waitMs;
  }

  /** Waits for a start, but not longer than `MCP_LIMITS.waitMs` after it has begun. Never rejects. */
  async #waitForStart(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const opening = this.#open().catch(() => {});
    const begun = this.#opening?.at ?? clock.monotonic();
    const restMs = this.#waitMs - (clock.monotonic() - begun);
    if (restMs <= 0) return;
    const over = new AbortController();
    await Promise.race([opening, sleep(clock, restMs, AbortSignal.any([signal, over.signal]))]);
    over.abort();
  }

  /** The connection, or the start that runs, or a new one. Rejects with NotRunning during the pause after a failure. */
  async #open(): Promise<Connection> {
    if (this.#connection) return this.#connection;
    if (this.#opening) return await this.#opening.done;
    const { clock } = this.#deps;
    if (this.#stopping.signal.aborted || this.#retryAt > clock.monotonic()) throw new NotRunning(this.#describeFailure());
    const opening = { done: this.#start(), at: clock.monotonic() };
    this.#opening = opening;
    try {
      return await opening.done;
    } finally {
      if (this.#opening === opening) this.#opening = null;
    }
  }

  async #start(): Promise<Connection> {
    const { env, watcher, clock, metrics } = this.#deps;
    const deadline = deadlineAfter(clock, this.config.connectionTimeoutMs);
    this.#setState("starting", null);
    metrics.count("gateway_mcp_starts_total");
    let connection: Connection | null = null;
    try {
      await this.#closing;
      connection = await startConnection({
        name: this.name,
        config: this.config,
        login: this.login,
        env,
        watcher,
        clock,
        log: this.#log,
        deadline,
        signal: this.#stopping.signal,
        onClosed: (cause) => this.#onClosed(cause),
        onToolsChanged: () => this.#onToolsChanged(),
        onRefused: (method) => this.#noteRefused(method),
      });
      this.#connection = connection;
      await this.#list(connection, deadline.remainingMs());
      if (this.#connection !== connection) throw new Error(this.#cause ?? "it has ended");
    } catch (err) {
      if (this.#connection === connection) this.#connection = null;
      await this.#end(connection);
      if (this.#stopping.signal.aborted) this.#setState("idle", null);
      else if (this.#state !== "failed") this.#fail(this.#redact(reasonOf(err)));
      throw err;
    }
    this.#readyAt = clock.monotonic();
    this.#timeouts = 0;
    this.#setState("ready", null);
    this.#endWhenIdle();
    return connection;
  }

  /** Asks for the tools, and compares them with what was accepted. */
  async #list(connection: Connection, timeoutMs: number): Promise<void> {
    const listed = await connection.listTools(Math.max(1, timeoutMs));
    const withheld = await this.#deps.pins.compare(this.name, listed.seen);
    const before = new Map(this.#withheld().map(({ name, reason }) => [name, reason]));
    this.#listed = { ...listed, withheld, reading: this.#deps.pins.reading(this.name, listed.seen) };
    const added = this.#withheld().filter(({ name, reason }) => before.get(name) !== reason);
    if (added.length > 0)
      this.#log.warn("tools of an MCP server are withheld: they are not those that were accepted", {
        tools: added.map(({ name, reason }) => `${name} (${reason})`),
        fix: `openclaw mcp accept ${this.name}`,
      });
  }

  /** The server says that its tools have changed; a server that says it all the time is asked now and then. */
  #onToolsChanged(): void {
    if (this.#refresh) {
      this.#refresh.isDue = true;
      return;
    }
    const refresh = { isDue: false };
    this.#refresh = refresh;
    const { clock } = this.#deps;
    const connection = this.#connection;
    if (connection)
      this.#list(connection, this.config.requestTimeoutMs).catch((err: unknown) =>
        this.#log.warn("the changed tools of an MCP server could not be listed", { reason: this.#redact(reasonOf(err)) }),
      );
    clock.after(MCP_LIMITS.refreshMs, () => {
      this.#refresh = null;
      if (refresh.isDue && this.#connection) this.#onToolsChanged();
    });
  }

  #onClosed(cause: string): void {
    if (this.#connection === null) return;
    this.#fail(this.#redact(cause));
  }

  #fail(cause: string): void {
    const { clock, metrics } = this.#deps;
    const wasStable = this.#state === "ready" && clock.monotonic() - this.#readyAt >= MCP_LIMITS.stableMs;
    this.#connection = null;
    this.#cancelIdle();
    if (wasStable) this.#failures = 0;
    this.#retryAt = clock.monotonic() + backoffDelay({ minMs: MCP_LIMITS.minRetryMs, maxMs: MCP_LIMITS.maxRetryMs }, this.#failures);
    this.#failures += 1;
    metrics.count("gateway_mcp_failures_total");
    this.#setState("failed", clip(toWellFormed(cause), 2 * MCP_LIMITS.causeChars));
  }

  /** One line of the log for each change that matters. */
  #setState(state: McpServerState, cause: string | null): void {
    if (this.#state === state && this.#cause === cause) return;
    this.#state = state;
    this.#cause = cause;
    this.#since = this.#deps.clock.now();
    if (state === "failed") {
      if (cause !== this.#loggedCause) this.#log.warn("an MCP server does not work", { cause });
      this.#loggedCause = cause;
    } else if (state === "ready") {
      this.#loggedCause = null;
      this.#log.info("an MCP server is ready", { tools: this.#listed?.tools.length, pid: this.#connection?.pid });
    }
    if (state === "idle") this.#log.info("an MCP server has ended");
    if (state === "starting") this.#log.debug("an MCP server is started");
  }

  #endWhenIdle(): void {
    const { clock, idleMs } = this.#deps;
    this.#cancelIdle();
    if (this.#calls > 0 || this.#connection === null || idleMs() === 0) return;
    this.#cancelIdle = clock.after(idleMs(), () => {
      this.#close().catch((err: unknown) => this.#log.warn("an idle MCP server did not end", { reason: reasonOf(err) }));
    });
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    if (connection === null) return;
    this.#connection = null;
    await this.#end(connection);
    if (this.#connection === null && this.#opening === null) this.#setState("idle", null);
  }

  async #end(connection: Connection | null): Promise<void> {
    if (connection) this.#closing = connection.close();
    await this.#closing;
  }

  /** Without the secrets of the configuration, which a server may repeat. */
  #redact(text: string): string {
    const values = [...Object.values(this.config.env), ...Object.values(this.config.headers)].map((secret) => secret.reveal());
    // A header may have a word before the credential.
    const secrets = values.flatMap((value) => [value, ...value.split(/\s+/)]).filter((each) => each.length >= 6);
    return secrets.reduce((shown, each) => shown.replaceAll(each, "[secret]"), text);
  }
}

const WITHHELD_TEXTS: Readonly<Record<WithheldReason, string>> = {
  changed: "the server has changed its description since it was accepted",
  new: "the server has added it since its tools were accepted",
  unknown: "the record of what was accepted is damaged",
};

/** A call was not made because the server does not run; the message is for the model. */
class NotRunning extends Error {}

/** A call was not made because its arguments are no object or too long; the server checks the rest against its schema. */
class InvalidArguments extends Error {}

function toArguments(name: string, args: unknown): Record<string, unknown> {
  const { argumentsChars } = MCP_LIMITS;
  if (!isObject(args)) throw new InvalidArguments(`The arguments of ${name} must be an object; nothing was called.`);
  if (JSON.stringify(args).length > argumentsChars)
    throw new InvalidArguments(`The arguments of ${name} are longer than ${argumentsChars} characters; nothing was called.`);
  return args;
}

/** Text of a server for a line of the gateway. */
export const toOneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
