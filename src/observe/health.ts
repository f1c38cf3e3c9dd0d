import { systemClock, type Clock } from "../core/clock.ts";
import type { HealthPart, HealthPartState, Readiness } from "../core/health.ts";
import type { Metrics } from "../core/metrics.ts";

export type Health = {
  /** Declares a vital part. It counts as starting until it reports. */
  require(part: string): void;
  report(part: string, state: HealthPartState, cause?: string): void;
  /** Removes a part, e.g. a channel that was removed from the configuration. */
  forget(part: string): void;
  readiness(): Readiness;
  /** Called after each change of a state (not of a cause alone). Returns a function that unsubscribes. */
  onChange(listener: (part: HealthPart) => void): () => void;
};

/**
 * Health of all parts. Only parts declared with `require` decide about readiness: a broken channel degrades that channel,
 * not the gateway.
 */
export function createHealth(clock: Clock = systemClock): Health {
  const parts = new Map<string, HealthPart>();
  const vital = new Set<string>();
  const listeners = new Set<(part: HealthPart) => void>();

  function set(name: string, state: HealthPartState, cause: string | null): void {
    const before = parts.get(name);
    const since = before?.state === state ? before.since : clock.now();
    const part = { name, state, cause: state === "ready" ? null : cause, since, vital: vital.has(name) };
    parts.set(name, part);
    if (before?.state !== state) for (const listener of listeners) listener(part);
  }

  return {
    require(name) {
      vital.add(name);
      const part = parts.get(name);
      set(name, part?.state ?? "starting", part?.cause ?? null);
    },
    report: (name, state, cause) => set(name, state, cause ?? null),
    forget(name) {
      parts.delete(name);
      vital.delete(name);
    },
    readiness() {
      const list = [...parts.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const failing = list.filter((part) => part.vital && (part.state === "failing" || part.state === "starting"));
      const degraded = list.filter((part) => part.state !== "ready" && !failing.includes(part));
      return {
        ready: failing.length === 0,
        failing: failing.map((part) => part.name),
        degraded: degraded.map((part) => part.name),
        parts: list,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const VALUE: Readonly<Record<HealthPartState, number>> = { ready: 1, degraded: 0.5, starting: 0, failing: 0 };

/** Exports the parts as metrics. */
export function sampleHealth(metrics: Metrics, health: Health): void {
  metrics.sample("gateway_ready", () => (health.readiness().ready ? 1 : 0));
  metrics.sample("gateway_parts", () =>
    health.readiness().parts.map((part) => ({ labels: { part: part.name }, value: VALUE[part.state] })),
  );
}
