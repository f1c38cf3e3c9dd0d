import { GatewayError, missingScope } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import { parseTraceparent, TRACEPARENT_CHARS } from "../core/trace-context.ts";
import type { StageEvents } from "../core/stages.ts";
import { toErrorPayload } from "../protocol/errors.ts";
import { encodeError, encodeResult, encodeResultHead, EncodedJson, NO_ID } from "../protocol/frames.ts";
import type { Caller, Method, MethodParams, ServedMethods } from "../protocol/method.ts";
import { isUsableId } from "../protocol/scan.ts";
import type { ServedMethod } from "../protocol/served-methods.ts";
import { checkParams } from "../protocol/validate.ts";

/** A request whose frame was read. */
export type RpcRequest = { id: string; method: string; params: unknown; /** Valid, or absent. */ traceparent?: string };

/** The side that asks: how to answer it and which scopes it holds. */
export type Responder = {
  readonly base: Omit<Caller, "accept">;
  hasScope(scope: string): boolean;
  send(text: string): void;
  /** Sends one text from two parts; the bytes are shared with other answers. */
  sendParts(head: string, shared: Buffer): void;
};

const FRAME_KEYS: ReadonlySet<string> = new Set(["type", "id", "method", "params", "traceparent"]);

/** Reads a request frame. Throws GatewayError INVALID_REQUEST with the id in `details.id` when it has a usable one. */
export function toRequest(value: unknown): RpcRequest {
  const frame = value as Record<string, unknown> | null;
  const object = typeof frame === "object" && frame !== null && !Array.isArray(frame);
  const id = object && typeof frame["id"] === "string" && isUsableId(frame["id"]) ? frame["id"] : null;
  const invalid = (why: string): GatewayError =>
    new GatewayError("INVALID_REQUEST", `invalid request frame: ${why}`, id === null ? {} : { details: { id } });
  if (!object) throw invalid("at root: must be object");
  if (id === null) throw invalid(`at /id: must be a string of 1 to ${LIMITS.idChars} well-formed characters`);
  if (frame["type"] !== "req") throw invalid("at /type: must be equal to constant");
  const method = frame["method"];
  if (typeof method !== "string" || method === "" || method.length > LIMITS.methodChars)
    throw invalid(`at /method: must be a string of 1 to ${LIMITS.methodChars} characters`);
  const traceparent = frame["traceparent"];
  if (traceparent !== undefined && (typeof traceparent !== "string" || traceparent.length > TRACEPARENT_CHARS))
    throw invalid(`at /traceparent: must be a string of at most ${TRACEPARENT_CHARS} characters`);
  for (const key of Object.keys(frame)) if (!FRAME_KEYS.has(key)) throw invalid(`at root: unexpected property '${key.slice(0, 64)}'`);
  return { id, method, params: frame["params"], ...(isValidTraceparent(traceparent) && { traceparent }) };
}

const isValidTraceparent = (value: unknown): value is string => typeof value === "string" && parseTraceparent(value) !== null;

export type DispatcherOptions = {
  methods: ServedMethods;
  log: Log;
  metrics: Metrics;
  /** Called with each request that was answered. */
  onAnswered?: AnsweredListener;
};

/** Called with each request that was answered. */
export type AnsweredListener = (stage: Omit<StageEvents["stage.rpc"], "startedAt">) => void;

/** Monotonic moments of a request; null: not reached. */
type Timing = { readonly started: number; ran: number | null; answered: number | null };

/** Look-up, scope, params, run, answer: the only place where what a method throws is caught. */
export class Dispatcher {
  readonly #options: DispatcherOptions;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Bytes that a request of this method may have; null when the method is not served. */
  limitOf(method: string): number | null {
    if (!this.#serves(method)) return null;
    return this.#options.methods[method]?.maxBytes ?? LIMITS.requestBytes;
  }

  /**
   * Runs a request and answers it. The promise ends when the answer was given; it never rejects. `waits` is called, once
   * or not at all, when only a run or a person is left to be waited for.
   */
  run(request: RpcRequest, asker: Responder, waits: () => void): Promise<void> | void {
    const timing: Timing = { started: performance.now(), ran: null, answered: null };
    try {
      const result = this.#start(request, asker, waits, timing);
      if (result instanceof Promise) {
        return result.then(
          (payload: unknown) => this.#succeeded(request, asker, payload, timing),
          (err: unknown) => this.#failed(request, asker, err, timing),
        );
      }
      this.#succeeded(request, asker, result, timing);
    } catch (err) {
      this.#failed(request, asker, err, timing);
    }
  }

  /** Refuses a request that was not run at all. */
  refuse(id: string | null, method: string | null, err: unknown, asker: Pick<Responder, "send">): void {
    const error = toErrorPayload(err, this.#options.log, this.#methodLabel(method ?? ""));
    asker.send(encodeError(id ?? NO_ID, error));
    this.#options.metrics.count("gateway_server_requests_total", { method: this.#methodLabel(method ?? ""), outcome: error.code });
  }

  #serves(method: string): method is ServedMethod {
    return Object.hasOwn(this.#options.methods, method);
  }

  #start(request: RpcRequest, asker: Responder, waits: () => void, timing: Timing): unknown {
    const { method } = request;
    if (method === "connect") {
      if (!asker.hasScope("operator.admin")) throw missingScope("operator.admin");
      throw new GatewayError("INVALID_REQUEST", "connect is the first request of a connection, and the only one");
    }
    if (!this.#serves(method)) throw new GatewayError("INVALID_REQUEST", `unknown method: ${method}`);
    return this.#load(method, (found) => this.#call(method, found, { request, asker, waits, timing }));
  }

  /** Calls `next` with the method, at once where its code is loaded. */
  #load<M extends ServedMethod>(method: M, next: (found: Method<MethodParams<M>>) => unknown): unknown {
    const found = this.#options.methods[method]!;
    return "load" in found ? found.load().then(next) : next(found);
  }

  #call<M extends ServedMethod>(
    method: M,
    { scope, run, waits: isWait }: Method<MethodParams<M>>,
    { request, asker, waits, timing }: { request: RpcRequest; asker: Responder; waits: () => void; timing: Timing },
  ): unknown {
    // A role has the methods of its own only: another gateway has none of an operator, and an operator none of those.
    const role = scope === "node" || scope === "peer" ? scope : "operator";
    if (asker.base.role !== role) throw new GatewayError("INVALID_REQUEST", `unauthorized role: ${asker.base.role}`);
    if (scope !== "node" && scope !== "peer" && scope !== "dynamic" && !asker.hasScope(scope)) throw missingScope(scope);
    const accept = (payload: unknown): void => {
      timing.answered ??= performance.now();
      asker.send(encodeResult(request.id, payload));
      waits();
    };
    const params = checkParams(method, request.params);
    if (isWait) waits();
    const { traceparent } = request;
    timing.ran = performance.now();
    return run(params, { ...asker.base, accept, ...(traceparent !== undefined && { traceparent }) });
  }

  #succeeded(request: RpcRequest, asker: Responder, payload: unknown, timing: Timing): void {
    if (payload instanceof EncodedJson) {
      asker.sendParts(encodeResultHead(request.id, payload), payload.tail);
      return this.#measure(request, "ok", timing);
    }
    let text: string;
    try {
      text = encodeResult(request.id, payload === undefined ? {} : payload);
    } catch (err) {
      return this.#failed(request, asker, err, timing);
    }
    asker.send(text);
    this.#measure(request, "ok", timing);
  }

  #failed(request: RpcRequest, asker: Responder, err: unknown, timing: Timing): void {
    const error = toErrorPayload(err, this.#options.log, request.method);
    asker.send(encodeError(request.id, error));
    this.#measure(request, error.code, timing);
  }

  #measure({ method, traceparent }: RpcRequest, outcome: string, { started, ran, answered }: Timing): void {
    const label = this.#methodLabel(method);
    const now = performance.now();
    const durationMs = now - started;
    this.#options.metrics.count("gateway_server_requests_total", { method: label, outcome });
    this.#options.metrics.observe("gateway_server_request_seconds", durationMs / 1_000, { method: label });
    this.#options.onAnswered?.({
      method: label,
      outcome,
      durationMs,
      traceparent: traceparent ?? null,
      firstAnswerMs: (answered ?? now) - started,
      admissionMs: ran === null ? null : ran - started,
    });
  }

  /** Names that a client made up share one label. */
  #methodLabel(method: string): string {
    return this.#serves(method) ? method : "unknown";
  }
}
