import assert from "node:assert/strict";
import { test } from "node:test";
import { toJob, type JobContext } from "./jobs.ts";

const NOW = Date.parse("2026-12-01T00:00:00Z");
const CONTEXT: JobContext = { now: NOW, zone: "Europe/Berlin", agents: ["main"], pause: null };
const JOB = {
  id: "df3e46e0-49f1-47c5-8029-1769722da3b6",
  name: "daily",
  enabled: true,
  createdAtMs: 5,
  schedule: { kind: "cron", expr: "0 9 * * *", tz: "Europe/Berlin" },
  sessionTarget: "isolated",
  wakeMode: "now",
  payload: { kind: "agentTurn", message: "Good morning", toolsAllow: ["*"], lightContext: true },
  delivery: { mode: "none", channel: "last" },
  state: { nextRunAtMs: 3 },
};

test("a job keeps its id, its schedule and what it does, and becomes a job of the operator", () => {
  const adopted = toJob(JOB, CONTEXT);
  assert.ok("job" in adopted);
  const { job, detail } = adopted;
  assert.deepEqual([job.id, job.enabled, job.nextAt], [JOB.id, true, Date.parse("2026-12-01T08:00:00Z")]);
  assert.deepEqual(job.definition.payload, { kind: "agentTurn", message: "Good morning" });
  assert.deepEqual([job.definition.grant, job.definition.delivery], [{ by: "operator" }, { mode: "none" }]);
  assert.equal(detail, "without lightContext");
});

test("jobs of earlier releases say when and to whom in other fields", () => {
  const adopted = toJob(
    {
      ...JOB,
      schedule: { kind: "at", atMs: NOW + 60_000 },
      payload: { kind: "agentTurn", message: "x", deliver: true, channel: "telegram", to: "123" },
      delivery: undefined,
    },
    CONTEXT,
  );
  assert.ok("job" in adopted);
  assert.deepEqual(adopted.job.definition.schedule, { kind: "at", at: new Date(NOW + 60_000).toISOString() });
  assert.deepEqual(adopted.job.definition.delivery, { mode: "announce", channel: "telegram", to: "123" });
});

for (const { name, change, refusal } of [
  { name: "that the original makes by itself", change: { declarationKey: "memory" }, refusal: /by itself/ },
  { name: "that is a heartbeat", change: { payload: { kind: "heartbeat" } }, refusal: /heartbeat/ },
  { name: "of an agent that does not exist", change: { agentId: "gone" }, refusal: /gone/ },
  { name: "whose time has passed", change: { schedule: { kind: "at", at: "2020-01-01T00:00:00Z" } }, refusal: /passed/ },
  { name: "that watches a program", change: { schedule: { kind: "on-exit", command: "x" } }, refusal: /watches a program/ },
  { name: "with a condition", change: { trigger: { script: "x" } }, refusal: /trigger/ },
])
  test(`a job ${name} is refused with the reason`, () => {
    const adopted = toJob({ ...JOB, ...change }, CONTEXT);
    assert.ok("refusal" in adopted);
    assert.match(adopted.refusal, refusal);
  });

test("a job that an agent made does not run with the rights of the operator before someone says so", () => {
  const adopted = toJob({ ...JOB, owner: { agentId: "main" } }, CONTEXT);
  assert.ok("job" in adopted);
  assert.deepEqual([adopted.job.enabled, adopted.job.nextAt, adopted.isPaused], [false, null, false]);
  assert.match(adopted.detail, /an agent made it/);
});

test("beside the original a job does not run, and one that was off stays off later", () => {
  const paused = toJob(JOB, { ...CONTEXT, pause: "off while the original runs it" });
  assert.ok("job" in paused);
  assert.deepEqual([paused.job.enabled, paused.isPaused], [false, true]);
  const off = toJob({ ...JOB, enabled: false }, { ...CONTEXT, pause: "x" });
  assert.ok("job" in off);
  assert.deepEqual([off.job.enabled, off.isPaused], [false, false]);
});
