import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AgentId, type ChannelId, type AccountId, type ChatId, type SessionKey } from "../core/ids.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { heartbeatOf, HOUR, MINUTE, openScheduleBench } from "../../test/fakes/schedule-bench.ts";
import { message } from "../../test/fakes/turn-bench.ts";
import { settled, until } from "../../test/until.ts";
import { isEmptyChecklist, toHeartbeatPrompt } from "./heartbeat-plan.ts";

type Bench = ReturnType<typeof openScheduleBench>;
const HALF = 30 * MINUTE;
const MAIN = asId<SessionKey>("agent:main:main");
const end: ReturnType<typeof textEvents> = { type: "end", reason: "stop", checkpoint: null };

/** The runtime answers every turn with this text. */
function answering({ bench }: Bench, text: string): void {
  bench.runtime.script = async function* () {
    if (text !== "") yield textEvents(text);
    yield end;
  };
}

const TARGET = {
  channel: asId<ChannelId>("irc"),
  account: asId<AccountId>("default"),
  chat: { kind: "direct" as const, id: asId<ChatId>("ann") },
};

async function open(more: Parameters<typeof heartbeatOf>[0] = {}, options: Parameters<typeof openScheduleBench>[0] = {}): Promise<Bench> {
  const bench = openScheduleBench(options);
  bench.scene.heartbeats = [heartbeatOf(more)];
  await bench.service.syncHeartbeats(bench.scene.heartbeats);
  return bench;
}

test("a heartbeat asks the agent at each due time, and an answer without news is not sent", async () => {
  const bench = await open({}, { lookups: { target: () => TARGET } });
  answering(bench, "HEARTBEAT_OK");
  for (const count of [1, 2]) {
    await bench.pass(HALF);
    await bench.ended(count);
  }
  assert.equal(bench.prompts().length, 2);
  assert.match(bench.prompts()[0]!, /^Heartbeat, every 30m: no one has written\.[^]*HEARTBEAT_OK[^]*- look at the mail$/);
  assert.deepEqual(
    bench.scene.ended.map(({ status }) => status),
    ["ok-token", "ok-token"],
  );
  assert.equal(bench.bench.outbox.byIntent(bench.bench.runtime.prompts[0]!.runId).length, 0);
  bench.close();
});

test("an answer with news is sent to the chat, without the word and without a notice of failure", async () => {
  const bench = await open({}, { lookups: { target: () => TARGET } });
  answering(bench, `HEARTBEAT_OK\n${"The disk is full. ".repeat(30)}`);
  await bench.pass(HALF);
  await bench.ended(1);
  const [part] = bench.bench.outbox.byIntent(bench.bench.runtime.prompts[0]!.runId);
  assert.match(part!.text, /^The disk is full\./);
  assert.equal(bench.scene.ended[0]!.status, "sent");
  bench.bench.runtime.script = async function* () {
    yield { type: "end", reason: "error", checkpoint: null, error: { kind: "network", message: "no network" } };
  };
  await bench.pass(HALF);
  await bench.ended(2);
  assert.equal(bench.scene.ended[1]!.status, "failed");
  assert.equal(bench.bench.outbox.byIntent(bench.bench.runtime.prompts[1]!.runId).length, 0);
  bench.close();
});

test("T11.3: an answer without a route stays in the session, and the record says so", async () => {
  const bench = await open();
  answering(bench, "The disk is full.");
  await bench.pass(HALF);
  await bench.ended(1);
  const [run] = bench.runs();
  assert.equal(run!["status"], "ok");
  assert.equal(run!["summary"], "The disk is full.");
  assert.equal(run!["deliveryStatus"], "not-delivered");
  assert.equal(bench.scene.ended[0]!.reason, "no-route");
  assert.match(bench.scene.ended[0]!.message ?? "", /in the session/);
  bench.close();
});

test("T11.4: no model is asked for an empty checklist, without a model, or while a turn runs", async () => {
  const bench = await open();
  const skip = async (count: number): Promise<unknown> => {
    await bench.pass(HALF);
    await bench.ended(count);
    return bench.runs().at(-1)!["reason"];
  };
  bench.scene.instructions = "# Checks\n\n- [ ]\n<!-- nothing yet -->";
  assert.equal(await skip(1), "empty-heartbeat-file");
  bench.scene.instructions = null;
  assert.equal(await skip(2), "empty-heartbeat-file");
  bench.scene.instructions = "- look";
  bench.scene.hasModel = false;
  assert.equal(await skip(3), "no-model");
  bench.scene.hasModel = true;
  bench.scene.isBusy = () => true;
  assert.equal(await skip(4), "requests-in-flight");
  assert.equal(bench.prompts().length, 0);
  assert.deepEqual(
    bench.scene.ended.map(({ status }) => status),
    ["skipped", "skipped", "skipped", "skipped"],
  );
  bench.close();
});

test("T11.4: heartbeats that are off have no job and no timer, also when one is asked for", async () => {
  const bench = openScheduleBench();
  const before = bench.clock.pending().length;
  await bench.service.syncHeartbeats([]);
  assert.equal(await bench.service.scheduler.wakeJob("heartbeat:main", null), false);
  assert.equal(bench.clock.pending().length, before);
  await bench.service.syncHeartbeats([heartbeatOf()]);
  assert.equal(bench.clock.pending().length, before + 1);
  await bench.service.syncHeartbeats([]);
  assert.equal(bench.clock.pending().length, before);
  assert.equal(bench.prompts().length, 0);
  bench.close();
});

test("T11.4: after so many runs that did nothing heartbeats pause, say so once, and go on when they are asked to", async () => {
  const bench = await open({ pauseAfterRuns: 2 });
  const idle = (await open()).clock.pending().length - 1;
  answering(bench, "HEARTBEAT_OK");
  for (const count of [1, 2]) {
    await bench.pass(HALF);
    await bench.ended(count);
  }
  await bench.service.scheduler.wake();
  assert.deepEqual(bench.scene.paused, [{ agentId: "main", runs: 2 }]);
  assert.equal(bench.clock.pending().length, idle, "no timer is left");
  await bench.pass(5 * HOUR);
  assert.equal(bench.prompts().length, 2);
  assert.match(String(bench.service.get("heartbeat:main")["problem"]), /paused after 2 runs/);
  await bench.service.resumeHeartbeats();
  await bench.pass(HALF);
  await bench.ended(3);
  assert.equal(bench.prompts().length, 3);
  assert.equal(bench.scene.paused.length, 1);
  bench.close();
});

test("a run that used a tool or said something begins the count again", async () => {
  const bench = await open({ pauseAfterRuns: 2 });
  answering(bench, "HEARTBEAT_OK");
  await bench.pass(HALF);
  await bench.ended(1);
  answering(bench, "The mail of Ann needs an answer.");
  await bench.pass(HALF);
  await bench.ended(2);
  answering(bench, "HEARTBEAT_OK");
  await bench.pass(HALF);
  await bench.ended(3);
  assert.deepEqual(bench.scene.paused, []);
  bench.close();
});

test("a message of a person ends a heartbeat that runs, and the next turn has its events", async () => {
  const bench = await open();
  bench.bench.runtime.script = async function* (turn, { gate, signal }) {
    if (turn.text.startsWith("Heartbeat")) await gate();
    if (signal.aborted) return yield { type: "end", reason: "aborted", checkpoint: null };
    yield textEvents("answer");
    yield end;
  };
  await bench.pass(HALF);
  await until("the heartbeat runs", () => bench.prompts().length === 1);
  await bench.bench.turns.admission.submit(message("hello", "m1", { queueMode: "steer" }));
  await until("the person's turn", () => bench.prompts().length === 2);
  assert.equal(bench.prompts()[1], "hello");
  await bench.service.scheduler.wake();
  await bench.ended(1);
  assert.equal(bench.runs()[0]!["status"], "skipped");
  assert.equal(bench.runs()[0]!["reason"], "requests-in-flight");
  bench.close();
});

test("a heartbeat that is asked for runs once for all wishes, and at least 30 seconds after the last one", async () => {
  const bench = await open();
  bench.scene.instructions = null;
  bench.scene.events = { count: 1, isExternal: false };
  answering(bench, "HEARTBEAT_OK");
  await bench.service.scheduler.wakeJob("heartbeat:main", null);
  await bench.ended(1);
  for (let wish = 0; wish < 5; wish++) await bench.service.scheduler.wakeJob("heartbeat:main", null);
  await settled();
  assert.equal(bench.prompts().length, 1);
  await bench.pass(30_000);
  await bench.ended(2);
  await bench.pass(60_000);
  assert.equal(bench.prompts().length, 2);
  assert.deepEqual(
    bench.runs().map(({ cause }) => cause),
    ["wake", "wake"],
  );
  bench.close();
});

test("a heartbeat that reads what came from outside has the rights of a sender without trust", async () => {
  const bench = await open();
  bench.scene.events = { count: 1, isExternal: true };
  await bench.pass(HALF);
  await bench.ended(1);
  const row = bench.bench.inbox.byRun<{ tools: string[]; provenance: { channel: string; senderIsOwner: boolean }; extraSystem: string }>(
    bench.bench.runtime.prompts[0]!.runId as never,
  )!;
  assert.deepEqual(row.payload!.tools, ["read"]);
  assert.equal(row.payload!.provenance.senderIsOwner, false);
  assert.equal(row.payload!.provenance.channel, "hook");
  assert.match(row.payload!.extraSystem, /look at the mail/);
  bench.close();
});

test("a heartbeat does not keep a conversation from its reset, and runs in a session of its own where asked", async () => {
  const bench = await open({ isIsolated: true });
  await bench.pass(HALF);
  await bench.ended(1);
  assert.equal(bench.bench.runtime.prompts[0]!.sessionKey, "agent:main:heartbeat");
  assert.equal(bench.bench.sessions.get(MAIN), undefined);
  assert.equal(bench.bench.sessions.get(asId<SessionKey>("agent:main:heartbeat"))!.last_message_at, 0);
  bench.close();
});

test("the jobs of heartbeats are changed by the configuration only, and a start changes nothing", async () => {
  const bench = await open();
  const before = bench.service.get("heartbeat:main");
  assert.equal(before["declarationKey"], "heartbeat:main");
  await bench.service.syncHeartbeats(bench.scene.heartbeats);
  assert.deepEqual(bench.service.get("heartbeat:main"), before);
  await assert.rejects(bench.service.remove("heartbeat:main"), /changed in the configuration/);
  await assert.rejects(bench.service.update("heartbeat:main", { name: "other" }), /changed in the configuration/);
  await bench.service.update("heartbeat:main", { enabled: false });
  await bench.pass(2 * HOUR);
  assert.equal(bench.prompts().length, 0);
  await bench.service.update("heartbeat:main", { enabled: true });
  bench.scene.heartbeats = [heartbeatOf({ every: "1h", everyMs: HOUR })];
  await bench.service.syncHeartbeats(bench.scene.heartbeats);
  assert.equal((bench.service.get("heartbeat:main")["schedule"] as { everyMs: number }).everyMs, HOUR);
  bench.close();
});

test("a checklist of headings, comments and empty items is empty", () => {
  for (const text of ["", "\n\n", "# Tasks", "# Tasks\n\n-\n- [ ]\n* [x]\n", "<!-- write here -->", "```\n```"])
    assert.ok(isEmptyChecklist(text), text);
  for (const text of ["- look at the mail", "# Tasks\nwrite", "1. first"]) assert.ok(!isEmptyChecklist(text), text);
});

test("the prompt names the word, and a long file is cut and says so", () => {
  assert.match(toHeartbeatPrompt({ every: "1h", prompt: "Check the oven." }, null), /Check the oven\.[^]*HEARTBEAT_OK/);
  assert.match(toHeartbeatPrompt({ every: "1h", prompt: null }, "x".repeat(30_000)), /the rest was left out/);
});

test("heartbeats of an agent that is not there are off", async () => {
  const bench = await open({ agentId: asId<AgentId>("ghost") });
  await bench.pass(HALF);
  await bench.ended(1);
  assert.equal(bench.prompts().length, 0);
  assert.equal(bench.runs()[0]!["status"], "skipped");
  bench.close();
});
