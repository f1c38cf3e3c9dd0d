import { formatTraceparent, newSpanId } from "../../../core/trace-context.ts";
import type { TurnGrant } from "../records.ts";
import { readEvents } from "./event-stream.ts";
import type { ProviderKeys } from "./keys.ts";
import { repairUnstreamed } from "./unstreamed-answer.ts";

/** The part of a run that its requests share. */
export type RunWaits = {
  /** The remaining time that providers may make this run wait, in milliseconds. */
  remainingWaitMs: number;
  /** A provider requested a wait; `waits` is false when it is not granted and the request fails. */
  onWait: (ms: number, waits: boolean) => void;
  /** No request leaves this process: each is answered with an error. */
  isOffline?: true;
  /** The trace that requests continue; `onRequest` is called with the span that each of them names as its parent. */
  trace?: TurnGrant["trace"] | undefined;
  onRequest?: (spanId: string) => void;
};

/** Where the run of a request is found: an AsyncLocalStorage, or the only run. */
export type CurrentRun = { getStore(): RunWaits | undefined };

/** Limit of a single wait for a provider. */
const LONGEST_WAIT_MS = 60_000;

/**
 * Wraps the requests of all providers: adds the secret queries of URLs, so that no file contains them, and repeats a request that was
 * answered "too many requests" after the time that the provider requested, within what the run may wait.
 */
export function wrapFetch(queries: ProviderKeys["queries"], currentRun: CurrentRun): void {
  const plain = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    if (currentRun.getStore()?.isOffline) return new Response("{}", { status: 400, headers: { "content-type": "application/json" } });
    const target = withQuery(input, queries);
    for (;;) {
      const response = await repairUnstreamed(await plain(target, withTrace(target, init, currentRun.getStore())), init);
      repairEvents(response);
      const ms = retryAfterOf(response);
      const run = currentRun.getStore();
      if (ms === null || !run) return response;
      const waits = ms <= Math.min(run.remainingWaitMs, LONGEST_WAIT_MS) && canRepeat(target, init);
      run.onWait(ms, waits);
      if (!waits) return response;
      run.remainingWaitMs -= ms;
      await response.body?.cancel();
      await sleep(ms, init?.signal ?? undefined);
    }
  };
}

/**
 * The request names a new span of the run's trace, which the gateway exports. Headers of a trace that a library or a configuration adds
 * are removed: they would name a parent that does not exist.
 */
function withTrace(target: unknown, init: RequestInit | undefined, run: RunWaits | undefined): RequestInit | undefined {
  const headers = new Headers(init?.headers ?? (target instanceof Request ? target.headers : undefined));
  if (!run?.trace && !headers.has("traceparent") && !headers.has("tracestate")) return init;
  headers.delete("traceparent");
  headers.delete("tracestate");
  if (run?.trace) {
    const spanId = newSpanId();
    headers.set("traceparent", formatTraceparent({ ...run.trace, spanId }));
    run.onRequest?.(spanId);
  }
  return { ...init, headers: [...headers] };
}

function withQuery(input: string | URL | Request, queries: ProviderKeys["queries"]): string | URL | Request {
  if (queries.length === 0 || (typeof input !== "string" && !(input instanceof URL))) return input;
  const url = String(input);
  const found = queries.find(({ base }) => url.startsWith(base));
  return found ? `${url}${url.includes("?") ? "&" : "?"}${found.query}` : input;
}

/** The wait that the answer of a provider requests, in milliseconds; null without one. */
function retryAfterOf({ status, headers }: Response): number | null {
  if (status !== 429 && status !== 503 && status !== 529) return null;
  const exact = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const given = headers.get("retry-after") ?? "";
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1_000;
  const ms = Math.ceil(Number.isNaN(exact) ? seconds * 1_000 : exact);
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, 10 ** 12) : null;
}

/** Iterating over the body of an event stream gives what `readEvents` makes of it. Everything else about the response stays. */
function repairEvents({ body, headers }: Response): void {
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) return;
  Object.defineProperty(body, Symbol.asyncIterator, { value: () => readEvents(body), configurable: true });
}

const canRepeat = (input: unknown, init: RequestInit | undefined): boolean =>
  !(input instanceof Request) && (init?.body === undefined || init.body === null || typeof init.body === "string");

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, ms);
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave, { once: true });
  });
}
