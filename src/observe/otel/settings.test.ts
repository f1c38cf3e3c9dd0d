import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../../config/load.ts";
import { resolveTelemetry, type TelemetrySettings } from "./settings.ts";

const resolve = (otel: Record<string, unknown>, env: Record<string, string> = {}): TelemetrySettings | null =>
  resolveTelemetry(checkConfigValue({ diagnostics: { otel: { enabled: true, ...otel } } }).config.diagnostics, env);

test("nothing is exported unless the configuration says so", () => {
  const { config } = checkConfigValue({});
  assert.equal(resolveTelemetry(config.diagnostics, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }), null);
  const off = checkConfigValue({ diagnostics: { enabled: false, otel: { enabled: true } } });
  assert.equal(resolveTelemetry(off.config.diagnostics, {}), null);
  assert.equal(resolve({}, { OTEL_SDK_DISABLED: "TRUE" }), null);
});

test("the defaults are those of OpenClaw", () => {
  const { traces, metrics, logs, ...rest } = resolve({})!;
  assert.equal(traces?.url, "http://localhost:4318/v1/traces");
  assert.equal(metrics?.url, "http://localhost:4318/v1/metrics");
  assert.equal(logs, null);
  assert.deepEqual([traces?.protocol, traces?.from], ["http/protobuf", "default"]);
  assert.deepEqual([rest.serviceName, rest.metricPrefix, rest.captureContent, rest.latestGenAi], ["openclaw", "openclaw.", false, false]);
  assert.deepEqual(rest.sampler, { ratio: 1, followParent: true });
  assert.equal(rest.metricIntervalMs, 60_000);
  assert.deepEqual(rest.problems, []);
});

test("a shared endpoint gets the path of each signal, a signal's own endpoint is used as it is", () => {
  const table: [otel: Record<string, unknown>, env: Record<string, string>, url: string, from: string][] = [
    [{ endpoint: "http://c:4318" }, {}, "http://c:4318/v1/traces", "config"],
    [{ endpoint: "http://c:4318/" }, {}, "http://c:4318/v1/traces", "config"],
    [{ endpoint: "https://c/api/otel" }, {}, "https://c/api/otel/v1/traces", "config"],
    [{ endpoint: "https://c/otel/v1/logs" }, {}, "https://c/otel/v1/traces", "config"],
    [{ endpoint: "https://c/otel?key=1" }, {}, "https://c/otel/v1/traces?key=1", "config"],
    [{ endpoint: "http://c", tracesEndpoint: "http://t/x" }, {}, "http://t/x", "config"],
    [{ endpoint: "http://c" }, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://e/x" }, "http://e/x", "environment"],
    [{ tracesEndpoint: "http://t/x" }, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://e/x" }, "http://t/x", "config"],
    [{}, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://e:4318" }, "http://e:4318/v1/traces", "environment"],
  ];
  for (const [otel, env, url, from] of table) {
    const traces = resolve(otel, env)?.traces;
    assert.deepEqual([traces?.url, traces?.from], [url, from]);
  }
});

test("an unknown protocol stops only its signal, and says so", () => {
  const settings = resolve({ logs: true }, { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc" })!;
  assert.equal(settings.traces, null);
  assert.ok(settings.metrics && settings.logs);
  assert.match(settings.problems[0]!, /traces are not exported: the protocol "grpc"/);
  assert.equal(resolve({ protocol: "http/json" }, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })!.traces?.protocol, "http/json");
  assert.equal(resolve({}, { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" })!.traces?.protocol, "http/json");
  assert.match(resolve({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" })!.problems[0]!, /is not an http or https URL/);
});

test("the share of traces comes from the configuration, then from OTEL_TRACES_SAMPLER", () => {
  assert.deepEqual(resolve({ sampleRate: 0.2 }, { OTEL_TRACES_SAMPLER: "always_off" })!.sampler, { ratio: 0.2, followParent: true });
  assert.deepEqual(resolve({}, { OTEL_TRACES_SAMPLER: "always_off" })!.sampler, { ratio: 0, followParent: false });
  assert.deepEqual(resolve({}, { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.5" })!.sampler, {
    ratio: 0.5,
    followParent: true,
  });
  assert.match(resolve({}, { OTEL_TRACES_SAMPLER: "jaeger_remote" })!.problems[0]!, /is not known/);
  assert.match(resolve({}, { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" })!.problems[0]!, /from 0 to 1/);
});

test("headers of the environment are secrets, and those of the configuration win", () => {
  const env = { OTEL_EXPORTER_OTLP_HEADERS: "api-key=a%20b,x=1", OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x=2" };
  const { traces, metrics } = resolve({ headers: { "api-key": "from-config" } }, env)!;
  assert.deepEqual([traces!.headers["api-key"]!.reveal(), traces!.headers["x"]!.reveal()], ["from-config", "2"]);
  assert.equal(metrics!.headers["x"]!.reveal(), "1");
  assert.equal(resolve({}, env)!.metrics!.headers["api-key"]!.reveal(), "a b");
  assert.ok(!JSON.stringify(traces).includes("from-config"));
});

test("the limits and the pace come from the variables of OpenTelemetry", () => {
  const settings = resolve(
    { flushIntervalMs: 5_000 },
    {
      OTEL_BSP_MAX_QUEUE_SIZE: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "500",
      OTEL_BSP_SCHEDULE_DELAY: "250",
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: "4",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
      OTEL_METRIC_EXPORT_TIMEOUT: "-1",
      OTEL_PROPAGATORS: "baggage",
      OTEL_SEMCONV_STABILITY_OPT_IN: "http,gen_ai_latest_experimental",
      OTEL_SERVICE_NAME: "office",
    },
  )!;
  assert.deepEqual(settings.batch, { queueItems: 100, batchItems: 100, delayMs: 250 });
  assert.equal(settings.limits.attributes, 4);
  assert.equal(settings.metricIntervalMs, 5_000, "the configuration wins");
  assert.equal(settings.metrics!.timeoutMs, 10_000, "an invalid value counts as not set");
  assert.deepEqual([settings.propagate, settings.latestGenAi, settings.serviceName], [false, true, "office"]);
});
