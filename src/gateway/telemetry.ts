import { hash } from "node:crypto";
import { traceIdOf } from "../core/trace-context.ts";
import type { RunId } from "../core/ids.ts";
import { reasonOf } from "../core/errors.ts";
import type { Turn } from "../agents/runtime.ts";
import type { Inbox } from "../store/inbox.ts";
import type { Payload } from "../turns/submission.ts";
import type { Telemetry, TelemetryReport, TelemetryStatus } from "../observe/otel/telemetry.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";

type GatewayTelemetryDeps = GatewayBase & { running: RunningConfig; inbox: Inbox };

/** The part of the health report that tells whether telemetry is delivered. */
const PART = "telemetry";

/** The export of telemetry as the configuration has it. Nothing of it is loaded while it is off. */
export class GatewayTelemetry {
  readonly #deps: GatewayTelemetryDeps;
  #current: Telemetry | null = null;
  #settings = "";
  #error: string | null = null;
  #changes: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(deps: GatewayTelemetryDeps) {
    this.#deps = deps;
    const status = (): TelemetryStatus["signals"] => this.#current?.status().signals ?? [];
    const { metrics } = deps;
    metrics.sample("gateway_telemetry_queue_items", () => status().map(({ signal, waiting }) => ({ labels: { signal }, value: waiting })));
    metrics.sample("gateway_telemetry_up", () =>
      status().flatMap(({ signal, state }) => (state === "idle" ? [] : [{ labels: { signal }, value: state === "ok" ? 1 : 0 }])),
    );
    metrics.sample("openclaw_diagnostic_async_queue_length", () => status().reduce((sum, { waiting }) => sum + waiting, 0));
  }

  readonly traceFor = (runId: RunId, traceparent: string | null): NonNullable<Turn["trace"]> | null =>
    this.#current?.traceFor(runId, traceparent) ?? null;

  /** Starts, changes or ends the export. Resolves when that is done; never rejects. */
  configure(): Promise<void> {
    return (this.#changes = this.#changes.then(() => this.#apply()));
  }

  report(): TelemetryReport {
    return { enabled: this.#current !== null, error: this.#error, ...this.#current?.status() };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#changes;
    await this.#current?.stop();
    this.#current = null;
  }

  /** Telemetry that cannot be started stops nothing else. */
  async #apply(): Promise<void> {
    const { running, health, log } = this.#deps;
    const { diagnostics } = running.config;
    const isOn = diagnostics.enabled && diagnostics.otel.enabled;
    const wanted = isOn ? describe(diagnostics) : "";
    if (this.#isStopped || wanted === this.#settings) return;
    this.#settings = wanted;
    await this.#current?.stop();
    this.#current = null;
    this.#error = null;
    health.forget(PART);
    if (!isOn) return;
    try {
      await this.#start();
    } catch (err) {
      this.#error = reasonOf(err);
      health.report(PART, "degraded", `telemetry could not be started: ${this.#error}`);
      log.error("telemetry could not be started", { subsystem: PART, error: err });
    }
  }

  async #start(): Promise<void> {
    const { bus, clock, health, inbox, log, metrics, running, bootId } = this.#deps;
    const { resolveTelemetry } = await import("../observe/otel/settings.ts");
    const settings = resolveTelemetry(running.config.diagnostics, process.env);
    if (!settings) return;
    const { Telemetry } = await import("../observe/otel/telemetry.ts");
    const own = log.child({ subsystem: PART });
    for (const problem of settings.problems) own.warn("a setting of telemetry has no effect", { problem });
    this.#current = new Telemetry({
      settings,
      bus,
      metrics,
      clock,
      rootLog: log,
      log: own,
      env: process.env,
      instanceId: bootId,
      traceparentOf: (runId) => inbox.byRun<Payload>(runId)?.payload?.traceparent ?? null,
      onState: (problem) => (problem === null ? health.report(PART, "ready") : health.report(PART, "degraded", problem)),
      print: (line) => process.stdout.write(line),
    });
    health.report(PART, settings.problems.length > 0 ? "degraded" : "ready", settings.problems[0]);
  }
}

/** Tells two settings apart, also by their headers, of which only the hash is kept. */
function describe({ otel }: RunningConfig["config"]["diagnostics"]): string {
  const headers = Object.entries(otel.headers).map(([name, value]) => [name, value.reveal()]);
  return hash("sha256", JSON.stringify({ ...otel, headers }));
}

/** Traces that clients have named and whose runs are remembered for the log. */
const NAMED_TRACES = 1_000;

/** Lines of the log about a run name its trace. */
export function traceLogLines({ bus, log }: Pick<GatewayBase, "bus" | "log">): void {
  const named = new Map<string, string>();
  const remember = ({ runId, traceparent }: { runId: string; traceparent: string | null }): void => {
    if (traceparent === null) return;
    if (named.size >= NAMED_TRACES) named.delete(named.keys().next().value!);
    named.set(runId, traceparent);
  };
  bus.on("stage.admitted", remember);
  bus.on("stage.waited", remember);
  log.setTraceOf((runId) => traceIdOf(runId, named.get(runId)));
}
