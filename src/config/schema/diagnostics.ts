import { boolean, enumOf, integer, number, object, record, requiredSecret, string } from "../../core/config-schema.ts";

const HEADER_NAME = { regex: "[A-Za-z0-9!#$%&'*+.^_`|~-]+", description: "the name of an HTTP header" } as const;
const PREFIX = {
  regex: "(?:[A-Za-z][A-Za-z0-9_./-]{0,127})?",
  description: "empty, or at most 128 letters, digits, `_`, `.`, `-` and `/` that begin with a letter",
} as const;

const ownEndpoint = (signal: string) =>
  string(`Address for ${signal}, used as it is. Takes precedence over \`endpoint\` and \`OTEL_EXPORTER_OTLP_*\`.`, { format: "url" });

const otel = object("Export of traces, metrics and logs over OTLP (OpenTelemetry).", {
  enabled: boolean("Export telemetry.", { default: false }),
  endpoint: string(
    "Address of a collector; `/v1/traces`, `/v1/metrics` or `/v1/logs` is added. When it is not set: `OTEL_EXPORTER_OTLP_ENDPOINT`, then `http://localhost:4318`.",
    { format: "url" },
  ),
  tracesEndpoint: ownEndpoint("traces"),
  metricsEndpoint: ownEndpoint("metrics"),
  logsEndpoint: ownEndpoint("logs"),
  protocol: enumOf(
    "How items are encoded; `OTEL_EXPORTER_OTLP_PROTOCOL`, then `http/protobuf` when it is not set. gRPC is not supported.",
    ["http/protobuf", "http/json"],
  ),
  headers: record("Headers of each request to the collector.", "<Header>", requiredSecret("Value of the header."), {
    keyPattern: HEADER_NAME,
  }),
  serviceName: string("`service.name` of everything that is sent; `OTEL_SERVICE_NAME`, then `openclaw` when it is not set."),
  metricNamePrefix: string("Prefix of the names of metrics over OTLP; `openclaw.` when it is not set.", { pattern: PREFIX }),
  traces: boolean("Export traces.", { default: true }),
  metrics: boolean("Export metrics.", { default: true }),
  logs: boolean("Export log records.", { default: false }),
  logsExporter: enumOf("Where log records go: to the collector, to standard output as JSON lines, or both.", ["otlp", "stdout", "both"], {
    default: "otlp",
  }),
  sampleRate: number(
    "Share of traces that are exported, from 0 to 1, decided for each trace as a whole; all when neither it nor `OTEL_TRACES_SAMPLER` is set.",
    { min: 0, max: 1 },
  ),
  flushIntervalMs: integer("Time between two exports of metrics; 60000 when it is not set.", { min: 1_000, max: 3_600_000 }),
  captureContent: boolean(
    "Export what people, models and tools say: messages, arguments and results of tools, texts of log lines. Without it none of that leaves the gateway.",
    { default: false, onInvalid: false },
  ),
});

/** What the gateway measures of itself, and where it goes. */
export const diagnostics = object(
  "Telemetry.",
  {
    enabled: boolean("Export telemetry at all; the metrics of the Prometheus endpoint are always there.", { default: true }),
    otel,
  },
  { unserved: ["flags", "cacheTrace"] },
);
