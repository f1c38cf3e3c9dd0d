/** Limits of the export of telemetry, with what happens at each. Variables OTEL_* change those that they name. */
export const OTEL_LIMITS = {
  /** Items of a signal that wait; further ones are dropped and counted (OTEL_BSP_MAX_QUEUE_SIZE). */
  queueItems: 2_048,
  /** Items of one request at most (OTEL_BSP_MAX_EXPORT_BATCH_SIZE). */
  batchItems: 512,
  /** How long an item waits for others (OTEL_BSP_SCHEDULE_DELAY). */
  delayMs: 5_000,
  /** A collector that has not answered by then has failed (OTEL_BSP_EXPORT_TIMEOUT, OTEL_METRIC_EXPORT_TIMEOUT). */
  timeoutMs: 10_000,
  /** Time between two exports of metrics (flushIntervalMs, OTEL_METRIC_EXPORT_INTERVAL). */
  metricIntervalMs: 60_000,
  metricIntervalMinMs: 1_000,
  /** Tries of one request; then its items are dropped and counted. */
  attempts: 5,
  /** Pause after a failure; it doubles up to the second one. */
  backoffFirstMs: 1_000,
  backoffLastMs: 60_000,
  /** A longer wait that a collector asks for is cut to this. */
  retryAfterMs: 300_000,
  /** Items that are encoded before other work gets its turn: a slice takes less than a millisecond. */
  sliceItems: 32,
  /** Bytes of an answer that are read. */
  answerBytes: 65_536,
  /** What is sent when the gateway stops has this long. */
  stopMs: 1_000,
  /** OtlpAttributes of a span or a log record, and characters of a value (OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, ..._VALUE_LENGTH_LIMIT). */
  attributes: 128,
  attributeChars: 4_096,
  /** Events of a span (OTEL_SPAN_EVENT_COUNT_LIMIT). */
  events: 128,
  /** Characters of captured content in one attribute. */
  contentChars: 16_384,
  /** Runs whose trace is remembered; the store is asked about others. */
  tracesKept: 2_000,
} as const;
