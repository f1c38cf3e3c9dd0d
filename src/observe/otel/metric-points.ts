import type { MetricPoint, Registry } from "../metrics.ts";
import { ORIGINAL_METRICS, type OriginalMetric } from "../original-metrics.ts";
import { GEN_AI, GEN_AI_OPERATION_DURATION, GEN_AI_TOKEN_USAGE, genAiProvider } from "./gen-ai.ts";
import { toAttributes, toNanos, type OtlpAttributes } from "./otlp.ts";

const CUMULATIVE = 2;
const NO_LIMITS = { count: 64, valueChars: 256 };

/** OtlpAttributes over OTLP for labels of Prometheus that are named otherwise there. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  agent: "openclaw.agent",
  token_type: "openclaw.token",
  method: "openclaw.gateway.rpc.method",
  error_category: "openclaw.errorCategory",
  observation_unit: "openclaw.model_call.observation_unit",
  delivery_kind: "openclaw.delivery.kind",
  tool: GEN_AI.toolName,
  tool_owner: "openclaw.tool.owner",
  tool_source: "openclaw.tool.source",
  params_kind: "openclaw.tool.params.kind",
  denied_reason: "openclaw.deniedReason",
  harness: "openclaw.harness.id",
  plugin: "openclaw.harness.plugin",
  to_model: "openclaw.failover.to_model",
  to_provider: "openclaw.failover.to_provider",
  skill: "openclaw.skill.name",
};

type Otlp = Readonly<Record<string, unknown>>;

/** The metrics of the registry as metrics of OTLP: all with a value, under OpenClaw's names. */
export function toOtlpMetrics(registry: Registry, { prefix, startedAt, now }: { prefix: string; startedAt: number; now: number }): Otlp[] {
  registry.refresh();
  const times = { startTimeUnixNano: toNanos(startedAt), timeUnixNano: toNanos(now) };
  const metrics = Object.entries(ORIGINAL_METRICS).flatMap(([name, metric]) => {
    if (metric.otel === undefined) return [];
    const isGenAi = metric.otel.startsWith("gen_ai.");
    const points = registry.read(name);
    return points.length === 0
      ? []
      : [
          toMetric({
            name: isGenAi ? metric.otel : prefix + metric.otel,
            metric,
            points,
            times,
            isSeconds: name.includes("_seconds") && !isGenAi,
          }),
        ];
  });
  const calls = registry.read("openclaw_model_call_duration_seconds");
  if (calls.length === 0) return metrics;
  const duration: OriginalMetric = { type: "histogram", labels: [], help: "Duration of a request to a model." };
  return [...metrics, toMetric({ name: GEN_AI_OPERATION_DURATION, metric: duration, points: calls, times, isSeconds: false })];
}

type MetricInput = {
  name: string;
  metric: OriginalMetric;
  points: readonly MetricPoint[];
  times: { startTimeUnixNano: string; timeUnixNano: string };
  /** The registry has seconds, OpenClaw's name says milliseconds. */
  isSeconds: boolean;
};

function toMetric({ name, metric, points, times, isSeconds }: MetricInput): Otlp {
  const factor = isSeconds ? 1_000 : 1;
  const head = { name, description: metric.help, unit: unitOf(name) };
  const toPoint = (point: MetricPoint): Otlp => {
    const { list: attributes } = toAttributes(toMetricAttributes(name, point), NO_LIMITS);
    if (!point.buckets) return { attributes, ...times, asDouble: point.value * factor };
    const count = point.buckets.reduce((sum, each) => sum + each, 0);
    return {
      attributes,
      ...times,
      count: String(count),
      sum: point.value * factor,
      bucketCounts: point.buckets.map(String),
      explicitBounds: point.bounds!.map((bound) => bound * factor),
    };
  };
  const dataPoints = points.map(toPoint);
  if (metric.type === "gauge") return { ...head, gauge: { dataPoints } };
  if (metric.type === "histogram") return { ...head, histogram: { dataPoints, aggregationTemporality: CUMULATIVE } };
  return { ...head, sum: { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true } };
}

function toMetricAttributes(name: string, { labels }: MetricPoint): OtlpAttributes {
  if (!name.startsWith("gen_ai."))
    return Object.fromEntries(Object.entries(labels).map(([key, value]) => [ATTRIBUTES[key] ?? `openclaw.${key}`, value]));
  const { model, provider = "unknown", token_type: token, error_category: error } = labels;
  return {
    [GEN_AI.operation]: "chat",
    [GEN_AI.provider]: genAiProvider(provider),
    [GEN_AI.requestModel]: model,
    [GEN_AI.tokenType]: name === GEN_AI_TOKEN_USAGE ? token : null,
    [GEN_AI.errorType]: error === undefined || error === "none" ? null : error,
  };
}

function unitOf(name: string): string {
  if (name.endsWith("_ms")) return "ms";
  if (name.endsWith("_bytes")) return "By";
  if (name === GEN_AI_OPERATION_DURATION) return "s";
  if (name === GEN_AI_TOKEN_USAGE || name.endsWith("tokens")) return "{token}";
  return name.endsWith(".usd") ? "USD" : "1";
}
