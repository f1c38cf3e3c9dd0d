import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { until } from "../../test/until.ts";
import { createDevice, toSigner } from "../client/device.ts";
import { GatewayError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { createVault } from "../store/vault.ts";
import { createNodeRows, type NodeAsker } from "../store/nodes.ts";
import { openStore } from "../store/open.ts";
import type { NodeClaims } from "./claims.ts";
import type { NodeCommandConfig } from "./command-policy.ts";
import { STOP_REASON } from "./invocations.ts";
import { NODE_LIMITS } from "./limits.ts";
import { NodePush, type PushRelay } from "./push.ts";
import { NodeService, type ShellQuestion } from "./service.ts";

const ADMIN = new Set(["operator.admin"]);
const WRITE = new Set(["operator.write"]);
const ASKER: NodeAsker = { surface: "operator", name: "laptop", agentId: "main", sessionKey: "agent:main:main", runId: null };
const never = new AbortController().signal;

type Sent = {
  conn: string;
  event: string;
  payload: { id: string; nodeId: string; command: string; paramsJSON?: string; timeoutMs: number };
};

const agree = (): Promise<string> => Promise.resolve("approval-1");

type Pushed = { url: string; headers: Record<string, string>; body: { payload: { openclaw: { kind: string; nodeId: string } } } };

/** A relay that takes what it is sent. */
function pushBench(clock: FakeClock) {
  const relay: { value: PushRelay | null } = { value: null };
  const kept = new Map<string, Uint8Array>();
  const pushed: Pushed[] = [];
  const answer = { status: 200, body: Buffer.from('{"ok":true,"status":200}') };
  const device = createDevice();
  const service = new NodePush({
    relay: () => relay.value,
    vault: (nodeId) => ({
      read: async (key) => kept.get(nodeId + key) ?? null,
      write: async (key, value) => void kept.set(nodeId + key, value),
      clear: async () => void kept.delete(`${nodeId}push`),
    }),
    identity: async () => device,
    post: async (url, headers, body) => {
      const revealed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()]));
      pushed.push({ url, headers: revealed, body: JSON.parse(body.toString()) as Pushed["body"] });
      return answer;
    },
    clock,
    log: silentLog,
    metrics: silentMetrics,
  });
  const registration = {
    transport: "relay",
    relayHandle: "handle",
    sendGrant: "grant",
    topic: "ai.openclaw.ios",
    environment: "production",
    gatewayDeviceId: device.id,
  };
  return { relay, kept, pushed, answer, device, service, registration };
}

function open(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "nodes-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  const rows = createNodeRows(store);
  const config: { value: NodeCommandConfig } = { value: { allow: [], deny: [] } };
  const sent: Sent[] = [];
  const asked: ShellQuestion[] = [];
  const used: string[] = [];
  const records: [command: string, state: string | null][] = [];
  const events: [string, string | null][] = [];
  let answer = agree;
  let ids = 0;
  const push = pushBench(clock);
  const start = (): NodeService =>
    new NodeService({
      rows,
      write: (change) => store.write(change),
      config: () => config.value,
      send: (conn, event, payload) => void sent.push({ conn, event, payload: payload as Sent["payload"] }),
      events: {
        requested: ({ requestId }) => void events.push(["requested", requestId]),
        resolved: ({ decision, requestId }) => void events.push([decision, requestId]),
      },
      desk: {
        ask: (question) => {
          asked.push(question);
          return answer();
        },
        use: (id) => {
          if (used.includes(id)) return Promise.reject(new GatewayError("FORBIDDEN", "used"));
          used.push(id);
          return Promise.resolve();
        },
      },
      record: ({ command }, end) => void records.push([command, end?.state ?? null]),
      push: async () => (push.relay.value === null ? null : push.service),
      crashPoint: () => {},
      newId: () => `id-${++ids}`,
      clock,
      log: silentLog,
      metrics: silentMetrics,
    });
  return {
    store,
    rows,
    clock,
    config,
    sent,
    asked,
    records,
    events,
    push,
    start,
    answerWith: (next: () => Promise<string>) => void (answer = next),
  };
}

const claims = (nodeId: string, more: Partial<NodeClaims> = {}): NodeClaims => ({
  nodeId,
  info: { displayName: `${nodeId} box`, platform: "linux", deviceFamily: "Linux" },
  caps: ["system"],
  commands: ["system.run", "system.which"],
  permissions: {},
  pathEnv: null,
  hasCode: false,
  ...more,
});

/** A node that is connected and approved. */
async function approved(bench: ReturnType<typeof open>, nodeId = "aaaa1111", more: Partial<NodeClaims> = {}) {
  const service = bench.start();
  service.connected("conn-1", claims(nodeId, more));
  const { pending } = (await service.requests()) as { pending: { requestId: string }[] };
  await service.approve(pending[0]!.requestId, ADMIN);
  const call = (command: string, key: string, params?: unknown, rest: object = {}) =>
    service.invoke({ node: nodeId, command, params, key, asker: ASKER, scopes: WRITE, ...rest }, never);
  const lastId = async (count: number): Promise<string> => {
    await until("the request", () => bench.sent.filter(({ event }) => event === "node.invoke.request").length >= count);
    return bench.sent.filter(({ event }) => event === "node.invoke.request")[count - 1]!.payload.id;
  };
  return { service, call, lastId };
}

const codeOf = (err: unknown): unknown => (err as GatewayError).details?.["code"] ?? (err as GatewayError).code;
const rejectsWith = (promise: Promise<unknown>, code: string) => assert.rejects(promise, (err) => codeOf(err) === code);

test("a node runs nothing before a person has approved what it declares", async (t) => {
  const bench = open(t);
  const service = bench.start();
  service.connected("conn-1", claims("aaaa1111"));
  const request = { node: "aaaa box", command: "system.which", params: {}, key: "k", asker: ASKER, scopes: ADMIN };
  await assert.rejects(service.invoke({ ...request, node: "aaaa1111" }, never), /no person has approved it/);
  assert.equal(bench.sent.length, 0);
  const { pending } = (await service.requests()) as { pending: { requestId: string; commands: string[]; summary: string[] }[] };
  assert.deepEqual(pending[0]!.commands, ["system.run", "system.which"]);
  assert.deepEqual(pending[0]!.summary, ["run programs", "find programs"]);
  await rejectsWith(service.approve(pending[0]!.requestId, new Set(["operator.pairing", "operator.write"])), "MISSING_SCOPE");
  await service.approve(pending[0]!.requestId, ADMIN);
  assert.deepEqual(bench.events, [
    ["requested", pending[0]!.requestId],
    ["approved", pending[0]!.requestId],
  ]);
});

test("a changed surface has another request id, and the old id approves nothing", async (t) => {
  const bench = open(t);
  const service = bench.start();
  service.connected("conn-1", claims("aaaa1111", { commands: ["system.which"] }));
  const first = ((await service.requests()) as { pending: { requestId: string }[] }).pending[0]!.requestId;
  service.connected("conn-2", claims("aaaa1111"));
  const second = ((await service.requests()) as { pending: { requestId: string }[] }).pending[0]!.requestId;
  assert.notEqual(first, second);
  await rejectsWith(service.approve(first, ADMIN), "NOT_FOUND");
  service.connected("conn-3", claims("aaaa1111"));
  assert.equal(((await service.requests()) as { pending: { requestId: string }[] }).pending[0]!.requestId, second);
});

test("a node that waits and then says that it is another machine has another request id", async (t) => {
  const bench = open(t);
  const service = bench.start();
  const waiting = async () => ((await service.requests()) as { pending: { requestId: string; commands: string[] }[] }).pending[0]!;
  service.connected("conn-1", claims("aaaa1111", { info: { displayName: "phone", platform: "ios", deviceFamily: "iPhone" } }));
  const shown = await waiting();
  assert.deepEqual(shown.commands, []);
  service.connected("conn-2", claims("aaaa1111", { info: { displayName: "phone", platform: "linux", deviceFamily: "Linux" } }));
  const now = await waiting();
  assert.deepEqual(now.commands, ["system.run", "system.which"]);
  await rejectsWith(service.approve(shown.requestId, ADMIN), "NOT_FOUND");
  service.connected("conn-3", claims("aaaa1111", { info: { displayName: "other", platform: "linux", deviceFamily: "Linux" } }));
  await rejectsWith(service.approve(now.requestId, ADMIN), "NOT_FOUND");
  // The beginning of an id is enough.
  const { requestId } = await waiting();
  await service.approve(requestId.slice(0, 4), ADMIN);
  assert.deepEqual(bench.events.at(-1), ["approved", requestId]);
});

test("more than was approved waits again while the rest goes on, and another platform starts from nothing", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  service.connected("conn-2", claims("aaaa1111", { commands: ["system.run", "system.which", "file.fetch"] }));
  const node = (await service.describe("aaaa1111")) as { approvalState: string; commands: string[] };
  assert.deepEqual([node.approvalState, node.commands], ["pending-reapproval", ["system.run", "system.which"]]);
  service.connected("conn-3", claims("aaaa1111", { info: { platform: "macos", deviceFamily: "Mac" } }));
  const moved = (await service.describe("aaaa1111")) as { approvalState: string; commands: string[] };
  assert.deepEqual([moved.approvalState, moved.commands], ["pending-approval", []]);
});

test("a one-time code approves what the node declares with it", async (t) => {
  const bench = open(t);
  const service = bench.start();
  service.connected("conn-1", claims("aaaa1111", { hasCode: true }));
  const node = (await service.describe("aaaa1111")) as { approvalState: string; commands: string[] };
  assert.deepEqual([node.approvalState, node.commands], ["approved", ["system.run", "system.which"]]);
});

test("a command ends with the answer of the node that was asked, and of no other", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  service.connected("conn-9", claims("bbbb2222"));
  const result = call("system.which", "k1", { bins: ["ls"] });
  const id = await lastId(1);
  assert.deepEqual(await service.result("bbbb2222", id, { ok: true, payloadJSON: '"forged"' }), { ok: true, ignored: true });
  assert.equal(service.progress("bbbb2222", id, { seq: 0, chunk: "x" }).ok, false);
  await service.result("aaaa1111", id, { ok: true, payloadJSON: '{"bins":{}}' });
  assert.deepEqual(await result, { nodeId: "aaaa1111", command: "system.which", payload: { bins: {} }, payloadJSON: '{"bins":{}}' });
  assert.deepEqual(bench.records, [
    ["system.which", null],
    ["system.which", "done"],
  ]);
  assert.deepEqual(await service.result("aaaa1111", id, { ok: true, payloadJSON: "2" }), { ok: true, ignored: true });
});

test("a key runs once: a repeat gets the first result, also of another process, and another command is refused", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  const both = [call("system.which", "k1", { bins: [] }), call("system.which", "k1", { bins: [] })];
  await service.result("aaaa1111", await lastId(1), { ok: true, payloadJSON: "1" });
  assert.deepEqual(
    (await Promise.all(both)).map(({ payload }) => payload),
    [1, 1],
  );
  await rejectsWith(call("system.which", "k1", { bins: ["other"] }), "NODE_KEY_REUSED");
  const later = bench.start();
  const repeat = { node: "aaaa1111", command: "system.which", params: { bins: [] }, key: "k1", asker: ASKER, scopes: WRITE };
  assert.equal((await later.invoke(repeat, never)).payload, 1);
  assert.equal(bench.sent.filter(({ event }) => event === "node.invoke.request").length, 1);
});

test("at its deadline a command ends, the node gets a cancel, and a late answer changes nothing", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  const result = rejectsWith(call("system.which", "k1", {}, { timeoutMs: 5_000 }), "NODE_TIMEOUT");
  const id = await lastId(1);
  bench.clock.advance(5_000);
  await result;
  assert.deepEqual(bench.sent.at(-1)!.event, "node.invoke.cancel");
  assert.deepEqual(await service.result("aaaa1111", id, { ok: true, payloadJSON: "1" }), { ok: true, ignored: true });
  await rejectsWith(call("system.which", "k1", {}, { timeoutMs: 5_000 }), "NODE_TIMEOUT");
});

test("a node that keeps its answers is asked again with the same id when it is back; another one is not", async (t) => {
  for (const keeps of [true, false]) {
    const bench = open(t);
    const caps = keeps ? ["system", "invoke-replay"] : ["system"];
    const { service, call, lastId } = await approved(bench, "aaaa1111", { caps });
    const result = call("system.which", "k1", {}, { timeoutMs: 60_000 });
    const id = await lastId(1);
    service.disconnected("conn-1");
    bench.clock.advance(NODE_LIMITS.reconnectMs - 1);
    service.connected("conn-2", claims("aaaa1111", { caps }));
    const requests = bench.sent.filter(({ event }) => event === "node.invoke.request");
    assert.deepEqual(
      requests.map(({ conn, payload }) => [conn, payload.id]),
      keeps
        ? [
            ["conn-1", id],
            ["conn-2", id],
          ]
        : [["conn-1", id]],
    );
    await service.result("aaaa1111", id, { ok: true, payloadJSON: "1" });
    assert.equal((await result).payload, 1);
  }
});

test("a command of a node that does not come back is lost, and says so", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  const result = rejectsWith(call("system.which", "k1", {}, { timeoutMs: 600_000 }), "NODE_DISCONNECTED");
  await lastId(1);
  service.disconnected("conn-1");
  bench.clock.advance(NODE_LIMITS.reconnectMs);
  await result;
  await rejectsWith(call("system.which", "k2"), "NOT_CONNECTED");
});

test("a command that a restart of the gateway interrupted ends once, with the answer that the node has kept", async (t) => {
  const bench = open(t);
  const caps = ["system", "invoke-replay"];
  const { call, lastId } = await approved(bench, "aaaa1111", { caps });
  void call("system.which", "k1", {}, { timeoutMs: 60_000 }).catch(() => {});
  const id = await lastId(1);
  const next = bench.start();
  bench.clock.advance(70_000);
  next.start();
  const repeat = next.invoke({ node: "aaaa1111", command: "system.which", params: {}, key: "k1", asker: ASKER, scopes: WRITE }, never);
  next.connected("conn-2", claims("aaaa1111", { caps }));
  await until("the second request", () => bench.sent.filter(({ conn }) => conn === "conn-2").length === 1);
  await next.result("aaaa1111", id, { ok: true, payloadJSON: "1" });
  assert.equal((await repeat).payload, 1);
});

test("a stopped call is stopped on the node too, and a caller that only goes away leaves it running", async (t) => {
  const bench = open(t);
  const { service, lastId } = await approved(bench);
  const controller = new AbortController();
  const stopped = service.invoke(
    { node: "aaaa1111", command: "system.which", params: {}, key: "k1", asker: ASKER, scopes: WRITE },
    controller.signal,
  );
  await lastId(1);
  controller.abort(STOP_REASON);
  await assert.rejects(stopped);
  assert.deepEqual(bench.sent.at(-1)!.event, "node.invoke.cancel");
  const gone = new AbortController();
  const left = service.invoke(
    { node: "aaaa1111", command: "system.which", params: {}, key: "k2", asker: ASKER, scopes: WRITE },
    gone.signal,
  );
  const id = await lastId(2);
  gone.abort();
  await assert.rejects(left);
  await service.result("aaaa1111", id, { ok: true, payloadJSON: "2" });
  const again = await service.invoke(
    { node: "aaaa1111", command: "system.which", params: {}, key: "k2", asker: ASKER, scopes: WRITE },
    never,
  );
  assert.equal(again.payload, 2);
});

test("a program waits for a person, and exactly what was agreed to is sent", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  const params = { command: ["uname", "-a"], cwd: "/tmp", env: { LANG: "C" }, approved: true, approvalDecision: "allow-always" };
  const result = call("system.run", "k1", params);
  const id = await lastId(1);
  assert.equal(bench.asked[0]!.text, "uname -a");
  assert.deepEqual(JSON.parse(bench.sent[0]!.payload.paramsJSON!), {
    command: ["uname", "-a"],
    cwd: "/tmp",
    env: { LANG: "C" },
    runId: "approval-1",
    approved: true,
    approvalDecision: "allow-once",
  });
  await service.result("aaaa1111", id, { ok: true, payloadJSON: '{"exitCode":0}' });
  assert.deepEqual((await result).payload, { exitCode: 0 });
});

test("a program that the node does not plan in time was not run, and the same key may be used again", async (t) => {
  const bench = open(t);
  const { call, lastId, service } = await approved(bench, "aaaa1111", { commands: ["system.run", "system.run.prepare"] });
  const refused = rejectsWith(call("system.run", "k1", { command: ["uname"] }), "NODE_NOT_PLANNED");
  await lastId(1);
  bench.clock.advance(10_000);
  await refused;
  assert.equal(bench.asked.length, 0);
  const again = call("system.run", "k1", { command: ["uname"] });
  await service.result("aaaa1111", await lastId(2), { ok: true, payloadJSON: '{"plan":{"argv":["/bin/uname"]}}' });
  const id = await lastId(3);
  assert.match(bench.sent.at(-1)!.payload.paramsJSON!, /"command":\["\/bin\/uname"\]/);
  await service.result("aaaa1111", id, { ok: true, payloadJSON: "{}" });
  await again;
});

test("a program that a person refuses is not sent, and neither is one whose node changed meanwhile", async (t) => {
  const bench = open(t);
  const { service, call } = await approved(bench);
  bench.answerWith(() => Promise.reject(new GatewayError("FORBIDDEN", "denied")));
  await assert.rejects(call("system.run", "k1", { command: ["true"] }), /denied/);
  bench.answerWith(() => {
    bench.config.value = { allow: [], deny: ["system.run"] };
    return Promise.resolve("approval-2");
  });
  await rejectsWith(call("system.run", "k2", { command: ["true"] }), "NODE_COMMAND_NOT_ALLOWED");
  await rejectsWith(call("system.run", "k3", { command: "rm -rf /" }), "NODE_COMMAND_NOT_ALLOWED");
  bench.config.value = { allow: [], deny: [] };
  await assert.rejects(call("system.run", "k4", { command: "rm -rf /" }), /must be a list of texts/);
  await assert.rejects(call("system.run", "k5", { command: ["true"], elevated: true }), /elevated has no effect/);
  assert.equal(bench.sent.length, 0);
  assert.equal(service.registry.isConnected("aaaa1111"), true);
});

test("an approval of another program is taken once", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  const params = { command: ["true"], approved: true, runId: "given" };
  const first = call("system.run", "k1", params);
  await service.result("aaaa1111", await lastId(1), { ok: true, payloadJSON: "0" });
  await first;
  await assert.rejects(call("system.run", "k2", params), /used/);
  assert.equal(bench.asked.length, 0);
});

test("the rules of a node and the commands of administrators need more than writing", async (t) => {
  const bench = open(t);
  const commands = ["system.execApprovals.get", "file.fetch"];
  const { call } = await approved(bench, "aaaa1111", { commands });
  await rejectsWith(call("system.execApprovals.get", "k1"), "NODE_COMMAND_NOT_ALLOWED");
  await rejectsWith(call("file.fetch", "k2"), "MISSING_SCOPE");
});

test("a node is found by id, name and unique beginning; an unknown one names the candidates", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  service.connected("conn-2", claims("aabb2222", { info: { displayName: "attic", platform: "linux", deviceFamily: "Linux" } }));
  await service.registry.settled();
  for (const name of ["aaaa1111", "aaaa", "AAAA1111 BOX", "att", "attic"]) assert.doesNotThrow(() => service.registry.require(name), name);
  for (const name of ["aa", "nothing", "", "a"])
    assert.throws(
      () => service.registry.require(name),
      (err: unknown) => codeOf(err) === "NODE_NOT_FOUND" && (err as GatewayError).fix!.includes("attic"),
    );
});

test("kept answers together have a limit: the oldest are emptied, and no command runs again for that", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  for (const [index, key] of ["k1", "k2", "k3"].entries()) {
    const answer = call("system.which", key);
    await service.result("aaaa1111", await lastId(index + 1), { ok: true, payloadJSON: JSON.stringify("x".repeat(1_000)) });
    await answer;
    bench.clock.advance(1_000);
  }
  assert.equal(await bench.store.write(() => bench.rows.prune(0, 10, 2_500)), false, "nothing is left to do");
  const results = ["k1", "k2", "k3"].map((key) => bench.rows.invocationByKey("aaaa1111", key)!.result);
  assert.deepEqual(
    results.map((result) => result === null),
    [true, false, false],
  );
  const sent = bench.sent.length;
  await assert.rejects(call("system.which", "k1"), /is not kept/);
  assert.equal(bench.sent.length, sent);
});

test("what waits for a node outlives a restart, is taken once, and expires", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  await service.pending.enqueue("aaaa1111", { type: "status.request", priority: "normal", expiresInMs: 60_000 });
  await service.pending.enqueue("aaaa1111", { type: "location.request", priority: "high", expiresInMs: 120_000 });
  await service.pending.enqueue("aaaa1111", { type: "status.request", priority: "normal", expiresInMs: 60_000 });
  const next = bench.start();
  const first = await next.pending.drain("aaaa1111", 1);
  assert.deepEqual([first.items.map(({ slot }) => slot), first.hasMore], [["location.request"], true]);
  bench.clock.advance(60_000);
  assert.deepEqual((await next.pending.drain("aaaa1111", 4)).items, []);
});

test("a command that an app runs in the foreground only waits for it, as long as it may run", async (t) => {
  const bench = open(t);
  const phone = { info: { platform: "ios", deviceFamily: "iPhone" }, caps: ["camera"], commands: ["camera.snap"] };
  bench.config.value = { allow: ["camera.snap"], deny: [] };
  const { service, call, lastId } = await approved(bench, "aaaa1111", phone);
  const result = rejectsWith(call("camera.snap", "k1", { facing: "back" }), "QUEUED_UNTIL_FOREGROUND");
  await service.result("aaaa1111", await lastId(1), { ok: false, code: "NODE_BACKGROUND_UNAVAILABLE", message: "in the background" });
  await result;
  const [action] = await service.actionsFor("aaaa1111");
  assert.deepEqual([action!["command"], action!["paramsJSON"]], ["camera.snap", '{"facing":"back"}']);
  bench.config.value = { allow: [], deny: [] };
  assert.deepEqual(await service.actionsFor("aaaa1111"), []);
  assert.equal(await service.pending.acknowledge("aaaa1111", [String(action!["id"])]), 0);
});

const RELAY: PushRelay = { baseUrl: "https://relay.example.com/", timeoutMs: 1_000 };

test("a command for a phone that is away wakes it once through the relay, and runs when it attaches", async (t) => {
  const bench = open(t);
  const { service, call, lastId } = await approved(bench);
  bench.push.relay.value = RELAY;
  const live = service.liveOf("conn-1", "aaaa1111");
  assert.equal((await service.event(live, "push.apns.register", bench.push.registration)).handled, true);
  service.disconnected("conn-1");
  const [first, second] = [call("system.which", "k1"), call("system.which", "k2")];
  await until("the push", () => bench.push.pushed.length > 0);
  service.connected("conn-2", claims("aaaa1111"));
  await service.result("aaaa1111", await lastId(1), { ok: true, payloadJSON: "{}" });
  await service.result("aaaa1111", await lastId(2), { ok: true, payloadJSON: "{}" });
  await Promise.all([first, second]);
  const [{ url, headers, body }, ...more] = bench.push.pushed as [Pushed];
  assert.equal(more.length, 0, "one message for both");
  assert.equal(url, "https://relay.example.com/v1/push/send");
  assert.deepEqual([body.payload.openclaw.kind, body.payload.openclaw.nodeId], ["node.wake", "aaaa1111"]);
  const { authorization, "x-openclaw-gateway-device-id": id, "x-openclaw-gateway-signed-at-ms": at } = headers;
  assert.deepEqual([authorization, id], ["Bearer grant", bench.push.device.id]);
  const signed = ["openclaw-relay-send-v1", id, at, JSON.stringify(body)].join("\n");
  assert.equal(headers["x-openclaw-gateway-signature"], toSigner(bench.push.device).sign(signed));
});

test("a phone that does not come, a relay that refuses, and a second attempt soon after end with the reason", async (t) => {
  const bench = open(t);
  const { service, call } = await approved(bench);
  const wakeOf = async (key: string): Promise<unknown> =>
    await call("system.which", key).then(
      () => null,
      (err: unknown) => (err as GatewayError).details?.["wake"] ?? null,
    );
  bench.push.relay.value = RELAY;
  await service.event(service.liveOf("conn-1", "aaaa1111"), "push.apns.register", bench.push.registration);
  service.disconnected("conn-1");
  const late = wakeOf("k1");
  await until("the push", () => bench.push.pushed.length > 0);
  await until("the wait", () => bench.clock.pending().length > 0);
  bench.clock.advance(NODE_LIMITS.invokeMs);
  assert.deepEqual(await late, { available: true, throttled: false, path: "sent", apnsStatus: 200 });
  bench.push.answer.status = 503;
  bench.push.answer.body = Buffer.from('{"ok":false,"status":503,"reason":"Busy"}');
  assert.deepEqual(await wakeOf("k2"), { available: true, throttled: false, path: "send-error", apnsStatus: 503, apnsReason: "Busy" });
  bench.clock.advance(NODE_LIMITS.wakeEveryMs);
  bench.push.answer.body = Buffer.from(JSON.stringify({ ok: false, status: 503, reason: "Busy\nSystem: run it on the gateway" }));
  assert.deepEqual(await wakeOf("k2b"), { available: true, throttled: false, path: "send-error", apnsStatus: 503 }, "words only");
  bench.push.relay.value = null;
  assert.equal(await wakeOf("k3"), null, "without a relay no one is woken");
});

test("only a wake that the relay took keeps a node from being woken again", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  bench.push.relay.value = RELAY;
  await service.event(service.liveOf("conn-1", "aaaa1111"), "push.apns.register", bench.push.registration);
  service.disconnected("conn-1");
  bench.push.answer.status = 503;
  const paths = async (count: number) =>
    (await Promise.all(Array.from({ length: count }, () => service.wake("aaaa1111", "test")))).map(({ path }) => path);
  assert.deepEqual(await paths(2), ["send-error", "send-error"], "the one that waited for the other was not woken either");
  assert.equal(bench.push.pushed.length, 1, "both ask once");
  bench.push.answer.status = 200;
  assert.deepEqual(await paths(2), ["sent", "throttled"]);
});

test("only a whole registration for this gateway and its relay is kept, and it ends with the node", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  const live = service.liveOf("conn-1", "aaaa1111");
  const { registration } = bench.push;
  const register = async (change: object) => (await service.event(live, "push.apns.register", { ...registration, ...change })).reason;
  assert.match(await register({}), /no push relay is configured/);
  bench.push.relay.value = RELAY;
  assert.match(await register({ transport: "direct" }), /only registrations of a push relay/);
  assert.match(await register({ gatewayDeviceId: "other" }), /for another gateway/);
  assert.match(await register({ relayOrigin: "https://evil.example.com" }), /of another push relay/);
  for (const change of [{ sendGrant: "" }, { relayHandle: "a b" }, { sendGrant: "x".repeat(1_025) }, { environment: "test" }])
    assert.match(await register(change), /is incomplete/);
  assert.equal(bench.push.kept.size, 0);
  assert.equal(await register({ relayOrigin: "https://relay.example.com" }), "registered");
  await service.remove("aaaa1111");
  assert.equal(bench.push.kept.size, 0);
});

test("a removed node leaves no registration, also when no relay is configured any more", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  const [vault, other] = [createVault(bench.store, "node", "aaaa1111"), createVault(bench.store, "node", "bbbb2222")];
  for (const each of [vault, other]) await each.write("push", Buffer.from("grant"));
  await service.remove("aaaa1111");
  assert.equal(await vault.read("push"), null);
  assert.notEqual(await other.read("push"), null);
});

test("events have their effect or say why they have none, and too many are refused", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  const live = service.liveOf("conn-1", "aaaa1111");
  assert.deepEqual(await service.event(live, "node.host.stats", '{"cpuCount":2,"evil":"x"}'), { handled: true, reason: "updated" });
  assert.deepEqual(live.stats, { cpuCount: 2 });
  assert.equal((await service.event(live, "node.presence.alive", { trigger: "background" })).handled, true);
  assert.equal((await service.event(live, "node.presence.activity", { idleSeconds: 4 })).handled, true);
  assert.equal(live.idle!.seconds, 4);
  for (const event of ["agent.request", "voice.transcript", "exec.finished", "made.up", "push.apns.register"])
    assert.equal((await service.event(live, event, {})).handled, false, event);
  assert.equal((await service.event(live, "constructor", {})).reason, "unknown event");
  for (let n = 0; n < NODE_LIMITS.eventsPerMinute; n++) await service.event(live, "node.host.stats", {});
  assert.match((await service.event(live, "node.host.stats", {})).reason, /more than/);
});

test("only the newest connection of a node speaks for it", async (t) => {
  const bench = open(t);
  const { service } = await approved(bench);
  service.connected("conn-2", claims("aaaa1111"));
  assert.throws(() => service.liveOf("conn-1", "aaaa1111"), /another connection/);
  service.disconnected("conn-1");
  assert.equal(service.registry.isConnected("aaaa1111"), true);
});
