import { asObject } from "../../core/json.ts";
import { OTEL_LIMITS } from "./limits.ts";
import { toAttributes, toNanos, type AttributeValue, type KeyValue } from "./otlp.ts";

/** SEVERITY_NUMBER_* of OTLP. */
const SEVERITIES: Readonly<Record<string, number>> = { debug: 5, info: 9, warn: 13, error: 17 };

/** Lines of the exporter itself would be exported because they were exported. */
export const TELEMETRY_SUBSYSTEM = "telemetry";

/** Fields whose text is one of few words; the text of others may be content, and is left out without `captureContent`. */
const PLAIN_FIELDS: ReadonlySet<string> = new Set(
  "subsystem channel state action reason kind status code model next tool method plugin server phase signal part event".split(" "),
);
const PLAIN_TEXT = /^[\w.:/@+ -]{1,80}$/;

export type OtlpLogRecord = {
  timeUnixNano: string;
  observedTimeUnixNano: string;
  severityNumber: number;
  severityText: string;
  body?: { stringValue: string };
  attributes: KeyValue[];
  traceId?: string;
  spanId?: string;
  flags?: number;
};

/** A line of the log as a record; null for what is not exported. The line has no credentials any more. */
export function toLogRecord(text: string, now: number, captureContent: boolean): OtlpLogRecord | null {
  const line = asObject(JSON.parse(text));
  if (!line || line["subsystem"] === TELEMETRY_SUBSYSTEM) return null;
  const { time, level, message, traceId, spanId, traceFlags: _flags, ...fields } = line as Record<string, unknown>;
  const severity = String(level);
  const shown = Object.entries(fields).flatMap(([key, value]): [string, AttributeValue][] =>
    isShown(key, value, captureContent) ? [[`openclaw.${key}`, toAttribute(value)]] : [],
  );
  const { list } = toAttributes(Object.fromEntries(shown), { count: OTEL_LIMITS.attributes, valueChars: OTEL_LIMITS.attributeChars });
  const at = Date.parse(String(time));
  return {
    timeUnixNano: toNanos(Number.isNaN(at) ? now : at),
    observedTimeUnixNano: toNanos(now),
    severityNumber: SEVERITIES[severity] ?? 0,
    severityText: severity.toUpperCase(),
    attributes: list,
    ...(captureContent && { body: { stringValue: String(message) } }),
    ...(typeof traceId === "string" && { traceId, flags: 1, ...(typeof spanId === "string" && { spanId }) }),
  };
}

function isShown(key: string, value: unknown, captureContent: boolean): boolean {
  if (captureContent || typeof value === "number" || typeof value === "boolean") return true;
  return typeof value === "string" && PLAIN_FIELDS.has(key) && PLAIN_TEXT.test(value);
}

const toAttribute = (value: unknown): AttributeValue =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : JSON.stringify(value);

/** A record as one line for collectors of standard output. */
export function toStdoutLine(text: string, serviceName: string, captureContent: boolean, now: number): string | null {
  const record = toLogRecord(text, now, captureContent);
  if (!record) return null;
  const { time } = JSON.parse(text) as { time?: string };
  const line = {
    ts: time,
    signal: "openclaw.diagnostic.log",
    "service.name": serviceName,
    severityText: record.severityText,
    severityNumber: record.severityNumber,
    ...(record.body && { body: record.body.stringValue }),
    attributes: Object.fromEntries(record.attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
    ...(record.traceId && { trace_id: record.traceId }),
    ...(record.spanId && { span_id: record.spanId }),
  };
  return `${JSON.stringify(line)}\n`;
}
