import type { SeededRandom } from "../crash/seeded-random.ts";
import { OPCODE, toBytes, type FrameParts } from "./raw-socket.ts";

const text = (payload: string | Buffer, more: Partial<FrameParts> = {}): Buffer =>
  toBytes({ opcode: OPCODE.text, payload: Buffer.from(payload), ...more });
const close = (payload: Buffer): Buffer => toBytes({ opcode: OPCODE.close, payload });
const code = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);

export type ProtocolViolation = {
  what: string;
  bytes: Buffer;
  /** `end`: the connection has to end with a reason; `serve`: it goes on; `wait`: more is expected, so nothing happens. */
  outcome: "end" | "serve" | "wait";
};

/** Breaches of RFC 6455, and things that look like one. */
export function generateViolation(random: SeededRandom): ProtocolViolation {
  const reserved = random.int(1, 7);
  const opcode = random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
  const list: readonly (() => ProtocolViolation)[] = [
    () => ({ what: "an unmasked frame", bytes: text("{}", { masked: false }), outcome: "end" }),
    () => ({ what: `reserved bits ${reserved}`, bytes: text("{}", { reserved }), outcome: "end" }),
    () => ({ what: `opcode ${opcode}`, bytes: toBytes({ opcode, payload: Buffer.from("x") }), outcome: "end" }),
    () => ({
      what: "a continuation of nothing",
      bytes: toBytes({ opcode: OPCODE.continuation, payload: Buffer.from("x") }),
      outcome: "end",
    }),
    () => ({ what: "a message within a message", bytes: Buffer.concat([text("{", { fin: false }), text("}")]), outcome: "end" }),
    () => ({ what: "a ping in fragments", bytes: toBytes({ opcode: OPCODE.ping, payload: Buffer.from("x"), fin: false }), outcome: "end" }),
    () => ({ what: "a ping of 126 bytes", bytes: toBytes({ opcode: OPCODE.ping, payload: Buffer.alloc(126) }), outcome: "end" }),
    () => ({ what: "a close of one byte", bytes: close(Buffer.of(3)), outcome: "end" }),
    () => ({
      what: "a close with a code that is not allowed",
      bytes: close(code(random.pick([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000]))),
      outcome: "end",
    }),
    () => ({
      what: "a close with a reason that is not UTF-8",
      bytes: close(Buffer.concat([code(1000), Buffer.of(0xc3, 0x28)])),
      outcome: "end",
    }),
    () => ({ what: "an ordinary close", bytes: close(Buffer.concat([code(1000), Buffer.from("bye")])), outcome: "end" }),
    () => ({ what: "text that is not UTF-8", bytes: text(Buffer.of(0x7b, 0xff, 0xfe, 0x7d)), outcome: "end" }),
    () => ({ what: "a character cut by the end", bytes: text(Buffer.from('{"a":"é"}').subarray(0, 7)), outcome: "end" }),
    () => ({
      what: "a length with the highest bit",
      bytes: toBytes({ opcode: OPCODE.text, payload: Buffer.alloc(0), declared: 1n << 63n, lengthBytes: 8 }),
      outcome: "end",
    }),
    () => ({
      what: "a gigabyte announced",
      bytes: toBytes({ opcode: OPCODE.text, payload: Buffer.from("{"), declared: 1n << 30n, lengthBytes: 8 }),
      outcome: "end",
    }),
    () => ({
      what: "a ping with a length in more bytes than it may have",
      bytes: toBytes({ opcode: OPCODE.ping, payload: Buffer.from("x"), lengthBytes: random.pick([2, 8]) }),
      outcome: "end",
    }),
    () => ({
      what: "five thousand fragments of nothing",
      bytes: Buffer.concat([
        text("{", { fin: false }),
        ...Array.from({ length: 5_000 }, () => toBytes({ opcode: OPCODE.continuation, payload: Buffer.alloc(0), fin: false })),
      ]),
      outcome: "end",
    }),
    () => ({ what: "a ping", bytes: toBytes({ opcode: OPCODE.ping, payload: Buffer.from("hi") }), outcome: "serve" }),
    () => ({
      what: "unsolicited pongs",
      bytes: Buffer.concat(Array.from({ length: 5 }, () => toBytes({ opcode: OPCODE.pong, payload: Buffer.from("x") }))),
      outcome: "serve",
    }),
    () => ({ what: "half a frame", bytes: text('{"type":"req"}').subarray(0, random.int(1, 10)), outcome: "wait" }),
    () => ({ what: "a message that is never finished", bytes: text('{"type":', { fin: false }), outcome: "wait" }),
  ];
  return random.pick(list)();
}
