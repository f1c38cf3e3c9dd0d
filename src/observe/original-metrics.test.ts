import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { createMetrics } from "./metrics.ts";
import { ORIGINAL_METRICS, UNSERVED_METRICS } from "./original-metrics.ts";

/** OpenClaw's documented metrics: type, name without prefix, labels. `D`: a counter and a histogram of the time. */
const DOCUMENTED = `
g gateway_build_info process_instance_id build_id
c gateway_rpc_requests_total method
h gateway_rpc_first_response_seconds method
h gateway_rpc_handler_seconds method
h gateway_rpc_admission_seconds method
h gateway_rpc_queue_wait_seconds method
c gateway_rpc_outcomes_total phase outcome
h gateway_event_loop_delay_max_seconds
c gateway_event_loop_observed_seconds_total
h gc_duration_seconds
c run_completed_total channel model outcome provider trigger
h run_duration_seconds channel model outcome provider trigger
D model_call api error_category model observation_unit outcome provider transport
c model_failover_total from_model from_provider lane reason suspended to_model to_provider
c model_tokens_total agent channel model provider token_type
h gen_ai_client_token_usage model provider token_type
c model_cost_usd_total agent channel model provider
h model_usage_duration_seconds agent channel model provider
c skill_used_total activation agent skill source
D tool_execution error_category outcome params_kind tool tool_owner tool_source
c tool_execution_blocked_total denied_reason params_kind tool tool_owner tool_source
D harness_run channel error_category harness model outcome phase plugin provider
c webhook_received_total channel webhook
c webhook_error_total channel webhook
h webhook_duration_seconds channel webhook
c message_received_total channel source
c message_dispatch_started_total channel source
c message_dispatch_completed_total channel outcome reason source
h message_dispatch_duration_seconds channel outcome reason source
D message_processed channel outcome reason
c message_delivery_started_total channel delivery_kind
D message_delivery channel delivery_kind error_category outcome
D talk_event brain event_type mode provider transport
h talk_audio_bytes brain event_type mode provider transport
g queue_lane_size lane
h queue_lane_wait_seconds lane
c session_state_total reason state
g session_queue_depth state
c session_turn_created_total agent channel trigger
c session_stuck_total reason state
h session_stuck_age_seconds reason state
c session_recovery_total action active_work_kind state status
h session_recovery_age_seconds action active_work_kind state status
c liveness_warning_total reason
h liveness_event_loop_delay_p99_seconds reason
h liveness_event_loop_delay_max_seconds reason
h liveness_event_loop_utilization_ratio reason
h liveness_cpu_core_ratio reason
g liveness_sessions state
c payload_large_total action channel plugin reason surface
h payload_large_bytes action channel plugin reason surface
g memory_bytes kind
h memory_rss_bytes
c memory_pressure_total level reason
g worker_count
g worker_heap_sampled_count
g worker_heap_used_bytes script
c child_process_spawn_total family
c telemetry_exporter_total exporter reason signal status
c prometheus_series_dropped_total
c diagnostic_async_queue_dropped_total drop_class
g diagnostic_async_queue_length
`;

const KINDS: Readonly<Record<string, string>> = { c: "counter", g: "gauge", h: "histogram" };
const documented = DOCUMENTED.trim()
  .split("\n")
  .flatMap((line): [name: string, type: string, labels: string[]][] => {
    const [kind = "", name = "", ...labels] = line.split(" ");
    if (kind !== "D") return [[`openclaw_${name}`, KINDS[kind]!, labels]];
    return [
      [`openclaw_${name}_total`, "counter", labels],
      [`openclaw_${name}_duration_seconds`, "histogram", labels],
    ];
  });

test("every documented metric of OpenClaw is served with its type and labels, or has a reason why not", () => {
  for (const [name, type, labels] of documented) {
    const metric = ORIGINAL_METRICS[name];
    if (!metric) assert.ok(UNSERVED_METRICS[name], `${name} is neither served nor explained`);
    else assert.deepEqual([metric.type, metric.labels.toSorted()], [type, labels.toSorted()], name);
  }
  const names = documented.map(([name]) => name);
  for (const name of [...Object.keys(ORIGINAL_METRICS), ...Object.keys(UNSERVED_METRICS)])
    assert.ok(names.includes(name), `${name} is not a metric of OpenClaw`);
});

test("no label of a metric holds a person, a chat, a session or a run", () => {
  const labels = new Set(Object.values(ORIGINAL_METRICS).flatMap((metric) => metric.labels));
  for (const name of labels) assert.ok(!/session|chat|user|sender|account|run|call_id/.test(name), name);
});

test("label sets of these names beyond the limit are dropped and counted, and known ones go on", () => {
  const metrics = createMetrics();
  const perMetric = LIMITS.seriesPerMetric;
  const names = Object.keys(ORIGINAL_METRICS).filter((name) => ORIGINAL_METRICS[name]!.type === "counter");
  let made = 0;
  for (const name of names)
    for (let n = 0; n < perMetric && made < LIMITS.originalSeries; n++, made++) metrics.count(name, { label: `v${n}` });
  metrics.count("openclaw_gateway_rpc_requests_total", { label: "v0" });
  metrics.count("openclaw_message_received_total", { label: "one more" });
  metrics.count("openclaw_message_received_total", { label: "and another" });
  const text = metrics.render();
  assert.match(text, /^openclaw_gateway_rpc_requests_total\{label="v0"\} 2$/m);
  assert.match(text, /^openclaw_prometheus_series_dropped_total 2$/m);
  assert.ok(!text.includes("one more"));
  metrics.count("gateway_turns_ended_total", { status: "ok" });
  assert.match(metrics.render(), /^gateway_turns_ended_total\{status="ok"\} 1$/m, "other names have their own limit");
});
