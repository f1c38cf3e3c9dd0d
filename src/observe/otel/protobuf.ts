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
  traceId: [1, "hex"],
  spanId: [2, "hex"],
  parentSpanId: [4, "hex"],
  name: [5, "string"],
  kind: [6, "enum"],
  startTimeUnixNano: [7, "fixed64"],
  endTimeUnixNano: [8, "fixed64"],
  ...attributesAt(9),
  droppedAttributesCount: [10, "uint32"],
  events: [11, () => event],
  links: [13, () => link],
  status: [15, () => status],
  flags: [16, "fixed32"],
};

const numberPoint: ProtobufMessage = {
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
  asDouble: [4, "double"],
  ...attributesAt(7),
};
const histogramPoint: ProtobufMessage = {
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
  count: [4, "fixed64"],
  sum: [5, "double"],
  bucketCounts: [6, "fixed64s"],
  explicitBounds: [7, "doubles"],
  ...attributesAt(9),
};
const gauge: ProtobufMessage = { dataPoints: [1, () => numberPoint] };
const sum: ProtobufMessage = { dataPoints: [1, () => numberPoint], aggregationTemporality: [2, "enum"], isMonotonic: [3, "bool"] };
const histogram: ProtobufMessage = { dataPoints: [1, () => histogramPoint], aggregationTemporality: [2, "enum"] };

export const METRIC: ProtobufMessage = {
  name: [1, "string"],
  description: [2, "string"],
  unit: [3, "string"],
  gauge: [5, () => gauge],
  sum: [7, () => sum],
  histogram: [9, () => histogram],
};

export const LOG_RECORD: ProtobufMessage = {
  timeUnixNano: [1, "fixed64"],
  severityNumber: [2, "enum"],
  severityText: [3, "string"],
  body: [5, () => anyValue],
  ...attributesAt(6),
  flags: [8, "fixed32"],
  traceId: [9, "hex"],
  spanId: [10, "hex"],
  observedTimeUnixNano: [11, "fixed64"],
  eventName: [12, "string"],
};

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** One message, in the order of its field numbers. */
export function encodeMessage(message: ProtobufMessage, value: Readonly<Record<string, unknown>>): Buffer {
  const writer = new Writer();
  writeFields(writer, message, value);
  return writer.take();
}

/** Bytes as a field of a message. */
export const encodeField = (number: number, bytes: Buffer): Buffer => Buffer.concat([encodeHead(number, bytes.length), bytes]);

/** What precedes the bytes of a field of this length. */
export function encodeHead(number: number, length: number): Buffer {
  const writer = new Writer();
  writer.varint((number << 3) | BYTES);
  writer.varint(length);
  return writer.take();
}

const sorted = new WeakMap<ProtobufMessage, readonly [string, Field][]>();
function fieldsOf(message: ProtobufMessage): readonly [string, Field][] {
  let fields = sorted.get(message);
  if (!fields) {
    fields = Object.entries(message).toSorted(([, [a]], [, [b]]) => a - b);
    sorted.set(message, fields);
  }
  return fields;
}

function writeFields(writer: Writer, message: ProtobufMessage, value: Readonly<Record<string, unknown>>): void {
  for (const [name, [number, type]] of fieldsOf(message)) {
    const given = value[name];
    if (given === undefined || given === null) continue;
    if (typeof type !== "function") writeScalar(writer, number, type, given);
    else
      for (const item of Array.isArray(given) ? given : [given])
        writer.bytes(number, () => writeFields(writer, type(), item as Record<string, unknown>));
  }
}

function writeScalar(writer: Writer, number: number, type: Scalar, value: unknown): void {
  switch (type) {
    case "string":
      return writer.bytes(number, () => writer.text(String(value), "utf8"));
    case "hex":
      return writer.bytes(number, () => writer.text(String(value), "hex"));
    case "bool":
      writer.varint((number << 3) | VARINT);
      return writer.varint(value === true ? 1 : 0);
    case "enum":
    case "uint32":
    case "int64":
      writer.varint((number << 3) | VARINT);
      return writer.varint(value as string | number);
    case "fixed32":
      writer.varint((number << 3) | FIXED32);
      return writer.fixed32(Number(value));
    case "double":
      writer.varint((number << 3) | FIXED64);
      return writer.double(Number(value));
    case "fixed64":
      writer.varint((number << 3) | FIXED64);
      return writer.fixed64(value as string | number);
    case "fixed64s":
      return writer.bytes(number, () => (value as (string | number)[]).forEach((each) => writer.fixed64(each)));
    case "doubles":
      return writer.bytes(number, () => (value as number[]).forEach((each) => writer.double(each)));
  }
}

/** Appends to one buffer that grows. */
class Writer {
  #buffer = Buffer.allocUnsafe(1_024);
  #at = 0;

  take(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** A field whose length is known when it has been written: one byte is kept for it, and what follows moves if it needs more. */
  bytes(number: number, write: () => void): void {
    this.varint((number << 3) | BYTES);
    const start = this.#at + 1;
    this.#reserve(1);
    this.#at = start;
    write();
    const length = this.#at - start;
    const extra = sizeOf(length) - 1;
    if (extra > 0) {
      this.#reserve(extra);
      this.#buffer.copyWithin(start + extra, start, this.#at);
    }
    this.#at = start - 1;
    this.varint(length);
    this.#at = start + extra + length;
  }

  text(text: string, encoding: "utf8" | "hex"): void {
    this.#reserve(text.length * 3);
    this.#at += this.#buffer.write(text, this.#at, encoding);
  }

  /** Seven bits a byte, the lowest first; a negative number has ten bytes. */
  varint(value: number | string): void {
    this.#reserve(10);
    const small = Number(value);
    if (small >= 0 && small <= 0x7fff_ffff) {
      let rest = small;
      for (; rest > 0x7f; rest >>>= 7) this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
      this.#buffer[this.#at++] = rest;
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
    this.#buffer[this.#at++] = Number(rest);
  }

  fixed32(value: number): void {
    this.#reserve(4);
    this.#at = this.#buffer.writeUInt32LE(value, this.#at);
  }

  fixed64(value: string | number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeBigUInt64LE(BigInt(value), this.#at);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** Bytes of a length as a varint. */
const sizeOf = (length: number): number => (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4);
