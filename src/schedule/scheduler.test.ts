import assert from "node:assert/strict";
import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import { HOUR, MINUTE, openScheduleBench as openBench } from "../../test/fakes/schedule-bench.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { textOf } from "../store/messages.ts";
import { until } from "../../test/until.ts";

type Wire = Record<string, unknown>;

const every = (everyMs: number, more: object = {}) => ({
  name: "job",
  schedule: { kind: "every", everyMs },
  sessionTarget: "isolated",
  payload: { kind: "agentTurn", message: "go" },
  ...more,
});
const OPERATOR = { by: "operator" } as const;

test("each due time runs once, and one timer is all there is", async () => {
  const { service, clock, pass, runs, ended, prompts, close } = openBench();
  await service.add(every(HOUR), OPERATOR);
  await service.add(every(2 * HOUR), OPERATOR);
  await service.scheduler.wake();
  assert.equal(clock.pending().filter((ms) => ms === MINUTE).length, 1, "it sleeps for at most a minute");
  for (let count = 1; count <= 3; count++) {
    await pass(HOUR);
    await ended(count === 1 ? 1 : count === 2 ? 3 : 4);
  }
  assert.equal(prompts().length, 4);
  assert.deepEqual(
    runs().map(({ status }) => status),
    ["ok", "ok", "ok", "ok"],
  );
  close();
});

test("without an enabled job there is no timer", async () => {
  const { service, clock, close } = openBench();
  const before = clock.pending().length;
  const { id } = await service.add(every(HOUR), OPERATOR);
  await service.scheduler.wake();
  assert.equal(clock.pending().length, before + 1);
  await service.update(String(id), { enabled: false });
  await service.scheduler.wake();
  assert.equal(clock.pending().length, before);
  close();
});

test("a jump of the clock by an hour in either direction neither loses nor doubles a due time", async () => {
  const { service, clock, pass, runs, ended, prompts, close } = openBench();
  await service.add(every(30 * MINUTE), OPERATOR);
  await pass(30 * MINUTE);
  await ended(1);
  clock.jump(HOUR);
  await pass(MINUTE);
  // 13:00 was jumped over, and the run of 13:30 stands for both.
  await ended(3);
  assert.deepEqual(
    runs()
      .map(({ status, dueAtMs, cause }) => `${String(status)} ${String(cause)} ${new Date(Number(dueAtMs)).toISOString().slice(11, 16)}`)
      .toSorted(),
    ["ok schedule 12:30", "ok schedule 13:30", "skipped missed 13:00"],
  );
  clock.jump(-HOUR);
  for (let step = 0; step < 59; step++) await pass(MINUTE);
  assert.equal(prompts().length, 2, "what ran before does not run again");
  await pass(31 * MINUTE);
  await ended(4);
  assert.equal(prompts().length, 3);
  assert.equal(new Set(runs().map(({ dueAtMs }) => dueAtMs)).size, 4);
  close();
});

test("a due time that comes during a run is skipped for this reason, or waits, as the job says", async () => {
  const { bench, service, pass, runs, ended, close } = openBench();
  bench.runtime.script = async function* (turn, { gate }) {
    await gate();
    yield { type: "end", reason: "stop", checkpoint: null, text: turn.text } as never;
  };
  const skipping = String((await service.add(every(HOUR, { name: "skips" }), OPERATOR))["id"]);
  const queueing = String((await service.add(every(HOUR, { name: "queues", overlap: "queue" }), OPERATOR))["id"]);
  await pass(HOUR);
  await pass(HOUR);
  assert.deepEqual(
    runs({ id: skipping }).map(({ status, error }) => [status, error]),
    [["skipped", "an earlier run of the job was not over"]],
  );
  assert.deepEqual(runs({ id: queueing }), []);
  assert.equal(service.status()["waiting"], 1);
  assert.equal(((await service.runNow(skipping, "force")) as Wire)["reason"], "already-running");
  for (const { runId } of bench.runtime.prompts) bench.runtime.release(runId);
  await ended(3);
  await until("the waiting run has started", () => bench.runtime.prompts.length === 3);
  close();
});

test("not more runs than configured are in the inbox, and the others wait on disk", async () => {
  const { bench, service, pass, ended, close } = openBench({ settings: { maxConcurrentRuns: 2 } });
  bench.runtime.script = async function* (turn, { gate }) {
    await gate();
    yield { type: "end", reason: "stop", checkpoint: null, text: turn.text } as never;
  };
  for (let count = 0; count < 4; count++) await service.add(every(HOUR), OPERATOR);
  await pass(HOUR);
  assert.deepEqual([service.status()["running"], service.status()["waiting"]], [2, 2]);
  await until("two turns", () => bench.runtime.prompts.length === 2);
  for (const { runId } of bench.runtime.prompts) bench.runtime.release(runId);
  await ended(2);
  await until("the other two turns", () => bench.runtime.prompts.length === 4);
  close();
});

test("a run that failed is repeated after its wait, and ends the count of failures when it succeeds", async () => {
  const { bench, service, clock, pass, runs, ended, close } = openBench();
  const { script } = bench.runtime;
  bench.runtime.script = async function* () {
    yield { type: "end", reason: "error", checkpoint: null, error: { kind: "overloaded", message: "busy" } } as never;
  };
  const { id } = await service.add(every(HOUR), OPERATOR);
  await pass(HOUR);
  await ended(1);
  const failed = service.get(String(id))["state"] as Wire;
  assert.equal(failed["consecutiveErrors"], 1);
  assert.equal(failed["nextRunAtMs"], clock.now() + 30_000);
  bench.runtime.script = script;
  await pass(30_000);
  await ended(2);
  assert.deepEqual(
    runs().map(({ status, cause, attempt }) => [status, cause, attempt]),
    [
      ["error", "schedule", undefined],
      ["ok", "retry", 1],
    ],
  );
  assert.equal((service.get(String(id))["state"] as Wire)["consecutiveErrors"], 0);
  close();
});

test("a job whose agent is gone is skipped with the way to fix it, and one whose model is unknown is not added", async () => {
  const { service, deps, pass, runs, ended, close } = openBench();
  await service.add(every(HOUR), OPERATOR);
  Object.assign(deps.lookups, { hasAgent: () => false });
  await pass(HOUR);
  await ended(1);
  assert.match(String(runs()[0]!["error"]), /there is no agent main; openclaw cron edit job-1 --agent/);
  Object.assign(deps.lookups, { hasAgent: () => true });
  const unknown = every(HOUR, { payload: { kind: "agentTurn", message: "go", model: "nope" } });
  await assert.rejects(service.add(unknown, OPERATOR), /the model nope is not known/);
  close();
});

test("an event for the main session runs a turn at once, or is left for its next turn", async () => {
  const { service, notes, pass, runs, ended, prompts, close } = openBench();
  const event = { sessionTarget: "main", payload: { kind: "systemEvent", text: "tea" } };
  await service.add(every(HOUR, { ...event, wakeMode: "next-heartbeat" }), OPERATOR);
  await service.add(every(HOUR, { ...event, wakeMode: "now" }), OPERATOR);
  await pass(HOUR);
  await ended(2);
  assert.deepEqual(notes, ["tea"]);
  assert.deepEqual(prompts(), ["tea"]);
  assert.deepEqual(new Set(runs().map(({ sessionKey }) => sessionKey)), new Set(["agent:main:main"]));
  close();
});

test("a job of an agent has the tools of the turn that made it, and never more than its channel has now", async () => {
  const { bench, service, pass, ended, close } = openBench();
  const provenance = { channel: "telegram", account: "default", senderId: "7", senderIsOwner: true };
  const grant = {
    by: "agent",
    agentId: "main",
    sessionKey: "agent:main:telegram:direct:7",
    tools: ["read", "write", "exec"],
    provenance,
    target: null,
  } as const;
  const guard = { agentId: "main", sessionKey: asId<SessionKey>(grant.sessionKey) };
  await service.add(every(HOUR, { agentId: "main" }), grant, guard);
  await pass(HOUR);
  await ended(1);
  const run = bench.inbox.byRun<{ tools: string[]; provenance: Wire }>(bench.runtime.prompts[0]!.runId as RunId);
  assert.deepEqual(run?.payload.tools, ["read"]);
  assert.deepEqual(run?.payload.provenance, provenance);
  await assert.rejects(service.add(every(30_000, { agentId: "main" }), grant, guard), /at least 60 s apart/);
  await assert.rejects(
    service.add(every(HOUR, { agentId: "main", delivery: { mode: "announce", channel: "irc", to: "#x" } }), grant, guard),
    /delivery: answers/,
  );
  await assert.rejects(
    service.add(every(HOUR, { agentId: "main", sessionTarget: "session:main" }), grant, guard),
    /sessionTarget: jobs of agents/,
  );
  await assert.rejects(service.add(every(HOUR, { agentId: "other" }), grant, guard), /agentId: an agent makes jobs for itself/);
  close();
});

test("a field that would have no effect is refused by its name", async () => {
  const { service, close } = openBench();
  const rows: readonly [object, string][] = [
    [{ trigger: { script: "x" } }, "job.trigger"],
    [{ payload: { kind: "agentTurn", message: "go", fallbacks: ["a"] } }, "payload.fallbacks"],
    [{ payload: { kind: "command", argv: ["ls"] } }, "payload.kind"],
    [{ delivery: { mode: "webhook", to: "https://example.org" } }, "delivery.mode"],
    [{ schedule: { kind: "on-exit", command: "x" } }, "schedule.kind"],
  ];
  for (const [fields, param] of rows)
    await assert.rejects(service.add(every(HOUR, fields), OPERATOR), (err: { details?: Wire }) => err.details?.["param"] === param);
  await assert.rejects(
    service.add(every(HOUR, { schedule: { kind: "cron", expr: "0 9 * * *", tz: "Mars/X" } }), OPERATOR),
    /schedule\.tz: "Mars\/X" is not a time zone/,
  );
  await assert.rejects(
    service.add(every(HOUR, { schedule: { kind: "at", at: "2020-01-01T00:00:00Z" } }), OPERATOR),
    /this time has passed/,
  );
  close();
});

test("a change on the base of an older revision is refused", async () => {
  const { service, close } = openBench();
  const { id, configRevision } = await service.add(every(HOUR), OPERATOR);
  await service.update(String(id), { name: "other" }, { expected: String(configRevision) });
  await assert.rejects(service.update(String(id), { name: "third" }, { expected: String(configRevision) }), /changed since it was read/);
  close();
});

test("T11.6: a failing job is reported once for each incident and once when it works again, also across restarts", async () => {
  const first = openBench({ settings: { maxRetries: 0 } });
  let isBroken = true;
  const script = async function* (): AsyncGenerator<never, void, void> {
    if (isBroken) yield { type: "end", reason: "error", checkpoint: null, error: { kind: "auth", message: "the key is wrong" } } as never;
    else {
      yield textEvents("done") as never;
      yield { type: "end", reason: "stop", checkpoint: null } as never;
    }
  };
  first.bench.runtime.script = script;
  await first.service.add(every(HOUR, { name: "report" }), OPERATOR);
  for (let count = 1; count <= 2; count++) {
    await first.pass(HOUR);
    await first.ended(count);
  }
  await first.service.scheduler.wake();
  assert.equal(first.alerts.length, 1);
  assert.match(first.alerts[0]!, /^The job "report" fails: the key is wrong\. openclaw cron runs/);
  const dir = mkdtempSync(join(tmpdir(), "alerts-"));
  cpSync(first.bench.dir, dir, { recursive: true });
  const again = openBench({ settings: { maxRetries: 0 }, dir, clock: first.clock });
  first.close();
  again.bench.runtime.script = script;
  await again.service.scheduler.start();
  await again.pass(HOUR);
  await again.ended(3);
  assert.deepEqual(again.alerts, [], "the incident is known");
  isBroken = false;
  for (let count = 4; count <= 5; count++) {
    await again.pass(HOUR);
    await again.ended(count);
  }
  assert.deepEqual(again.alerts, ['The job "report" works again.']);
  assert.equal(again.bench.store.all("SELECT 1 FROM outbox WHERE intent_id LIKE 'cron-alert:%'").length, 2);
  again.close();
});

test("T11.2: a job without a zone keeps the zone that it was made in, shows its next three times, and is not shifted", async () => {
  const { service, close } = openBench();
  const job = await service.add(every(HOUR, { schedule: { kind: "cron", expr: "0 * * * *" } }), OPERATOR);
  assert.deepEqual(job["schedule"], { kind: "cron", expr: "0 * * * *", tz: "UTC" });
  const { nextRunsAtMs, timeZone } = job["preview"] as { nextRunsAtMs: number[]; timeZone: string };
  assert.deepEqual(
    nextRunsAtMs.map((at) => new Date(at).toISOString().slice(11, 19)),
    ["13:00:00", "14:00:00", "15:00:00"],
  );
  assert.equal(timeZone, "UTC");
  close();
});

test("T11.3: a run with an answer and no route is ok and not delivered, and the answer is in the log and in the session", async () => {
  const { service, pass, runs, ended, bench, close } = openBench();
  await service.add(every(HOUR, { delivery: { mode: "announce", channel: "last" } }), OPERATOR);
  await pass(HOUR);
  await ended(1);
  const [run] = runs();
  assert.deepEqual([run?.["status"], run?.["deliveryStatus"]], ["ok", "not-delivered"]);
  assert.match(String(run?.["deliveryError"]), /no session has talked on a channel/);
  const answer = String(run?.["summary"]);
  assert.ok(answer.length > 0);
  const key = asId<SessionKey>(String(run?.["sessionKey"]));
  const messages = bench.messages.tail(key, bench.sessions.get(key)!.session_id, { limit: 10 });
  assert.equal(textOf(messages.at(-1)!.body), answer);
  assert.equal(bench.sessions.get(key)!.title, "job");
  assert.deepEqual(bench.outbox.byIntent(String(run?.["runId"])), []);
  close();
});
