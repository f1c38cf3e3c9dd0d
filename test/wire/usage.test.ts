// Usage and budgets with the real process: what a turn took is known with its end, budgets hold under load, and nothing is lost by a kill.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { ProtocolClient } from "../../src/client/client.ts";
import { silentLog } from "../../src/core/log.ts";
import { openStore } from "../../src/store/open.ts";
import { createUsage } from "../../src/store/usage.ts";
import { startModelServer, type ModelServer } from "../model-server.ts";
import { openclaw, openclawJson } from "./cli.ts";
import { dropHome, modelConfig, newHome, startGateway, stateDir, until, type GatewayUnderTest } from "./gateway-process.ts";
import { join } from "node:path";

type Totals = { totalTokens: number; totalCost: number; missingCostEntries: number };
type Report = { calls: number; totals: Totals; rows: (Totals & Record<string, unknown>)[] };
type Wait = { status: string; error?: unknown };

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

async function start(home: string, more: Record<string, unknown> = {}): Promise<GatewayUnderTest> {
  if (!homes.includes(home)) homes.push(home);
  const gateway = await startGateway({ home, config: { ...modelConfig(model.url), ...more } });
  started.push(gateway);
  return gateway;
}

/** One turn in a session of its own. Resolves to how it ended. */
async function turn(client: ProtocolClient, id: string, text: string): Promise<Wait> {
  await client.request("agent", { message: text, sessionKey: `agent:main:${id}`, idempotencyKey: id });
  return await client.request<Wait>("agent.wait", { runId: id, timeoutMs: 60_000 });
}

const report = (client: ProtocolClient, params: Record<string, unknown> = {}): Promise<Report> =>
  client.request<Report>("usage.report", { mode: "gateway", ...params });

/** What the rows of the store add up to, and whether the sums agree. */
function readStore(home: string): { tokens: number; difference: string | null } {
  const store = openStore({ dir: join(stateDir(home), "gateway"), log: silentLog });
  try {
    const usage = createUsage(store);
    const tokens = usage.callsAfter(0, 10_000).reduce((sum, call) => sum + call.input + call.output + call.cacheRead + call.cacheWrite, 0);
    return { tokens, difference: usage.difference() };
  } finally {
    store.close();
  }
}

test("what a turn took is in the reports as soon as it has ended, in the shapes of the protocol and on the command line", async () => {
  const home = newHome();
  const gateway = await start(home);
  const client = await gateway.connect();
  assert.equal((await turn(client, "first", "tool:read:AGENTS.md")).status, "ok");
  const cost = await client.request<{ days: number; daily: Totals[]; totals: Totals; cacheStatus: { status: string } }>("usage.cost", {
    days: 7,
  });
  assert.ok(cost.totals.totalTokens > 0);
  assert.equal(cost.daily.at(-1)!.totalTokens, cost.totals.totalTokens, "the row of this day has it");
  assert.deepEqual([cost.days, cost.cacheStatus.status], [7, "fresh"]);
  // The model of the test has no price: it is not 0.
  assert.equal(cost.totals.missingCostEntries, 2);
  const sessions = await client.request<{ sessions: { key: string; usage: Totals & { toolUsage: { totalCalls: number } } }[] }>(
    "sessions.usage",
    {
      groupBy: "family",
    },
  );
  assert.deepEqual(
    sessions.sessions.map(({ key, usage }) => [key, usage.toolUsage.totalCalls, usage.totalTokens]),
    [["agent:main:first", 1, cost.totals.totalTokens]],
  );
  const byCause = await report(client, { by: ["cause"] });
  assert.deepEqual(
    byCause.rows.map(({ cause, calls }) => [cause, calls]),
    [["message", 2]],
  );
  const series = await client.request<{ points: { cumulativeTokens: number }[] }>("sessions.usage.timeseries", { key: "agent:main:first" });
  assert.equal(series.points.at(-1)!.cumulativeTokens, cost.totals.totalTokens);
  const { stdout } = await openclaw(home, "usage", "--by", "model");
  assert.match(stdout, /test\/echo\s+2\s.*unknown/);
  const csv = await openclaw(home, "usage", "calls", "--csv");
  assert.equal(csv.stdout.trim().split("\n").length, 3);
  await client.close();
});

test("50 turns at once against a budget: the rest is refused in words, and it is exceeded by less than one request", async () => {
  const home = newHome();
  const gateway = await start(home, {
    budgets: [{ name: "day", tokens: 6_000 }],
    agents: { defaults: { model: { primary: "test/echo" }, maxConcurrent: 50 } },
  });
  const client = await gateway.connect();
  const ends = await Promise.all(Array.from({ length: 50 }, (_, index) => turn(client, `run-${index}`, "hello")));
  const refused = ends.filter(({ status }) => status === "error");
  const made = ends.length - refused.length;
  const { totals, calls } = await report(client);
  assert.equal(calls, made);
  const each = totals.totalTokens / made;
  assert.ok(totals.totalTokens >= 6_000 && totals.totalTokens < 6_000 + each, `${totals.totalTokens} tokens in ${made} turns`);
  assert.match(JSON.stringify(refused[0]), /The model was not asked: the budget \\"day\\" of 6,000 tokens a day is used up/);
  const [budget] = (await openclawJson<{ budgets: { state: string; heldTokens: number }[] }>(home, "usage", "budgets")).budgets;
  assert.deepEqual([budget!.state, budget!.heldTokens], ["used-up", 0]);
  await openclaw(home, "usage", "allow", "day", "--for", "5m");
  assert.equal((await turn(client, "lifted", "hello")).status, "ok");
  await client.close();
});

test("after kill -9 in the middle of turns the sums are those of the rows, and the budget begins with them", async () => {
  const home = newHome();
  const budgets = [{ name: "day", tokens: 1_000_000 }];
  const first = await start(home, { budgets });
  const client = await first.connect();
  for (let round = 0; round < 4; round++) await turn(client, `before-${round}`, "tool:read:AGENTS.md");
  const running = Array.from({ length: 4 }, (_, index) =>
    client.request("agent", {
      message: "slow:40 one two three four five six",
      sessionKey: `agent:main:k${index}`,
      idempotencyKey: `k${index}`,
    }),
  );
  await Promise.all(running.map((each) => each.catch(() => null)));
  await first.kill("SIGKILL");
  const stored = readStore(home);
  assert.equal(stored.difference, null);
  assert.ok(stored.tokens > 0);
  const second = await start(home, { budgets });
  const again = await second.connect();
  await until("the interrupted turns have run again", async () => ((await report(again)).calls >= 12 ? true : undefined));
  const status = await again.request<{ budgets: { spentTokens: number }[] }>("budgets.status", {});
  assert.equal(status.budgets[0]!.spentTokens, (await report(again)).totals.totalTokens);
  await again.close();
  await second.kill("SIGKILL");
  assert.equal(readStore(home).difference, null);
});
