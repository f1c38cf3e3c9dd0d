import { parseTraceparent, traceIdOf, type TraceContext } from "../../core/trace-context.ts";
import { OTEL_LIMITS } from "./limits.ts";
import type { Sampler } from "./settings.ts";

export type RunTrace = {
  traceId: string;
  /** The client's span; null for a trace of our own. */ parent: TraceContext | null;
  sampled: boolean;
};

/**
 * The trace of each run, and whether it is exported. Both follow from the id of the run and the client's `traceparent`, so that a later
 * process comes to the same; `traceparentOf` reads what was stored with a run that is not remembered.
 */
export class RunTraces {
  readonly #sampler: Sampler;
  readonly #traceparentOf: (runId: string) => string | null;
  readonly #known = new Map<string, RunTrace>();

  constructor(sampler: Sampler, traceparentOf: (runId: string) => string | null) {
    this.#sampler = sampler;
    this.#traceparentOf = traceparentOf;
  }

  of(runId: string, traceparent?: string | null): RunTrace {
    const known = this.#known.get(runId);
    if (known) return known;
    const given = traceparent === undefined ? this.#traceparentOf(runId) : traceparent;
    const parent = parseTraceparent(given);
    const traceId = traceIdOf(runId, given);
    const trace = { traceId, parent, sampled: this.isSampled(traceId, parent) };
    if (this.#known.size >= OTEL_LIMITS.tracesKept) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(runId, trace);
    return trace;
  }

  isSampled(traceId: string, parent: TraceContext | null): boolean {
    const { ratio, followParent } = this.#sampler;
    if (parent && followParent) return parent.sampled;
    // The last 52 bits of a trace id are random.
    return Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52;
  }
}
