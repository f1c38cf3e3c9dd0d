import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { settled, until } from "../../test/until.ts";
import { createLoopProbe } from "./event-loop.ts";
import { METRIC_HELP } from "./metric-names.ts";
import { createMetrics } from "./metrics.ts";
import { sampleProcess } from "./process-metrics.ts";

type Sample = { name: string; labels: Record<string, string>; value: number };

/** Reads the text exposition as a scraper does, and refuses what a scraper would refuse. */
function parse(text: string): { types: Map<string, string>; samples: Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  assert.ok(text.endsWith("\n"));
  for (const line of text.slice(0, -1).split("\n")) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]!), `${type[1]} is declared once`);
      types.set(type[1]!, type[2]!);
    } else if (!/^# HELP [a-zA-Z_:][\w:]* .+$/.test(line)) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      assert.ok(match, `not a sample: ${line}`);
      const labels: Record<string, string> = {};
      let rest = match[2] ?? "";
      while (rest) {
        const pair = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)",?/.exec(rest);
        assert.ok(pair, `not a label: ${rest}`);
        labels[pair[1]!] = pair[2]!.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
        rest = rest.slice(pair[0].length);
      }
      samples.push({ name: match[1]!, labels, value: match[3] === "+Inf" ? Number.POSITIVE_INFINITY : Number(match[3]) });
    }
  }
  for (const { name } of samples) assert.ok(types.has(name.replace(/_(bucket|sum|count)$/, "")) || types.has(name), `${name} has a type`);
  return { types, samples };
}

const valueOf = (samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number | undefined =>
  samples.find((each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value))?.value;

test("counters add up per label set, and unusual label values are escaped", () => {
  const metrics = createMetrics();
  const odd = 'a"b\\c\nd';
  metrics.count("gateway_server_requests_total", { method: "health", outcome: "ok" });
  metrics.count("gateway_server_requests_total", { method: "health", outcome: "ok" }, 2);
  metrics.count("gateway_server_requests_total", { method: odd, outcome: "ok" });
  metrics.count("gateway_server_requests_total", { method: "health", outcome: "ok" }, -5);
  const { types, samples } = parse(metrics.render());
  assert.equal(types.get("gateway_server_requests_total"), "counter");
  assert.equal(valueOf(samples, "gateway_server_requests_total", { method: "health" }), 3);
  assert.equal(valueOf(samples, "gateway_server_requests_total", { method: odd }), 1);
});

test("a histogram is cumulative with buckets for its unit", () => {
  const metrics = createMetrics();
  for (const seconds of [0.000_05, 0.001, 0.4, 99_999]) metrics.observe("gateway_turns_duration_seconds", seconds);
  metrics.observe("gateway_turns_duration_seconds", Number.NaN);
  const { samples } = parse(metrics.render());
  const buckets = samples.filter((each) => each.name.endsWith("_bucket"));
  assert.equal(valueOf(buckets, "gateway_turns_duration_seconds_bucket", { le: "0.001" }), 2);
  assert.equal(valueOf(buckets, "gateway_turns_duration_seconds_bucket", { le: "0.5" }), 3);
  assert.equal(valueOf(buckets, "gateway_turns_duration_seconds_bucket", { le: "+Inf" }), 4);
  assert.equal(valueOf(samples, "gateway_turns_duration_seconds_count"), 4);
  for (let n = 1; n < buckets.length; n++) assert.ok(buckets[n]!.value >= buckets[n - 1]!.value);
});

test("a gauge keeps its last value, a sample is read at each scrape, and a wrong type is ignored", () => {
  const metrics = createMetrics();
  let reads = 0;
  metrics.gauge("gateway_x", 5);
  metrics.gauge("gateway_x", 2);
  metrics.count("gateway_x");
  metrics.sample("gateway_y", () => ++reads);
  metrics.sample("gateway_z", () => [{ labels: { state: "ready" }, value: 3 }]);
  assert.equal(reads, 0);
  metrics.render();
  const { samples } = parse(metrics.render());
  assert.deepEqual(
    [valueOf(samples, "gateway_x"), valueOf(samples, "gateway_y"), valueOf(samples, "gateway_z", { state: "ready" })],
    [2, 2, 3],
  );
});

test("label values beyond the limit are counted together", () => {
  const metrics = createMetrics();
  for (let n = 0; n < LIMITS.seriesPerMetric + 50; n++) metrics.count("gateway_server_requests_total", { method: `m${n}` });
  metrics.count("gateway_server_requests_total", { method: "m0" });
  const { samples } = parse(metrics.render());
  assert.equal(samples.filter(({ name }) => name === "gateway_server_requests_total").length, LIMITS.seriesPerMetric + 1);
  assert.equal(valueOf(samples, "gateway_server_requests_total", { method: "other" }), 50);
  assert.equal(valueOf(samples, "gateway_server_requests_total", { method: "m0" }), 2);
});

test("the process reports its memory, CPU time and event loop", async () => {
  // The runtime counts from the first turn of its loop.
  await settled(1);
  const metrics = createMetrics();
  const loop = createLoopProbe();
  sampleProcess(metrics, loop, { lostLines: () => ({ lines: 4, cause: null }), suppressedLines: () => 0 });
  const { samples } = parse(metrics.render());
  loop.stop();
  assert.ok(valueOf(samples, "process_resident_memory_bytes")! > 10_000_000);
  assert.ok(valueOf(samples, "process_cpu_seconds_total")! > 0);
  assert.ok(valueOf(samples, "gateway_loop_active_seconds_total")! > 0);
  assert.equal(valueOf(samples, "gateway_build_info"), 1);
  assert.equal(valueOf(samples, "gateway_log_lines_lost_total"), 4);
});

test("the event loop is measured only while it is read, and every stall is reported", async () => {
  const clock = new FakeClock();
  const probe = createLoopProbe(clock);
  assert.deepEqual(clock.pending(), [], "nothing runs before the first look");
  assert.equal(probe.read().delayMaxMs, 0);
  probe.read();
  assert.equal(clock.pending().length, 1, "one end, however often it is read");
  // The runtime measures from its first sample on, so that the first stalls may count for nothing.
  const reading = await until("a stall that is reported", () => {
    const now = probe.read();
    if (now.delayMaxMs >= 150) return now;
    const end = performance.now() + 300;
    while (performance.now() < end);
    return null;
  });
  assert.ok(reading.delayP99Ms <= reading.delayMaxMs);
  assert.ok(reading.utilization >= 0 && reading.utilization <= 1);
  assert.ok(Number.isInteger(reading.intervalMs));
  probe.stop();
  assert.deepEqual(clock.pending(), []);
});

test("every metric in the sources has a description", () => {
  for (const file of globSync("src/**/*.ts", { cwd: new URL("../..", import.meta.url) })) {
    if (file.endsWith(".test.ts")) continue;
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
    for (const [, name] of source.matchAll(/\.(?:count|gauge|observe|sample)\(\s*"([a-z0-9_]+)"/g))
      assert.ok(METRIC_HELP[name!], `${file}: ${name} is missing in METRIC_HELP`);
  }
});
