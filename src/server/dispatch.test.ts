// Group: wire
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { EncodedJson } from "../protocol/frames.ts";
import { lazyMethods } from "../protocol/lazy-methods.ts";
import type { Caller, MethodTable, ServedMethods } from "../protocol/method.ts";
import { connect, makeDevice, startServerBench, type RawClient, type ServerBench } from "../../test/server-bench.ts";

const gate = { open: () => {}, opened: Promise.resolve() };
let aborted = 0;
/** Calls behind the gate that have begun. */
let begun = 0;
const gated = async (_params: unknown, caller: Caller): Promise<unknown> => {
  begun++;
  caller.signal.addEventListener("abort", () => aborted++);
  await gate.opened;
  return { status: "ok" };
};

/** Served names whose params suit the tests; what they do here is the tests' own. */
const LOADED: MethodTable = {
  status: { scope: "operator.read", run: () => EncodedJson.from('{"cached":true}') },
  "chat.send": {
    scope: "operator.write",
    maxBytes: LIMITS.attachmentRequestBytes,
    run: (params: { message: string }) => ({ length: params.message.length }),
  },
  agent: {
    scope: "operator.write",
    run: (_params: unknown, caller) => {
      caller.accept({ status: "accepted" });
      return Promise.resolve({ status: "ok" });
    },
  },
  "agents.list": {
    scope: "operator.read",
    run: () => {
      throw new GatewayError("NOT_FOUND", "nothing there", { fix: "Look elsewhere.", details: { code: "LANE_FULL" }, retryAfterMs: 5 });
    },
  },
  "models.list": { scope: "operator.read", run: () => Promise.reject(new TypeError("secret detail")) },
  "commands.list": {
    scope: "operator.read",
    run: () => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      return {};
    },
  },
  "agent.wait": { scope: "operator.write", waits: true, run: gated },
  "sessions.abort": { scope: "operator.write", run: gated },
  "sessions.create": {
    scope: "operator.write",
    run: (_params: unknown, caller) => {
      caller.accept({ status: "accepted" });
      return gated(_params, caller);
    },
  },
  "config.set": { scope: "operator.admin", run: () => ({}) },
  "config.get": { scope: "operator.read", maxBytes: 1_000, run: () => ({}) },
};

const lazyRun = (name: string) => ({ scope: "operator.admin", run: () => ({ name }) }) as const;
const METHODS: ServedMethods = {
  ...LOADED,
  ...lazyMethods(["tokens"], () =>
    Promise.resolve({
      "tokens.create": lazyRun("create"),
      "tokens.list": { scope: "operator.read", run: () => Promise.resolve({ tokens: [] }) },
      "tokens.revoke": lazyRun("revoke"),
    }),
  ),
  ...lazyMethods(["backup"], () => Promise.reject(new Error("its file is gone: /secret/path"))),
};

const chat = (message: string): string =>
  `{"type":"req","id":"big","method":"chat.send","params":{"sessionKey":"main","idempotencyKey":"k","message":${message}}}`;
const padded = (bytes: number): string => `{"type":"req","id":"own","method":"config.get"}`.padEnd(bytes, " ");
const answerTo = (raw: RawClient, id: string) => raw.next((frame) => frame.type === "res" && frame.id === id);

let room: ServerBench;
let raw: RawClient;
before(async () => {
  room = await startServerBench({ methods: METHODS });
  raw = await connect(room, { scopes: ["operator.write"] });
});
after(() => room.stop());

/** What is sent, under which id, and what the error says. */
const INVALID_FRAMES: [string, string, string | null, RegExp][] = [
  ["no object", "[1]", null, /must be object/],
  ["null", "null", null, /must be object/],
  ["no id", '{"type":"req","method":"health"}', null, /at \/id/],
  ["an empty id", '{"type":"req","id":"","method":"health"}', null, /at \/id/],
  ["a long id", `{"type":"req","id":"${"i".repeat(257)}","method":"health"}`, null, /at \/id/],
  ["NUL in the id", '{"type":"req","id":"a\\u0000","method":"health"}', null, /at \/id/],
  ["half a surrogate in the id", '{"type":"req","id":"\\ud800","method":"health"}', null, /at \/id/],
  ["another type", '{"type":"res","id":"t","method":"health"}', "t", /at \/type/],
  ["no method", '{"type":"req","id":"m"}', "m", /at \/method/],
  ["a long method", `{"type":"req","id":"m2","method":"${"m".repeat(129)}"}`, "m2", /at \/method/],
  ["a foreign property", '{"type":"req","id":"f","method":"health","zzz":1}', "f", /unexpected property 'zzz'/],
  ["a duplicate key", '{"type":"req","id":"d","method":"health","params":{"probe":true,"pr\\u006fbe":false}}', "d", /duplicate key/],
  [
    "params that are null",
    '{"type":"req","id":"n","method":"health","params":null}',
    "n",
    /invalid health params: at root: must be object/,
  ],
  ["deep nesting", `{"type":"req","id":"deep","method":"health","params":${"[".repeat(100)}${"]".repeat(100)}}`, "deep", /nested deeper/],
];

const HUGE_FRAMES: [string, string, string, RegExp][] = [
  [
    "a 25 MiB call of a small method",
    `{"type":"req","id":"h","method":"health","params":{"x":"${"x".repeat(25e6)}"}}`,
    "h",
    /^invalid health request: larger than 262144 bytes$/,
  ],
  [
    "a 25 MiB call of an unknown method",
    `{"type":"req","id":"u","method":"nope","params":{"x":"${"x".repeat(25e6)}"}}`,
    "u",
    /^unknown method: nope$/,
  ],
  ["a method name of 10 MiB", `{"type":"req","id":"l","method":"${"m".repeat(10_485_760)}"}`, "l", /no method name/],
  ["brackets, 5 million deep", chat("[".repeat(5_000_000)), "big", /nested deeper than 64 levels/],
  ["500,000 keys", chat(`{${Array.from({ length: 500_000 }, (_, i) => `"k${i}":0`).join(",")}}`), "big", /more than 10000 values/],
  ["12 million escapes", chat(JSON.stringify("\n".repeat(12_000_000))), "big", /beside its attachments/],
];

describe("answers to requests", () => {
  test("a payload that is JSON already is spliced in as it is", async () => {
    assert.deepEqual((await raw.call("status")).payload, { cached: true });
  });

  test("a two-stage call is answered twice under one id", async () => {
    raw.send({ type: "req", id: "two", method: "agent", params: { message: "hi", idempotencyKey: "k" } });
    assert.deepEqual((await answerTo(raw, "two")).payload, { status: "accepted" });
    assert.deepEqual((await answerTo(raw, "two")).payload, { status: "ok" });
  });

  test("an expected failure keeps its code, text, details, fix and delay", async () => {
    assert.deepEqual((await raw.call("agents.list")).error, {
      code: "NOT_FOUND",
      message: "nothing there",
      details: { code: "LANE_FULL", fix: "Look elsewhere." },
      retryAfterMs: 5,
    });
  });

  test("a bug is reported without its text", async () => {
    assert.deepEqual((await raw.call("models.list")).error, { code: "UNAVAILABLE", message: "internal error", retryable: false });
  });

  test("a missing scope is named in the agreed shape", async () => {
    const expected = {
      code: "FORBIDDEN",
      message: "missing scope: operator.admin",
      details: { code: "MISSING_SCOPE", missingScope: "operator.admin", requiredScopes: ["operator.admin"] },
    };
    assert.deepEqual((await raw.call("config.set", {})).error, expected);
    assert.deepEqual((await raw.call("connect", {})).error, expected);
  });

  test("a method that is loaded with its first request is guarded as the others are", async () => {
    assert.deepEqual((await raw.call("tokens.list", {})).payload, { tokens: [] });
    assert.equal((await raw.call("tokens.create", { name: "x", scopes: ["operator.read"] })).error?.code, "FORBIDDEN");
    assert.match((await raw.call("tokens.list", { more: 1 })).error?.message ?? "", /invalid tokens\.list params/);
    const node = await connect(room, { role: "node", scopes: [], device: makeDevice(), client: { id: "node-host", mode: "node" } });
    assert.deepEqual((await node.call("tokens.list")).error, { code: "INVALID_REQUEST", message: "unauthorized role: node" });
    node.close();
  });

  test("a method that cannot be loaded fails its request only", async () => {
    assert.deepEqual((await raw.call("backup.status")).error, { code: "UNAVAILABLE", message: "internal error", retryable: false });
    assert.deepEqual((await raw.call("status")).payload, { cached: true });
  });

  test("a node may not call an operator's method", async () => {
    const node = await connect(room, { role: "node", scopes: [], device: makeDevice(), client: { id: "node-host", mode: "node" } });
    assert.deepEqual((await node.call("health")).error, { code: "INVALID_REQUEST", message: "unauthorized role: node" });
    node.close();
  });

  for (const name of ["toString", "__proto__", "constructor", "x".repeat(128), "a\r\n\u001b[31mb"]) {
    test(`a method named ${JSON.stringify(name).slice(0, 24)} is unknown`, async () => {
      assert.deepEqual((await raw.call(name)).error, { code: "INVALID_REQUEST", message: `unknown method: ${name}` });
    });
  }
});

describe("invalid and large frames", () => {
  for (const [title, text, id, message] of INVALID_FRAMES) {
    test(`a frame with ${title} is answered with an error`, async () => {
      raw.send(text);
      const answer = await answerTo(raw, id ?? "invalid");
      assert.equal(answer.error!.code, "INVALID_REQUEST");
      assert.match(answer.error!.message, message);
    });
  }

  for (const [title, text, id, message] of HUGE_FRAMES) {
    test(`${title} is refused and the connection goes on`, async () => {
      raw.send(text);
      const answer = await answerTo(raw, id);
      assert.equal(answer.error!.code, "INVALID_REQUEST");
      assert.match(answer.error!.message, message);
      assert.equal((await raw.call("health")).ok, true);
    });
  }

  test("a large message arrives whole where it is allowed", async () => {
    raw.send(chat(JSON.stringify("a".repeat(19_000_000))));
    assert.deepEqual((await answerTo(raw, "big")).payload, { length: 19_000_000 });
  });

  test("a message in fragments arrives whole", async () => {
    const text = chat(JSON.stringify("ü".repeat(200_000)));
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 10_001)
      raw.ws.send(bytes.subarray(at, at + 10_001), { binary: false, fin: at + 10_001 >= bytes.length });
    assert.deepEqual((await answerTo(raw, "big")).payload, { length: 200_000 });
  });

  test("a request larger than its method allows is refused, also when it is small for others", async () => {
    raw.send(padded(1_000));
    assert.equal((await answerTo(raw, "own")).ok, true);
    raw.send(padded(1_001));
    assert.deepEqual((await answerTo(raw, "own")).error, {
      code: "INVALID_REQUEST",
      message: "invalid config.get request: larger than 1000 bytes",
      details: { code: "REQUEST_TOO_LARGE", limitBytes: 1_000 },
    });
  });

  for (const [title, frame, code, reason] of [
    ["text that is not JSON", "{nope", 1008, /not JSON/],
    ["an empty message", "", 1008, /not JSON/],
    ["a binary frame", Buffer.from('{"type":"req","id":"b","method":"health"}'), 1003, /binary/],
    ["a frame over the maximum", "x".repeat(LIMITS.frameBytes + 1), 1009, /too large/],
  ] as const) {
    test(`${title} after connect closes the socket with a reason`, async () => {
      const bad = await connect(room);
      bad.send(frame);
      const end = await bad.end();
      assert.equal(end.code, code);
      assert.match(end.reason, reason);
    });
  }
});

describe("limits of concurrent requests", () => {
  test("more requests than may wait are answered with a delay, and none is left without an answer", async () => {
    const flood = await connect(room);
    const total = LIMITS.connectionQueue + 2_000;
    const frames = Array.from({ length: total }, (_, i) => `{"type":"req","id":"${i}","method":"health"}`);
    for (const frame of frames) flood.ws.send(frame);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < total; i++) {
      const answer = await flood.next((frame) => frame.type === "res");
      const outcome = answer.ok ? "ok" : answer.error!.code;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (!answer.ok) assert.ok(answer.error!.retryAfterMs! > 0);
    }
    assert.ok(outcomes.get("ok")! >= LIMITS.connectionQueue, JSON.stringify([...outcomes]));
    flood.close();
  });

  test("exactly LIMITS.connectionQueue requests of a connection wait, in bytes as well; one more is refused", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.opened = promise;
    const full = await connect(room, { scopes: ["operator.write"] });
    const wait = (id: string): void => full.send({ type: "req", id, method: "sessions.abort", params: { runId: "r" } });
    const running = async (before: number): Promise<void> => {
      while (begun < before + LIMITS.connectionConcurrency) await raw.call("health");
    };
    const first = begun;
    for (let i = 0; i < LIMITS.connectionConcurrency; i++) wait(`running${i}`);
    await running(first);
    for (let i = 0; i < LIMITS.connectionQueue; i++) wait(`waiting${i}`);
    for (let i = 0; i < 3; i++) wait(`refused${i}`);
    for (let i = 0; i < 3; i++) {
      const answer = await full.next((frame) => frame.type === "res");
      assert.deepEqual([answer.id, answer.error!.details!["code"]], [`refused${i}`, "CONNECTION_QUEUE_FULL"]);
    }
    full.ws.terminate();
    const large = await connect(room, { scopes: ["operator.write"] });
    const second = begun;
    for (let i = 0; i < LIMITS.connectionConcurrency; i++)
      large.send({ type: "req", id: `running${i}`, method: "sessions.abort", params: { runId: "r" } });
    await running(second);
    for (let i = 0; i < 4; i++) large.send(chat(JSON.stringify("a".repeat(19_000_000))));
    const answer = await large.next((frame) => frame.type === "res");
    assert.equal(answer.error!.details!["code"], "CONNECTION_QUEUE_FULL", "the fourth of 19 MB");
    large.ws.terminate();
    resolve();
  });

  test("one client's flood does not push another one's request behind its own", async () => {
    const flood = await connect(room);
    const other = await connect(room);
    for (let i = 0; i < 1_000; i++) flood.ws.send(`{"type":"req","id":"${i}","method":"commands.list"}`);
    await flood.next((frame) => frame.type === "res");
    await other.call("health");
    const served = flood.frames.filter((frame) => frame.type === "res" && frame.ok).length;
    assert.ok(served < 300, `the other client waited for ${served} of the 1,000 requests`);
    flood.close();
    other.close();
  });

  test("calls of one connection run side by side up to the limit, and end with it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.opened = promise;
    const slow = await connect(room, { scopes: ["operator.write"] });
    for (let i = 0; i < LIMITS.connectionConcurrency; i++)
      slow.send({ type: "req", id: `w${i}`, method: "sessions.abort", params: { runId: "r" } });
    slow.send({ type: "req", id: "behind", method: "health" });
    const other = await connect(room);
    await other.call("health");
    assert.equal(slow.frames.filter((frame) => frame.id === "behind").length, 0);
    slow.ws.terminate();
    while (aborted < LIMITS.connectionConcurrency) await other.call("health");
    resolve();
    other.close();
  });

  for (const [method, params] of [
    ["agent.wait", { runId: "r" }],
    ["sessions.create", {}],
  ] as const) {
    test(`calls of ${method} that wait for a run leave their places to others, up to a limit`, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate.opened = promise;
      const waiting = await connect(room, { scopes: ["operator.write"] });
      const send = (count: number): void => {
        for (let i = 0; i < count; i++) waiting.send({ type: "req", id: `w${i}`, method, params });
      };
      send(LIMITS.connectionWaiting);
      assert.equal((await waiting.call("health")).ok, true);
      const before = begun;
      send(LIMITS.connectionConcurrency);
      const other = await connect(room);
      while (begun < before + LIMITS.connectionConcurrency) await other.call("health");
      waiting.send({ type: "req", id: "behind", method: "health" });
      await other.call("health");
      assert.equal(waiting.frames.filter((frame) => frame.id === "behind").length, 0);
      resolve();
      assert.equal((await answerTo(waiting, "behind")).ok, true);
      waiting.close();
      other.close();
    });
  }
});
