import { VERSION } from "../../core/version.ts";
import { encodeField, encodeHead, encodeMessage, LOG_RECORD, METRIC, RESOURCE, SCOPE, SPAN, type ProtobufMessage } from "./protobuf.ts";

export type Signal = "traces" | "metrics" | "logs";
export type Protocol = "http/protobuf" | "http/json";

type AnyValue =
  | { stringValue: string }
  | { boolValue: boolean }
  | { intValue: string }
  | { doubleValue: number }
  | { arrayValue: { values: AnyValue[] } };
export type KeyValue = { key: string; value: AnyValue };
export type AttributeValue = string | number | boolean | readonly string[] | null | undefined;
export type OtlpAttributes = Readonly<Record<string, AttributeValue>>;
export type AttributeLimits = { count: number; valueChars: number };

/** SPAN_KIND_* of OTLP. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
const STATUS_ERROR = 2;

export type OtlpSpan = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  droppedAttributesCount?: number;
  events?: { timeUnixNano: string; name: string; attributes: KeyValue[] }[];
  links?: { traceId: string; spanId: string; attributes: KeyValue[] }[];
  status?: { code: number; message?: string };
};

export const errorStatus = (message: string | null): NonNullable<OtlpSpan["status"]> => ({
  code: STATUS_ERROR,
  ...(message !== null && { message }),
});

/** Milliseconds since the epoch, with fractions, in nanoseconds; a number would lose the last digits. */
export const toNanos = (ms: number): string => String(BigInt(Math.round(ms * 1_000)) * 1_000n);

/** What has no value is left out. Beyond `count` the rest is dropped and counted. */
export function toAttributes(attributes: OtlpAttributes, limits: AttributeLimits): { list: KeyValue[]; dropped: number } {
  const given = Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined);
  const list = given.slice(0, limits.count).map(([key, value]) => ({ key, value: toAnyValue(value!, limits.valueChars) }));
  return { list, dropped: given.length - list.length };
}

function toAnyValue(value: NonNullable<AttributeValue>, chars: number): AnyValue {
  if (typeof value === "string") return { stringValue: value.slice(0, chars) };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((item) => ({ stringValue: item.slice(0, chars) })) } };
}

type Envelope = { resources: string; scopes: string; items: string; message: ProtobufMessage };
/** Names of the fields of an export request in JSON; their numbers are 1, 2 and 2 in all three. */
const ENVELOPES: Readonly<Record<Signal, Envelope>> = {
  traces: { resources: "resourceSpans", scopes: "scopeSpans", items: "spans", message: SPAN },
  metrics: { resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics", message: METRIC },
  logs: { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords", message: LOG_RECORD },
};

const scope = { name: "openclaw-gateway", version: VERSION };

/** An item as it is part of a request. Items are encoded one by one, so that a large batch can be encoded in slices. */
export const encodeItem = (signal: Signal, protocol: Protocol, item: Readonly<Record<string, unknown>>): Buffer =>
  protocol === "http/json" ? Buffer.from(JSON.stringify(item)) : encodeField(2, encodeMessage(ENVELOPES[signal].message, item));

type RequestParts = { resource: readonly KeyValue[]; schemaUrl: string | null; items: readonly Buffer[] };

/** An export request with encoded items, whose bytes are copied once. */
export const encodeRequest = (signal: Signal, protocol: Protocol, parts: RequestParts): Buffer =>
  protocol === "http/json" ? encodeJsonRequest(signal, parts) : encodeProtobufRequest(parts);

const COMMA = Buffer.from(",");
const lengthOf = (parts: readonly Buffer[]): number => parts.reduce((sum, { length }) => sum + length, 0);

function encodeJsonRequest(signal: Signal, { resource, schemaUrl, items }: RequestParts): Buffer {
  const { resources, scopes, items: name } = ENVELOPES[signal];
  const head = `{"${resources}":[{"resource":${JSON.stringify({ attributes: resource })},"${scopes}":[{"scope":${JSON.stringify(scope)},"${name}":[`;
  const tail = schemaUrl === null ? "" : `,"schemaUrl":${JSON.stringify(schemaUrl)}`;
  return Buffer.concat([
    Buffer.from(head),
    ...items.flatMap((item, index) => (index === 0 ? [item] : [COMMA, item])),
    Buffer.from(`]${tail}}]}]}`),
  ]);
}

function encodeProtobufRequest({ resource, schemaUrl, items }: RequestParts): Buffer {
  const scoped = [
    encodeField(1, encodeMessage(SCOPE, scope)),
    ...items,
    ...(schemaUrl === null ? [] : [encodeField(3, Buffer.from(schemaUrl))]),
  ];
  const ofResource = [encodeField(1, encodeMessage(RESOURCE, { attributes: resource })), encodeHead(2, lengthOf(scoped)), ...scoped];
  return Buffer.concat([encodeHead(1, lengthOf(ofResource)), ...ofResource]);
}

/** Items that a collector refused of a request that it accepted; 0 when its answer cannot be read. */
export function readRejected(protocol: Protocol, answer: Buffer): number {
  if (answer.length === 0) return 0;
  if (protocol === "http/protobuf") return readRejectedField(answer);
  try {
    const { partialSuccess = {} } = JSON.parse(answer.toString()) as { partialSuccess?: Record<string, unknown> };
    return Object.entries(partialSuccess).reduce((sum, [key, value]) => (key.startsWith("rejected") ? sum + (Number(value) || 0) : sum), 0);
  } catch (err) {
    if (err instanceof SyntaxError) return 0;
    throw err;
  }
}

/** `partial_success` is field 1 with the number of rejected items in its field 1. */
function readRejectedField(answer: Buffer): number {
  if (answer[0] !== 0x0a || answer[2] !== 0x08) return 0;
  let value = 0;
  for (let at = 3, factor = 1; at < answer.length; at++, factor *= 128) {
    value += (answer[at]! & 0x7f) * factor;
    if ((answer[at]! & 0x80) === 0) return value;
  }
  return 0;
}
