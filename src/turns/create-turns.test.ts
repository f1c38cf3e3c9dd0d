import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { textOf } from "../store/messages.ts";
import { gatedScript, textEvents, MODEL } from "../../test/fakes/fake-runtime.ts";
import { settled } from "../../test/until.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { recover } from "./recover.ts";

const key = asId<never>("agent:main:main");
const texts = (bench: TurnBench): string[] => {
  const session = bench.sessions.get(key)!;
  return bench.messages.tail(key, session.session_id, { limit: 100 }).map((each) => `${each.body.role}: ${textOf(each.body)}`);
};
const outcome = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);
const target = {
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>("alice") },
};

test("an admitted message is on disk before submit resolves, and is answered", async () => {
  const bench = openTurnBench();
  const admitted = await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal(admitted.duplicate, false);
  assert.deepEqual(texts(bench), ["user: hello"]);
  assert.equal((await outcome(bench, "e1"))?.text, "echo: hello");
  assert.deepEqual(texts(bench), ["user: hello", "assistant: echo: hello"]);
  assert.equal(bench.sessions.get(key)?.checkpoint, "after e1");
  bench.close();
});

test("the same idempotency key gives the same run and its final state, and runs nothing twice", async () => {
  const bench = openTurnBench();
  await bench.turns.admission.submit(message("hello", "e1"));
  await outcome(bench, "e1");
  const again = await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal(again.duplicate, true);
  assert.equal(again.outcome?.text, "echo: hello");
  assert.equal(bench.runtime.prompts.length, 1);
  await assert.rejects(bench.turns.admission.submit(message("something else", "e1")), /belongs to another message/);
  bench.close();
});

test("two equal events in one commit are one message", async () => {
  const bench = openTurnBench();
  const [a, b] = await Promise.all([
    bench.turns.admission.submit(message("hello", "e1")),
    bench.turns.admission.submit(message("hello", "e1")),
  ]);
  assert.deepEqual([a.duplicate, b.duplicate].toSorted(), [false, true]);
  await outcome(bench, "e1");
  assert.equal(bench.runtime.prompts.length, 1);
  bench.close();
});

test("a followup waits while the first turn runs, and comes after its answer in the agent's context", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await bench.turns.admission.submit(message("two", "e2"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  assert.deepEqual(bench.turns.lanes.queuedRuns(key), ["e2"]);
  bench.runtime.release("e1");
  await outcome(bench, "e1");
  await until(() => bench.runtime.prompts.length === 2);
  const history = bench.runtime.prompts[1]!.history().map((each) => each.text);
  assert.deepEqual(history, ["one", "half done: one"]);
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  bench.runtime.release("e2");
  assert.equal((await outcome(bench, "e2"))?.text, "half done: two");
  bench.close();
});

test("a steered message enters the running turn and ends with it", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "steer" }));
  await until(() => bench.turns.runs.find("e2")?.mergedInto === "e1");
  bench.runtime.release("e1");
  assert.equal((await outcome(bench, "e1"))?.text, "half done: one + two");
  assert.equal((await outcome(bench, "e2"))?.text, "half done: one + two");
  assert.equal(bench.turns.runs.find("e2")?.state, "merged");
  assert.equal(bench.runtime.prompts.length, 1);
  bench.close();
});

test("a steered message that the turn did not take gets a turn of its own, once", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* (turn, control) {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: "x" };
    if (turn.text === "one") await control.gate();
    yield textEvents(`answer to ${turn.text}`);
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "steer" }));
  await until(() => bench.turns.runs.find("e2")?.mergedInto === "e1");
  bench.runtime.release("e1");
  assert.equal((await outcome(bench, "e2"))?.text, "answer to two");
  assert.deepEqual(
    bench.runtime.prompts.map((each) => each.text),
    ["one", "two"],
  );
  await settled();
  assert.equal(bench.runtime.prompts.length, 2);
  bench.close();
});

test("interrupt ends the running turn with its partial text kept", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("two", "e2", { queueMode: "interrupt" }));
  assert.equal((await outcome(bench, "e1"))?.status, "aborted");
  assert.ok(texts(bench).includes("assistant: half "));
  await until(() => bench.runtime.prompts.length === 2);
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  bench.runtime.release("e2");
  assert.equal((await outcome(bench, "e2"))?.status, "ok");
  bench.close();
});

test("collected messages are answered together", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  for (const [text, id] of [
    ["two", "e2"],
    ["three", "e3"],
  ] as const)
    await bench.turns.admission.submit(message(text, id, { queueMode: "collect" }));
  bench.runtime.release("e1");
  await until(() => bench.runtime.prompts.length === 2);
  assert.equal(bench.runtime.prompts[1]!.text, "two\n\nthree");
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  bench.runtime.release("e2");
  assert.equal((await outcome(bench, "e3"))?.status, "ok");
  assert.equal(bench.turns.runs.find("e3")?.state, "merged");
  bench.close();
});

test("/stop overtakes: it aborts the turn, forgets what waits, and is answered at once", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("one", "e1"));
  await bench.turns.admission.submit(message("two", "e2"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  const stop = await bench.turns.admission.submit(message("/stop", "e3"));
  assert.equal(stop.outcome?.text, "Stopped.");
  assert.equal((await outcome(bench, "e1"))?.status, "aborted");
  assert.equal((await outcome(bench, "e2"))?.status, "aborted");
  assert.equal(bench.runtime.prompts.length, 1);
  bench.close();
});

test("a stop that was answered holds after a crash: the run does not come back", async () => {
  const before = openTurnBench();
  before.runtime.script = async function* () {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    await new Promise(() => {});
  };
  await before.turns.admission.submit(message("one", "e1"));
  await until(() => before.runtime.prompts.length === 1);
  assert.deepEqual(await before.turns.lanes.abortDurably(key), ["e1"]);
  await before.turns.admission.submit(message("two", "x1", { sessionKey: asId("agent:main:other") }));
  await until(() => before.runtime.prompts.length === 2);
  await before.turns.admission.submit(message("/stop", "x2", { sessionKey: asId("agent:main:other") }));
  before.store.close();
  const after = openTurnBench({ dir: before.dir });
  assert.deepEqual(recover({ ...after, ...after.turns, abilitiesOf: () => null }), { resumed: 0, closed: 0, deadLetters: 0, unknown: 0 });
  assert.equal(after.turns.runs.find("e1")?.outcome?.status, "aborted");
  assert.equal(after.turns.runs.find("x1")?.outcome?.status, "aborted");
  after.close();
});

test("/new keeps its place in the lane and starts an empty conversation", async () => {
  const bench = openTurnBench();
  await bench.turns.admission.submit(message("hello", "e1"));
  const first = bench.sessions.get(key)!.session_id;
  await bench.turns.admission.submit(message("/new", "e2"));
  await outcome(bench, "e2");
  const session = bench.sessions.get(key)!;
  assert.notEqual(session.session_id, first);
  assert.equal(session.checkpoint, null);
  assert.deepEqual(bench.runtime.forgotten, [first]);
  await bench.turns.admission.submit(message("again", "e3"));
  await outcome(bench, "e3");
  assert.deepEqual(bench.runtime.prompts[1]!.history(), []);
  bench.close();
});

test("/model chooses by a part of the name and refuses what does not exist", async () => {
  const bench = openTurnBench();
  await bench.turns.admission.submit(message("/model other", "e1"));
  await outcome(bench, "e1");
  assert.equal(bench.sessions.get(key)?.model, "fake/other");
  await bench.turns.admission.submit(message("/model nonsense", "e2"));
  assert.match((await outcome(bench, "e2"))!.text, /no model "nonsense"/);
  bench.close();
});

test("an answer for a channel is in the outbox in the same commit as the message, in parts and in order", async () => {
  const bench = openTurnBench();
  await bench.turns.admission.submit(message("a||b", "e1", { channel: "irc", account: "default", target }));
  await outcome(bench, "e1");
  const parts = bench.outbox.byIntent("e1");
  assert.deepEqual(
    parts.map((part) => [part.text, part.state]),
    [
      ["echo: a", "queued"],
      ["b", "queued"],
    ],
  );
  bench.close();
});

test("the failure of an agent is reported to the person, on the channel as well", async () => {
  const bench = openTurnBench();
  bench.runtime.script = async function* () {
    yield { type: "end", reason: "error", checkpoint: null, error: { kind: "rate_limit", message: "the provider is busy" } };
  };
  await bench.turns.admission.submit(message("hi", "e1", { channel: "irc", target }));
  const end = await outcome(bench, "e1");
  assert.equal(end?.error?.kind, "rate_limit");
  assert.match(bench.outbox.byIntent("e1")[0]!.text, /provider is busy/);
  bench.close();
});

test("a lane that is full refuses, and loses nothing", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("first", "e0"));
  await Promise.all(Array.from({ length: 256 }, (_, i) => bench.turns.admission.submit(message(`m${i}`, `w${i}`))));
  await assert.rejects(
    bench.turns.admission.submit(message("too many", "x")),
    (err: { details?: { code?: string } }) => err.details?.code === "LANE_FULL",
  );
  assert.equal(bench.turns.runs.find("x"), undefined);
  bench.close();
});

test("no more turns than allowed run at once; the others follow when a slot is free", async () => {
  const bench = openTurnBench({ concurrency: () => 2 });
  bench.runtime.script = gatedScript;
  for (const n of [1, 2, 3]) await bench.turns.admission.submit(message(`m${n}`, `e${n}`, { sessionKey: asId(`agent:main:s${n}`) }));
  await until(() => bench.runtime.prompts.length === 2);
  await settled();
  assert.equal(bench.runtime.prompts.length, 2);
  await until(() => bench.turns.runs.inflight(asId("agent:main:s1"))[0]?.text);
  bench.runtime.release("e1");
  await until(() => bench.runtime.prompts.length === 3);
  bench.close();
});

test("the event of a message that begins a new conversation names the session id, also for a command that is answered at once", async () => {
  let isOver = false;
  const bench = openTurnBench({ expired: () => isOver });
  const changed = (): (readonly string[])[] =>
    bench.events.flatMap(({ name, payload }) => (name === "session.changed" ? [(payload as { fields: readonly string[] }).fields] : []));
  await bench.turns.admission.submit(message("one", "e1"));
  await outcome(bench, "e1");
  const first = bench.sessions.get(key)!.session_id;
  assert.ok(changed().every((fields) => !fields.includes("session_id")));
  isOver = true;
  for (const [text, id] of [
    ["two", "e2"],
    ["/status", "e3"],
  ] as const) {
    bench.events.length = 0;
    await bench.turns.admission.submit(message(text, id));
    await outcome(bench, id);
    assert.ok(changed().some((fields) => fields.includes("session_id")));
    assert.notEqual(bench.sessions.get(key)!.session_id, first);
  }
  bench.close();
});

test("after a crash every open message runs again or is closed visibly, and none twice", async () => {
  const before = openTurnBench();
  before.runtime.script = gatedScript;
  await before.turns.admission.submit(message("running", "e1"));
  await until(() => before.turns.runs.inflight(key)[0]?.text);
  await before.turns.admission.submit(message("waiting", "e2"));
  const other = { sessionKey: asId<never>("agent:main:tools"), tools: ["exec" as const] };
  before.runtime.script = async function* (turn) {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    await turn.beforeTool({ id: "t", name: "exec", args: {} });
    await new Promise(() => {});
  };
  await before.turns.admission.submit(message("with a tool", "e3", other));
  await until(() => before.turns.runs.find("e3")?.toolsStarted);
  before.store.close();

  const after = openTurnBench({ dir: before.dir });
  const recovery = recover({ ...after, ...after.turns, abilitiesOf: () => null });
  assert.deepEqual(recovery, { resumed: 2, closed: 1, deadLetters: 0, unknown: 0 });
  assert.equal((await outcome(after, "e1"))?.text, "echo: running");
  assert.equal((await outcome(after, "e2"))?.text, "echo: waiting");
  assert.equal((await outcome(after, "e3"))?.error?.kind, "interrupted");
  assert.deepEqual(
    after.runtime.prompts.map((each) => each.text),
    ["running", "waiting"],
  );
  const again = await after.turns.admission.submit(message("running", "e1"));
  assert.equal(again.duplicate, true);
  after.close();
});

test("a message that crashes the gateway repeatedly becomes a dead letter with its payload, and its lane continues", async () => {
  const dir = openTurnBench();
  dir.runtime.script = gatedScript;
  await dir.turns.admission.submit(message("poison", "e1"));
  await dir.turns.admission.submit(message("fine", "e2"));
  dir.store.close();
  let recovery;
  for (let crash = 0; crash < LIMITS.turnAttempts; crash++) {
    const bench = openTurnBench({ dir: dir.dir });
    bench.runtime.script = gatedScript;
    recovery = recover({ ...bench, ...bench.turns, abilitiesOf: () => null });
    if (recovery.deadLetters === 0) {
      await until(() => bench.turns.runs.find("e1")?.state === "running");
      bench.store.close();
      continue;
    }
    bench.runtime.script = async function* (turn) {
      yield textEvents(`ok ${turn.text}`);
      yield { type: "end", reason: "stop", checkpoint: null };
    };
    assert.equal(bench.turns.runs.find("e1")?.state, "parked");
    assert.equal(bench.turns.runs.find("e1")?.payload.text, "poison");
    assert.equal((await outcome(bench, "e2"))?.text, "ok fine");
    bench.close();
  }
  assert.equal(recovery?.deadLetters, 1);
});

test("what is done with a session exclusively waits for its turn, and messages wait for it", async () => {
  const bench = openTurnBench();
  bench.runtime.script = gatedScript;
  const order: string[] = [];
  await bench.turns.admission.submit(message("one", "e1"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  const gate = Promise.withResolvers<void>();
  const done = bench.turns.lanes.withSessionLock(key, async () => {
    order.push("exclusive");
    await gate.promise;
  });
  void outcome(bench, "e1").then(() => order.push("e1"));
  bench.runtime.release("e1");
  await until(() => order.length === 2);
  await bench.turns.admission.submit(message("two", "e2"));
  await settled();
  assert.deepEqual(order.toSorted(), ["e1", "exclusive"]);
  assert.equal(bench.runtime.prompts.length, 1);
  gate.resolve();
  await done;
  await until(() => bench.runtime.prompts.length === 2);
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  bench.runtime.release("e2");
  assert.equal((await outcome(bench, "e2"))?.status, "ok");
  bench.close();
});

test("a large picture is a file, the agent gets it whole, and a missing one is reported", async () => {
  const bench = openTurnBench();
  const data = Buffer.alloc(120_000, 5).toString("base64");
  await bench.turns.admission.submit(message("look", "e1", { images: [{ mimeType: "image/png", data }] }));
  await outcome(bench, "e1");
  assert.deepEqual(bench.runtime.prompts[0]!.images, [{ mimeType: "image/png", data }]);
  const longest = bench.store.get<{ n: number }>("SELECT max(length(body)) AS n FROM messages")!.n;
  assert.ok(longest < 2_000, `a row of ${longest} characters`);
  assert.ok(bench.store.get<{ n: number }>("SELECT max(length(payload)) AS n FROM inbox")!.n < 2_000);
  const session = bench.sessions.get(key)!;
  const block = (bench.messages.tail(key, session.session_id, { limit: 5 })[0]!.body.content as readonly unknown[])[1] as {
    file?: string;
  };
  assert.match(block.file!, /^[0-9a-f]{64}$/);
  bench.runtime.script = gatedScript;
  await bench.turns.admission.submit(message("first", "e2"));
  await until(() => bench.turns.runs.inflight(key)[0]?.text);
  await bench.turns.admission.submit(message("again", "e3", { images: [{ mimeType: "image/png", data }] }));
  rmSync(join(bench.dir, "media"), { recursive: true });
  bench.runtime.release("e2");
  assert.match((await outcome(bench, "e3"))!.error!.message, /can no longer be read/);
  bench.close();
});

test("a tool that was not granted is not run", async () => {
  const bench = openTurnBench();
  let answer: unknown;
  bench.runtime.script = async function* (turn) {
    answer = await turn.beforeTool({ id: "t", name: "exec", args: {} });
    yield textEvents("ok");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hi", "e1", { tools: ["read"] }));
  await outcome(bench, "e1");
  assert.equal((answer as { allow: boolean }).allow, false);
  assert.equal(bench.turns.runs.find("e1")?.toolsStarted, false);
  bench.close();
});
