import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { MetricsProbe } from "../../../test/metrics-probe.ts";
import { settled } from "../../../test/until.ts";
import { OTEL_LIMITS } from "./limits.ts";
import type { PostAnswer } from "./post.ts";
import { SignalExporter, type ExporterState } from "./signal-exporter.ts";

type Answer = number | "dead" | "silent";

function openExporter(answers: (attempt: number) => Answer, options: { queueItems?: number; batchItems?: number } = {}) {
  const clock = new FakeClock();
  const metrics = new MetricsProbe();
  const states: ExporterState[] = [];
  const requests: string[][] = [];
  const post = (_target: unknown, _type: string, body: Buffer): Promise<PostAnswer> => {
    const { resourceSpans } = JSON.parse(body.toString()) as { resourceSpans: [{ scopeSpans: [{ spans: { name: string }[] }] }] };
    requests.push(resourceSpans[0].scopeSpans[0].spans.map(({ name }) => name));
    const answer = answers(requests.length);
    if (answer === "silent") return new Promise(() => {});
    if (answer === "dead") return Promise.reject(new Error("connect ECONNREFUSED"));
    return Promise.resolve({ status: answer, retryAfterMs: null, body: Buffer.from("{}") });
  };
  const exporter = new SignalExporter({
    signal: "traces",
    resource: [],
    schemaUrl: null,
    clock,
    metrics,
    post,
    target: {
      url: "http://c",
      headers: {},
      timeoutMs: 1,
      protocol: "http/json",
    },
    queueItems: 10,
    batchItems: 3,
    delayMs: 5e3,
    ...options,
    onState: (state) => states.push(state),
  });
  const add = (...names: string[]): void => names.forEach((name) => exporter.add({ name }));
  const dropped = (reason: string): number => metrics.counted("gateway_telemetry_dropped_total", { signal: "traces", reason });
  return { exporter, clock, states, requests, add, dropped };
}

test("items are sent in batches: a full one at once, others after the delay; no timer runs while nothing waits", async () => {
  const { clock, requests, add } = openExporter(() => 200);
  assert.deepEqual(clock.pending(), []);
  add("a", "b");
  await settled(1);
  assert.deepEqual(requests, []);
  clock.advance(5_000);
  await settled(5);
  assert.deepEqual(requests, [["a", "b"]]);
  add("c", "d", "e");
  clock.advance(0);
  await settled(5);
  assert.deepEqual(requests.at(-1), ["c", "d", "e"]);
  assert.deepEqual(clock.pending(), []);
});

test("a dead collector costs a bounded queue: what comes is dropped and counted, and one change of state is reported", async () => {
  const { exporter, clock, states, requests, add, dropped } = openExporter(() => "dead");
  for (let n = 0; n < 100; n++) add(`span ${n}`);
  clock.advance(0);
  await settled(5);
  assert.equal(exporter.waiting, 10);
  assert.equal(dropped("queue_full"), 90);
  assert.equal(requests.length, 1);
  assert.match(exporter.state.error ?? "", /cannot be reached: connect ECONNREFUSED/);
  for (let n = 0; n < 20; n++) {
    clock.advance(OTEL_LIMITS.backoffLastMs);
    await settled(5);
  }
  assert.equal(states.length, 1, "only the change is reported");
  assert.equal(exporter.waiting, 0, "each request is given up after some tries");
  assert.equal(dropped("retries_exhausted"), 10);
});

test("pauses between tries double, and a collector that comes back gets what waits", async () => {
  const { clock, states, requests, add, exporter } = openExporter((attempt) => (attempt < 4 ? 503 : 200));
  add("a", "b", "c");
  for (const ms of [0, 1_000, 2_000]) {
    clock.advance(ms);
    await settled(5);
  }
  assert.equal(requests.length, 3);
  clock.advance(3_999);
  await settled(5);
  assert.equal(requests.length, 3);
  clock.advance(1);
  await settled(5);
  assert.equal(requests.length, 4);
  assert.deepEqual(requests[3], ["a", "b", "c"]);
  assert.deepEqual(
    states.map(({ state }) => state),
    ["failing", "ok"],
  );
  assert.equal(exporter.waiting, 0);
});

test("what a collector refuses for good is not sent again", async () => {
  const { clock, requests, add, dropped } = openExporter(() => 400);
  add("a", "b", "c");
  clock.advance(0);
  await settled(5);
  clock.advance(600_000);
  await settled(5);
  assert.equal(requests.length, 1);
  assert.equal(dropped("refused"), 3);
});

test("a collector that answers nothing holds one request, and the stop does not wait for longer than its time", async () => {
  const { exporter, clock, requests, add, dropped } = openExporter(() => "silent");
  add("a", "b", "c");
  clock.advance(0);
  await settled(5);
  add("d");
  clock.advance(100_000);
  await settled(5);
  assert.equal(requests.length, 1);
  const stopped = exporter.stop();
  clock.advance(OTEL_LIMITS.stopMs);
  await stopped;
  assert.equal(dropped("stopped"), 4);
  add("e");
  assert.equal(exporter.waiting, 0);
});

test("what waits is sent when the gateway stops", async () => {
  const { exporter, requests, add } = openExporter(() => 200);
  add("a");
  await exporter.stop();
  assert.deepEqual(requests, [["a"]]);
});
