import { hostname, release, type as osType } from "node:os";
import type { Bus } from "../../core/bus.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { StageEvents } from "../../core/stages.ts";
import { VERSION } from "../../core/version.ts";
import type { RootLog } from "../log.ts";
import type { Registry } from "../metrics.ts";
import { GEN_AI_SCHEMA_URL } from "./gen-ai.ts";
import { toLogRecord, toStdoutLine } from "./log-records.ts";
import { toOtlpMetrics } from "./metric-points.ts";
import { toAttributes, type KeyValue, type OtlpSpan, type Signal } from "./otlp.ts";
import { createPost } from "./post.ts";
import { decodePercent, exportedSignals, type TelemetrySettings } from "./settings.ts";
import { SignalExporter, type ExporterState } from "./signal-exporter.ts";
import { exportSpans } from "./spans.ts";
import { RunTraces } from "./traces.ts";

export type TelemetryOptions = {
  settings: TelemetrySettings;
  bus: Bus<StageEvents>;
  metrics: Registry;
  rootLog: Pick<RootLog, "onLine" | "safeText" | "registerSecret">;
  log: Log;
  clock: Clock;
  env: Readonly<Record<string, string | undefined>>;
  instanceId: string;
  /** The `traceparent` that was stored with a run. */
  traceparentOf: (runId: string) => string | null;
  /** Called when the export of a signal begins to fail, and when all work again (null). */
  onState: (problem: string | null) => void;
  print: (line: string) => void;
};

/** State of one signal, for people; without addresses, which may contain credentials. */
export type SignalStatus = ExporterState & { signal: Signal; endpointFrom: string; protocol: string; waiting: number };
export type TelemetryStatus = { signals: SignalStatus[]; stdoutLogs: boolean; captureContent: boolean; problems: string[] };

/** What `status` shows of the export; without a status while it is off. `error`: why it could not be started. */
export type TelemetryReport = { enabled: boolean; error: string | null } & Partial<TelemetryStatus>;

/** The running export of telemetry: from `start` until `stop`. */
export class Telemetry {
  readonly #options: TelemetryOptions;
  readonly #exporters = new Map<Signal, SignalExporter>();
  readonly #ends: (() => void)[] = [];
  readonly #traces: RunTraces;
  readonly #post = createPost();

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#traces = new RunTraces(options.settings.sampler, options.traceparentOf);
    const { settings, rootLog } = options;
    for (const signal of exportedSignals(settings)) {
      for (const secret of Object.values(settings[signal]!.headers)) rootLog.registerSecret(secret);
      this.#exporters.set(signal, this.#createExporter(signal));
    }
    this.#start();
  }

  /** The trace that requests to providers continue; null when it is not exported, or no trace is sent to others. */
  traceFor(runId: string, traceparent: string | null): { traceId: string; sampled: boolean } | null {
    const { settings } = this.#options;
    if (!settings.traces || !settings.propagate) return null;
    const { traceId, sampled } = this.#traces.of(runId, traceparent);
    return sampled ? { traceId, sampled } : null;
  }

  status(): TelemetryStatus {
    const { settings } = this.#options;
    const signals = [...this.#exporters].map(([signal, exporter]) => {
      const { from, protocol } = settings[signal]!;
      return { signal, ...exporter.state, endpointFrom: from, protocol, waiting: exporter.waiting };
    });
    return { signals, stdoutLogs: settings.logsToStdout, captureContent: settings.captureContent, problems: settings.problems };
  }

  /** Sends what waits, for at most a second. */
  async stop(): Promise<void> {
    for (const end of this.#ends) end();
    await Promise.all([...this.#exporters.values()].map((exporter) => exporter.stop()));
    this.#post.close();
  }

  #createExporter(signal: Signal): SignalExporter {
    const { settings, clock, metrics } = this.#options;
    return new SignalExporter({
      signal,
      clock,
      metrics,
      post: this.#post.post,
      target: settings[signal]!,
      resource: this.#resource(),
      ...settings.batch,
      ...(signal === "metrics" && {
        queueItems: 1024,
        batchItems: 1024,
        delayMs: 1,
      }),
      schemaUrl: signal === "logs" ? null : GEN_AI_SCHEMA_URL,
      onState: (state) => this.#onState(signal, state),
    });
  }

  #start(): void {
    const { bus, settings, rootLog, clock } = this.#options;
    const traces = this.#exporters.get("traces");
    if (traces)
      this.#ends.push(
        exportSpans({
          bus,
          settings,
          traces: this.#traces,
          redact: rootLog.safeText,
          add: (span: OtlpSpan) => traces.add(span),
        }),
      );
    const logs = this.#exporters.get("logs");
    if (logs || settings.logsToStdout) this.#ends.push(rootLog.onLine((line) => this.#onLine(line)));
    const metrics = this.#exporters.get("metrics");
    if (!metrics) return;
    const startedAt = clock.now();
    let cancel: (() => void) | null = null;
    const collect = (): void => {
      cancel = clock.after(settings.metricIntervalMs, collect);
      this.#addMetrics(metrics, startedAt);
    };
    cancel = clock.after(settings.metricIntervalMs, collect);
    this.#ends.push(
      () => cancel?.(),
      () => this.#addMetrics(metrics, startedAt),
    );
  }

  /** The values are cumulative: what an earlier request did not deliver is in the next one. */
  #addMetrics(exporter: SignalExporter, startedAt: number): void {
    const { clock, metrics, settings } = this.#options;
    if (exporter.waiting > 0) return;
    for (const metric of toOtlpMetrics(metrics, { prefix: settings.metricPrefix, startedAt, now: clock.now() })) exporter.add(metric);
  }

  #onLine(line: string): void {
    const { clock, settings, print } = this.#options;
    const exporter = this.#exporters.get("logs");
    if (exporter) {
      const record = toLogRecord(line, clock.now(), settings.captureContent);
      if (record) exporter.add(record);
    }
    if (!settings.logsToStdout) return;
    const text = toStdoutLine(line, settings.serviceName, settings.captureContent, clock.now());
    if (text !== null) print(text);
  }

  #onState(signal: Signal, { state, error }: ExporterState): void {
    const { log, onState } = this.#options;
    if (state === "failing")
      log.warn("telemetry is not delivered; the gateway works on and tries again", {
        signal,
        cause: error,
        fix: "start the collector, or correct diagnostics.otel; openclaw status --all shows the state",
      });
    else log.info("telemetry is delivered", { signal });
    const failing = [...this.#exporters].find(([, exporter]) => exporter.state.state === "failing");
    onState(failing ? `${failing[0]} are not exported: ${failing[1].state.error}` : null);
  }

  /** What all items share. A name in the configuration wins over OTEL_RESOURCE_ATTRIBUTES. */
  #resource(): KeyValue[] {
    const { settings, env, instanceId } = this.#options;
    const { detectors } = settings;
    const attributes = {
      ...(detectors.has("env") && readPairs(env["OTEL_RESOURCE_ATTRIBUTES"])),
      ...(detectors.has("host") && { "host.name": hostname(), "host.arch": process.arch }),
      ...(detectors.has("os") && { "os.type": osType().toLowerCase(), "os.version": release() }),
      ...(detectors.has("process") && {
        "process.pid": process.pid,
        "process.runtime.name": "nodejs",
        "process.runtime.version": process.versions.node,
      }),
      ...(detectors.has("serviceinstance") && { "service.instance.id": instanceId }),
      "service.name": settings.serviceName,
      "service.version": VERSION,
      "telemetry.sdk.name": "openclaw-gateway",
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.version": VERSION,
    };
    return toAttributes(attributes, { count: 128, valueChars: 1_024 }).list;
  }
}

/** `key=value,key=value`; values may be percent-encoded. */
function readPairs(text = ""): Record<string, string> {
  return Object.fromEntries(
    text.split(",").flatMap((pair): [string, string][] => {
      const at = pair.indexOf("=");
      if (at <= 0) return [];
      const value = pair.slice(at + 1).trim();
      return [[pair.slice(0, at).trim(), decodePercent(value)]];
    }),
  );
}
