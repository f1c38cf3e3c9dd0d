import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Metrics } from "../../core/metrics.ts";
import { OTEL_LIMITS } from "./limits.ts";
import { encodeItem, encodeRequest, readRejected, type KeyValue, type Protocol, type Signal } from "./otlp.ts";
import type { Post, PostTarget } from "./post.ts";

export type ExporterState = { state: "idle" | "ok" | "failing"; error: string | null; /** Milliseconds since the epoch. */ since: number };

export type SignalExporterOptions = {
  signal: Signal;
  target: PostTarget & { protocol: Protocol };
  resource: readonly KeyValue[];
  schemaUrl: string | null;
  queueItems: number;
  batchItems: number;
  delayMs: number;
  post: Post;
  clock: Clock;
  metrics: Metrics;
  /** Called when it begins to fail, and when it works again. */
  onState: (state: ExporterState) => void;
};

/** The state is shown to readers who need not know the address of the collector, which the texts of the system contain. */
function causeOf(err: unknown): string {
  const { code } = err as { code?: unknown };
  return typeof code === "string" ? code : reasonOf(err);
}

type Item = Readonly<Record<string, unknown>>;
type Result = "sent" | "retry" | "refused";

/** Statuses after which the same request may succeed later. */
const RETRYABLE = new Set([429, 502, 503, 504]);

/**
 * Sends the items of one signal in batches. `add` only appends to a queue: whatever the collector does, the caller pays for nothing else.
 * A full queue drops what comes; both drops and results are counted. No timer runs while the queue is empty.
 */
export class SignalExporter {
  readonly #options: SignalExporterOptions;
  #queue: Item[] = [];
  #state: ExporterState;
  #cancelTimer: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #pauseUntil = -Infinity;
  #failures = 0;
  #attempts = 0;
  #isStopped = false;

  constructor(options: SignalExporterOptions) {
    this.#options = options;
    this.#state = { state: "idle", error: null, since: options.clock.now() };
  }

  get state(): ExporterState {
    return this.#state;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(item: Item): void {
    if (this.#isStopped) return;
    if (this.#queue.length >= this.#options.queueItems) return this.#countDropped(1, "queue_full");
    this.#queue.push(item);
    if (this.#queue.length >= this.#options.batchItems) this.#schedule(0);
    else this.#schedule(this.#options.delayMs);
  }

  /** Sends what waits, within a deadline; the rest is dropped and counted. Nothing is accepted afterwards. */
  async stop(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    // A collector that fails is not waited for.
    if (this.#state.state !== "failing") {
      const deadline = new Promise<void>((resolve) => this.#options.clock.after(OTEL_LIMITS.stopMs, resolve));
      await Promise.race([this.#drain(), deadline]);
    }
    this.#isStopped = true;
    this.#countDropped(this.#queue.length, "stopped");
    this.#queue = [];
  }

  #schedule(delayMs: number): void {
    if (this.#sending || this.#isStopped) return;
    const pauseMs = this.#pauseUntil - this.#options.clock.monotonic();
    if (this.#cancelTimer && (delayMs > 0 || pauseMs > 0)) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(Math.max(delayMs, pauseMs, 0), () => {
      this.#cancelTimer = null;
      void this.#drain();
    });
  }

  /** Never rejects. */
  #drain(): Promise<void> {
    this.#sending ??= this.#sendBatches().finally(() => {
      this.#sending = null;
      if (this.#queue.length > 0) this.#schedule(this.#queue.length >= this.#options.batchItems ? 0 : this.#options.delayMs);
    });
    return this.#sending;
  }

  async #sendBatches(): Promise<void> {
    while (this.#queue.length > 0 && !this.#isStopped) {
      const batch = this.#queue.slice(0, this.#options.batchItems);
      const result = await this.#send(batch);
      if (result === "retry" && ++this.#attempts < OTEL_LIMITS.attempts) return;
      this.#attempts = 0;
      this.#queue = this.#queue.slice(batch.length);
      if (result !== "sent") this.#countDropped(batch.length, result === "retry" ? "retries_exhausted" : "refused");
      if (result === "retry") return;
    }
  }

  async #send(batch: readonly Item[]): Promise<Result> {
    const { signal, target, resource, schemaUrl, post } = this.#options;
    try {
      const items = await this.#encode(batch);
      const body = encodeRequest(signal, target.protocol, { resource, schemaUrl, items });
      const answer = await post(target, target.protocol === "http/json" ? "application/json" : "application/x-protobuf", body);
      if (answer.status >= 200 && answer.status < 300) return this.#succeeded(readRejected(target.protocol, answer.body));
      const isRetryable = RETRYABLE.has(answer.status);
      this.#failed(`the collector answered ${answer.status}`, answer.retryAfterMs);
      return isRetryable ? "retry" : "refused";
    } catch (err) {
      this.#failed(`the collector cannot be reached: ${causeOf(err)}`, null);
      return "retry";
    }
  }

  /** In slices, between which turns go on. */
  async #encode(batch: readonly Item[]): Promise<Buffer[]> {
    const { signal, target } = this.#options;
    const items: Buffer[] = [];
    for (let at = 0; at < batch.length; at += OTEL_LIMITS.sliceItems) {
      if (at > 0) await new Promise((resolve) => setImmediate(resolve));
      for (const item of batch.slice(at, at + OTEL_LIMITS.sliceItems)) items.push(encodeItem(signal, target.protocol, item));
    }
    return items;
  }

  #succeeded(rejected: number): Result {
    this.#failures = 0;
    this.#pauseUntil = -Infinity;
    this.#countDropped(rejected, "rejected");
    this.#setState("ok", null);
    return "sent";
  }

  #failed(error: string, retryAfterMs: number | null): void {
    const backoff = Math.min(OTEL_LIMITS.backoffFirstMs * 2 ** this.#failures, OTEL_LIMITS.backoffLastMs);
    this.#failures++;
    this.#pauseUntil = this.#options.clock.monotonic() + (retryAfterMs ?? backoff);
    this.#setState("failing", error);
  }

  #setState(state: "ok" | "failing", error: string | null): void {
    const { clock, metrics, signal, onState } = this.#options;
    const isChange = this.#state.state !== state;
    this.#state = { state, error, since: isChange ? clock.now() : this.#state.since };
    if (!isChange) return;
    const reason = state === "ok" ? "none" : "emit_failed";
    metrics.count("openclaw_telemetry_exporter_total", {
      exporter: "otlp",
      reason,
      signal,
      status: state === "ok" ? "started" : "failure",
    });
    onState(this.#state);
  }

  #countDropped(items: number, reason: string): void {
    if (items === 0) return;
    const { metrics, signal } = this.#options;
    metrics.count("gateway_telemetry_dropped_total", { signal, reason }, items);
    metrics.count("openclaw_diagnostic_async_queue_dropped_total", { drop_class: signal }, items);
  }
}
