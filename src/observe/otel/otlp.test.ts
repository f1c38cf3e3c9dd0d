import assert from "node:assert/strict";
import { test } from "node:test";
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from "@opentelemetry/otlp-transformer";
import { VERSION } from "../../core/version.ts";
import { encodeItem, encodeRequest, errorStatus, readRejected, toAttributes, toNanos, type OtlpSpan, type Signal } from "./otlp.ts";

const LIMITS = { count: 128, valueChars: 4_096 };
const RESOURCE = { "service.name": "openclaw", "process.pid": 4711, "x.ratio": 0.25, "x.flag": true };
const SCHEMA = "https://opentelemetry.io/schemas/gen-ai/1.42.0";
const scope = { name: "openclaw-gateway", version: VERSION };
const resource = { attributes: RESOURCE, asyncAttributesPending: false };
const { list: resourceList } = toAttributes(RESOURCE, LIMITS);
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const AT = 1_796_060_218_375.25;

/** The official library reads time as seconds and nanoseconds. */
const hrTime = (ms: number): [number, number] => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)];

const encode = (signal: Signal, protocol: "http/json" | "http/protobuf", items: readonly Record<string, unknown>[]): Buffer =>
  encodeRequest(signal, protocol, {
    resource: resourceList,
    schemaUrl: null,
    items: items.map((item) => encodeItem(signal, protocol, item)),
  });

/** What is equal in both encodings of a request: the objects, without keys that hold nothing and schema addresses. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(
    ([key, item]) =>
      item !== undefined &&
      key !== "schemaUrl" &&
      !(Array.isArray(item) && item.length === 0) &&
      !(key.startsWith("dropped") && item === 0),
  );
  // A 64-bit integer may be a number or its digits.
  return Object.fromEntries(entries.map(([key, item]) => [key, key === "intValue" ? String(item) : plain(item)]));
}
const read = (bytes: Uint8Array | undefined): unknown => plain(JSON.parse(Buffer.from(bytes!).toString()));

const attributes = { "gen_ai.request.model": "écho", tokens: 532, ratio: 0.5, flag: false, reasons: ["stop", "length"] };
const ours: OtlpSpan = {
  traceId: TRACE,
  spanId: "b7ad6b7169203331",
  parentSpanId: "00f067aa0ba902b7",
  name: "openclaw.model.call",
  kind: 3,
  startTimeUnixNano: toNanos(AT),
  endTimeUnixNano: toNanos(AT + 1_234.5),
  attributes: toAttributes(attributes, LIMITS).list,
  links: [{ traceId: "1".repeat(32), spanId: "2".repeat(16), attributes: [] }],
  status: errorStatus("rate_limit"),
  flags: 1,
};
const official = {
  name: ours.name,
  kind: 2,
  spanContext: () => ({ traceId: TRACE, spanId: ours.spanId, traceFlags: 1 }),
  parentSpanContext: { traceId: TRACE, spanId: ours.parentSpanId, traceFlags: 1 },
  startTime: hrTime(AT),
  endTime: hrTime(AT + 1_234.5),
  status: { code: 2, message: "rate_limit" },
  attributes,
  links: [{ context: { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 }, attributes: {} }],
  events: [],
  ended: true,
  duration: hrTime(1_234.5),
  resource,
  instrumentationScope: scope,
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};

/** Fields that the official library adds to say that a parent is local, and that a link has flags. */
function withoutFlags(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutFlags);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (key === "flags" ? [] : [[key, withoutFlags(item)]])));
}

test("spans in JSON are what the official serializer makes of the same spans", () => {
  const theirs = read(JsonTraceSerializer.serializeRequest([official] as never));
  assert.deepEqual(withoutFlags(read(encode("traces", "http/json", [ours]))), withoutFlags(theirs));
});

test("JSON and Protobuf of a span have the same fields as the official bytes", () => {
  const theirs = Buffer.from(ProtobufTraceSerializer.serializeRequest([official] as never)!);
  const mine = encode("traces", "http/protobuf", [ours]);
  assert.deepEqual(withoutFlagFields(fieldTree(mine)), withoutFlagFields(fieldTree(theirs)));
});

const point = { startTime: hrTime(AT), endTime: hrTime(AT + 1_000), attributes: { "openclaw.channel": "irc" } };
const descriptor = (name: string, unit: string) => ({
  name,
  description: "What it counts.",
  unit,
  type: "COUNTER",
  valueType: 1,
  advice: {},
});
const officialMetrics = {
  resource,
  scopeMetrics: [
    {
      scope,
      metrics: [
        {
          descriptor: descriptor("openclaw.tokens", "{token}"),
          aggregationTemporality: 1,
          dataPointType: 3,
          isMonotonic: true,
          dataPoints: [{ ...point, value: 12.5 }],
        },
        {
          descriptor: descriptor("openclaw.run.duration_ms", "ms"),
          aggregationTemporality: 1,
          dataPointType: 0,
          dataPoints: [{ ...point, value: { buckets: { boundaries: [1, 5], counts: [1, 0, 2] }, sum: 30.5, count: 3 } }],
        },
      ],
    },
  ],
};
const times = { startTimeUnixNano: toNanos(AT), timeUnixNano: toNanos(AT + 1_000) };
const pointAttributes = toAttributes(point.attributes, LIMITS).list;
const ourMetrics = [
  {
    name: "openclaw.tokens",
    description: "What it counts.",
    unit: "{token}",
    sum: {
      dataPoints: [
        {
          attributes: pointAttributes,
          ...times,
          asDouble: 12.5,
        },
      ],
      aggregationTemporality: 2,
      isMonotonic: true,
    },
  },
  {
    name: "openclaw.run.duration_ms",
    description: "What it counts.",
    unit: "ms",
    histogram: {
      dataPoints: [
        {
          attributes: pointAttributes,
          ...times,
          count: "3",
          sum: 30.5,
          bucketCounts: ["1", "0", "2"],
          explicitBounds: [1, 5],
        },
      ],
      aggregationTemporality: 2,
    },
  },
];

test("metrics have the fields of the official Protobuf, byte for byte below the envelope", () => {
  const theirs = Buffer.from(ProtobufMetricsSerializer.serializeRequest(officialMetrics as never)!);
  assert.deepEqual(fieldTree(encode("metrics", "http/protobuf", ourMetrics)), fieldTree(theirs));
});

const asNumbers = (text: string): unknown =>
  JSON.parse(text.replaceAll(/"(count|bucketCounts)":("\d+"|\[[^\]]*\])/g, (all) => all.replaceAll(/"(\d+)"/g, "$1")));

test("metrics in JSON are what the official serializer makes of the same values", () => {
  const theirs = read(JsonMetricsSerializer.serializeRequest(officialMetrics as never)) as Record<string, never>;
  assert.deepEqual(asNumbers(JSON.stringify(read(encode("metrics", "http/json", ourMetrics)))), asNumbers(JSON.stringify(theirs)));
});

const ourLog = {
  timeUnixNano: toNanos(AT),
  observedTimeUnixNano: toNanos(AT + 1),
  severityNumber: 13,
  severityText: "WARN",
  body: { stringValue: "a turn failed" },
  attributes: toAttributes({ "openclaw.kind": "timeout" }, LIMITS).list,
  traceId: TRACE,
  spanId: "b7ad6b7169203331",
  flags: 1,
};
const officialLog = {
  hrTime: hrTime(AT),
  hrTimeObserved: hrTime(AT + 1),
  severityNumber: 13,
  severityText: "WARN",
  body: "a turn failed",
  attributes: { "openclaw.kind": "timeout" },
  spanContext: {
    traceId: TRACE,
    spanId: "b7ad6b7169203331",
    traceFlags: 1,
  },
  resource,
  instrumentationScope: scope,
  droppedAttributesCount: 0,
};

test("log records are what the official serializers make of the same records", () => {
  const json = read(JsonLogsSerializer.serializeRequest([officialLog] as never));
  assert.deepEqual(read(encode("logs", "http/json", [ourLog])), json);
  const bytes = Buffer.from(ProtobufLogsSerializer.serializeRequest([officialLog] as never)!);
  assert.deepEqual(fieldTree(encode("logs", "http/protobuf", [ourLog])), fieldTree(bytes));
});

test("a schema address is a field of the scope", () => {
  const request = encodeRequest("traces", "http/json", { resource: [], schemaUrl: SCHEMA, items: [Buffer.from(JSON.stringify(ours))] });
  const { resourceSpans } = JSON.parse(request.toString()) as { resourceSpans: { scopeSpans: { schemaUrl: string }[] }[] };
  assert.equal(resourceSpans[0]!.scopeSpans[0]!.schemaUrl, SCHEMA);
});

test("attributes beyond the limit are counted, long values are cut, and those without a value are left out", () => {
  const { list, dropped } = toAttributes({ a: "x".repeat(10), b: null, c: undefined, d: 1, e: 2 }, { count: 2, valueChars: 3 });
  assert.deepEqual(list, [
    { key: "a", value: { stringValue: "xxx" } },
    { key: "d", value: { intValue: "1" } },
  ]);
  assert.equal(dropped, 1);
});

test("the number of rejected items is read from both encodings", () => {
  assert.equal(readRejected("http/json", Buffer.from('{"partialSuccess":{"rejectedSpans":"7","errorMessage":"no"}}')), 7);
  assert.equal(readRejected("http/protobuf", Buffer.from([0x0a, 0x03, 0x08, 0xac, 0x02])), 300);
  for (const answer of ["", "{}", "nonsense"]) assert.equal(readRejected("http/json", Buffer.from(answer)), 0);
  assert.equal(readRejected("http/protobuf", Buffer.alloc(0)), 0);
});

type FieldTree = { field: number; value: string | FieldTree[] };

/** The fields of a message, without knowing what they are; bytes that are a message are shown as one. A zero is as good as absent. */
function fieldTree(bytes: Buffer): FieldTree[] {
  return readFields(bytes)?.filter(({ value }) => value.length > 0 && value !== "0") ?? [];
}

function readFields(bytes: Buffer): FieldTree[] | null {
  const fields: FieldTree[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = readVarint(bytes, at);
    if (!tag) return null;
    at = tag.next;
    const [field, wire] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    if (field === 0) return null;
    if (wire === 0) {
      const value = readVarint(bytes, at);
      if (!value) return null;
      fields.push({ field, value: String(value.value) });
      at = value.next;
    } else if (wire === 1 || wire === 5) {
      const size = wire === 1 ? 8 : 4;
      if (at + size > bytes.length) return null;
      fields.push({ field, value: bytes.toString("hex", at, at + size) });
      at += size;
    } else if (wire === 2) {
      const length = readVarint(bytes, at);
      if (!length || length.next + Number(length.value) > bytes.length) return null;
      const content = bytes.subarray(length.next, length.next + Number(length.value));
      at = length.next + content.length;
      const isText = /^[\x20-\x7e]+$/.test(content.toString("latin1"));
      const inner = isText || content.length === 0 ? null : readFields(content);
      fields.push({ field, value: inner ? fieldTree(content) : content.toString("hex") });
    } else return null;
  }
  return fields;
}

function readVarint(bytes: Buffer, from: number): { value: bigint; next: number } | null {
  let value = 0n;
  for (let at = from, shift = 0n; at < bytes.length && shift < 70n; at++, shift += 7n) {
    value |= BigInt(bytes[at]! & 0x7f) << shift;
    if ((bytes[at]! & 0x80) === 0) return { value, next: at + 1 };
  }
  return null;
}

/** Field 16 of a span and field 6 of a link are their flags. */
const withoutFlagFields = (tree: FieldTree[]): FieldTree[] =>
  tree
    .filter(({ field, value }) => field !== 16 && !(field === 6 && value === "01010000"))
    .map(({ field, value }) => ({ field, value: Array.isArray(value) ? withoutFlagFields(value) : value }));
