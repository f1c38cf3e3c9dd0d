// Jobs of the schedule with the real process: what is due runs once, whatever happens to the process, and nothing is loaded without a job.
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { MORE_TOOLS } from "../../src/tools/tool.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { assertMatchesSchema } from "../protocol-oracle.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";

type Wire = Record<string, unknown>;
type Runs = { entries: Wire[]; total: number };

let model: ModelServer;
const homes: string[] = [];
const started: GatewayUnderTest[] = [];

before(async () => {
  model = await startModelServer();
});

after(async () => {
  for (const gateway of started) await gateway.kill("SIGKILL");
  await model.close();
  for (const home of homes) dropHome(home);
});

async function start(home: string, env: Record<string, string> = {}): Promise<GatewayUnderTest> {
  if (!homes.includes(home)) homes.push(home);
  const gateway = await startGateway({ home, config: modelConfig(model.url), env });
  started.push(gateway);
  return gateway;
}

const turn = (message: string) => ({ sessionTarget: "isolated", wakeMode: "now", payload: { kind: "agentTurn", message } });
const inMs = (ms: number) => ({ kind: "at", at: new Date(Date.now() + ms).toISOString() });

const runsOf = async (client: ProtocolClient, params: Wire): Promise<Wire[]> => (await client.request<Runs>("cron.runs", params)).entries;

async function endedRun(client: ProtocolClient, id: string): Promise<Wire> {
  return await until(`a run of ${id}`, async () => (await runsOf(client, { id }))[0]);
}

/** The answers that a session has in all of its conversations of the job. */
async function answersIn(client: ProtocolClient, sessionKey: string): Promise<string[]> {
  const { messages } = await client.request<{ messages: Wire[] }>("chat.history", { sessionKey });
  return messages.filter(({ role }) => role === "assistant").map(({ content }) => JSON.stringify(content));
}

/** What the protocol's own definition says of a job: what is only ours is left out. */
function withoutOwn(job: Wire): Wire {
  const {
    preview: _preview,
    missed: _missed,
    overlap: _overlap,
    maxRetries: _max,
    problem: _problem,
    lastSessionKey: _last,
    ...rest
  } = job;
  const { effectiveAgentId: _agent, deliveryPreview: _delivery, ...published } = rest;
  return published;
}

test("a job runs when it is due, in a conversation of its own, and the log has its end", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  const events: Wire[] = [];
  client.on(({ event, payload }) => {
    if (event === "cron") events.push(payload as Wire);
  });
  const job = await client.request<Wire>("cron.add", { name: "once", schedule: inMs(1_000), ...turn("good morning") });
  assertMatchesSchema("CronJob", withoutOwn(job));
  const id = String(job["id"]);
  const run = await endedRun(client, id);
  assert.equal(run["status"], "ok");
  assert.equal(run["summary"], "You said: good morning");
  assert.equal(run["sessionKey"], `agent:main:cron:${id}`);
  assert.equal(run["deliveryStatus"], "not-requested");
  assert.ok(((run["usage"] as Wire)["total_tokens"] as number) > 0);
  const { cause: _cause, dueAtMs: _due, usage, ...entry } = run;
  const { cost: _cost, ...tokens } = usage as Wire;
  assertMatchesSchema("CronRunLogEntry", { ...entry, usage: tokens });
  const stored = await client.request<Wire>("cron.get", { id });
  assertMatchesSchema("CronJob", withoutOwn(stored));
  assert.equal(stored["enabled"], false, "it is due once");
  assert.deepEqual(
    events.map(({ action }) => action),
    ["added", "started", "finished"],
  );
  assert.equal((await answersIn(client, `agent:main:cron:${id}`)).length, 1);
  await client.close();
});

test("each run of an isolated job has a conversation of its own, and a run that is asked for is one of them", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  const { id } = await client.request<{ id: string }>("cron.add", {
    name: "hourly",
    schedule: { kind: "every", everyMs: 3_600_000 },
    ...turn("hi"),
  });
  for (const count of [1, 2]) {
    const answer = await client.request<Wire>("cron.run", { id, mode: "force" });
    assert.deepEqual([answer["ok"], answer["enqueued"]], [true, true]);
    await until(`run ${count}`, async () => (await runsOf(client, { id })).length === count);
  }
  const runs = await runsOf(client, { id });
  assert.equal(new Set(runs.map(({ sessionId }) => sessionId)).size, 2);
  assert.match(String(runs[0]!["runId"]), new RegExp(`^manual:${id}:\\d+:1$`));
  assert.deepEqual(await client.request("cron.run", { id, mode: "due" }), { ok: true, ran: false, reason: "not-due" });
  await client.close();
});

test("a due time that passed while the gateway was down runs once after the start", async () => {
  const home = newHome();
  const first = await start(home);
  const client = await first.connect();
  const { id } = await client.request<{ id: string }>("cron.add", { name: "late", schedule: inMs(1_500), ...turn("late") });
  const skipped = await client.request<{ id: string }>("cron.add", {
    name: "skipped",
    schedule: inMs(1_500),
    missed: { policy: "skip" },
    ...turn("skipped"),
  });
  await first.kill("SIGKILL");
  // It is missed when it is noticed after the time within which it counts as on time: the rows are made older instead.
  await ageJobs(home, 200_000);
  const second = await start(home);
  const again = await second.connect();
  const run = await endedRun(again, id);
  assert.deepEqual([run["status"], run["cause"]], ["ok", "missed"]);
  const left = await endedRun(again, skipped.id);
  assert.equal(left["status"], "skipped");
  assert.match(String(left["error"]), /the gateway did not run at that time/);
  await again.close();
});

/** Moves the due times of all jobs of a stopped gateway into the past. */
async function ageJobs(home: string, ms: number): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(join(stateDir(home), "gateway", "gateway.db"));
  for (const { id, state } of db.prepare("SELECT id, state FROM cron_jobs").all() as { id: string; state: string }[]) {
    const parsed = JSON.parse(state) as { nextDueMs: number };
    const nextDueMs = Date.now() - ms;
    db.prepare("UPDATE cron_jobs SET state = ?, next_at = ? WHERE id = ?").run(JSON.stringify({ ...parsed, nextDueMs }), nextDueMs, id);
  }
  db.close();
}

test("a kill between any two steps of a run neither loses nor doubles it", { timeout: 300_000 }, async (context) => {
  const template = newHome();
  const first = await start(template);
  const client = await first.connect();
  const { id } = await client.request<{ id: string }>("cron.add", { name: "one", schedule: inMs(3_600_000), ...turn("only once") });
  await client.close();
  await first.kill("SIGKILL");
  await ageJobs(template, 5_000);
  const points = [
    "admitted",
    "run-started",
    "answered",
    "stored",
    ...[1, 2, 3, 4, 5, 6].flatMap((nth) => [`before-commit:${nth}`, `after-commit:${nth}`]),
  ];
  let kills = 0;
  for (const point of points) {
    const home = newHome();
    cpSync(template, home, { recursive: true });
    homes.push(home);
    kills += await killAt(home, point);
    const gateway = await start(home);
    const operator = await gateway.connect();
    const run = await endedRun(operator, id);
    assert.equal(run["status"], "ok", `${point}: ${JSON.stringify(run)}`);
    assert.equal((await runsOf(operator, { id })).length, 1, point);
    assert.equal((await answersIn(operator, `agent:main:cron:${id}`)).length, 1, point);
    assert.equal((await operator.request<Wire>("cron.get", { id }))["enabled"], false, point);
    await operator.close();
    await gateway.kill("SIGKILL");
  }
  context.diagnostic(`${kills} kills at ${points.length} points`);
  assert.ok(kills >= 10, `only ${kills} of ${points.length} points were reached`);
});

/** 1 when the process killed itself at the point; 0 when the run ended before it came there. */
async function killAt(home: string, point: string): Promise<number> {
  let gateway: GatewayUnderTest;
  try {
    gateway = await start(home, { OPENCLAW_GATEWAY_CRASH_AT: point });
  } catch {
    return 1; // before it listened
  }
  const isOver = until("the run is over", async () => {
    const client = await gateway.connect();
    const { total } = await client.request<Runs>("cron.runs", {});
    await client.close();
    return total > 0;
  }).then(
    () => 0,
    () => 1,
  );
  const ended = await Promise.race([isOver, gateway.ended.then(() => 1)]);
  await gateway.kill("SIGKILL");
  return ended;
}

test("the command line adds, shows, runs and removes a job", async () => {
  const home = newHome();
  await start(home);
  const run = (...words: string[]) => openclaw(home, "cron", ...words);
  const added = await run("add", "Morning report", "--cron", "0 9 * * 1-5", "--tz", "Europe/Berlin", "--message", "hello");
  assert.match(added.stdout, /every weekday at 09:00 Europe\/Berlin\nnext: \w{3} \d\d \w{3} \d{4} 09:00 GMT\+[12]\n/);
  const { jobs } = await openclawJson<{ jobs: Wire[] }>(home, "cron", "list");
  const id = String(jobs[0]!["id"]);
  assert.equal((await run("run", id.slice(0, 8), "--wait")).stdout.trim(), "You said: hello");
  assert.match(
    (await run("add", "bad", "--cron", "61 * * * *", "--message", "x")).stderr,
    /schedule\.expr: "61 \* \* \* \*" cannot be used/,
  );
  assert.match((await run("rm", id, "--yes")).stdout, /^Removed /);
});

test("without a job nothing of the schedule is loaded", async () => {
  const home = newHome();
  const modules = join(home, "modules.txt");
  const hook = join(import.meta.dirname, "../fakes/record-modules.mjs");
  const env = { NODE_OPTIONS: `--import=${hook}`, RECORD_MODULES: modules };
  const loaded = (): string[] => (existsSync(modules) ? readFileSync(modules, "utf8").split("\n") : []);
  const gateway = await start(home, env);
  const client = await gateway.connect();
  const { runId } = await client.request<{ runId: string }>("chat.send", {
    sessionKey: "agent:main:page",
    message: "hi",
    idempotencyKey: "one",
  });
  assert.equal((await client.request<Wire>("agent.wait", { runId, timeoutMs: 30_000 }))["status"], "ok");
  const ofSchedule = () => loaded().filter((name) => /croner|schedule\/service|\/service-/.test(name));
  assert.deepEqual(ofSchedule(), []);
  await client.request("cron.status", {});
  assert.ok(ofSchedule().length > 0, "the hook sees what is loaded");
  await client.close();
});

const call = (args: object): string => `tool:${MORE_TOOLS}:${JSON.stringify({ name: "cron", arguments: args })}`;

test("an owner's agent makes a job that has its own tools, and a run of it makes no others", async () => {
  const gateway = await start(newHome());
  const client = await gateway.connect();
  const ask = async (message: string, key: string): Promise<string> => {
    const { runId } = await client.request<{ runId: string }>("chat.send", { sessionKey: "agent:main:page", message, idempotencyKey: key });
    await client.request("agent.wait", { runId, timeoutMs: 60_000 });
    return (await answersIn(client, "agent:main:page")).at(-1)!;
  };
  const schedule = { kind: "every", everyMs: 3_600_000 };
  const nested = call({ action: "add", job: { name: "nested", message: "x", schedule } });
  assert.match(await ask(call({ action: "add", job: { name: "hourly", message: nested, schedule } }), "add"), /every hour/);
  assert.match(
    await ask(call({ action: "add", job: { name: "fast", message: "x", schedule: { kind: "every", everyMs: 1_000 } } }), "fast"),
    /everyMs|60 s apart/,
  );
  const { jobs } = await client.request<{ jobs: Wire[] }>("cron.list", {});
  assert.deepEqual(
    jobs.map(({ name, owner }) => [name, (owner as Wire)["sessionKey"]]),
    [["hourly", "agent:main:page"]],
  );
  await client.request("cron.run", { id: jobs[0]!["id"] });
  const run = await endedRun(client, String(jobs[0]!["id"]));
  assert.match(String(run["summary"]), /started by the schedule: a job makes no other jobs/);
  assert.equal((await client.request<{ total: number }>("cron.list", {})).total, 1);
  await client.close();
});
