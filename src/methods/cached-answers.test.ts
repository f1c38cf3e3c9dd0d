// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../test/crash/seeded-random.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { callerOf, decodeAnswer, openMethodBench } from "../../test/fakes/method-bench.ts";
import { MetricsProbe } from "../../test/metrics-probe.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { silentMetrics } from "../core/metrics.ts";
import type { Method, MethodTable } from "../protocol/method.ts";
import type { ServedMethod } from "../protocol/served-methods.ts";
import { checkParams } from "../protocol/validate.ts";
import { createSessions } from "../store/sessions.ts";
import { AnswerCache } from "./answer-cache.ts";
import type { ChatDeps } from "./chat-context.ts";
import { chatMethods } from "./chat.ts";
import { sessionMethods } from "./sessions.ts";

const KEYS = ["main", "a", "b", "c", "d"];
const LISTS: Record<string, unknown>[] = [
  {},
  { limit: 2 },
  { limit: 2, offset: 2 },
  { archived: true },
  { archived: "all", sortBy: "activity" },
  { sortBy: "lastInteractionAt" },
  { search: "text" },
  { pinned: true },
  { activeOnly: true },
  { includeDerivedTitles: false },
  { includeLastMessage: false, agentId: "main" },
  { activeMinutes: 1 },
];

const tableOf = (deps: ChatDeps): MethodTable => ({
  ...sessionMethods(deps),
  ...chatMethods({ ...deps, models: async () => [], commands: async () => [] }),
});

function run(table: MethodTable, method: ServedMethod, params: unknown): unknown {
  const { run: start } = table[method] as Method<unknown>;
  return start(checkParams(method, params), callerOf());
}

/** Without the times at which rows were read. Those of a kept row are earlier. */
function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) => (key === "snapshotAt" ? undefined : inner));
}

/** One gateway whose clock, settings and turns the walk drives. */
function openWalk(seed: number) {
  const random = new SeededRandom(seed);
  const rig = openMethodBench();
  rig.bench.runtime.script = gatedScript;
  const metrics = new MetricsProbe();
  const state = { now: 1_700_000_000_000, thinking: "off", configuration: {}, sent: 0, running: [] as string[] };
  const deps: ChatDeps = {
    ...rig.deps,
    answers: new AnswerCache(metrics),
    configuration: () => state.configuration,
    clock: { ...rig.deps.clock, now: () => state.now },
    settings: (agentId) => ({ ...rig.deps.settings(agentId), thinking: state.thinking as never }),
  };
  const cached = tableOf(deps);
  /** What a gateway that has kept nothing would answer. */
  const fresh = (): MethodTable => tableOf({ ...deps, answers: new AnswerCache(silentMetrics, 0), sessions: createSessions(deps.store) });
  const key = (): string => random.pick(KEYS);
  const call = (method: ServedMethod, params: unknown): unknown => run(cached, method, params);
  const writes: (() => unknown)[] = [
    () => call("sessions.create", { key: key(), label: random.chance(0.5) ? "text" : "other" }),
    () => call("sessions.create", { key: key(), parentSessionKey: key() }),
    () => call("sessions.patch", { key: key(), pinned: random.chance(0.5) }),
    () => call("sessions.patch", { key: key(), archived: random.chance(0.5) }),
    () => call("sessions.patch", { key: key(), label: random.pick(["text", "one", null]) }),
    () => call("sessions.patch", { key: key(), model: random.pick(["fake/other", null]) }),
    () => call("sessions.patch", { key: key(), statusNote: "busy with text", statusExpiresInMs: 1 }),
    () => call("sessions.delete", { key: random.pick(KEYS.slice(1)) }),
    () => call("sessions.reset", { key: key() }),
    () => call("chat.inject", { sessionKey: key(), message: `text ${state.sent++}` }),
    () => send(),
    () => send(),
    () => release(),
    () => release(),
    () => void (state.now += random.int(1, 90_000)),
    () => void (state.now -= random.int(1, 1_000)),
    () => {
      state.thinking = random.pick(["off", "high"]);
      state.configuration = {};
    },
    // Changes that are not made through the functions of the table.
    () => deps.store.write(() => deps.store.run("UPDATE sessions SET cost_usd = cost_usd + 1 WHERE archived = 0")),
    () => deps.store.write(() => setStatus(random.int(1, 60_000))),
    () => deps.store.write(() => deps.store.run("DELETE FROM messages WHERE seq = (SELECT min(seq) FROM messages)")),
    () => rolledBack(),
  ];

  function setStatus(ms: number): void {
    deps.sessions.patch("agent:main:main", { status_note: "soon over", status_expires_at: state.now + ms });
  }
  async function send(): Promise<void> {
    const idempotencyKey = `k${state.sent++}`;
    await call("chat.send", { sessionKey: key(), message: `text ${idempotencyKey}`, idempotencyKey });
    state.running.push(idempotencyKey);
  }
  async function release(): Promise<void> {
    const runId = state.running.shift();
    if (runId === undefined) return;
    const ended = deps.turns.runs.waitForOutcome(asId(runId), 5_000);
    while ((await Promise.race([ended, new Promise((resolve) => setImmediate(resolve, "pending"))])) === "pending")
      rig.bench.runtime.release(runId);
  }
  async function rolledBack(): Promise<void> {
    await deps.store
      .write(() => {
        deps.sessions.patch("agent:main:main", { label: "never stored" });
        throw new Error("rolled back");
      })
      .catch(() => undefined);
  }

  async function step(): Promise<void> {
    try {
      await random.pick(writes)();
    } catch (err) {
      if (!(err instanceof GatewayError)) throw err;
    }
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
  }
  /** Some of the requests, each twice, so that the second one may be answered from the cache. No turn goes on in between. */
  function compare(what: string): void {
    const requests: [ServedMethod, Record<string, unknown>][] = [
      ["sessions.list", random.pick(LISTS)],
      ["sessions.list", random.pick(LISTS)],
      ["chat.history", { sessionKey: key(), limit: random.pick([1, 5, 100]) }],
    ];
    for (const [method, params] of [...requests, ...requests]) {
      const given = decodeAnswer(run(cached, method, params));
      const expected = decodeAnswer(run(fresh(), method, params));
      assert.deepEqual(withoutTimes(given), withoutTimes(expected), `${what}: ${method} ${JSON.stringify(params)}`);
    }
  }
  async function close(): Promise<void> {
    while (state.running.length > 0) await release();
    rig.close();
  }
  return { step, compare, close, metrics };
}

test("an answer from the cache is the one that would be made now, after any sequence of changes", async () => {
  let hits = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const walk = openWalk(seed);
    for (let step = 0; step < 120; step++) {
      await walk.step();
      walk.compare(`seed ${seed}, step ${step}`);
    }
    for (const method of ["sessions.list", "chat.history"])
      hits += walk.metrics.counted("gateway_methods_cache_lookups_total", { method, result: "hit" });
    await walk.close();
  }
  assert.ok(hits > 600, `${hits} answers came from the cache`);
});
