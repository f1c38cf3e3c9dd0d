import type { SeededRandom } from "../crash/seeded-random.ts";
import { PARAMS, generateValue } from "./schema-values.ts";

/** One text message of a client. */
export type Message = { what: string; bytes: Buffer };

/** Restarts the process by design: nothing to be learned from it here. */
const LEFT_OUT = new Set(["gateway.restart.request"]);
const METHODS = [...PARAMS.keys()].filter((method) => !LEFT_OUT.has(method));

export const LARGE_ATTACHMENT = "a large attachment";

const HUGE = 300_000;
const oddValue = (random: SeededRandom): unknown =>
  random.pick<() => unknown>([
    () => null,
    () => true,
    () => random.int(-5, 5),
    () => 1e308,
    () => Number.MAX_SAFE_INTEGER + 1,
    () => -0,
    () => 0.1,
    () => "",
    () => " ",
    () => "\u0000",
    () => "__proto__",
    () => "constructor",
    () => "../../../../etc/passwd",
    () => "agent:main:__proto__",
    () => "agent::",
    () => "\r\n\u001b[31mforged\u001b[0m",
    () => "\u{1f600}".repeat(random.int(1, 200)),
    () => "\u202e\ufeff\u0000\uffff",
    () => "a".repeat(random.int(100, 5_000)),
    () => "(a+)+$".repeat(20),
    () => [],
    () => {},
    () => [[[[[[]]]]]],
    () => ({ a: { b: { c: [1, 2, { d: null }] } } }),
    () => Array.from({ length: random.int(1, 300) }, (_, at) => at),
  ])();

/** Changes a value somewhere, in place where it is an object or a list. */
function mutate(value: unknown, random: SeededRandom, depth = 0): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.15)) return oddValue(random);
  const box = value as Record<string, unknown>;
  const keys = Object.keys(box);
  const action = random.weighted({ change: 5, remove: 2, add: 2, deeper: depth < 6 ? 3 : 0 });
  if (keys.length === 0 || action === "add") {
    const name = random.pick(["extra", "__proto__", "constructor", "toString", "", "\u0000", "é", "sessionKey", "limit", "a".repeat(300)]);
    Object.defineProperty(box, name, { value: oddValue(random), enumerable: true, configurable: true, writable: true });
    return value;
  }
  const key = random.pick(keys);
  if (action === "remove") delete box[key];
  else box[key] = action === "deeper" ? mutate(box[key], random, depth + 1) : oddValue(random);
  return value;
}

/** Changes the text itself: what a JSON writer would never write. */
function corruptBytes(text: string, random: SeededRandom): Buffer {
  const bytes = Buffer.from(text);
  const at = random.int(0, Math.max(0, bytes.length - 1));
  return random.pick<() => Buffer>([
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes.subarray(0, at), Buffer.of(random.int(0, 255)), bytes.subarray(at)]),
    () => Buffer.concat([bytes, Buffer.from(random.pick(["}", "]", ",", "\u0000", " ", '"', "\n{}", "//x"]))]),
    () => Buffer.from(text.replace('"params":', '"params":null,"params":')),
    () => Buffer.from(text.replace('"id":', '"id":"first","id":')),
    () => Buffer.from(text.replace('"method":"', '"method":"\\ud800')),
    () => Buffer.from(text.replace('"id":"', '"id":"\\udfff\\u0000')),
    () => Buffer.from(text.replace('"type":"req"', random.pick(['"type":"event"', '"type":"res"', '"type":1', '"typ":"req"']))),
    () => Buffer.from(`\ufeff${text}`),
    () => Buffer.from(text.replaceAll('"', "'")),
    () => {
      const flipped = Buffer.from(bytes);
      if (flipped.length > 0) flipped[at]! ^= 1 << random.int(0, 7);
      return flipped;
    },
  ])();
}

/** What is large: each within or beyond a limit of size, depth or number. */
function large(id: string, random: SeededRandom): { what: string; text: string } {
  const method = random.pick(METHODS);
  const frame = (params: string, name = method): string => `{"type":"req","id":"${id}","method":"${name}","params":${params}}`;
  const depth = random.pick([60, 70, 5_000, 60_000]);
  const count = random.pick([9_000, 24_000, 120_000]);
  return random.pick<() => { what: string; text: string }>([
    () => ({ what: `${depth} levels of lists`, text: frame("[".repeat(depth) + "]".repeat(depth)) }),
    () => ({ what: `${depth} levels of objects`, text: frame('{"a":'.repeat(depth) + "1" + "}".repeat(depth)) }),
    () => ({ what: `${count} keys`, text: frame(`{${Array.from({ length: count }, (_, n) => `"k${n}":0`).join(",")}}`) }),
    () => ({ what: `${count} equal keys`, text: frame(`{${'"k":0,'.repeat(count)}"k":1}`) }),
    () => ({ what: `${count} numbers`, text: frame(`{"x":[${"0,".repeat(count)}0]}`) }),
    () => ({ what: "a long method name", text: frame("{}", "m".repeat(random.pick([129, 5_000, HUGE, 2_000_000]))) }),
    () => ({ what: "a long id", text: `{"type":"req","id":"${"i".repeat(random.pick([256, 257, HUGE]))}","method":"health","params":{}}` }),
    () => ({
      what: "a long string",
      text: frame(JSON.stringify({ message: "x".repeat(random.pick([HUGE, 2_000_000])), sessionKey: "fuzz-1" })),
    }),
    () => ({
      what: "a long message",
      text: frame(
        JSON.stringify({ sessionKey: "fuzz-1", idempotencyKey: id, message: "x".repeat(random.pick([HUGE, 400_001, 3_000_000])) }),
        "chat.send",
      ),
    }),
    () => ({
      what: "many escapes",
      text: frame(
        `{"sessionKey":"fuzz-1","idempotencyKey":"${id}","message":"${"\\u0041".repeat(random.pick([10_000, 40_000, 300_000]))}"}`,
        "chat.send",
      ),
    }),
    () => ({
      what: LARGE_ATTACHMENT,
      text: frame(
        JSON.stringify({
          sessionKey: "fuzz-1",
          idempotencyKey: id,
          message: "look",
          attachments: [{ type: "image", mimeType: "image/png", content: "A".repeat(random.pick([1_000_000, 8_000_000])) }],
        }),
        "chat.send",
      ),
    }),
    () => ({
      what: "a long configuration",
      text: frame(JSON.stringify({ raw: `{${'"a":{'.repeat(random.pick([50, 20_000]))}` }), "config.set"),
    }),
    () => ({
      what: "a configuration of many keys",
      text: frame(
        JSON.stringify({ raw: JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, n]))) }),
        "config.set",
      ),
    }),
  ])();
}

/** A message for a client that is connected. `largeShare`: how many of them are large. */
export function generateMessage(id: string, random: SeededRandom, largeShare: number): Message {
  if (random.chance(largeShare)) {
    const { what, text } = large(id, random);
    return { what, bytes: Buffer.from(text) };
  }
  const method = random.pick(METHODS);
  let params = generateValue(PARAMS.get(method)!, random);
  const kind = random.weighted({ valid: 2, mutated: 6, mangled: 3, bytes: 1 });
  if (kind === "mutated") for (let times = random.int(1, 3); times > 0; times--) params = mutate(params, random);
  const text = JSON.stringify({ type: "req", id, method, params }) ?? "";
  if (kind === "bytes")
    return { what: "random bytes", bytes: Buffer.from(Array.from({ length: random.int(0, 200) }, () => random.int(0, 255))) };
  return { what: `${kind} ${method}`, bytes: kind === "mangled" ? corruptBytes(text, random) : Buffer.from(text) };
}

/** Params of a good `connect`. */
export const connectParams = (token: string): Record<string, unknown> => ({
  minProtocol: 4,
  maxProtocol: 4,
  client: { id: "cli", mode: "cli", version: "1.0.0", platform: "linux" },
  role: "operator",
  scopes: ["operator.admin", "operator.read", "operator.write"],
  caps: ["tool-events"],
  auth: { token },
});

/** A first message: a `connect` that is changed somewhere, or something else altogether. */
export function generateFirstMessage(token: string, random: SeededRandom): Message {
  const kind = random.weighted({ mutated: 5, mangled: 3, other: 2 });
  if (kind === "other") return generateMessage("first", random, 0.1);
  let params: unknown = connectParams(random.chance(0.5) ? token : "wrong");
  if (kind === "mutated") for (let times = random.int(1, 3); times > 0; times--) params = mutate(params, random);
  const text = JSON.stringify({ type: "req", id: "first", method: "connect", params });
  return { what: `${kind} connect`, bytes: kind === "mangled" ? corruptBytes(text, random) : Buffer.from(text) };
}
