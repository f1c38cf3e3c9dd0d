import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent, Turn } from "../agents/runtime.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import { Bus } from "../core/bus.ts";
import { GatewayError } from "../core/errors.ts";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog, type Log } from "../core/log.ts";
import { echoScript, gatedScript, MODEL, textEvents } from "../../test/fakes/fake-runtime.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { account, event, irc, OPEN_POLICY, openIngest } from "../../test/fakes/ingest-bench.ts";
import { ALL_CAPABILITIES, chatTarget, openChatBench, MINIMAL_CAPABILITIES, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { conversationOf } from "./outbound.ts";

const outcome = (bench: TurnBench, runId: string) => bench.turns.runs.waitForOutcome(asId(runId), 5_000);
const boom = (): never => {
  throw new RangeError("boom");
};

/** Makes parts of every text but those with a word in them. */
const failingOver =
  (word: string) =>
  (_target: unknown, text: string): string[] =>
    text.includes(word) ? boom() : [text];
const eight = (): number => 8;

/** A log that tests can look at. */
function recorder(): { log: Log; errors: string[] } {
  const errors: string[] = [];
  const add = (text: string, fields?: Record<string, unknown>): void => void errors.push(`${text} ${String(fields?.["error"] ?? "")}`);
  const log: Log = { ...silentLog, warn: add, error: add, child: () => log };
  return { log, errors };
}

const fromChat = (text: string, id: string, more: Partial<ReplyTarget> = {}) =>
  message(text, id, {
    channel: "chat",
    account: "default",
    sessionKey: asId(`agent:main:${id}`),
    target: { ...chatTarget(), ...more },
  });
const inChat = (id: string): { chat: ReplyTarget["chat"] } => ({ chat: { kind: "direct", id: asId(id) } });

/** Another session still gets its answer, on the channel too. */
async function assertOthersGoOn(talk: ChatBench): Promise<void> {
  talk.runtime.script = echoScript;
  const id = `other-${Math.random()}`;
  await talk.turns.admission.submit(fromChat("still here", id, inChat("bob")));
  assert.equal((await outcome(talk, id))?.text, "echo: still here");
  await until(() => talk.chat.texts().includes("echo: still here"));
}

test("a listener that throws or rejects keeps nothing from the others and does not reach the emitter", async () => {
  const bugs: unknown[] = [];
  const heard: number[] = [];
  const bus = new Bus<{ said: number }>((err) => {
    bugs.push(err);
    boom();
  });
  bus.on("said", boom);
  bus.on("said", (() => Promise.reject(new Error("later"))) as () => void);
  bus.on("said", (value) => heard.push(value));
  bus.emit("said", 1);
  await until(() => bugs.length === 2);
  assert.deepEqual(heard, [1]);
});

test("a listener that throws does not end the turn that it listens to", async () => {
  const bugs: unknown[] = [];
  const bench = openTurnBench({ onBug: (err) => void bugs.push(err) });
  for (const name of ["turn.started", "turn.text", "turn.ended", "message.added", "session.changed"] as const) bench.bus.on(name, boom);
  await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal((await outcome(bench, "e1"))?.text, "echo: hello");
  assert.ok(bugs.length >= 5);
  bench.close();
});

test("an answer that cannot be made into parts ends its run at once, frees its slot and is not retried forever", async () => {
  const { log, errors } = recorder();
  const talk = openChatBench({ split: failingOver("bomb"), log, concurrency: () => 1 });
  await talk.turns.admission.submit(fromChat("bomb", "e1"));
  const end = await outcome(talk, "e1");
  assert.equal(end?.status, "error");
  assert.match(end!.error!.message, /gateway failed/);
  await until(() => talk.chat.texts().some((text) => text.includes("did not work")));
  assert.equal(errors.filter((line) => line.includes("waits for the store")).length, 0);
  await talk.turns.admission.submit({ ...fromChat("next", "e2"), sessionKey: asId("agent:main:e1") });
  assert.equal((await outcome(talk, "e2"))?.text, "echo: next");
  await assertOthersGoOn(talk);
  talk.close();
});

test("a run whose end cannot be reported either ends with a minimal outcome", async () => {
  const { log } = recorder();
  const talk = openChatBench({ split: boom, log, concurrency: () => 1 });
  await talk.turns.admission.submit(fromChat("hello", "e1"));
  assert.equal((await outcome(talk, "e1"))?.status, "error");
  assert.equal(talk.turns.runs.find("e1")?.state, "failed");
  await talk.turns.admission.submit(message("without a channel", "e2"));
  assert.equal((await outcome(talk, "e2"))?.status, "ok");
  talk.close();
});

test("an outcome that cannot be stored is replaced by one that can", async () => {
  const bench = openTurnBench({ concurrency: () => 1 });
  const usage = { input: 1n, output: 1, cacheRead: 0, cacheWrite: 0, totalTokens: 2, costUsd: 0 } as never;
  bench.runtime.script = async function* (): AsyncGenerator<AgentEvent, void, void> {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "message", blocks: [{ type: "text", text: "x" }], model: MODEL, usage, stopReason: "stop" };
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal((await outcome(bench, "e1"))?.status, "error");
  assert.equal(bench.turns.runs.find("e1")?.state, "failed");
  bench.runtime.script = echoScript;
  await bench.turns.admission.submit(message("next", "e2"));
  assert.equal((await outcome(bench, "e2"))?.text, "echo: next");
  bench.close();
});

test("only a refusal of the disk is written again", async () => {
  const bench = openTurnBench();
  const write = bench.store.write.bind(bench.store);
  let refusals = 0;
  bench.runtime.script = async function* () {
    bench.store.write = ((change: () => unknown) => {
      if (refusals++ >= 2) return write(change);
      return Promise.reject(new GatewayError("UNAVAILABLE", "the disk is full", { details: { code: "STORAGE_FULL" } }));
    }) as typeof bench.store.write;
    yield textEvents("kept");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal((await outcome(bench, "e1"))?.text, "kept");
  assert.equal(refusals, 3);
  bench.close();
});

test("a write that fails for another reason is not repeated, and the run ends in memory even when its end cannot be stored", async () => {
  const bench = openTurnBench({ concurrency: () => 1 });
  const write = bench.store.write.bind(bench.store);
  let writes = 0;
  bench.runtime.script = async function* () {
    bench.store.write = (() => {
      writes++;
      return Promise.reject(new TypeError("a bug"));
    }) as typeof bench.store.write;
    yield textEvents("lost");
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await bench.turns.admission.submit(message("hello", "e1"));
  assert.equal((await outcome(bench, "e1"))?.status, "error");
  assert.ok(writes <= 3, `${writes} writes`);
  bench.store.write = write;
  bench.runtime.script = echoScript;
  await bench.turns.admission.submit(message("next", "e2"));
  assert.equal((await outcome(bench, "e2"))?.text, "echo: next");
  bench.close();
});

/** Says a text in pieces, so that a preview is shown, and waits before the end. */
async function* previewed(turn: Turn, control: { gate: () => Promise<void> }): AsyncGenerator<AgentEvent, void, void> {
  yield { type: "started", model: MODEL, contextWindow: 1 };
  yield { type: "text", delta: `${turn.text}: ${"word ".repeat(20)}` };
  await control.gate();
  yield textEvents(`answer to ${turn.text}`);
  yield { type: "end", reason: "stop", checkpoint: null };
}

for (const when of ["at once", "in its timer"] as const) {
  test(`a preview that cannot be rendered is given up and the answer comes (${when})`, async () => {
    const { log, errors } = recorder();
    const clock = new FakeClock();
    const talk = openChatBench({ split: failingOver("word"), log, clock, settings: { preview: "partial", typing: "instant" } });
    talk.runtime.script = async function* (turn, control) {
      if (when === "in its timer") yield { type: "text", delta: "word" };
      yield* previewed(turn, control);
    };
    await talk.turns.admission.submit(fromChat("one", "e1"));
    await until(() => talk.turns.runs.inflight(asId("agent:main:e1"))[0]?.text);
    clock.advance(LIMITS.previewFirstMs + LIMITS.previewEditMaxMs);
    await until(() => errors.some((line) => line.includes("preview is given up")));
    talk.runtime.release("e1");
    assert.equal((await outcome(talk, "e1"))?.status, "ok");
    await until(() => talk.chat.texts().includes("answer to one"));
    await assertOthersGoOn(talk);
    talk.close();
  });
}

test("typing, reactions and settings that throw cost nothing but themselves", async () => {
  const { log } = recorder();
  const clock = new FakeClock();
  const ack = { emoji: "eyes", scope: "all" as const, removeAfterReply: true };
  const link = { typing: boom, react: boom };
  const talk = openChatBench({ log, clock, link, settings: { typing: "instant", ack } });
  talk.runtime.script = gatedScript;
  await talk.turns.admission.submit(fromChat("one", "e1"));
  await until(() => talk.turns.runs.inflight(asId("agent:main:e1"))[0]?.text);
  clock.advance(LIMITS.typingRefreshMs * 3);
  talk.runtime.release("e1");
  assert.equal((await outcome(talk, "e1"))?.status, "ok");
  await assertOthersGoOn(talk);
  talk.close();

  const broken = openChatBench({ log, settingsOf: boom });
  await broken.turns.admission.submit(fromChat("one", "e1"));
  assert.equal((await outcome(broken, "e1"))?.status, "ok");
  broken.close();
  assert.deepEqual(MINIMAL_CAPABILITIES.preview, "off");
});

test("a part over which the gateway fails becomes a dead letter; the next part and other conversations continue", async () => {
  const { log, errors } = recorder();
  let failing = true;
  const capabilities = (): typeof ALL_CAPABILITIES => (failing ? boom() : ALL_CAPABILITIES);
  const talk = openChatBench({ log, wire: { directory: { capabilities } } });
  const say = async (id: string, chat: string): Promise<void> => {
    const target = { ...chatTarget(), ...inChat(chat) };
    await talk.store.write(() => talk.turns.outbound.add({ id, sessionKey: null, target, text: id, at: Date.now() }));
    talk.delivery.wake(conversationOf(target));
  };
  await say("first", "alice");
  await until(() => talk.outbox.get("first:0")?.state === "parked");
  assert.match(talk.outbox.get("first:0")!.cause!, /the gateway failed over it: boom/);
  failing = false;
  await say("second", "alice");
  await until(() => talk.chat.texts().includes("second"));
  await say("third", "bob");
  await until(() => talk.chat.texts().includes("third"));
  assert.ok(errors.some((line) => line.includes("boom")));
  talk.close();
});

test("when the note of an undelivered part cannot be written, its outcome is stored", async () => {
  const { log } = recorder();
  const talk = openChatBench({ log, wire: { onUndelivered: boom } });
  talk.chat.next.send.push(() => Promise.reject(new Error("unknown outcome")));
  await talk.turns.admission.submit(fromChat("one", "e1"));
  await until(() => talk.outbox.get("e1:0")?.state === "unknown");
  await assertOthersGoOn(talk);
  talk.close();
});

test("a conversation whose loop fails pauses, and is served again", async () => {
  const { log } = recorder();
  const clock = new FakeClock();
  let failures = 1;
  const chat = { found: null as null | ChatBench["chat"] };
  const talk: ChatBench = openChatBench({ log, clock, wire: { link: () => (failures-- > 0 ? boom() : (chat.found!.link as never)) } });
  chat.found = talk.chat;
  await talk.turns.admission.submit(fromChat("one", "e1"));
  await outcome(talk, "e1");
  await until(() => clock.pending().includes(LIMITS.deliveryFailurePauseMs));
  clock.advance(LIMITS.deliveryFailurePauseMs);
  await until(() => talk.chat.texts().includes("echo: one"));
  talk.close();
});

test("a quiet timer and a handed-in message that fail leave their message waiting, not lost, and other sessions go on", async () => {
  const { log, errors } = recorder();
  const clock = new FakeClock();
  let concurrency = eight;
  const talk = openChatBench({ log, clock, quietMs: 1_000, concurrency: () => concurrency() });
  talk.runtime.script = gatedScript;
  talk.runtime.steer = boom;
  const same = { sessionKey: asId<never>("agent:main:e1") };
  await talk.turns.admission.submit(fromChat("one", "e1"));
  await until(() => talk.turns.runs.inflight(asId("agent:main:e1"))[0]?.text);
  await talk.turns.admission.submit({ ...fromChat("two", "e2"), ...same, queueMode: "steer" });
  await until(() => errors.some((line) => line.includes("could not be handed in")));
  await talk.turns.admission.submit({ ...fromChat("three", "e3"), ...same, queueMode: "collect" });
  talk.runtime.script = echoScript;
  talk.runtime.release("e1");
  assert.equal((await outcome(talk, "e2"))?.text, "echo: two");
  await until(() => clock.pending().includes(1_000));
  concurrency = boom;
  clock.advance(1_000);
  assert.deepEqual(talk.turns.lanes.queuedRuns(asId("agent:main:e1")), ["e3"]);
  concurrency = eight;
  await assertOthersGoOn(talk);
  assert.equal((await outcome(talk, "e3"))?.text, "echo: three");
  talk.close();
});

test("an event over which the gateway fails becomes a dead letter whatever the error is, and the account continues", async () => {
  const door = openIngest(OPEN_POLICY, {
    toolsFor: () => {
      if (door.sessions.count() === 0) throw new SyntaxError("a bad pattern");
      return [];
    },
  });
  await door.store.write(() => undefined);
  await door.ingest.admit(irc, account, [event("m1", "hello")], "c1");
  const parked = door.inbox.listDeadLetters(10);
  assert.equal(parked.length, 1);
  assert.match(parked[0]!.outcome!.error!.message, /a bad pattern/);
  door.close();
});
