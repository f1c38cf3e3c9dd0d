import type { Clock } from "../../core/clock.ts";
import { AttemptLimits } from "../../core/attempt-limits.ts";
import { GatewayError } from "../../core/errors.ts";
import { asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { secureEquals } from "../../core/secure-compare.ts";
import type { PeerSettings } from "../context.ts";
import { A2A_LIMITS } from "./limits.ts";
import {
  A2A_ERRORS,
  A2A_METHODS,
  A2aError,
  artifactUpdateJson,
  cardJson,
  readMessage,
  sentJson,
  statusUpdateJson,
  taskJson,
  type A2aMethod,
  type A2aVersion,
  type A2aMessage,
  type TaskView,
} from "./wire.ts";

/** What is read of a request. `authorization`: the header as it came. */
export type A2aRequest = { peer: string; authorization: string | undefined; versionHeader: string | undefined; origin: string };
export type A2aAnswer = { status: number; body: JsonObject | readonly JsonObject[] | string; retryAfterMs?: number };
/** An answer that comes in pieces. */
export type A2aStream = { stream: AsyncIterable<JsonObject> };

/** What happens to a run that answers a task. */
export type TaskProgress = { text: string; isWhole: boolean };

export type NewTask = Pick<A2aMessage, "messageId" | "agent" | "text" | "path" | "maxHops"> & { contextId: string | null };

/** What the links do with tasks. */
export type TaskDesk = {
  /** Stores a task, once for each id of a message. Throws for one that is not taken. */
  take: (link: string, task: NewTask) => Promise<{ task: TaskView } | { refused: string; contextId: string } | { busy: string }>;
  find: (link: string, id: string) => TaskView | null;
  /** Resolves to the task when it has ended, or after the time. */
  waitFor: (link: string, id: string, timeoutMs: number, signal: AbortSignal) => Promise<TaskView>;
  /** Ends what answers it. False: it had ended. */
  cancel: (link: string, id: string) => Promise<boolean>;
  /** Tells what is written for a task, until the returned function is called. */
  follow: (link: string, id: string, onText: (progress: TaskProgress) => void) => () => void;
  /** Agents that a link may ask. */
  offered: (link: string) => readonly string[];
};

export type A2aServerDeps = {
  desk: TaskDesk;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  newId: () => string;
  version: string;
  /** Links in use that speak A2A. */
  links: () => readonly (Pick<PeerSettings, "token"> & { name: string })[];
  settings: () => { advertisedUrl?: string | undefined; replyTimeoutMs: number; rateLimitPerMinute: number };
  publicOrigin: () => string | undefined;
};

const UNAUTHORIZED: A2aAnswer = { status: 401, body: { error: { message: "a token of a link is required", type: "unauthorized" } } };

type Call = { id: unknown; method: A2aMethod; version: A2aVersion; params: unknown };

/** Serves A2A: who shows the token of a link is that link, and reaches what the link's list allows. */
export class A2aServer {
  readonly #deps: A2aServerDeps;
  readonly #limits = new AttemptLimits(A2A_LIMITS);
  #waiting = 0;

  constructor(deps: A2aServerDeps) {
    this.#deps = deps;
  }

  /** The card. Names of agents are for those who show a token. */
  card(request: A2aRequest): A2aAnswer {
    const { settings, publicOrigin, version, desk } = this.#deps;
    if (request.authorization !== undefined) {
      const refused = this.screen(request);
      if (refused !== null) return refused;
    }
    const link = this.#linkOf(request.authorization);
    const origin = settings().advertisedUrl ?? publicOrigin() ?? request.origin;
    return { status: 200, body: cardJson({ url: `${origin}/a2a/v1`, version, agents: link === null ? null : desk.offered(link) }) };
  }

  /** What is decided before the body is read; null: it may be read. */
  screen({ peer, authorization }: A2aRequest): A2aAnswer | null {
    const { clock, log, metrics } = this.#deps;
    // Before any token is looked at: who fails all the time cannot try tokens faster than this.
    const waitMs = this.#limits.check(peer, clock.monotonic());
    if (waitMs > 0)
      return { status: 429, body: { error: { message: "too many wrong tokens", type: "rate_limited" } }, retryAfterMs: waitMs };
    if (this.#linkOf(authorization) !== null) return null;
    this.#limits.fail(peer, clock.monotonic());
    metrics.count("gateway_peers_a2a_refused_total", { reason: "token" });
    log.warn("a request for A2A did not show the token of a link", { peer });
    return UNAUTHORIZED;
  }

  /** Answers a request, or a batch of them, whose header passed `screen`. */
  async call(request: A2aRequest, body: unknown, signal: AbortSignal): Promise<A2aAnswer | A2aStream> {
    const link = this.#linkOf(request.authorization);
    if (link === null) return UNAUTHORIZED;
    if (!Array.isArray(body)) return await this.#answer(link, request, body, signal);
    if (body.length === 0 || body.length > A2A_LIMITS.batch)
      return { status: 200, body: failure(null, A2A_ERRORS.invalidRequest, `a batch has 1 to ${A2A_LIMITS.batch} requests`) };
    const answers: JsonObject[] = [];
    for (const each of body) {
      const answer = await this.#answer(link, request, each, signal, true);
      if ("body" in answer && isObject(answer.body)) answers.push(answer.body);
    }
    return { status: 200, body: answers };
  }

  /** The link whose token it is. All are compared, so that the time tells nothing. */
  #linkOf(authorization: string | undefined): string | null {
    const given = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (given === undefined) return null;
    let found: string | null = null;
    for (const { name, token } of this.#deps.links()) if (token !== undefined && !token.isEmpty && secureEquals(given, token)) found = name;
    return found;
  }

  async #answer(link: string, request: A2aRequest, body: unknown, signal: AbortSignal, isBatch = false): Promise<A2aAnswer | A2aStream> {
    const id = fieldsOf(body)["id"] ?? null;
    const { metrics, log, settings, clock } = this.#deps;
    const perMinute = settings().rateLimitPerMinute;
    const waitMs = perMinute === 0 ? 0 : this.#limits.deliver(link, perMinute, clock.monotonic());
    try {
      if (waitMs > 0)
        throw new A2aError(A2A_ERRORS.busy, `more than ${perMinute} requests in a minute; wait ${Math.ceil(waitMs / 1_000)} s`);
      const call = readCall(body, request.versionHeader);
      if (isBatch && (call.method === "stream" || call.method === "subscribe"))
        throw new A2aError(A2A_ERRORS.unsupportedOperation, "a stream cannot be part of a batch");
      return await this.#run(link, call, signal);
    } catch (err) {
      if (err instanceof A2aError) {
        if (err.code === A2A_ERRORS.busy) metrics.count("gateway_peers_a2a_refused_total", { reason: "busy" });
        return { status: 200, body: failure(id, err.code, err.message) };
      }
      if (err instanceof GatewayError)
        return { status: 200, body: failure(id, err.retryable ? A2A_ERRORS.busy : A2A_ERRORS.internal, err.message) };
      log.error("a request for A2A failed", { peer: link, error: err });
      return { status: 200, body: failure(id, A2A_ERRORS.internal, "internal error") };
    }
  }

  async #run(link: string, call: Call, signal: AbortSignal): Promise<A2aAnswer | A2aStream> {
    const { desk, settings } = this.#deps;
    const { method, version, params, id } = call;
    const done = (result: JsonObject): A2aAnswer => ({ status: 200, body: { jsonrpc: "2.0", id, result } });
    if (method === "send" || method === "stream") {
      const { task, isOpen, returnImmediately } = await this.#take(link, params);
      if (method === "stream") return this.#stream(link, task, { isOpen, call, signal });
      if (!isOpen || task.outcome !== null || returnImmediately) return done(sentJson(task, version));
      return done(sentJson(await this.#waitFor(link, task, settings().replyTimeoutMs, signal), version));
    }
    const taskId = asString(fieldsOf(params)["id"]);
    const task = desk.find(link, taskId);
    if (task === null) throw new A2aError(A2A_ERRORS.taskNotFound, "this link has no task with this id");
    if (method === "get") return done(taskJson(task, version));
    if (method === "subscribe") {
      if (task.outcome !== null) throw new A2aError(A2A_ERRORS.unsupportedOperation, "the task has ended: read it with GetTask");
      return this.#stream(link, task, { isOpen: true, call, signal });
    }
    if (task.outcome !== null || !(await desk.cancel(link, taskId))) throw new A2aError(A2A_ERRORS.taskNotCancelable, "the task has ended");
    return done(taskJson(desk.find(link, taskId) ?? task, version));
  }

  async #take(link: string, params: unknown): Promise<{ task: TaskView; isOpen: boolean; returnImmediately: boolean }> {
    const { desk, clock, newId, metrics, log } = this.#deps;
    const message = readMessage(params);
    const { returnImmediately } = message;
    const known = message.taskId === null ? null : desk.find(link, message.taskId);
    if (message.taskId !== null && known === null) throw new A2aError(A2A_ERRORS.taskNotFound, "this link has no task with this id");
    const reject = (reason: string, contextId: string): { task: TaskView; isOpen: boolean; returnImmediately: boolean } => {
      metrics.count("gateway_peers_a2a_refused_total", { reason: "rule" });
      log.warn("a task was refused", { peer: link, message: message.messageId, cause: reason });
      const outcome = { status: "bounced" as const, text: "", reason };
      return { task: { id: newId(), contextId, outcome, at: clock.now() }, isOpen: false, returnImmediately };
    };
    const contextId = message.contextId ?? known?.contextId ?? null;
    if (message.text.trim() === "") throw new A2aError(A2A_ERRORS.invalidParams, "message.parts has no text");
    if (message.text.trimStart().startsWith("/"))
      return reject("commands are for people on channels and for operators; send a task in words", contextId ?? newId());
    const taken = await desk.take(link, { ...message, contextId });
    if ("busy" in taken) throw new A2aError(A2A_ERRORS.busy, taken.busy);
    if ("refused" in taken) return reject(taken.refused, taken.contextId);
    return { task: taken.task, isOpen: true, returnImmediately };
  }

  async #waitFor(link: string, task: TaskView, timeoutMs: number, signal: AbortSignal): Promise<TaskView> {
    if (this.#waiting >= A2A_LIMITS.waiting) return task;
    this.#waiting++;
    try {
      return await this.#deps.desk.waitFor(link, task.id, timeoutMs, signal);
    } finally {
      this.#waiting--;
    }
  }

  #stream(link: string, task: TaskView, options: { isOpen: boolean; call: Call; signal: AbortSignal }): A2aStream {
    const { id, version } = options.call;
    const wrap = (result: JsonObject): JsonObject => ({ jsonrpc: "2.0", id, result });
    return { stream: this.#updates(link, task, { ...options, version, wrap }) };
  }

  /** The task, the text as it is written, and how it ended. A client that goes away ends nothing: the task is there to be read. */
  async *#updates(
    link: string,
    task: TaskView,
    {
      isOpen,
      version,
      wrap,
      signal,
    }: { isOpen: boolean; version: A2aVersion; wrap: (result: JsonObject) => JsonObject; signal: AbortSignal },
  ): AsyncGenerator<JsonObject> {
    yield wrap(sentJson(task, version));
    if (!isOpen || task.outcome !== null) return;
    const pieces: TaskProgress[] = [];
    let changed = Promise.withResolvers<void>();
    const unfollow = this.#deps.desk.follow(link, task.id, (progress) => {
      pieces.push(progress);
      changed.resolve();
    });
    const { replyTimeoutMs } = this.#deps.settings();
    let ended: TaskView | null = null;
    let isOver = false;
    const end = this.#waitFor(link, task, replyTimeoutMs, signal)
      .then((view) => (ended = view))
      .finally(() => {
        isOver = true;
        changed.resolve();
      });
    // A reader that leaves before does not wait for it.
    end.catch(() => {});
    let sent = "";
    try {
      for (;;) {
        const piece = pieces.shift();
        if (piece !== undefined) {
          sent = piece.isWhole ? piece.text : sent + piece.text;
          yield wrap(artifactUpdateJson(task, { ...piece, isLast: false }, version));
          continue;
        }
        if (isOver || signal.aborted) break;
        await changed.promise;
        changed = Promise.withResolvers<void>();
      }
      await end;
    } finally {
      unfollow();
    }
    if (signal.aborted) return;
    const last = ended ?? task;
    const { outcome } = last;
    if (outcome !== null && outcome.text !== "" && outcome.text !== sent)
      yield wrap(artifactUpdateJson(task, { text: outcome.text, isWhole: true, isLast: true }, version));
    yield wrap(statusUpdateJson(last, version));
  }
}

function readCall(body: unknown, versionHeader: string | undefined): Call {
  const { jsonrpc, method, params, id } = fieldsOf(body);
  const known = Object.hasOwn(A2A_METHODS, asString(method)) ? A2A_METHODS[asString(method)] : undefined;
  if (jsonrpc !== "2.0" || typeof method !== "string")
    throw new A2aError(A2A_ERRORS.invalidRequest, "this is not a request of JSON-RPC 2.0");
  if (known === undefined) throw new A2aError(A2A_ERRORS.methodNotFound, `the method ${method.slice(0, 64)} is not served`);
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number")
    throw new A2aError(A2A_ERRORS.invalidRequest, "id: a string, a number or null");
  // OpenClaw takes the older names with the shapes of 1.0.
  const role = fieldsOf(fieldsOf(params)["message"])["role"];
  const version = role === "ROLE_USER" || versionHeader?.startsWith("1.") === true ? "1.0" : known.version;
  return { id: id ?? null, method: known.method, version, params };
}

const failure = (id: unknown, code: number, message: string): JsonObject => ({
  jsonrpc: "2.0",
  id: typeof id === "string" || typeof id === "number" ? id : null,
  error: { code, message },
});
