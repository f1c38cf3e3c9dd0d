import type { Clock } from "../../core/clock.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import { VERSION } from "../../core/version.ts";
import { callApi, NotSentError, retryAfterMs, type ApiResponse, type ApiRequest } from "../api.ts";
import type { DiscordAccount } from "./config.ts";
import { asObject, textOf } from "./protocol.ts";

/** An answer of Discord: what was asked for, or why not. `limited`: certainly not done. `code` is Discord's own number, 0 without one. */
export type RestResponse =
  | { kind: "ok"; body: unknown }
  | { kind: "limited"; retryAfterMs: number; global: boolean }
  | { kind: "failed"; status: number; code: number; message: string };

export type RestRequest = { method: NonNullable<ApiRequest["method"]>; path: string; body?: unknown; signal: AbortSignal };

/** Discord has answered, and the answer was not what was needed. */
export class RestError extends Error {
  override readonly name = "RestFailure";
}

type RateLimitBucket = { remaining: number; resetAt: number };

/** A limit that ends so soon is waited for; with a longer one the request is refused at once. */
const MAX_BUCKET_WAIT_MS = 5_000;
/** Attempts of `patient` before it gives up. */
const MAX_RETRIES = 5;

/**
 * The part of a path that shares a rate limit: ids are left out, except the first one, which Discord counts by. Pure.
 */
export function rateLimitRoute(method: string, path: string): { route: string; major: string } {
  const bare = path.split("?")[0]!;
  const [, kind = "", id = "", token = ""] = /^\/(channels|guilds|webhooks|interactions)\/(\d+)(?:\/([\w=-]{20,}))?/.exec(bare) ?? [];
  const route = bare
    .replace(/\/reactions\/[^/]+/, "/reactions/:emoji")
    .replaceAll(/\/\d+(?=\/|$)/g, "/:id")
    .replace(/^(\/(?:webhooks|interactions)\/:id)\/[^/]+/, "$1/:token");
  return { route: `${method} ${route}`, major: `${kind}:${id}:${token}` };
}

/** Discord's HTTP API for one bot, within its rate limits. */
export class RestClient {
  readonly #account: DiscordAccount;
  readonly #clock: Clock;
  readonly #onLimited: () => void;
  readonly #onRefused: () => void;
  readonly #bucketNames = new Map<string, string>();
  readonly #buckets = new Map<string, RateLimitBucket>();
  #globalUntil = 0;

  /** `onRefused` is called when Discord does not know the token. */
  constructor(account: DiscordAccount, clock: Clock, hooks: { onLimited: () => void; onRefused: () => void }) {
    this.#account = account;
    this.#clock = clock;
    this.#onLimited = hooks.onLimited;
    this.#onRefused = hooks.onRefused;
  }

  /** One request. Throws NotSentError when Discord has certainly not received it, any other error when the outcome is unknown. */
  async call({ method, path, body, signal }: RestRequest): Promise<RestResponse> {
    const { route, major } = rateLimitRoute(method, path);
    const key = (): string => `${this.#bucketNames.get(route) ?? route} ${major}`;
    const held = await this.#waitForBucket(key, signal);
    if (held) return held;
    const isOwn = !/^\/(?:webhooks|interactions)\//.test(path);
    const answer = await callApi({
      method,
      url: this.#account.apiRoot + path,
      headers: {
        "user-agent": `DiscordBot (https://openclaw.ai, ${VERSION})`,
        // A path with a token of its own needs no other, and a bad one there says nothing about ours.
        ...(isOwn && { authorization: `Bot ${this.#account.token.reveal()}` }),
      },
      ...(body !== undefined && { body }),
      proxy: this.#account.proxy,
      signal,
    });
    this.#updateBucket(route, key, answer);
    return this.#toResponse(answer, isOwn);
  }

  /** A request that may wait for its turn. The `tolerated` statuses give null; every other failure throws. */
  async callWithRetry(request: RestRequest, tolerated: readonly number[] = []): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.call(request);
      if (answer.kind === "ok") return answer.body;
      if (answer.kind === "failed" && tolerated.includes(answer.status)) return null;
      const pauseMs = answer.kind === "limited" ? answer.retryAfterMs : answer.status >= 500 ? 500 * 2 ** attempt : null;
      if (pauseMs === null || attempt >= MAX_RETRIES) throw new RestError(describeFailure(answer));
      await this.#pause(pauseMs, request.signal);
    }
  }

  #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => reject(signal.reason as Error);
    const cancel = this.#clock.after(delayMs, resolve);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", abort);
    });
  }

  /** Waits for a limit that is known to be used up. Resolves to the refusal when that would take too long. */
  async #waitForBucket(key: () => string, signal: AbortSignal): Promise<RestResponse | null> {
    for (;;) {
      if (signal.aborted) throw new NotSentError("cancelled before it was sent");
      const now = this.#clock.monotonic();
      const bucket = this.#buckets.get(key());
      if (bucket && bucket.resetAt <= now) this.#buckets.delete(key());
      const global = this.#globalUntil > now;
      const until = global ? this.#globalUntil : bucket && bucket.remaining <= 0 ? bucket.resetAt : 0;
      if (until <= now) {
        if (bucket) bucket.remaining--;
        return null;
      }
      if (until - now > MAX_BUCKET_WAIT_MS) return { kind: "limited", retryAfterMs: until - now, global };
      await this.#pause(until - now, signal).catch((err: unknown) => {
        if (!signal.aborted) throw err;
      });
    }
  }

  #updateBucket(route: string, key: () => string, { headers }: ApiResponse): void {
    const name = headers.get("x-ratelimit-bucket");
    if (name !== null) setBounded(this.#bucketNames, route, name);
    const remaining = Number(headers.get("x-ratelimit-remaining") ?? Number.NaN);
    const resetAfter = Number(headers.get("x-ratelimit-reset-after") ?? Number.NaN);
    if (Number.isFinite(remaining) && Number.isFinite(resetAfter))
      setBounded(this.#buckets, key(), { remaining, resetAt: this.#clock.monotonic() + Math.ceil(resetAfter * 1_000) });
  }

  #toResponse(answer: ApiResponse, isOwn: boolean): RestResponse {
    const { status, headers, body } = answer;
    if (status >= 200 && status < 300) return { kind: "ok", body };
    const said = asObject(body);
    if (status === 429) {
      this.#onLimited();
      const seconds = said?.["retry_after"];
      const waitMs = typeof seconds === "number" ? Math.ceil(seconds * 1_000) : (retryAfterMs(headers) ?? 1_000);
      // Without Discord's own words it is the proxy in front of it that has had enough, of all that we send.
      const global = said?.["global"] === true || headers.get("x-ratelimit-scope") === "global" || !said;
      if (global) this.#globalUntil = Math.max(this.#globalUntil, this.#clock.monotonic() + waitMs);
      return { kind: "limited", retryAfterMs: waitMs, global };
    }
    if (status === 401 && isOwn) this.#onRefused();
    const code = said?.["code"];
    const message = textOf(said?.["message"]).slice(0, 300) || `status ${status}`;
    return { kind: "failed", status, code: typeof code === "number" ? code : 0, message };
  }
}

function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > DISCORD_LIMITS.remembered) map.delete(map.keys().next().value!);
}

/** Why an answer is not what was asked for, for people. */
export function describeFailure(answer: Exclude<RestResponse, { kind: "ok" }>): string {
  if (answer.kind === "limited") return `Discord asks to wait ${Math.ceil(answer.retryAfterMs / 1_000)} s`;
  return `Discord refused: ${answer.message} (${answer.code || answer.status})`;
}
