// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { WsReceiver } from "./ws-receiver.ts";

function frame(opcode: number, payload: Buffer, options: { fin?: boolean; masked?: boolean; rsv?: number } = {}): Buffer {
  const { fin = true, masked = true, rsv = 0 } = options;
  const length = payload.length;
  const extended = length < 126 ? Buffer.alloc(0) : length < 65_536 ? Buffer.alloc(2) : Buffer.alloc(8);
  if (extended.length === 2) extended.writeUInt16BE(length);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(length));
  const short = length < 126 ? length : extended.length === 2 ? 126 : 127;
  const mask = Buffer.of(0xa1, 0x02, 0xf3, 0x44);
  const body = Buffer.from(payload.map((byte, i) => byte ^ mask[i & 3]!));
  const start = Buffer.of((fin ? 0x80 : 0) | rsv | opcode, (masked ? 0x80 : 0) | short);
  return Buffer.concat(masked ? [start, extended, mask, body] : [start, extended, payload]);
}

function record(max: number = LIMITS.frameBytes) {
  const seen: string[] = [];
  const receiver = new WsReceiver(
    {
      allowance: (head) => (head.toString("latin1", 0, 3) === "big" ? LIMITS.frameBytes : 0),
      oversized: (head) => seen.push(`oversized ${head.toString("latin1", 0, 5)} ${head.length}`),
      message: (data) => seen.push(data.length > 100 ? `message ${data.length} ${data[0]} ${data.at(-1)}` : `message ${data.toString()}`),
      frame: () => {},
      ping: (data) => seen.push(`ping ${data.toString()}`),
      pong: () => seen.push("pong"),
      closed: (code, reason) => seen.push(`closed ${code} ${reason}`),
      failed: ({ code, reason }) => seen.push(`failed ${code} ${reason}`),
    },
    { maxMessageBytes: max, askAboveBytes: LIMITS.requestBytes },
  );
  return { receiver, seen };
}

test("the same bytes mean the same, however the network cuts them", () => {
  const big = Buffer.concat([Buffer.from("big"), Buffer.alloc(400_000, 0x61)]);
  const small = Buffer.concat([Buffer.from("small"), Buffer.alloc(400_000, 0x61)]);
  const stream = Buffer.concat([
    frame(1, Buffer.from("hello")),
    frame(1, Buffer.from("one "), { fin: false }),
    frame(9, Buffer.from("in between")),
    frame(0, Buffer.from("two "), { fin: false }),
    frame(0, Buffer.from("drei ü")),
    frame(1, Buffer.alloc(0)),
    frame(1, Buffer.alloc(200, 0x62)),
    frame(1, small),
    frame(1, big),
    frame(1, small.subarray(0, 300_000), { fin: false }),
    frame(0, small.subarray(300_000)),
    frame(10, Buffer.from("x")),
    frame(8, Buffer.from([0x03, 0xe8, 0x62, 0x79, 0x65])),
    frame(1, Buffer.from("after the end")),
  ]);
  const expected = [
    "message hello",
    "ping in between",
    "message one two drei ü",
    "message ",
    "message 200 98 98",
    `oversized small ${LIMITS.frameHeadBytes}`,
    `message ${big.length} 98 97`,
    `oversized small ${LIMITS.frameHeadBytes}`,
    "pong",
    "closed 1000 bye",
  ];
  for (const size of [1, 2, 3, 7, 13, 64, 4_097, 65_536, stream.length]) {
    const { receiver, seen } = record();
    for (let at = 0; at < stream.length; at += size) receiver.push(Buffer.from(stream.subarray(at, at + size)));
    assert.deepEqual(seen, expected, `pieces of ${size}`);
  }
});

for (const [title, bytes, expected] of [
  ["an unmasked frame", frame(1, Buffer.from("x"), { masked: false }), /^failed 1002/],
  ["an extension bit", frame(1, Buffer.from("x"), { rsv: 0x40 }), /^failed 1002/],
  ["an unknown frame type", frame(3, Buffer.from("x")), /^failed 1002/],
  ["an unknown control frame", frame(11, Buffer.from("x")), /^failed 1002/],
  ["a binary frame", frame(2, Buffer.from("x")), /^failed 1003/],
  ["a continuation of nothing", frame(0, Buffer.from("x")), /^failed 1002/],
  ["a second start", Buffer.concat([frame(1, Buffer.from("x"), { fin: false }), frame(1, Buffer.from("y"))]), /^failed 1002/],
  ["a long ping", frame(9, Buffer.alloc(126)), /^failed 1002/],
  ["a ping in pieces", frame(9, Buffer.from("x"), { fin: false }), /^failed 1002/],
  ["invalid UTF-8", frame(1, Buffer.of(0xc3, 0x28)), /^failed 1007/],
  ["a close frame of one byte", frame(8, Buffer.of(3)), /^failed 1002/],
  ["a close code that is none", frame(8, Buffer.from([0x03, 0xed])), /^failed 1002/],
  ["a length beyond every limit", Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]), /^failed 1009/],
  ["a length in two bytes that fits one", Buffer.from([0x81, 0xfe, 0, 1, 0, 0, 0, 0, 0x78]), /^failed 1002/],
  ["a ping whose length is in two bytes", Buffer.from([0x89, 0xfe, 0, 1, 0, 0, 0, 0, 0x78]), /^failed 1002/],
  ["a length in eight bytes that fits two", Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x78]), /^failed 1002/],
  ["an empty close frame", frame(8, Buffer.alloc(0)), /^closed 1005/],
] as const) {
  test(`${title} ends the connection as the standard says`, () => {
    const { receiver, seen } = record();
    receiver.push(Buffer.from(bytes));
    receiver.push(frame(1, Buffer.from("later")));
    assert.equal(seen.length, 1);
    assert.match(seen[0]!, expected);
  });
}

test("a message may not come in endless pieces, nor pass the limit by them", () => {
  const many = record();
  many.receiver.push(frame(1, Buffer.from("x"), { fin: false }));
  for (let i = 0; i < LIMITS.messageFragments; i++) many.receiver.push(frame(0, Buffer.alloc(0), { fin: false }));
  assert.deepEqual(many.seen, ["failed 1008 too many fragments"]);
  const large = record(1_000);
  large.receiver.push(frame(1, Buffer.alloc(600), { fin: false }));
  large.receiver.push(frame(0, Buffer.alloc(600), { fin: false }));
  assert.deepEqual(large.seen, ["failed 1009 message too large"]);
});
