import type { Bus } from "../core/bus.ts";
import type { LoopReading } from "../core/health.ts";
import type { Labels, Metrics } from "../core/metrics.ts";
import type { StageEvents } from "../core/stages.ts";
import type { LoopProbe } from "./event-loop.ts";
import type { Registry } from "./metrics.ts";

export type StageMetricsOptions = {
  bus: Bus<StageEvents>;
  metrics: Metrics;
  /** The protocol of a provider in the configuration, such as `openai-completions`. */
  apiOf: (provider: string) => string | undefined;
};

const NONE = "none";
const UNKNOWN = "unknown";
/** A label value of few forms. A key of a session, and what is too long or has odd characters, is not shown. */
const LABEL = /^[\w.:/@+ -]{1,120}$/;
export const toLabel = (value: string | null | undefined): string =>
  value && LABEL.test(value) && !value.startsWith("agent:") ? value : UNKNOWN;
const outcomeOf = (outcome: string): string => (outcome === "ok" ? "completed" : outcome);

/** Counts the stages of messages under the names of OpenClaw. */
export function countStages(options: StageMetricsOptions): void {
  countMessages(options);
  countRuns(options);
  countModels(options);
  countTools(options);
  countDelivery(options);
  countRequests(options);
}

/** A counter, and a histogram of the time with the same labels. */
function countWithTime({ metrics }: StageMetricsOptions, name: string, labels: Labels, durationMs: number): void {
  metrics.count(`${name}_total`, labels);
  metrics.observe(`${name}_duration_seconds`, durationMs / 1_000, labels);
}

function countMessages(options: StageMetricsOptions): void {
  const { bus, metrics } = options;
  bus.on("stage.admitted", ({ channel, source, durationMs }) => {
    const from = { channel: toLabel(channel), source };
    metrics.count("openclaw_message_received_total", from);
    metrics.count("openclaw_message_dispatch_started_total", from);
    const labels = { channel: from.channel, outcome: "completed", reason: NONE, source };
    metrics.count("openclaw_message_dispatch_completed_total", labels);
    metrics.observe("openclaw_message_dispatch_duration_seconds", durationMs / 1_000, labels);
  });
  bus.on("stage.waited", ({ agentId, channel, durationMs, trigger, agent }) => {
    metrics.observe("openclaw_queue_lane_wait_seconds", durationMs / 1_000, { lane: trigger === "cron" ? "cron" : "main" });
    metrics.count("openclaw_session_state_total", { reason: "turn-start", state: "processing" });
    if (agent) metrics.count("openclaw_session_turn_created_total", { agent: toLabel(agentId), channel: toLabel(channel), trigger });
  });
  bus.on("stage.processed", ({ channel, outcome, errorKind, durationMs, mergedInto }) => {
    const reason = mergedInto === null ? toLabel(errorKind ?? NONE) : "merged";
    const labels = { channel: toLabel(channel), outcome: outcomeOf(outcome), reason };
    metrics.count("openclaw_message_processed_total", labels);
    metrics.observe("openclaw_message_processed_duration_seconds", durationMs / 1_000, labels);
    if (mergedInto === null) metrics.count("openclaw_session_state_total", { reason: "turn-end", state: "idle" });
  });
}

function countRuns(options: StageMetricsOptions): void {
  const { bus, metrics } = options;
  bus.on("stage.run", (run) => {
    const { durationMs } = run;
    const labels = {
      channel: toLabel(run.channel),
      model: toLabel(run.model),
      outcome: outcomeOf(run.outcome),
      provider: toLabel(run.provider),
      trigger: run.trigger,
    };
    metrics.count("openclaw_run_completed_total", labels);
    metrics.observe("openclaw_run_duration_seconds", durationMs / 1_000, labels);
    const { trigger: _trigger, ...shared } = labels;
    const harness = { error_category: toLabel(run.errorKind ?? NONE), harness: "pi", phase: "run", plugin: NONE };
    countWithTime(options, "openclaw_harness_run", { ...shared, ...harness }, durationMs);
    if (run.skill === null) return;
    const skill = { activation: "command", agent: toLabel(run.agentId), skill: toLabel(run.skill.split(/\s/, 1)[0]), source: UNKNOWN };
    metrics.count("openclaw_skill_used_total", skill);
  });
}

function countModels(options: StageMetricsOptions): void {
  const { bus, metrics, apiOf } = options;
  bus.on("stage.model", (call) => {
    const model = { model: toLabel(call.model), provider: toLabel(call.provider) };
    const kind = { error_category: toLabel(call.errorKind ?? NONE), observation_unit: "request", transport: "http" };
    const labels = { ...model, ...kind, api: toLabel(apiOf(call.provider)), outcome: outcomeOf(call.outcome) };
    countWithTime(options, "openclaw_model_call", labels, call.durationMs);
    if (!call.usage) return;
    const usage = { agent: toLabel(call.agentId), channel: toLabel(call.channel), ...model };
    for (const [type, tokens] of tokenTypes(call.usage)) {
      if (tokens > 0) metrics.count("openclaw_model_tokens_total", { ...usage, token_type: type }, tokens);
      if (tokens > 0) metrics.observe("openclaw_gen_ai_client_token_usage", tokens, { ...model, token_type: type });
    }
    metrics.count("openclaw_model_cost_usd_total", usage, call.usage.costUsd);
    metrics.observe("openclaw_model_usage_duration_seconds", call.durationMs / 1_000, usage);
  });
  bus.on("stage.failover", ({ from, to, reason }) => {
    const models = { from_model: toLabel(from.model), from_provider: toLabel(from.provider) };
    const next = { to_model: toLabel(to.model), to_provider: toLabel(to.provider) };
    metrics.count("openclaw_model_failover_total", { ...models, ...next, lane: "main", reason: toLabel(reason), suspended: "false" });
  });
}

type Usage = NonNullable<StageEvents["stage.model"]["usage"]>;
const tokenTypes = ({ input, output, cacheRead, cacheWrite }: Usage): [type: string, tokens: number][] => [
  ["input", input],
  ["output", output],
  ["cache_read", cacheRead],
  ["cache_write", cacheWrite],
];

/** Tools of others are named `server__tool`, or by their plugin. */
const sourceOfTool = (tool: string): { tool_source: string; tool_owner: string } =>
  tool.includes("__") ? { tool_source: "mcp", tool_owner: toLabel(tool.split("__", 1)[0]) } : { tool_source: "core", tool_owner: NONE };

/** The form of the arguments of a call. */
export const paramsKind = (args: unknown): string =>
  args === null || args === undefined ? NONE : Array.isArray(args) ? "array" : typeof args === "object" ? "object" : typeof args;

function countTools(options: StageMetricsOptions): void {
  const { bus, metrics } = options;
  bus.on("stage.tool", ({ tool, args, outcome, durationMs }) => {
    const labels = { params_kind: paramsKind(args), tool: toLabel(tool), ...sourceOfTool(tool) };
    if (outcome === "blocked") return metrics.count("openclaw_tool_execution_blocked_total", { ...labels, denied_reason: "policy" });
    const error = outcome === "error" ? "tool_error" : NONE;
    countWithTime(options, "openclaw_tool_execution", { ...labels, error_category: error, outcome: outcomeOf(outcome) }, durationMs);
  });
}

function countDelivery(options: StageMetricsOptions): void {
  const { bus, metrics } = options;
  bus.on("stage.delivery", ({ channel, kind, outcome, errorKind, durationMs }) => {
    const labels = { channel: toLabel(channel), delivery_kind: kind };
    metrics.count("openclaw_message_delivery_started_total", labels);
    const ended = { ...labels, error_category: errorKind ?? NONE, outcome: outcomeOf(outcome) };
    countWithTime(options, "openclaw_message_delivery", ended, durationMs);
  });
  bus.on("stage.webhook", ({ channel, outcome, durationMs }) => {
    const labels = { channel: toLabel(channel), webhook: "http" };
    metrics.count("openclaw_webhook_received_total", labels);
    if (outcome === "error") metrics.count("openclaw_webhook_error_total", labels);
    metrics.observe("openclaw_webhook_duration_seconds", durationMs / 1_000, labels);
  });
}

function countRequests({ bus, metrics }: StageMetricsOptions): void {
  bus.on("stage.rpc", ({ method, outcome, durationMs, firstAnswerMs, admissionMs }) => {
    metrics.count("openclaw_gateway_rpc_requests_total", { method });
    metrics.observe("openclaw_gateway_rpc_first_response_seconds", firstAnswerMs / 1_000, { method });
    if (admissionMs !== null) {
      metrics.observe("openclaw_gateway_rpc_admission_seconds", admissionMs / 1_000, { method });
      metrics.observe("openclaw_gateway_rpc_handler_seconds", Math.max(0, durationMs - admissionMs) / 1_000, { method });
    }
    metrics.count("openclaw_gateway_rpc_outcomes_total", { phase: "handler", outcome: outcome === "ok" ? "completed" : "error" });
  });
}

export type OriginalSamples = {
  metrics: Registry;
  loop: LoopProbe;
  bootId: string;
  now: () => number;
  load: () => { lanes: number; running: number; waiting: number };
};

/** The values of OpenClaw's names that are read when they are asked for. */
export function sampleOriginals({ metrics, loop, bootId, now, load }: OriginalSamples): void {
  metrics.sample("openclaw_gateway_build_info", () => [{ labels: { process_instance_id: bootId }, value: 1 }]);
  metrics.sample("openclaw_queue_lane_size", () => [{ labels: { lane: "main" }, value: load().waiting }]);
  metrics.sample("openclaw_session_queue_depth", () => {
    const { running, waiting } = load();
    return [{ labels: { state: running > 0 ? "processing" : "waiting" }, value: waiting }];
  });
  metrics.sample("openclaw_liveness_sessions", () => {
    const { lanes, running } = load();
    return [
      { labels: { state: "active" }, value: running },
      { labels: { state: "waiting" }, value: Math.max(0, lanes - running) },
    ];
  });
  metrics.sample("openclaw_memory_bytes", () => {
    const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
    const kinds = { rss, heap_total: heapTotal, heap_used: heapUsed, external, array_buffers: arrayBuffers };
    return Object.entries(kinds).map(([kind, value]) => ({ labels: { kind }, value }));
  });
  let readAt = now();
  metrics.beforeRead(() => {
    const reading: LoopReading = loop.read();
    const since = Math.max(0, now() - readAt);
    readAt = now();
    metrics.observe("openclaw_gateway_event_loop_delay_max_seconds", reading.delayMaxMs / 1_000);
    metrics.count("openclaw_gateway_event_loop_observed_seconds_total", {}, Math.min(reading.intervalMs, since) / 1_000);
    metrics.observe("openclaw_memory_rss_bytes", process.memoryUsage.rss());
  });
}
