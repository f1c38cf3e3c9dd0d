import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { JsonScanner, readFrame, readHead, readLargeFrame } from "./scan.ts";

const pause = (): Promise<void> => Promise.resolve();

/** A small deterministic generator. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) / 0x7fffffff;
}

function anyValue(next: () => number, depth: number): unknown {
  const kind = Math.floor(next() * (depth > 4 ? 5 : 7));
  // No key ends in a backslash: V8 takes a following key with an escape for the same one.
  const keys = ["", 'a"b', "\u0000", "ü😀"];
  const texts = ["", 'a"b', "\\", "\u0000", "ü😀", "x".repeat(60), "y".repeat(20_000), '\\\\"', "line\nline"];
  switch (kind) {
    case 0:
      return null;
    case 1:
      return next() > 0.5;
    case 2:
      return Math.round((next() - 0.5) * 1e9) / 1_000;
    case 3:
    case 4:
      return texts[Math.floor(next() * texts.length)];
    case 5:
      return Array.from({ length: Math.floor(next() * 4) }, () => anyValue(next, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: Math.floor(next() * 4) }, (_, i) => [`k${i}${keys[Math.floor(next() * 4)]}`, anyValue(next, depth + 1)]),
      );
  }
}

test("whatever JSON a client may send is read as JSON.parse reads it, in one go and in slices", async () => {
  const next = random(7);
  for (let i = 0; i < 400; i++) {
    const value = { v: anyValue(next, 0), w: anyValue(next, 0) };
    const frame = Buffer.from(JSON.stringify(value, null, i % 3));
    assert.deepEqual(readFrame(frame), value);
    assert.deepEqual(await readLargeFrame(frame, pause), value);
    const scan = new JsonScanner(frame);
    while (!scan.step(1 + Math.floor(next() * 50)));
  }
});

test("damaged JSON is refused, and never read as something else", async () => {
  const next = random(11);
  for (let i = 0; i < 400; i++) {
    const text = Buffer.from(JSON.stringify({ v: anyValue(next, 0) }));
    const at = Math.floor(next() * text.length);
    const damaged =
      i % 2 === 0
        ? text.subarray(0, at)
        : Buffer.concat([text.subarray(0, at), Buffer.of(Math.floor(next() * 256)), text.subarray(at + 1)]);
    let expected: unknown;
    let bad = false;
    try {
      expected = JSON.parse(damaged.toString());
    } catch {
      bad = true;
    }
    const results = await Promise.allSettled([Promise.resolve().then(() => readFrame(damaged)), readLargeFrame(damaged, pause)]);
    for (const result of results) {
      if (bad) assert.equal(result.status, "rejected");
      else if (result.status === "fulfilled") assert.deepEqual(result.value, expected);
      else assert.match(String(result.reason), /duplicate key/);
    }
  }
});

test("a mark for a long string cannot be forged from within the frame", async () => {
  const long = "A".repeat(20_000);
  const value = { a: long, b: "0:0", c: ["1:1", `${"0".repeat(24)}:0`], ["__proto__x"]: long };
  assert.deepEqual(await readLargeFrame(Buffer.from(JSON.stringify(value)), pause), value);
  const proto = `{"__proto__":"${long}","x":1}`;
  const read = (await readLargeFrame(Buffer.from(proto), pause)) as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
  assert.equal(Object.getOwnPropertyDescriptor(read, "__proto__")!.value, long);
});

const refused = (text: string, reason: RegExp): void => assert.throws(() => readFrame(Buffer.from(text)), reason);

test("each limit ends the scan", () => {
  const depth = LIMITS.jsonDepth;
  readFrame(Buffer.from("[".repeat(depth) + "]".repeat(depth)));
  refused("[".repeat(depth + 1) + "]".repeat(depth + 1), /nested deeper/);
  refused(`[${"0,".repeat(LIMITS.jsonNodes + 1)}0]`, /more than 10000 values/);
  refused(`{"${"k".repeat(LIMITS.jsonKeyBytes + 1)}":1}`, /a key of more than/);
  refused('{"a":1,"a":2}', /duplicate key 'a'/);
  refused('{"x":{"é":1,"\\u00e9":2}}', /duplicate key/);
  readFrame(Buffer.from('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}'));
});

const head = (text: string): ReturnType<typeof readHead> => readHead(Buffer.from(text));

test("id and method are read from the head of a frame, and only from where they belong", () => {
  assert.deepEqual(head('{"type":"req","id":"1","method":"health","params":{"id":"x"'), { id: "1", method: "health" });
  assert.deepEqual(head(' {\n "method" : "a\\u0062c" , "id" : "ü" , "params"'), { id: "ü", method: "abc" });
  assert.deepEqual(head('{"params":{"id":"x","method":"y"},"id":"1"'), { id: null, method: null });
  assert.deepEqual(head(`{"id":"1","method":"${"m".repeat(9_000)}`), { id: "1", method: null });
  assert.deepEqual(head('{"id":"\\u0000","method":"m"'), { id: null, method: "m" });
  assert.deepEqual(head(""), { id: null, method: null });
});
