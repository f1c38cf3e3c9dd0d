import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ModelRef } from "../agents/runtime.ts";
import { checkConfigValue } from "../config/load.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore, type Store } from "../store/open.ts";
import { createUsage, type UsageCall, type UsageSubject } from "../store/usage.ts";
import type { WorstCase } from "../turns/turn-usage.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { placeStore } from "../../test/fakes/store-template.ts";
import { decide, potOf, type Budget } from "./budget-rules.ts";
import { Budgets } from "./budgets.ts";

const MODEL: ModelRef = { provider: "p", id: "m" };
const PERSON: UsageSubject = { agentId: "main", channel: "telegram", sender: "7", cause: "message" };
const budget = (fields: Partial<Budget>): Budget => ({ name: "b", per: "day", warnAtPercent: 80, ...fields });
const worst = (tokens: number, cost: number | null = 0): WorstCase => ({ tokens, cost, model: MODEL });
const never = new AbortController().signal;

const call = (subject: UsageSubject, tokens: number, more: Partial<UsageCall> = {}): UsageCall => ({
  ...subject,
  at: Date.parse("2026-11-30T10:00:00Z"),
  sessionKey: "agent:main:main",
  sessionId: "s",
  runId: "r",
  provider: "p",
  model: "m",
  status: "ok",
  durationMs: 10,
  firstTokenMs: 5,
  isPriced: true,
  input: tokens,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  inputCost: tokens * 1_000,
  outputCost: 0,
  cacheReadCost: 0,
  cacheWriteCost: 0,
  ...more,
});

const dirs: string[] = [];
after(() => dirs.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

/** What a loop says: each time with other numbers. */
const notice = (number: number): string => `The build ${number} of the branch main has failed, please look at what has changed`;

type Bench = { budgets: Budgets; usage: ReturnType<typeof createUsage>; store: Store; clock: FakeClock; alerts: string[]; dir: string };

function openBench(list: readonly Budget[], dir = mkdtempSync(join(tmpdir(), "budgets-"))): Bench {
  if (!dirs.includes(dir)) {
    dirs.push(dir);
    placeStore(dir);
  }
  const store = openStore({ dir, log: silentLog });
  const usage = createUsage(store);
  const clock = new FakeClock(Date.parse("2026-11-30T10:00:00Z"));
  const alerts: string[] = [];
  const budgets = new Budgets({
    budgets: () => list,
    usage,
    keyValue: createKeyValueStore(store),
    write: (change) => store.write(change),
    clock,
    zone: () => "UTC",
    log: silentLog,
    metrics: silentMetrics,
    alert: (text) => alerts.push(text),
  });
  return { budgets, usage, store, clock, alerts, dir };
}

/** One request, as a turn makes it: reserved, made, stored. Resolves to whether it was made. */
async function request({ budgets, store, usage }: Bench, subject: UsageSubject, tokens: number, reserved = tokens, text?: string) {
  const hold = budgets.open(subject);
  const failure = hold === null ? null : await hold.reserve({ ...worst(reserved), ...(text !== undefined && { text }) }, never);
  if (failure) return false;
  await new Promise((resolve) => setImmediate(resolve));
  const entry = call(subject, tokens);
  hold?.settle(entry);
  await store.write(() => usage.add([entry]));
  hold?.release();
  return true;
}

test("50 requests at once against a budget of ten: ten are made, and the sums are those of the rows", async () => {
  const bench = openBench([budget({ tokens: 1_000 })]);
  const made = await Promise.all(Array.from({ length: 50 }, () => request(bench, PERSON, 100, 250)));
  assert.equal(made.filter(Boolean).length, 10);
  assert.equal(bench.budgets.status()[0]!.state.spentTokens, 1_000);
  assert.equal(bench.usage.difference(), null);
  bench.store.close();
});

test("what is overspent is at most what was held back for one request", async () => {
  const bench = openBench([budget({ tokens: 1_050 })]);
  const made = await Promise.all(Array.from({ length: 50 }, () => request(bench, PERSON, 200)));
  assert.equal(made.filter(Boolean).length, 6);
  assert.ok(bench.budgets.status()[0]!.state.spentTokens <= 1_050 + 200);
  assert.equal(bench.budgets.status()[0]!.state.heldTokens, 0);
  bench.store.close();
});

test("after a restart the budget begins with what the rows say, and each notice is given once", async () => {
  const list = [budget({ tokens: 1_000 })];
  const first = openBench(list);
  for (let i = 0; i < 9; i++) await request(first, PERSON, 100);
  assert.equal(first.alerts.length, 1);
  assert.match(first.alerts[0]!, /used to 80 %/);
  first.store.close();
  const second = openBench(list, first.dir);
  assert.equal(second.budgets.status()[0]!.state.spentTokens, 900);
  assert.equal(await request(second, PERSON, 100), true);
  assert.equal(await request(second, PERSON, 100), false);
  assert.equal(await request(second, PERSON, 100), false);
  assert.deepEqual(
    second.alerts.map((text) => /is used up/.test(text)),
    [true],
  );
  second.store.close();
});

test("the refusal says what is used, when it begins again, and what the operator can do; a lifted budget refuses nothing", async () => {
  const bench = openBench([budget({ name: "each-person", each: "sender", tokens: 100 })]);
  await request(bench, PERSON, 100);
  const failure = await bench.budgets.open(PERSON)!.reserve(worst(1), never);
  assert.equal(
    failure?.message,
    'The model was not asked: the budget "each-person" for telegram:7 of 100 tokens a day is used up (100 tokens). It begins again on 2026-12-01. Its operator can lift it for a time with `openclaw usage allow each-person`, or change it in the configuration (budgets).',
  );
  assert.equal(await request(bench, { ...PERSON, sender: "8" }, 10), true);
  await bench.budgets.lift("each-person", "telegram:7", 60_000);
  assert.equal(await request(bench, PERSON, 10), true);
  bench.clock.advance(60_001);
  assert.equal(await request(bench, PERSON, 10), false);
  bench.clock.advance(14 * 3_600_000);
  assert.equal(await request(bench, PERSON, 10), true, "the next day");
  bench.store.close();
});

test("a request waits while others hold the rest of the budget, and an abort ends the wait", async () => {
  const bench = openBench([budget({ tokens: 100 })]);
  const holder = bench.budgets.open(PERSON)!;
  assert.equal(await holder.reserve(worst(500), never), null);
  const abort = new AbortController();
  const stopped = bench.budgets.open(PERSON)!.reserve(worst(10), abort.signal);
  const waiting = bench.budgets.open(PERSON)!.reserve(worst(10), never);
  abort.abort();
  assert.equal(await stopped, null);
  holder.settle(call(PERSON, 20));
  assert.equal(await waiting, null);
  bench.store.close();
});

const DECISIONS: readonly [
  string,
  Partial<Budget>,
  { spentTokens?: number; spentCost?: number; heldTokens?: number; recent?: number[]; similar?: number },
  WorstCase,
  string,
][] = [
  ["an empty budget lets a request through that is larger than it", { tokens: 10 }, {}, worst(1_000), "allow"],
  ["a budget that is used up refuses", { tokens: 10 }, { spentTokens: 10 }, worst(1), "spent"],
  ["money is counted in billionths", { usd: 0.000_001 }, { spentCost: 1_000 }, worst(1), "spent"],
  ["a budget of nothing refuses everything", { usd: 0 }, {}, worst(1), "spent"],
  ["money refuses a model without a price", { usd: 5 }, {}, worst(1, null), "price"],
  ["tokens do not ask for a price", { tokens: 5 }, {}, worst(1, null), "allow"],
  ["the rate counts the last minute only", { callsPerMinute: 2 }, { recent: [1_000, 70_000] }, worst(1), "allow"],
  ["a loop is cut by what it repeats", { similarPerHour: 3 }, { similar: 3 }, worst(1), "similar"],
  ["fewer repeats are let through", { similarPerHour: 3 }, { similar: 2 }, worst(1), "allow"],
  ["a limit that is not one allows nothing", { tokens: -1 }, {}, worst(1), "invalid"],
  ["one limit that is not one is enough", { tokens: 1_000, usd: -1 }, {}, worst(1), "invalid"],
  ["a budget without a limit allows nothing", {}, {}, worst(1), "invalid"],
  ["a loop is cut by its rate", { callsPerMinute: 2 }, { recent: [60_000, 70_000] }, worst(1), "rate"],
];

for (const [title, fields, state, request, expected] of DECISIONS) {
  test(title, () => {
    const full = { spentTokens: 0, spentCost: 0, heldTokens: 0, heldCost: 0, recent: [], similar: 0, ...state };
    const verdict = decide(budget(fields), full, request, 100_000);
    assert.equal(verdict.do === "refuse" ? verdict.why : verdict.do, expected);
  });
}

test("a loop that says nearly the same is stopped, its sender is still answered otherwise, and the operator is notified once", async () => {
  const bench = openBench([budget({ name: "loops", each: "sender", similarPerHour: 5 })]);
  const made: boolean[] = [];
  for (let number = 0; number < 8; number++) made.push(await request(bench, PERSON, 10, 10, notice(number)));
  assert.deepEqual(made, [true, true, true, true, true, false, false, false]);
  assert.equal(bench.alerts.length, 1);
  assert.match(bench.alerts[0]!, /has stopped requests that say nearly the same as 5 others within an hour: this looks like a loop/);
  assert.equal(await request(bench, PERSON, 10, 10, "What is in my calendar for the day after tomorrow?"), true);
  assert.equal(await request(bench, { ...PERSON, sender: "8" }, 10, 10, notice(9)), true, "another person");
  const failure = await bench.budgets.open(PERSON)!.reserve({ ...worst(1), text: notice(10) }, never);
  assert.match(failure!.message, /allows 5 requests an hour that say nearly the same, and that many were made.*openclaw usage allow loops/);
  await bench.budgets.lift("loops", "telegram:7", 60_000);
  assert.equal(await request(bench, PERSON, 10, 10, notice(11)), true, "the operator lets it through");
  bench.clock.advance(3_600_001);
  assert.equal(await request(bench, PERSON, 10, 10, notice(12)), true, "an hour later");
  bench.store.close();
});

test("a person who writes ok ten times, or asks many different things, is not stopped", async () => {
  const bench = openBench([budget({ each: "sender", similarPerHour: 3 })]);
  for (let count = 0; count < 10; count++) assert.equal(await request(bench, PERSON, 10, 10, "ok"), true);
  const questions = [
    "When does the train to Bonn leave today?",
    "Which of my mails need an answer this week?",
    "Write a poem about autumn leaves please",
  ];
  for (const text of [...questions, ...questions]) assert.equal(await request(bench, PERSON, 10, 10, text), true, text);
  bench.store.close();
});

test("a budget with an invalid value stays, and allows nothing until it is corrected", async () => {
  const wrong: readonly [unknown, RegExp][] = [
    [[{ name: "b", usd: "five" }], /budgets\[0\]\.usd/],
    [[{ name: "b", tokens: 0 }], /budgets\[0\]\.tokens/],
    [[{ name: "b", token: 500 }], /budgets\[0\]\.token is not a known key; did you mean "tokens"/],
    [[{ name: "b", callsPerMinute: -2 }], /budgets\[0\]\.callsPerMinute/],
    [[{ tokens: 5 }], /budgets\[0\]\.name is missing/],
    [[7], /budgets\[0\] must be an object/],
    [[{ name: "b" }], /has no limit/],
    [{ name: "b", tokens: 5 }, /budgets must be a list/],
  ];
  for (const [value, why] of wrong) {
    const { config, issues } = checkConfigValue({ budgets: value });
    const errors = issues.filter(({ severity }) => severity === "error").map(({ message }) => message);
    assert.match(errors.join("\n"), why);
    const bench = openBench(config.budgets);
    const failure = await bench.budgets.open(PERSON)!.reserve(worst(1), never);
    assert.match(failure?.message ?? "", /is not valid in the configuration/, JSON.stringify(value));
    assert.equal(bench.alerts.length, 1);
    await bench.budgets.lift(config.budgets[0]!.name, null, 60_000);
    assert.equal(await request(bench, PERSON, 10), true, "its operator lifts it like any other");
    bench.store.close();
  }
});

test("an invalid condition is left out, so that the budget is about more", () => {
  const { config } = checkConfigValue({ budgets: [{ name: "b", tokens: 5, cause: "letters", each: "person" }] });
  assert.equal(potOf(config.budgets[0]!, PERSON), "");
});

test("a budget in dollars says that the price of an agent program is not known, and what to do", async () => {
  const bench = openBench([budget({ name: "money", usd: 5 })]);
  const failure = await bench.budgets.open(PERSON)!.reserve({ tokens: 1, cost: null, model: { provider: "acp", id: "codex" } }, never);
  assert.match(
    failure!.message,
    /what a turn of the agent codex costs is not known before it ends.*limit it with tokens or callsPerMinute/,
  );
  assert.doesNotMatch(failure!.message, /models\.providers/);
  bench.store.close();
});

test("a budget is about what all of its conditions name", () => {
  assert.equal(potOf(budget({ sender: "telegram:7" }), PERSON), "");
  assert.equal(potOf(budget({ sender: "irc:7" }), PERSON), null, "the same id on another platform");
  assert.equal(potOf(budget({ cause: "cron" }), PERSON), null);
  assert.equal(potOf(budget({ channel: "telegram", each: "sender" }), PERSON), "telegram:7");
  assert.equal(potOf(budget({ agent: "other" }), PERSON), null);
});
