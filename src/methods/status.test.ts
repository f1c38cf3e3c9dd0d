import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { AccountStatus } from "../channels/account-types.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type AgentId, type ChannelId, type ConnId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createLoopProbe } from "../observe/event-loop.ts";
import { createHealth } from "../observe/health.ts";
import { openLog } from "../observe/log.ts";
import type { Peer } from "../protocol/hub.ts";
import type { Caller } from "../protocol/method.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore } from "../store/open.ts";
import { createSessions } from "../store/sessions.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { commandsMethods } from "./commands.ts";
import { decodeAnswer } from "../../test/fakes/method-bench.ts";
import { healthMethods, toMethodLatencies } from "./health.ts";
import { logsMethods } from "./logs.ts";
import { restartMethods } from "./restart.ts";
import { Presence } from "./presence.ts";
import { listSystemEvents, addSystemEvent, statusMethods, dequeueSystemEvents, type SystemEvent } from "./status.ts";

const root = mkdtempSync(join(tmpdir(), "status-test-"));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;

const caller = (scopes: readonly string[] = ["operator.admin"]): Caller => ({
  conn: asId<ConnId>("c1"),
  role: "operator",
  scopes: new Set(scopes),
  client: { id: "cli", mode: "cli", version: "1" },
  caps: new Set(),
  device: null,
  signal: new AbortController().signal,
  accept: () => {},
});

const PEER: Peer = {
  conn: asId<ConnId>("c2"),
  role: "operator",
  scopes: new Set(["operator.read"]),
  client: { id: "openclaw-control-ui", mode: "webchat", version: "1", displayName: "Browser", platform: "Linux" },
  device: "ab".repeat(32),
  credential: "shared",
  connectedAt: 5,
  remote: "127.0.0.1",
};

const ACCOUNT: AccountStatus = {
  channel: asId<ChannelId>("irc"),
  account: asId<AccountId>("libera"),
  enabled: true,
  state: "backoff",
  since: 1,
  cause: "connection refused",
  fix: null,
  retryAt: 99,
  lastMessageAt: null,
  lastEventAt: null,
  lastReadAt: 7,
  lastWriteAt: null,
  reconnects: 3,
  rateLimits: 0,
};

const agents = () => [{ id: "main", name: "Main", isDefault: true }];

async function rig() {
  const store = openStore({ dir: join(root, String(made++)), log: silentLog });
  const sessions = createSessions(store);
  const key = asId<SessionKey>("agent:main:main");
  const agentId = asId<AgentId>("main");
  await store.write(() => sessions.ensure(key, { sessionId: "s1", agentId, chatKind: "direct", channel: "webchat", now: 1_000 }));
  const state = {
    now: 2_000,
    slotWaits: { sessions: 0, longestMs: 0 },
    pendingApprovals: 0,
    wakeRefusal: null as string | null,
    accounts: [ACCOUNT] as AccountStatus[],
  };
  const health = createHealth();
  const loop = createLoopProbe();
  const woken: string[] = [];
  const switched: boolean[] = [];
  let changes = 0;
  const facts = createKeyValueStore(store);
  const { snapshot, invalidate, methods } = healthMethods({
    plugins: () => [
      { id: "weather", state: "ready" },
      { id: "broken", state: "failed" },
    ],
    now: () => state.now,
    readiness: () => health.readiness(),
    loop,
    channels: () => state.accounts,
    labelOf: () => "IRC",
    agents,
    sessions,
    storePath: store.path,
    heartbeatOf: () => ({ enabled: true, every: "30m", everyMs: 1_800_000, prompt: "", target: "last", ackMaxChars: 300 }),
    configErrors: () => [],
  });
  const status = statusMethods({
    now: () => state.now,
    presence: new Presence({ now: () => state.now, hub: { peers: () => [PEER] }, startedAt: 500, instanceId: "i-1" }),
    presenceChanged: () => void changes++,
    uptimeMs: () => 1_500,
    agents,
    sessions,
    storePath: store.path,
    defaultModel: () => ({ name: "mock/mock-1", contextWindow: 128_000 }),
    modelOf: () => "mock/mock-1",
    channelLines: () => ["IRC: reconnecting"],
    missingSecrets: () => [],
    slotWaits: () => state.slotWaits,
    pendingApprovals: () => state.pendingApprovals,
    shadow: () => ({ on: true, held: 3 }),
    telemetry: () => ({ enabled: false, error: null }),
    remoteAccess: () => ({ address: "", urls: [], tls: null, tailscale: { mode: "off", url: null }, mdns: "off", zone: null }),
    agentRuntime: () => ({ state: "ready", canRun: true, processes: 1, busy: 0, restarts: 0 }),
    keyValue: facts,
    write: (change) => store.write(change),
    sessionFor: (sessionKey) => asId<SessionKey>(sessionKey ?? key),
    heartbeats: {
      wake: async (session) => {
        woken.push(session);
        return state.wakeRefusal;
      },
      last: () => null,
      setEnabled: async (enabled) => void switched.push(enabled),
      status: async () => ({ enabled: true, agents: [] }),
      facts: () => ({
        enabled: true,
        every: "30m",
        everyMs: 1_800_000,
        prompt: "",
        target: "last",
        ackMaxChars: 300,
        waitingForRoute: false,
      }),
    },
  });
  const close = (): void => {
    loop.stop();
    store.close();
  };
  return { store, state, health, snapshot, invalidate, methods, status, facts, woken, switched, presenceChanges: () => changes, close };
}

test("health names what works and what does not, and is computed once a second at most", async () => {
  const r = await rig();
  r.health.require("store");
  const encoded = r.methods.health.run();
  const first = decodeAnswer(encoded);
  assert.equal(first["ok"], false);
  assert.deepEqual(first["failing"], ["store"]);
  r.health.report("store", "ready");
  assert.equal(r.methods.health.run(), encoded, "the same answer within a second");
  r.invalidate();
  assert.notEqual(r.methods.health.run(), encoded);
  r.state.now += LIMITS.healthCacheMs;
  const second = decodeAnswer(r.methods.health.run());
  assert.equal(second["ok"], true);
  const irc = (second["channels"] as { irc: { healthState: string; accounts: Record<string, { lastError: string }> } }).irc;
  assert.deepEqual([irc.healthState, irc.accounts["libera"]!.lastError], ["reconnecting", "connection refused"]);
  const [agent] = second["agents"] as { agentId: string; sessions: { count: number; recent: { key: string; age: number }[] } }[];
  assert.deepEqual(agent!.sessions.recent, [{ key: "agent:main:main", updatedAt: 1_000, age: 2_000 }]);
  const { failing, degraded, parts, methods, ...known } = second;
  assert.ok(failing && degraded && parts && methods, "the method says more");
  assert.deepEqual(r.snapshot(), known, "than clients with a strict schema take in hello-ok");
  r.close();
  assert.deepEqual(r.snapshot()["plugins"], { loaded: ["weather"], errors: [], unavailable: [] });
});

test("status has every key that the official command line reads without asking", async () => {
  const r = await rig();
  const status = r.status["status"].run({}) as Record<string, never> & { tasks: { total: number; byStatus: { queued: number } } };
  assert.equal(status.tasks.total, 0);
  assert.equal(status.tasks.byStatus.queued, 0);
  for (const key of ["heartbeat", "channelSummary", "queuedSystemEvents", "taskAudit", "sessions", "runtimeVersion"])
    assert.ok(key in status, key);
  const { sessions } = status as unknown as { sessions: { count: number; recent: { model: string; key: string }[] } };
  assert.equal(sessions.count, 1);
  assert.equal(sessions.recent[0]!.model, "mock/mock-1");
  r.close();
});

test("presence has this gateway first and then its clients", () => {
  const cli = { ...PEER, conn: asId<ConnId>("c4"), client: { ...PEER.client, mode: "cli" } };
  const peers = [PEER, { ...PEER, conn: asId<ConnId>("c3"), connectedAt: 9, device: null }, cli];
  const rows = new Presence({ now: () => 10, hub: { peers: () => peers }, startedAt: 1, instanceId: "i" }).rows();
  for (const row of rows) assertMatchesResultSchema("PresenceEntry", row);
  assert.deepEqual(
    rows.map((row) => [row["mode"], row["ts"]]),
    [
      ["gateway", 1],
      ["webchat", 9],
      ["webchat", 5],
    ],
  );
});

test("a device that announces itself is listed until it is silent for long, and once when it is connected as well", () => {
  let now = 10;
  const peers: Peer[] = [];
  const presence = new Presence({ now: () => now, hub: { peers: () => peers }, startedAt: 1, instanceId: "i" });
  const texts = (): unknown[] =>
    presence
      .rows()
      .slice(1)
      .map((row) => row["text"]);
  assert.equal(presence.record({ text: "no device" }), false);
  assert.equal(presence.record({ text: "Node: attic", instanceId: "a", host: "attic", lastInputSeconds: 3 }), true);
  now = 20;
  presence.record({ text: "Node: attic again", instanceId: "a", host: "attic" });
  presence.record({ text: "Node: cellar", deviceId: PEER.device! });
  for (const row of presence.rows()) assertMatchesResultSchema("PresenceEntry", row);
  assert.deepEqual(texts(), ["Node: attic again", "Node: cellar"]);
  peers.push(PEER);
  assert.ok(!texts().includes("Node: cellar"));
  now += LIMITS.beaconMs + 1;
  assert.ok(!texts().includes("Node: attic again"));
});

test("status says how many sessions wait for a slot, and since when, and how many commands wait for a person", async () => {
  const r = await rig();
  r.state.slotWaits = { sessions: 3, longestMs: 70_000 };
  r.state.pendingApprovals = 2;
  const { slotWaits, pendingApprovals } = r.status["status"].run({});
  assert.deepEqual({ slotWaits, pendingApprovals }, { slotWaits: { sessions: 3, longestMs: 70_000 }, pendingApprovals: 2 });
  r.close();
});

test("a beacon with a device changes the presence list; a text alone does not", async () => {
  const r = await rig();
  await r.status["system-event"].run({ text: "just a fact" });
  assert.equal(r.presenceChanges(), 0);
  await r.status["system-event"].run({ text: "Node: attic", host: "attic" });
  assert.equal(r.presenceChanges(), 1);
  r.close();
});

test("status has what the official command line shows of agents, only when it is asked for", async () => {
  const r = await rig();
  assert.equal(r.status["status"].run({})["cliProjection"], undefined);
  const status = r.status["status"].run({ includeCliProjection: true, includeChannelSummary: false });
  assert.deepEqual(status["channelSummary"], []);
  const { agents } = status["cliProjection"] as { agents: { defaultId: string; rows: unknown[] } };
  assert.deepEqual([agents.defaultId, agents.rows], ["main", [{ id: "main" }]]);
  const { byAgent } = status["sessions"] as { byAgent: { agentId: string; count: number }[] };
  assert.deepEqual(
    byAgent.map(({ agentId, count }) => [agentId, count]),
    [["main", 1]],
  );
  r.close();
});

const outside = (n: number): SystemEvent => ({ text: `outside ${n}`, at: n, session: null, source: "the hook x" });

test("system events wait in the store for the session that they are for", async () => {
  const r = await rig();
  const say = (text: string) => r.status["system-event"].run({ text });
  assert.deepEqual(await say("  the printer is on fire "), { ok: true });
  await say("the printer is on fire");
  await r.status["wake"].run({ mode: "next-heartbeat", text: "look outside", sessionKey: "agent:main:other" });
  assert.deepEqual(
    listSystemEvents(r.facts).map((event) => [event.text, event.session]),
    [
      ["the printer is on fire", null],
      ["look outside", "agent:main:other"],
    ],
  );
  assert.deepEqual((r.status["status"].run({}) as { queuedSystemEvents: string[] }).queuedSystemEvents.length, 2);
  const taken = await r.store.write(() => dequeueSystemEvents(r.facts, [null, "agent:main:main"], 3));
  assert.deepEqual(
    taken.map((event) => event.text),
    ["the printer is on fire"],
  );
  assert.deepEqual(
    listSystemEvents(r.facts).map((event) => event.text),
    ["look outside"],
  );
  await assert.rejects(
    () => say(" "),
    (err: unknown) => err instanceof GatewayError && err.code === "INVALID_REQUEST",
  );
  for (let n = 0; n < LIMITS.systemEvents + 5; n++) await say(`event ${n}`);
  assert.equal(listSystemEvents(r.facts).length, LIMITS.systemEvents);
  for (let n = 0; n < 10; n++) await r.store.write(() => addSystemEvent(r.facts, outside(n)));
  const kept = listSystemEvents(r.facts);
  assert.equal(kept.length, LIMITS.systemEvents);
  assert.equal(kept[0]!.text, "event 5", "what is from outside displaces nothing else");
  r.close();
});

test("a wake-up now leaves its text and asks for a heartbeat, or says why none starts", async () => {
  const r = await rig();
  assert.deepEqual(await r.status["wake"].run({ mode: "now", text: "wake up" }), { ok: true, started: true });
  assert.deepEqual(r.woken, ["agent:main:main"]);
  assert.deepEqual(
    listSystemEvents(r.facts).map(({ text }) => text),
    ["wake up"],
  );
  r.state.wakeRefusal = "heartbeats are off";
  assert.deepEqual(await r.status["wake"].run({ mode: "now", text: "again" }), { ok: true, started: false, reason: "heartbeats are off" });
  assert.deepEqual(await r.status["wake"].run({ mode: "next-heartbeat", text: "later" }), { ok: true });
  assert.deepEqual(await r.status["set-heartbeats"].run({ enabled: false }), { ok: true, enabled: false });
  assert.deepEqual(r.switched, [false]);
  assert.equal(r.status["last-heartbeat"].run(), null);
  r.close();
});

test("logs.tail follows by cursor, gives whole lines only, and starts again after a rotation", async () => {
  const dir = join(root, String(made++));
  const log = openLog({ dir, level: "info" });
  const tail = logsMethods({ file: log.file, flush: log.flush, recent: log.recent })["logs.tail"].run;
  const empty = await tail({});
  assertMatchesResultSchema("LogsTailResult", empty);
  assert.deepEqual(empty.lines, []);
  for (let n = 0; n < 10; n++) log.info(`line ${n}`);
  const first = await tail({ limit: 3 });
  assertMatchesResultSchema("LogsTailResult", first);
  assert.deepEqual(
    first.lines.map((line) => (JSON.parse(line) as { message: string }).message),
    ["line 7", "line 8", "line 9"],
  );
  assert.deepEqual([first.truncated, first.reset, first.cursor === first.size], [true, false, true]);
  log.info("next");
  appendFileSync(log.file!, ""); // the file is shared with its readers
  const next = await tail({ cursor: first.cursor });
  assert.deepEqual(next.lines.length, 1);
  appendFileSync(log.file!, '{"half');
  const half = await tail({ cursor: next.cursor });
  assert.deepEqual([half.lines, half.cursor], [[], next.cursor], "an unfinished line waits");
  const cut = await tail({ maxBytes: 200 });
  assert.ok(cut.lines.length > 0 && cut.lines.every((line) => line.startsWith("{") && line.endsWith("}")));
  const behind = await tail({ cursor: 0, maxBytes: 200 });
  assert.ok(behind.reset && behind.skippedBytes! > 0);
  await log.close();
  renameSync(log.file!, `${log.file!}.1`);
  writeFileSync(log.file!, '{"message":"fresh"}\n');
  const rotated = await tail({ cursor: next.cursor });
  assert.deepEqual([rotated.reset, rotated.lines], [true, ['{"message":"fresh"}']]);
});

test("a gateway without a log file still shows what it remembers", async () => {
  const log = openLog({ dir: null, level: "info" });
  log.info("remembered");
  const answer = await logsMethods({ file: null, flush: log.flush, recent: log.recent })["logs.tail"].run({ limit: 5 });
  assertMatchesResultSchema("LogsTailResult", answer);
  assert.match(answer.lines[0]!, /remembered/);
});

const skillNames = async (agent: string | undefined): Promise<string[]> => (agent === "ops" ? ["deploy"] : []);

test("the chat commands are listed for menus, with the skills of the agent as choices", async () => {
  const list = commandsMethods({ skillNames })["commands.list"].run;
  const full = await list({});
  assertMatchesResultSchema("CommandsListResult", full);
  assert.ok(["new", "stop", "status", "help", "model"].every((name) => full.commands.some((command) => command["name"] === name)));
  assert.ok(full.commands.some((command) => command["args"]));
  assert.ok((await list({ includeArgs: false })).commands.every((command) => !command["args"]));
  for (const params of [{ agentId: "ops" }, { sessionKey: "agent:ops:main" }]) {
    const answer = await list(params);
    assertMatchesResultSchema("CommandsListResult", answer);
    assert.match(
      JSON.stringify(answer),
      /"name":"name","description":"name of the skill","type":"string","choices":\[\{"value":"deploy","label":"deploy"\}\]/,
    );
  }
});

test("a restart is asked for with its reason, and happens after the answer", () => {
  const asked: unknown[] = [];
  const { run } = restartMethods({ now: () => 10, restart: (request) => asked.push(request) })["gateway.restart.request"];
  assert.deepEqual(run({ delayMs: 7, reason: "update" }, caller()), { ok: true, status: "scheduled", delayMs: 7, at: 17 });
  run({}, caller());
  assert.deepEqual(asked, [
    { reason: "update", delayMs: 7 },
    { reason: "asked for by cli", delayMs: 500 },
  ]);
});

test("the time of requests is what half and 95 % of them took at most, the most frequent method first", () => {
  const bounds = [0.001, 0.01, 0.1];
  const points = [
    { labels: { method: "rare" }, value: 1, bounds, buckets: [0, 0, 0, 1] },
    { labels: { method: "often" }, value: 1, bounds, buckets: [90, 6, 4, 0] },
  ];
  assert.deepEqual(toMethodLatencies(points), [
    { method: "often", count: 100, p50Ms: 1, p95Ms: 10 },
    { method: "rare", count: 1, p50Ms: null, p95Ms: null },
  ]);
});
