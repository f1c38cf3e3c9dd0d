/**
 * Protobuf of OTLP 1.x, as far as it is sent. A message is described by its fields; the objects are those of the JSON form of OTLP: ids
 * are hex, 64-bit integers are decimal strings, and what is absent is not written.
 */
type Scalar = "string" | "hex" | "bool" | "double" | "enum" | "uint32" | "int64" | "fixed32" | "fixed64" | "fixed64s" | "doubles";
type Field = readonly [number: number, type: Scalar | (() => ProtobufMessage)];
export type ProtobufMessage = Readonly<Record<string, Field>>;

const anyValue: ProtobufMessage = {
  stringValue: [1, "string"],
  boolValue: [2, "bool"],
  intValue: [3, "int64"],
  doubleValue: [4, "double"],
  arrayValue: [5, () => arrayValue],
};
const arrayValue: ProtobufMessage = { values: [1, () => anyValue] };
const keyValue: ProtobufMessage = { key: [1, "string"], value: [2, () => anyValue] };
const attributesAt = (number: number): ProtobufMessage => ({ attributes: [number, () => keyValue] });
export const RESOURCE: ProtobufMessage = attributesAt(1);
export const SCOPE: ProtobufMessage = { name: [1, "string"], version: [2, "string"] };

const event: ProtobufMessage = { timeUnixNano: [1, "fixed64"], name: [2, "string"], ...attributesAt(3) };
const link: ProtobufMessage = { traceId: [1, "hex"], spanId: [2, "hex"], ...attributesAt(4) };
const status: ProtobufMessage = { message: [2, "string"], code: [3, "enum"] };

export const SPAN: ProtobufMessage = {
  ...{ traceId: [1, "hex"], spanId: [2, "hex"], parentSpanId: [4, "hex"], name: [5, "string"], kind: [6, "enum"] },
  ...{ startTimeUnixNano: [7, "fixed64"], endTimeUnixNano: [8, "fixed64"], ...attributesAt(9) },
  ...{ droppedAttributesCount: [10, "uint32"], events: [11, () => event], links: [13, () => link] },
  ...{ status: [15, () => status], flags: [16, "fixed32"] },
};

const numberPoint: ProtobufMessage = {
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
  asDouble: [4, "double"],
  ...attributesAt(7),
};
const histogramPoint: ProtobufMessage = {
  ...{ startTimeUnixNano: [2, "fixed64"], timeUnixNano: [3, "fixed64"], count: [4, "fixed64"], sum: [5, "double"] },
  ...{ bucketCounts: [6, "fixed64s"], explicitBounds: [7, "doubles"], ...attributesAt(9) },
};
const gauge: ProtobufMessage = { dataPoints: [1, () => numberPoint] };
const sum: ProtobufMessage = { dataPoints: [1, () => numberPoint], aggregationTemporality: [2, "enum"], isMonotonic: [3, "bool"] };
const histogram: ProtobufMessage = { dataPoints: [1, () => histogramPoint], aggregationTemporality: [2, "enum"] };

export const METRIC: ProtobufMessage = {
  ...{ name: [1, "string"], description: [2, "string"], unit: [3, "string"] },
  ...{ gauge: [5, () => gauge], sum: [7, () => sum], histogram: [9, () => histogram] },
};

export const LOG_RECORD: ProtobufMessage = {
  ...{ timeUnixNano: [1, "fixed64"], severityNumber: [2, "enum"], severityText: [3, "string"], body: [5, () => anyValue] },
  ...{ ...attributesAt(6), flags: [8, "fixed32"], traceId: [9, "hex"], spanId: [10, "hex"] },
  ...{ observedTimeUnixNano: [11, "fixed64"], eventName: [12, "string"] },
};

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** One message, in the order of its field numbers. */
export function encodeMessage(message: ProtobufMessage, value: Readonly<Record<string, unknown>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, [number, type]] of fieldsOf(message)) {
    const given = value[name];
    if (given === undefined || given === null) continue;
    if (typeof type === "function")
      for (const item of Array.isArray(given) ? given : [given])
        parts.push(encodeField(number, encodeMessage(type(), item as object as never)));
    else parts.push(encodeScalar(number, type, given));
  }
  return Buffer.concat(parts);
}

/** Bytes as a field of a message. */
export const encodeField = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([varint((number << 3) | BYTES), varint(bytes.length), bytes]);

const sorted = new WeakMap<ProtobufMessage, readonly [string, Field][]>();
function fieldsOf(message: ProtobufMessage): readonly [string, Field][] {
  let fields = sorted.get(message);
  if (!fields) {
    fields = Object.entries(message).toSorted(([, [a]], [, [b]]) => a - b);
    sorted.set(message, fields);
  }
  return fields;
}

function encodeScalar(number: number, type: Scalar, value: unknown): Buffer {
  switch (type) {
    case "string":
      return encodeField(number, Buffer.from(String(value)));
    case "hex":
      return encodeField(number, Buffer.from(String(value), "hex"));
    case "bool":
      return Buffer.concat([varint((number << 3) | VARINT), varint(value === true ? 1 : 0)]);
    case "enum":
    case "uint32":
    case "int64":
      return Buffer.concat([varint((number << 3) | VARINT), varint(BigInt(value as string | number))]);
    case "fixed32":
      return Buffer.concat([varint((number << 3) | FIXED32), fixed32(Number(value))]);
    case "double":
      return Buffer.concat([varint((number << 3) | FIXED64), double(Number(value))]);
    case "fixed64":
      return Buffer.concat([varint((number << 3) | FIXED64), fixed64(value as string | number)]);
    case "fixed64s":
      return encodeField(number, Buffer.concat((value as (string | number)[]).map(fixed64)));
    case "doubles":
      return encodeField(number, Buffer.concat((value as number[]).map(double)));
  }
}

/** Seven bits a byte, the lowest first; a negative number has ten bytes. */
function varint(value: number | bigint): Buffer {
  if (typeof value === "number" && value < 0x80) return Buffer.from([value]);
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function fixed32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function fixed64(value: string | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
