import type { DiagnosticsConfig } from "../../config/schema.ts";
import { Secret } from "../../core/secret.ts";
import { GEN_AI_OPT_IN } from "./gen-ai.ts";
import { OTEL_LIMITS } from "./limits.ts";
import type { Protocol, Signal } from "./otlp.ts";
import type { PostTarget } from "./post.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Where a signal goes. `from`: what named its endpoint, for people; the endpoint itself may contain a credential. */
export type SignalTarget = PostTarget & { protocol: Protocol; from: "config" | "environment" | "default" };

/** Which part of all traces is exported. A client that sends a `traceparent` decides for its own. */
export type Sampler = { ratio: number; followParent: boolean };

export type TelemetrySettings = {
  traces: SignalTarget | null;
  metrics: SignalTarget | null;
  logs: SignalTarget | null;
  /** Log records are printed as JSON lines. */
  logsToStdout: boolean;
  serviceName: string;
  metricPrefix: string;
  sampler: Sampler;
  captureContent: boolean;
  /** Names of spans and of the provider as in the latest GenAI conventions. */
  latestGenAi: boolean;
  /** W3C trace context is read from clients and sent to providers. */
  propagate: boolean;
  detectors: ReadonlySet<string>;
  metricIntervalMs: number;
  batch: { queueItems: number; batchItems: number; delayMs: number };
  limits: { attributes: number; valueChars: number; events: number };
  /** What is set and has no effect, each with its reason. */
  problems: string[];
};

const SIGNALS = ["traces", "metrics", "logs"] as const;
const PROTOCOLS: readonly string[] = ["http/protobuf", "http/json"] satisfies Protocol[];
const DEFAULT_ENDPOINT = "http://localhost:4318";
const DEFAULT_PREFIX = "openclaw.";

/** What is exported, by the configuration and the variables OTEL_*; null when nothing is. */
export function resolveTelemetry({ enabled, otel }: DiagnosticsConfig, env: Env): TelemetrySettings | null {
  if (!enabled || !otel.enabled || env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") return null;
  const problems: string[] = [];
  if (env["OPENCLAW_OTEL_PRELOADED"] === "1")
    problems.push("OPENCLAW_OTEL_PRELOADED: this gateway exports by itself and uses no preloaded SDK");
  const target = (signal: Signal): SignalTarget | null => targetOf(signal, otel, env, problems);
  const toOtlp = otel.logsExporter !== "stdout";
  const settings: TelemetrySettings = {
    traces: otel.traces ? target("traces") : null,
    metrics: otel.metrics ? target("metrics") : null,
    logs: otel.logs && toOtlp ? target("logs") : null,
    logsToStdout: otel.logs && otel.logsExporter !== "otlp",
    serviceName: otel.serviceName || env["OTEL_SERVICE_NAME"]?.trim() || "openclaw",
    metricPrefix: otel.metricNamePrefix ?? DEFAULT_PREFIX,
    sampler: samplerOf(otel.sampleRate, env, problems),
    captureContent: otel.captureContent,
    latestGenAi: words(env["OTEL_SEMCONV_STABILITY_OPT_IN"]).includes(GEN_AI_OPT_IN),
    propagate: propagates(env),
    detectors: detectorsOf(env),
    metricIntervalMs: Math.max(
      OTEL_LIMITS.metricIntervalMinMs,
      otel.flushIntervalMs ?? positive(env, "OTEL_METRIC_EXPORT_INTERVAL", OTEL_LIMITS.metricIntervalMs),
    ),
    batch: batchOf(env),
    limits: {
      attributes: positive(env, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", OTEL_LIMITS.attributes),
      valueChars: positive(env, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", OTEL_LIMITS.attributeChars),
      events: positive(env, "OTEL_SPAN_EVENT_COUNT_LIMIT", OTEL_LIMITS.events),
    },
    problems,
  };
  const { traces, metrics, logs, logsToStdout } = settings;
  return traces || metrics || logs || logsToStdout || problems.length > 0 ? settings : null;
}

type Otel = DiagnosticsConfig["otel"];

/** The signal's own endpoint is used as it is; the shared one gets the path of the signal. The configuration wins over the environment. */
function targetOf(signal: Signal, otel: Otel, env: Env, problems: string[]): SignalTarget | null {
  const name = signal.toUpperCase();
  const protocol =
    otel.protocol ?? (env[`OTEL_EXPORTER_OTLP_${name}_PROTOCOL`]?.trim() || env["OTEL_EXPORTER_OTLP_PROTOCOL"]?.trim() || "http/protobuf");
  if (!PROTOCOLS.includes(protocol)) {
    problems.push(`${signal} are not exported: the protocol ${JSON.stringify(protocol.slice(0, 40))} is not http/protobuf or http/json`);
    return null;
  }
  const own = { traces: otel.tracesEndpoint, metrics: otel.metricsEndpoint, logs: otel.logsEndpoint }[signal];
  const ownEnv = env[`OTEL_EXPORTER_OTLP_${name}_ENDPOINT`]?.trim();
  const sharedEnv = env["OTEL_EXPORTER_OTLP_ENDPOINT"]?.trim();
  const [url, from] = own
    ? ([own, "config"] as const)
    : ownEnv
      ? ([ownEnv, "environment"] as const)
      : otel.endpoint
        ? ([withSignalPath(otel.endpoint, signal), "config"] as const)
        : sharedEnv
          ? ([withSignalPath(sharedEnv, signal), "environment"] as const)
          : ([`${DEFAULT_ENDPOINT}/v1/${signal}`, "default"] as const);
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    problems.push(`${signal} are not exported: their endpoint in the ${from} is not an http or https URL`);
    return null;
  }
  const timeoutMs = positive(env, signal === "metrics" ? "OTEL_METRIC_EXPORT_TIMEOUT" : "OTEL_BSP_EXPORT_TIMEOUT", OTEL_LIMITS.timeoutMs);
  return { url, protocol: protocol as Protocol, from, headers: { ...headersOf(name, env), ...otel.headers }, timeoutMs };
}

/** An endpoint that ends with the path of a signal has that part replaced, as hosted collectors show it that way. */
function withSignalPath(endpoint: string, signal: Signal): string {
  const [base, query] = endpoint.split("?", 2) as [string, string | undefined];
  const path = `${base.replace(/\/+$/, "").replace(/\/v1\/(?:traces|metrics|logs)$/, "")}/v1/${signal}`;
  return query === undefined ? path : `${path}?${query}`;
}

/** `name=value,name=value`, percent-encoded. */
function headersOf(signal: string, env: Env): Record<string, Secret> {
  const text = [env["OTEL_EXPORTER_OTLP_HEADERS"], env[`OTEL_EXPORTER_OTLP_${signal}_HEADERS`]].filter(Boolean).join(",");
  const pairs = text.split(",").flatMap((pair): [string, Secret][] => {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim().toLowerCase();
    return at > 0 && /^[\w!#$%&'*+.^`|~-]+$/.test(name) ? [[name, new Secret(decodePercent(pair.slice(at + 1).trim()))]] : [];
  });
  return Object.fromEntries(pairs);
}

/** Text that is not encoded correctly is taken as it is. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (err) {
    if (err instanceof URIError) return text;
    throw err;
  }
}

function samplerOf(sampleRate: number | undefined, env: Env, problems: string[]): Sampler {
  if (sampleRate !== undefined) return { ratio: sampleRate, followParent: true };
  const name = env["OTEL_TRACES_SAMPLER"]?.trim() || "parentbased_always_on";
  const followParent = name.startsWith("parentbased_");
  switch (name.replace(/^parentbased_/, "")) {
    case "always_on":
      return { ratio: 1, followParent };
    case "always_off":
      return { ratio: 0, followParent };
    case "traceidratio": {
      const ratio = Number(env["OTEL_TRACES_SAMPLER_ARG"]?.trim() || "1");
      if (ratio >= 0 && ratio <= 1) return { ratio, followParent };
      problems.push("OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1; all traces are exported");
      return { ratio: 1, followParent };
    }
    default:
      problems.push(`OTEL_TRACES_SAMPLER ${JSON.stringify(name.slice(0, 40))} is not known; all traces are exported`);
      return { ratio: 1, followParent: true };
  }
}

function batchOf(env: Env): TelemetrySettings["batch"] {
  const queueItems = Math.min(positive(env, "OTEL_BSP_MAX_QUEUE_SIZE", OTEL_LIMITS.queueItems), 65_536);
  const batchItems = Math.min(positive(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", OTEL_LIMITS.batchItems), queueItems);
  return { queueItems, batchItems, delayMs: positive(env, "OTEL_BSP_SCHEDULE_DELAY", OTEL_LIMITS.delayMs) };
}

const words = (text: string | undefined): string[] => (text ?? "").split(",").map((word) => word.trim().toLowerCase());

function propagates(env: Env): boolean {
  const named = words(env["OTEL_PROPAGATORS"]).filter(Boolean);
  return named.length === 0 || named.includes("tracecontext");
}

function detectorsOf(env: Env): ReadonlySet<string> {
  const named = words(env["OTEL_NODE_RESOURCE_DETECTORS"]).filter(Boolean);
  if (named.includes("none")) return new Set();
  if (named.includes("all")) return new Set(["env", "host", "os", "process", "serviceinstance"]);
  return new Set(named.length > 0 ? named : ["env", "process", "host"]);
}

/** A whole number above 0; everything else counts as not set. */
function positive(env: Env, name: string, otherwise: number): number {
  const value = Number(env[name]?.trim() || "0");
  return Number.isSafeInteger(value) && value > 0 ? value : otherwise;
}

export const exportedSignals = (settings: TelemetrySettings): Signal[] => SIGNALS.filter((signal) => settings[signal] !== null);
