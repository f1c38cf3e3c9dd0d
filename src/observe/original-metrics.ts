/** One metric of OpenClaw. `otel`: its name over OTLP without the prefix; histograms in seconds are milliseconds there. */
export type OriginalMetric = {
  type: "counter" | "gauge" | "histogram";
  labels: readonly string[];
  help: string;
  otel?: string;
};

const counter = (help: string, labels: string, otel?: string): OriginalMetric => ({
  type: "counter",
  help,
  labels: split(labels),
  ...(otel && { otel }),
});
const gauge = (help: string, labels: string): OriginalMetric => ({ type: "gauge", help, labels: split(labels) });
const histogram = (help: string, labels: string, otel?: string): OriginalMetric => ({
  type: "histogram",
  help,
  labels: split(labels),
  ...(otel && { otel }),
});
const split = (labels: string): string[] => (labels === "" ? [] : labels.split(" "));

const MODEL_CALL = "api error_category model observation_unit outcome provider transport";
const TOOL = "error_category outcome params_kind tool tool_owner tool_source";
const RUN = "channel model outcome provider trigger";
const HARNESS = "channel error_category harness model outcome phase plugin provider";
const USAGE = "agent channel model provider";
const DELIVERY = "channel delivery_kind error_category outcome";

/** The metrics of OpenClaw for which this gateway has a value, with its labels. The names are those of its Prometheus endpoint. */
export const ORIGINAL_METRICS: Readonly<Record<string, OriginalMetric>> = {
  openclaw_gateway_build_info: gauge("The process that answers; the value is always 1.", "process_instance_id build_id"),
  openclaw_gateway_rpc_requests_total: counter("Requests of clients, by method.", "method", "gateway.rpc.requests"),
  openclaw_gateway_rpc_first_response_seconds: histogram(
    "Time from a request to its first answer, by method.",
    "method",
    "gateway.rpc.first_response_ms",
  ),
  openclaw_gateway_rpc_handler_seconds: histogram("Time in which a method ran, by method.", "method", "gateway.rpc.handler_ms"),
  openclaw_gateway_rpc_admission_seconds: histogram(
    "Time from a request until its method ran, by method.",
    "method",
    "gateway.rpc.admission_ms",
  ),
  openclaw_gateway_rpc_outcomes_total: counter("Requests answered, by phase and outcome.", "phase outcome", "gateway.rpc.outcomes"),
  openclaw_gateway_event_loop_delay_max_seconds: histogram(
    "Longest delay of the event loop in the window before each reading.",
    "",
    "gateway.event_loop.delay_max_ms",
  ),
  openclaw_gateway_event_loop_observed_seconds_total: counter(
    "Time that the readings of the event loop cover.",
    "",
    "gateway.event_loop.observed_ms",
  ),
  openclaw_run_completed_total: counter("Runs of agents that ended.", RUN, "run.attempt"),
  openclaw_run_duration_seconds: histogram("Time from the start of a run to its stored outcome.", RUN, "run.duration_ms"),
  openclaw_model_call_total: counter("Requests to models that ended.", MODEL_CALL),
  openclaw_model_call_duration_seconds: histogram("Time of a request to a model.", MODEL_CALL, "model_call.duration_ms"),
  openclaw_model_failover_total: counter(
    "Models that took over from one that failed.",
    "from_model from_provider lane reason suspended to_model to_provider",
    "model.failover",
  ),
  openclaw_model_tokens_total: counter("Tokens that models reported, by type.", `${USAGE} token_type`, "tokens"),
  openclaw_gen_ai_client_token_usage: histogram(
    "Tokens of each request to a model, by type.",
    "model provider token_type",
    "gen_ai.client.token.usage",
  ),
  openclaw_model_cost_usd_total: counter("Cost of requests to models in USD, by the prices of the configuration.", USAGE, "cost.usd"),
  openclaw_model_usage_duration_seconds: histogram("Time of the requests to models that reported their use.", USAGE),
  openclaw_skill_used_total: counter("Messages that asked for a skill by its name.", "activation agent skill source", "skill.used"),
  openclaw_tool_execution_total: counter("Calls of tools that ended.", TOOL),
  openclaw_tool_execution_duration_seconds: histogram("Time of a call of a tool.", TOOL, "tool.execution.duration_ms"),
  openclaw_tool_execution_blocked_total: counter(
    "Calls of tools that were refused before they ran.",
    "denied_reason params_kind tool tool_owner tool_source",
    "tool.execution.blocked",
  ),
  openclaw_harness_run_total: counter("Runs of agents, by the runtime that ran them.", HARNESS),
  openclaw_harness_run_duration_seconds: histogram("Time of a run in its runtime.", HARNESS, "harness.duration_ms"),
  openclaw_webhook_received_total: counter("Requests of platforms to a webhook.", "channel webhook", "webhook.received"),
  openclaw_webhook_error_total: counter("Requests to a webhook over which the channel failed.", "channel webhook", "webhook.error"),
  openclaw_webhook_duration_seconds: histogram("Time of a request to a webhook.", "channel webhook", "webhook.duration_ms"),
  openclaw_message_received_total: counter("Messages that were admitted.", "channel source", "message.received"),
  openclaw_message_dispatch_started_total: counter("Messages that began to be admitted.", "channel source", "message.dispatch.started"),
  openclaw_message_dispatch_completed_total: counter(
    "Messages that are on disk and in the queue of their session.",
    "channel outcome reason source",
    "message.dispatch.completed",
  ),
  openclaw_message_dispatch_duration_seconds: histogram(
    "Time until a message was on disk.",
    "channel outcome reason source",
    "message.dispatch.duration_ms",
  ),
  openclaw_message_processed_total: counter("Messages whose outcome is on disk.", "channel outcome reason", "message.processed"),
  openclaw_message_processed_duration_seconds: histogram(
    "Time from the receipt of a message to its stored outcome.",
    "channel outcome reason",
    "message.duration_ms",
  ),
  openclaw_message_delivery_started_total: counter(
    "Attempts to hand a part of a reply to its platform.",
    "channel delivery_kind",
    "message.delivery.started",
  ),
  openclaw_message_delivery_total: counter("Attempts to deliver a part of a reply that ended.", DELIVERY),
  openclaw_message_delivery_duration_seconds: histogram(
    "Time of an attempt, until the platform acknowledged it.",
    DELIVERY,
    "message.delivery.duration_ms",
  ),
  openclaw_queue_lane_size: gauge("Messages that wait for a turn of their session.", "lane"),
  openclaw_queue_lane_wait_seconds: histogram("Time that a message waited for its turn.", "lane", "queue.wait_ms"),
  openclaw_session_state_total: counter("Changes of the state of sessions.", "reason state", "session.state"),
  openclaw_session_queue_depth: gauge("Messages that wait in sessions, by the state of these.", "state"),
  openclaw_session_turn_created_total: counter("Turns that began.", "agent channel trigger", "session.turn.created"),
  openclaw_session_recovery_total: counter(
    "Work of an earlier process that a start has resumed or closed.",
    "action active_work_kind state status",
    "session.recovery.completed",
  ),
  openclaw_liveness_sessions: gauge("Sessions with a running or waiting turn, by state.", "state"),
  openclaw_memory_bytes: gauge("Memory of the gateway process, by kind.", "kind"),
  openclaw_memory_rss_bytes: histogram("Resident memory of the gateway process at each reading.", "", "memory.rss_bytes"),
  openclaw_child_process_spawn_total: counter("Processes for agents that were started.", "family"),
  openclaw_telemetry_exporter_total: counter(
    "Changes of the state of an exporter of telemetry.",
    "exporter reason signal status",
    "telemetry.exporter.events",
  ),
  openclaw_prometheus_series_dropped_total: counter("Label sets that were refused because the limit of series was reached.", ""),
  openclaw_diagnostic_async_queue_dropped_total: counter(
    "Items of telemetry that were dropped before they were sent.",
    "drop_class",
    "diagnostic.async_queue.dropped",
  ),
  openclaw_diagnostic_async_queue_length: gauge("Items of telemetry that wait to be sent.", ""),
};

/** The metrics of OpenClaw that this gateway does not have, and why. */
export const UNSERVED_METRICS: Readonly<Record<string, string>> = {
  openclaw_gateway_rpc_queue_wait_seconds: "Requests have no time before their frame is read.",
  openclaw_gc_duration_seconds: "A performance observer would stay active while the process is idle.",
  openclaw_talk_event_total: "There are no voice calls.",
  openclaw_talk_event_duration_seconds: "There are no voice calls.",
  openclaw_talk_audio_bytes: "There are no voice calls.",
  openclaw_session_stuck_total: "A turn that says nothing ends with an error; no session is marked as stuck.",
  openclaw_session_stuck_age_seconds: "As above.",
  openclaw_session_recovery_age_seconds: "Recovery does not measure the age of what it resumes.",
  openclaw_liveness_warning_total: "No timer watches the process; alert on gateway_loop_delay_p99_seconds.",
  openclaw_liveness_event_loop_delay_p99_seconds: "gateway_loop_delay_p99_seconds has the value.",
  openclaw_liveness_event_loop_delay_max_seconds: "openclaw_gateway_event_loop_delay_max_seconds has the value.",
  openclaw_liveness_event_loop_utilization_ratio: "The rate of gateway_loop_active_seconds_total is the utilization.",
  openclaw_liveness_cpu_core_ratio: "The rate of process_cpu_seconds_total is the ratio.",
  openclaw_payload_large_total: "Payloads beyond a limit are refused; gateway_server_refused_total counts them.",
  openclaw_payload_large_bytes: "As above.",
  openclaw_memory_pressure_total: "No timer watches the memory; alert on openclaw_memory_bytes.",
  openclaw_worker_count: "Threads do not report their heaps.",
  openclaw_worker_heap_sampled_count: "As above.",
  openclaw_worker_heap_used_bytes: "As above.",
};

/** Prefix of the names of OpenClaw; their series are counted together against LIMITS.originalSeries. */
export const ORIGINAL_PREFIX = "openclaw_";
