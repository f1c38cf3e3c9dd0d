import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthPart } from "../core/health.ts";
import { createHealth, sampleHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";

const clockAt = (state: { now: number }) => ({ now: () => state.now, monotonic: () => state.now, after: () => () => {} });

test("a gateway is ready when its vital parts are ready, and starting until they report", () => {
  const health = createHealth();
  health.require("store");
  assert.deepEqual(health.readiness().failing, ["store"]);
  health.report("store", "ready");
  assert.equal(health.readiness().ready, true);
  health.report("store", "failing", "the disk is full");
  const { ready, failing, parts } = health.readiness();
  assert.deepEqual({ ready, failing, cause: parts[0]!.cause }, { ready: false, failing: ["store"], cause: "the disk is full" });
});

test("one broken channel degrades that channel, not the gateway", () => {
  const health = createHealth();
  health.require("store");
  health.report("store", "ready");
  health.report("channel:irc/libera", "failing", "wrong password");
  const { ready, failing, degraded } = health.readiness();
  assert.deepEqual({ ready, failing, degraded }, { ready: true, failing: [], degraded: ["channel:irc/libera"] });
  health.forget("channel:irc/libera");
  assert.deepEqual(health.readiness().degraded, []);
});

test("a degraded vital part is named and does not take the gateway down", () => {
  const health = createHealth();
  health.require("agents");
  health.report("agents", "degraded", "no model is configured");
  assert.deepEqual(health.readiness().ready, true);
  assert.deepEqual(health.readiness().degraded, ["agents"]);
});

test("listeners receive only changes of state, and a state keeps its start time", () => {
  const time = { now: 1_000 };
  const health = createHealth(clockAt(time));
  const heard: HealthPart[] = [];
  health.onChange((part) => heard.push(part));
  health.report("channel:irc/a", "degraded", "first");
  time.now = 2_000;
  health.report("channel:irc/a", "degraded", "second");
  time.now = 3_000;
  health.report("channel:irc/a", "ready", "ignored");
  assert.deepEqual(
    heard.map((part) => part.state),
    ["degraded", "ready"],
  );
  assert.deepEqual(health.readiness().parts, [{ name: "channel:irc/a", state: "ready", cause: null, since: 3_000, vital: false }]);
});

test("parts appear in the metrics", () => {
  const metrics = createMetrics();
  const health = createHealth();
  sampleHealth(metrics, health);
  health.report("agents", "degraded", "x");
  assert.match(metrics.render(), /gateway_parts\{part="agents"\} 0\.5\n/);
});
