import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import type { RunId, SessionKey } from "../core/ids.ts";
import { asString, type JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { HookDeliveries } from "../store/hook-deliveries.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { Submission, SubmitResult } from "../turns/submission.ts";
import { combineWork, commitWork, planInTransaction, type UnitOfWork } from "../turns/unit-of-work.ts";
import { hooksOf, type Hook } from "./hook.ts";
import { planHook, withChanges, type HookLookups, type HookPlan, type HookRules } from "./hook-run.ts";
import { HOOK_LIMITS } from "./limits.ts";
import { AttemptLimits } from "../core/attempt-limits.ts";
import { checkSignature, isToken, SIGNATURE_HEADERS } from "./signatures.ts";
import { lookUp, type TemplateData } from "./template.ts";
import type { TransformPlace } from "./transform-process.ts";

/** A request as it came. `path`: what follows `hooks.path`. Names of headers are in lower case. */
export type HookRequest = {
  path: string;
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  peer: string;
};

export type HookAnswer = { status: number; body: JsonObject | string; retryAfterMs?: number };

/** What a delivery was answered, and its repetitions are. */
type StoredAnswer = JsonObject & { runIds: readonly string[] };

export type HookRefusal = { at: number; hook: string; peer: string; reason: string };

export type HookIngressDeps = {
  config: () => Config;
  rows: HookDeliveries<StoredAnswer>;
  store: Pick<Store, "write">;
  clock: Clock;
  log: Log;
  metrics: Pick<Metrics, "count">;
  lookups: HookLookups;
  newId: () => string;
  prepare: (submission: Submission) => UnitOfWork<SubmitResult>;
  /** Adds a system event; inside a `store.write`. Throws INVALID_REQUEST for a text that cannot be one. */
  addEvent: (session: SessionKey, text: string, source: string | undefined) => void;
  /** Asks for a heartbeat. */
  wake: (session: SessionKey) => Promise<unknown>;
  waitForOutcome: (runId: RunId, timeoutMs: number, signal: AbortSignal) => Promise<RunOutcome | null>;
  transforms: () => TransformPlace;
  /** Whether all parts of an answer were sent. */
  isDelivered: (runId: RunId) => boolean;
};

const UNAUTHORIZED: HookAnswer = { status: 401, body: "Unauthorized" };
const NOT_FOUND: HookAnswer = { status: 404, body: "Not Found" };
/** Not taken: the sender may send it again. Why is in the log, and in the list of refused requests. */
const TRANSFORM_FAILED: HookAnswer = { status: 500, body: { ok: false, error: "the transform of this hook failed" } };
const TRANSFORM_RETRY_MS = 1_000;

/** Takes requests to hooks: each is proved before anything is done with it, and none is taken twice. */
export class HookIngress {
  readonly #deps: HookIngressDeps;
  readonly #limits = new AttemptLimits(HOOK_LIMITS);
  readonly #refusals: HookRefusal[] = [];
  #hooks: { config: Config; hooks: readonly Hook[] } | null = null;
  #waiting = 0;
  #transforming = 0;

  constructor(deps: HookIngressDeps) {
    this.#deps = deps;
  }

  hooks(): readonly Hook[] {
    const config = this.#deps.config();
    if (this.#hooks?.config !== config) this.#hooks = { config, hooks: hooksOf(config) };
    return this.#hooks.hooks;
  }

  /** Requests that were refused, the newest first. */
  refusals(): readonly HookRefusal[] {
    return this.#refusals.toReversed();
  }

  /** What is decided before the body is read; null: it may be read. */
  screen(request: HookRequest): HookAnswer | null {
    const { config, clock } = this.#deps;
    const { hooks } = config();
    if (!hooks.enabled) return NOT_FOUND;
    if (Object.hasOwn(request.query, "token"))
      return this.#refuse(request, "token-in-query", {
        status: 400,
        body: { ok: false, error: "the token belongs into a header, not into the address" },
      });
    // Before any proof is looked at: who fails all the time cannot try tokens faster than this.
    const retryAfterMs = this.#limits.check(request.peer, clock.monotonic());
    if (retryAfterMs > 0) return this.#tooMany(request, "too-many-failures", retryAfterMs);
    const hook = this.#find(request.path);
    if (hook === undefined)
      return this.#hasToken(request) ? this.#refuse(request, "unknown-path", NOT_FOUND) : this.#fail(request, "bad-token");
    if (hook.signature === null)
      return this.#hasToken(request)
        ? hook.problem === undefined
          ? null
          : this.#refuse(request, hook.problem, NOT_FOUND)
        : this.#fail(request, hooks.token === undefined ? "no-token-configured" : "bad-token");
    if (hook.signature === "missing") return this.#fail(request, "signature-not-configured");
    if (request.headers[SIGNATURE_HEADERS[hook.signature.scheme]] === undefined) return this.#fail(request, "no-signature");
    return null;
  }

  /** Takes a request whose headers passed `screen`. `parse` reads the body, once it is known to be from the sender. */
  async receive(request: HookRequest, body: Uint8Array, parse: () => Promise<JsonObject>, signal: AbortSignal): Promise<HookAnswer> {
    const { clock } = this.#deps;
    const first = this.#find(request.path);
    if (first === undefined) return NOT_FOUND;
    let digest: string | null = null;
    if (first.signature !== null) {
      if (first.signature === "missing") return this.#fail(request, "signature-not-configured");
      const checked = checkSignature(first.signature, request.headers, body, clock.now());
      if ("refused" in checked) return this.#fail(request, checked.refused);
      digest = checked.digest;
      if (first.problem !== undefined) return this.#refuse(request, first.problem, NOT_FOUND);
    }
    const payload = await parse();
    const hook = this.hooks().find(
      (each) => each.path === request.path && (each.source === undefined || each.source === payload["source"]),
    );
    if (hook === undefined || !isProvedBy(hook.signature, first.signature) || hook.problem !== undefined)
      return this.#refuse(request, "no-mapping-for-source", NOT_FOUND);
    const greeting = greetingOf(hook, request, payload);
    if (greeting !== null) return { status: 200, body: greeting };
    return this.#deliver({ hook, request, payload, digest, bytes: body.length, signal });
  }

  async #deliver(delivery: Delivery): Promise<HookAnswer> {
    const { clock, config, rows } = this.#deps;
    const { hook, request, payload, digest } = delivery;
    const named = keyOf(hook, request, payload);
    const known = named === null && digest === null ? undefined : rows.find(hook.id, named ?? "", digest);
    if (known) return this.#repeat(delivery, known.answer);
    const retryAfterMs = this.#limits.deliver(hook.id, config().hooks.requestsPerMinute, clock.monotonic());
    if (retryAfterMs > 0) return this.#tooMany(request, "too-many-deliveries", retryAfterMs);
    const key = named ?? `random:${this.#deps.newId()}`;
    if (hook.transform !== undefined && this.#transforming >= HOOK_LIMITS.transforms)
      return this.#tooMany(request, "too-many-transforms", TRANSFORM_RETRY_MS);
    const shaped = await this.shape(hook, request, payload);
    if ("error" in shaped) return this.#refuse(request, `transform-failed: ${shaped.error}`, TRANSFORM_FAILED);
    const plans = shaped.hook === null ? [] : this.plan(shaped.hook, { request, payload, key });
    const answer: StoredAnswer = shaped.hook === null ? { ok: true, skipped: true, runIds: [] } : toAnswer(shaped.hook, plans);
    const isNew = await this.#store(delivery, { key, plans, answer });
    if (!isNew) return this.#repeat(delivery, rows.find(hook.id, key, digest)?.answer ?? answer);
    this.#count(hook.id, "accepted");
    for (const plan of plans) if (plan.do === "event" && plan.isNow) await this.#deps.wake(plan.session);
    return this.#complete(delivery, answer, plans);
  }

  /** The hook as its transform leaves it; null: the request is dropped. Throws GatewayError for what would have no effect. */
  async shape(hook: Hook, request: HookRequest, payload: JsonObject): Promise<{ hook: Hook | null } | { error: string }> {
    if (hook.transform === undefined) return { hook };
    const { clock, log, transforms } = this.#deps;
    this.#transforming += 1;
    try {
      const { runTransform } = await import("./transform-process.ts");
      const result = await runTransform(hook.transform, this.#dataOf(request, payload), { clock, ...transforms() });
      if ("error" in result) {
        log.warn("the transform of a hook failed", { hook: hook.id, cause: result.error });
        return result;
      }
      if (result.changes === undefined) return { hook };
      return { hook: result.changes === null ? null : withChanges(hook, result.changes, this.#rules()) };
    } finally {
      this.#transforming -= 1;
    }
  }

  #rules(): HookRules {
    const { allowedAgentIds, allowRequestSessionKey, allowedSessionKeyPrefixes } = this.#deps.config().hooks;
    return { allowedAgentIds, allowRequestSessionKey, allowedSessionKeyPrefixes };
  }

  #dataOf({ headers, query, path }: HookRequest, payload: JsonObject): TemplateData {
    return { payload, headers, query, path, now: new Date(this.#deps.clock.now()).toISOString() };
  }

  /** What a delivery would do. Throws GatewayError for what cannot be done. */
  plan(hook: Hook, { request, payload, key }: { request: HookRequest; payload: JsonObject; key: string }): readonly HookPlan[] {
    const { lookups, newId } = this.#deps;
    const rules = this.#rules();
    const payloads = itemsOf(hook, payload);
    return payloads.map((item, index) => {
      const data = this.#dataOf(request, item);
      return planHook({ hook, data, key: payloads.length > 1 ? `${key}#${index + 1}` : key, lookups, rules, newId });
    });
  }

  /** All of a delivery, or nothing. False: it was taken before. */
  async #store(
    { hook, request, digest, bytes }: Delivery,
    { key, plans, answer }: { key: string; plans: readonly HookPlan[]; answer: StoredAnswer },
  ): Promise<boolean> {
    const { addEvent, clock, prepare, rows, store } = this.#deps;
    const units = plans.flatMap((plan) => (plan.do === "run" ? [prepare(plan.submission)] : []));
    let isNew = false;
    const work = planInTransaction(() => {
      isNew = rows.add({ hook: hook.id, key, digest, at: clock.now(), peer: request.peer, action: hook.action, bytes, answer });
      if (!isNew) return combineWork([]);
      for (const plan of plans) if (plan.do === "event") addEvent(plan.session, plan.text, plan.source);
      return combineWork(units);
    });
    await commitWork(store as Store, work);
    return isNew;
  }

  /** A delivery that was taken before does nothing; who waits for its end gets it. */
  async #repeat(delivery: Delivery, answer: StoredAnswer): Promise<HookAnswer> {
    this.#count(delivery.hook.id, "duplicate");
    if (delivery.digest !== null) this.#limits.fail(delivery.request.peer, this.#deps.clock.monotonic());
    return this.#complete(delivery, { ...answer, duplicate: true }, []);
  }

  /** The answer, with the end of the run where the sender waits for it. */
  async #complete(
    { hook, payload, signal }: Delivery,
    { runIds, ...answer }: StoredAnswer,
    plans: readonly HookPlan[],
  ): Promise<HookAnswer> {
    const runId = runIds[0] as RunId | undefined;
    const isAwaited = hook.kind === "direct-agent" && payload["waitForCompletion"] === true && runId !== undefined;
    if (!isAwaited) return { status: 200, body: answer };
    if (this.#waiting >= HOOK_LIMITS.waiting)
      return { status: 200, body: { ...answer, completion: { status: "not-awaited", reason: "too many requests wait already" } } };
    this.#waiting += 1;
    try {
      const seconds = payload["timeoutSeconds"];
      const waitMs = Math.min(typeof seconds === "number" ? seconds * 1_000 : HOOK_LIMITS.waitMs, HOOK_LIMITS.maxWaitMs);
      const outcome = await this.#deps.waitForOutcome(runId, waitMs, signal);
      return { status: 200, body: { ...answer, completion: this.#completionOf(runId, outcome, plans[0]) } };
    } finally {
      this.#waiting -= 1;
    }
  }

  #completionOf(runId: RunId, outcome: RunOutcome | null, plan: HookPlan | undefined): JsonObject {
    if (outcome === null) return { status: "timeout", delivered: false, deliveryAttempted: false };
    const { status, text, error } = outcome;
    const isRouted = plan?.do === "run" && plan.route === "route";
    return {
      status,
      text,
      replyDisposition: text.trim() === "" ? "none" : "text",
      delivered: isRouted && this.#deps.isDelivered(runId),
      deliveryAttempted: isRouted,
      ...(plan?.do === "run" && plan.routeError !== undefined && { deliveryError: plan.routeError }),
      ...(error && { error: error.message }),
    };
  }

  #find = (path: string): Hook | undefined => this.hooks().find((hook) => hook.path === path);

  #hasToken({ headers }: HookRequest): boolean {
    const { token } = this.#deps.config().hooks;
    const [, bearer] = /^bearer\s+(\S+)\s*$/i.exec(headers["authorization"] ?? "") ?? [];
    const given = bearer ?? headers["x-openclaw-token"];
    return token !== undefined && token.reveal() !== "" && given !== undefined && isToken(token, given);
  }

  /** A request that proves nothing. */
  #fail(request: HookRequest, reason: string): HookAnswer {
    const retryAfterMs = this.#limits.fail(request.peer, this.#deps.clock.monotonic());
    return retryAfterMs > 0 ? this.#tooMany(request, reason, retryAfterMs) : this.#refuse(request, reason, UNAUTHORIZED);
  }

  #tooMany = (request: HookRequest, reason: string, retryAfterMs: number): HookAnswer =>
    this.#refuse(request, reason, { status: 429, body: { ok: false, error: "too many requests" }, retryAfterMs });

  #refuse({ path, peer }: HookRequest, reason: string, answer: HookAnswer): HookAnswer {
    const hook = this.#find(path)?.id ?? "";
    this.#refusals.push({ at: this.#deps.clock.now(), hook: hook || path.slice(0, 64), peer, reason });
    if (this.#refusals.length > HOOK_LIMITS.refusals) this.#refusals.shift();
    this.#count(hook || "unknown", "refused");
    return answer;
  }

  #count(hook: string, outcome: "accepted" | "duplicate" | "refused"): void {
    this.#deps.metrics.count("gateway_hooks_requests_total", { hook, outcome });
  }
}

type Delivery = { hook: Hook; request: HookRequest; payload: JsonObject; digest: string | null; bytes: number; signal: AbortSignal };

/** Whether the proof that was checked is the one that another mapping of the same address wants. Pure. */
const isProvedBy = (wanted: Hook["signature"], checked: Hook["signature"]): boolean =>
  wanted === null || wanted === "missing" || checked === null || checked === "missing"
    ? wanted === checked
    : wanted.scheme === checked.scheme && wanted.secret === checked.secret && wanted.toleranceMs === checked.toleranceMs;

/** What a platform sends once, to see who is here; null: something else. Pure. */
function greetingOf({ signature }: Hook, { headers }: HookRequest, payload: JsonObject): JsonObject | null {
  if (signature === null || signature === "missing") return null;
  if (signature.scheme === "slack" && payload["type"] === "url_verification")
    return { challenge: asString(payload["challenge"]).slice(0, 1_000) };
  return signature.scheme === "github" && headers["x-github-event"] === "ping" ? { ok: true, event: "ping" } : null;
}

/** What the sender names a delivery by; null: it does not. Pure. */
function keyOf(hook: Hook, { headers }: HookRequest, payload: JsonObject): string | null {
  const { signature } = hook;
  const scheme = signature === null || signature === "missing" ? null : signature.scheme;
  const given = [
    headers["idempotency-key"],
    headers["x-openclaw-idempotency-key"],
    hook.kind === "mapping" ? undefined : payload["idempotencyKey"],
    headers["x-github-delivery"],
    headers["webhook-id"],
    scheme === "stripe" ? payload["id"] : scheme === "slack" ? payload["event_id"] : undefined,
    hook.keyPath === undefined ? undefined : lookUp(hook.keyPath, { payload, headers, query: {}, path: "", now: "" }),
  ].find((value) => value !== undefined && value !== null && value !== "");
  if (given === undefined) return null;
  if (typeof given !== "string" || given.length > HOOK_LIMITS.keyChars)
    throw new GatewayError("INVALID_REQUEST", `the idempotency key is not a text of at most ${HOOK_LIMITS.keyChars} characters`);
  return given;
}

/** One payload for each item of the list that `forEach` names. */
function itemsOf({ forEach }: Hook, payload: JsonObject): readonly JsonObject[] {
  if (forEach === undefined) return [payload];
  const items = Object.hasOwn(payload, forEach) ? payload[forEach] : undefined;
  if (!Array.isArray(items) || items.length === 0)
    throw new GatewayError("INVALID_REQUEST", `${forEach}: a list with at least one item is required`);
  if (items.length > HOOK_LIMITS.items)
    throw new GatewayError("INVALID_REQUEST", `${forEach}: at most ${HOOK_LIMITS.items} items are accepted`);
  return (items as readonly unknown[]).map((item) => ({ ...payload, [forEach]: [item] }));
}

function toAnswer({ action }: Hook, plans: readonly HookPlan[]): StoredAnswer {
  const runIds = plans.flatMap((plan) => (plan.do === "run" ? [String(plan.submission.runId)] : []));
  const isNow = plans.some((plan) => plan.do === "event" && plan.isNow);
  if (action === "wake") return { ok: true, mode: isNow ? "now" : "next-heartbeat", eventOutcome: "queued", runIds };
  return { ok: true, runId: runIds[0], ...(runIds.length > 1 && { allRunIds: runIds }), runIds };
}
