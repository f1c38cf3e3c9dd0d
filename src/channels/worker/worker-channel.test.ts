import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { GatewayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { silentLog } from "../../core/log.ts";
import { Secret } from "../../core/secret.ts";
import { NotSentError } from "../api.ts";
import { TerminalError, UnknownOutcomeError, type ChannelEvent, type ChannelContext } from "../channel.ts";
import { WorkerRpc, type RpcMessage } from "./rpc.ts";
import { SpoolForwarder, forwardSpool } from "./spool-forwarder.ts";
import { deserializeError, NotStartedError, serializeError } from "./errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { deserializeBatch, packConfig, serializeBatch, unpackConfig, type EventSpool } from "./messages.ts";

test("a configuration comes out as it went in, and its secrets are nowhere else", () => {
  const config = { token: new Secret("s1"), list: [{ key: new Secret("s2"), n: 1 }, "x"], nothing: null, "": new Secret("s3") };
  const packed = structuredClone(packConfig(config));
  assert.doesNotMatch(JSON.stringify(packed.value), /s[123]/);
  const back = unpackConfig(packed) as typeof config;
  assert.deepEqual([back.token.reveal(), back.list[0], back[""].reveal()], ["s1", { key: new Secret("s2"), n: 1 }, "s3"]);
  assert.equal((back.list[0] as { key: Secret }).key.reveal(), "s2");
  assert.equal((unpackConfig(packConfig(new Secret("whole"))) as Secret).reveal(), "whole");
});

const KINDS: readonly Error[] = [
  new TerminalError("m", "f"),
  new UnknownOutcomeError("m"),
  new NotStartedError("m"),
  new NotSentError("m"),
  new GatewayError("RATE_LIMITED", "m", { retryAfterMs: 7, fix: "f" }),
  new TypeError("m"),
  new RangeError("m"),
  Object.assign(new Error("m"), { name: "AbortError", code: "ABORT_ERR" }),
];
for (const err of KINDS) {
  test(`the way of a ${err.constructor.name}`, () => {
    const back = deserializeError(structuredClone(serializeError(err)));
    assert.equal(back.constructor, err.constructor);
    assert.deepEqual({ ...back, message: back.message, stack: back.stack }, { ...err, message: err.message, stack: err.stack });
  });
}

test("a thrown value that is not an Error is reported, too", () => assert.equal(deserializeError(serializeError("oops")).message, "oops"));

const event = (eventId: string): ChannelEvent => ({ kind: "unreadable", eventId, raw: "", cause: "" }) as ChannelEvent;

test("a batch is what it was, and nonsense is none", () => {
  assert.deepEqual(deserializeBatch(serializeBatch([event("e")], "c")), { events: [event("e")], cursor: "c" });
  assert.deepEqual(deserializeBatch(serializeBatch([], undefined)), { events: [] });
  for (const wrong of [null, "x", [null], [1], [{}], [{ kind: "message" }], [{ kind: "message", eventId: 1 }]])
    assert.throws(() => serializeBatch(wrong as never, undefined), TypeError);
  assert.throws(() => serializeBatch([], 5 as never), TypeError);
});

function beating() {
  const clock = new FakeClock();
  const seen = { pings: 0, stuck: 0 };
  const heartbeat = new Heartbeat(
    clock,
    () => seen.pings++,
    () => seen.stuck++,
  );
  return { clock, seen, heartbeat };
}

test("a thread that answers is never ended", () => {
  const { clock, seen, heartbeat } = beating();
  for (let round = 0; round < 100; round++) {
    clock.advance(LIMITS.isolatedPingMs);
    heartbeat.onPong();
  }
  assert.deepEqual(seen, { pings: 100, stuck: 0 });
});

test("a thread that is silent is stuck after the limit, once, and no earlier", () => {
  const { clock, seen } = beating();
  clock.advance(LIMITS.isolatedPingMs + LIMITS.isolatedStuckMs - 100);
  assert.equal(seen.stuck, 0);
  clock.advance(100);
  assert.equal(seen.stuck, 1);
  clock.advance(10 * LIMITS.isolatedStuckMs);
  assert.equal(seen.stuck, 1);
});

test("time in which the gateway itself did nothing does not count", () => {
  const { clock, seen, heartbeat } = beating();
  for (let block = 0; block < 20; block++) {
    clock.advance(LIMITS.isolatedPingMs);
    clock.skip(LIMITS.isolatedStuckMs * 3);
  }
  assert.equal(seen.stuck, 0);
  heartbeat.stop();
  clock.advance(10 * LIMITS.isolatedStuckMs);
  assert.equal(seen.stuck, 0);
});

/** Two sides in one thread. */
function pair(handle: (method: string, args: readonly unknown[], signal: AbortSignal) => Promise<unknown>, deaf = false) {
  const sides: { here?: WorkerRpc; there?: WorkerRpc } = {};
  const to =
    (side: "here" | "there") =>
    (message: RpcMessage): void => {
      const copy = structuredClone(message);
      if (!deaf || side === "here") queueMicrotask(() => sides[side]!.receive(copy));
    };
  sides.here = new WorkerRpc(to("there"), handle);
  sides.there = new WorkerRpc(to("here"), handle);
  return sides.here;
}

test("answers and failures find their request", async () => {
  const here = pair(async (method, args) => (method === "twice" ? Number(args[0]) * 2 : Promise.reject(new UnknownOutcomeError("no"))));
  assert.deepEqual(await Promise.all([1, 2, 3].map((n) => here.call("twice", [n]))), [2, 4, 6]);
  await assert.rejects(here.call("other", []), UnknownOutcomeError);
  await assert.rejects(here.call("twice", [() => {}]), { name: "DataCloneError" });
});

test("a request is cancelled, also one that was before it was made", async () => {
  const here = pair((_method, _args, signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))); // prettier-ignore
  await assert.rejects(here.call("x", [], AbortSignal.abort(new Error("enough"))), /enough/);
});

test("when the other side ends, only what it had begun with is uncertain", async () => {
  const begun = pair(() => new Promise(() => {}));
  const running = begun.call("x", []);
  await new Promise(setImmediate);
  begun.close("gone");
  await assert.rejects(running, (err: unknown) => !(err instanceof NotStartedError) && /gone, in the middle/.test(String(err)));
  await assert.rejects(begun.call("x", []), NotStartedError);
  const unheard = pair(async () => undefined, true);
  const waiting = unheard.call("x", []);
  unheard.close("gone");
  await assert.rejects(waiting, NotStartedError);
});

test("what is under way is waited for, and nothing new begins", async () => {
  const gate = Promise.withResolvers<string>();
  const here = pair(() => gate.promise);
  const running = here.call("x", []);
  const finished = here.drain("the end");
  await assert.rejects(here.call("x", []), NotStartedError);
  gate.resolve("done");
  await finished;
  assert.equal(await running, "done");
  await here.drain("again");
});

function drained(admit: ChannelContext["admit"]) {
  const clock = new FakeClock();
  const done: number[] = [];
  const host = { admit, log: silentLog } as ChannelContext;
  return {
    clock,
    done,
    host,
    drain: new SpoolForwarder(
      host,
      clock,
      (seqs) => done.push(...seqs),
      (err) => assert.ifError(err),
    ),
  };
}

test("batches that arrive while others are stored are neither lost nor taken for done", async () => {
  const admitted: string[][] = [];
  const gates: (() => void)[] = [];
  const { done, drain } = drained(async (events) => {
    admitted.push(events.map(({ eventId }) => eventId));
    await new Promise<void>((resolve) => gates.push(resolve));
  });
  drain.add(1, serializeBatch([event("a")], "1"));
  drain.add(2, serializeBatch([event("b")], "2"));
  drain.add(3, serializeBatch([event("c")], "3"));
  assert.deepEqual([admitted, done], [[["a"]], []]);
  gates[0]!();
  await new Promise(setImmediate);
  assert.deepEqual([admitted, done], [[["a"], ["b", "c"]], [1]]);
  gates[1]!();
  await drain.stop();
  assert.deepEqual(done, [1, 2, 3]);
});

test("a refusal is tried again, and a revoked connection is not", async () => {
  let tries = 0;
  const failing = drained(async () => {
    if (++tries < 3) throw new GatewayError("UNAVAILABLE", "full");
  });
  failing.drain.add(1, serializeBatch([event("a")], undefined));
  for (let round = 0; round < 4; round++) {
    await new Promise(setImmediate);
    failing.clock.advance(LIMITS.isolatedRetryMs);
  }
  await new Promise(setImmediate);
  assert.deepEqual([tries, failing.done], [3, [1]]);
  let revoked = 0;
  const gone = drained(async () => {
    revoked++;
    throw new GatewayError("CONFLICT", "replaced");
  });
  gone.drain.add(1, serializeBatch([event("a")], undefined));
  await gone.drain.stop();
  assert.deepEqual([revoked, gone.done], [1, []]);
});

test("leftovers go in transactions of bounded size, in order, and only what was stored is done", async () => {
  const total = LIMITS.channelPendingEvents * 2 + 10;
  const rows = Array.from({ length: total }, (_, at) => ({ seq: at + 1, body: serializeBatch([event(String(at))], `c${at}`) }));
  const done: number[] = [];
  const spool: Pick<EventSpool, "pending" | "acknowledge"> = {
    pending: () => rows.filter(({ seq }) => !done.includes(seq)),
    acknowledge: (seqs) => void done.push(...seqs),
  };
  const sizes: number[] = [];
  let refuse = true;
  const { host } = drained(async (events, cursor) => {
    if (sizes.length === 1 && refuse) throw new GatewayError("UNAVAILABLE", "full");
    sizes.push(events.length);
    assert.equal(cursor, `c${events.at(-1)!.eventId}`);
  });
  await assert.rejects(forwardSpool(spool, host), /full/);
  assert.equal(done.length, LIMITS.channelPendingEvents);
  refuse = false;
  await forwardSpool(spool, host);
  assert.deepEqual([done.length, sizes], [total, [500, 500, 10]]);
});
