// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SendResult } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { textEvents, MODEL, type PromptControl } from "../../test/fakes/fake-runtime.ts";
import { chatTarget, FakeChat, openChatBench, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";
import type { AgentEvent, Turn } from "../agents/runtime.ts";
import { recover } from "./recover.ts";

const PARTIAL = { settings: { preview: "partial" as const } };
const LONG = "a beginning that is long enough to be shown";
const target = chatTarget();
const outcome = (talk: ChatBench, runId: string) => talk.turns.runs.waitForOutcome(asId(runId), 5_000);
const ask = (talk: ChatBench, id: string) =>
  talk.turns.admission.submit(message("hi", id, { channel: "chat", account: "default", target }));
const rows = (talk: ChatBench): number => talk.store.get<{ n: number }>("SELECT count(*) AS n FROM previews")!.n;
const isSettled = (talk: ChatBench, runId: string): boolean => {
  const parts = talk.outbox.byIntent(runId);
  return parts.length > 0 && parts.every((part) => part.state !== "queued" && part.state !== "attempting");
};

/** Says the beginning, waits for the test, then answers. */
const answering = (answer: string, beginning = LONG) =>
  async function* (_turn: Turn, control: PromptControl): AsyncGenerator<AgentEvent, void, void> {
    yield { type: "started", model: MODEL, contextWindow: 1 };
    yield { type: "text", delta: beginning };
    await control.gate();
    if (control.signal.aborted) return yield { type: "end", reason: "aborted", checkpoint: null };
    yield textEvents(answer);
    yield { type: "end", reason: "stop", checkpoint: null };
  };

/** A turn with its preview on the screen. */
async function shown(talk: ChatBench, answer: string): Promise<void> {
  talk.runtime.script = answering(answer);
  await ask(talk, "e1");
  await until(() => talk.chat.shown.length === 1 && talk.outbox.previews.get("e1")?.state === "sent");
}

async function answered(talk: ChatBench): Promise<void> {
  await until(() => talk.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  talk.runtime.release("e1");
  await until(() => isSettled(talk, "e1"));
}

test("an answer is shown while it is written, and the message becomes the answer", async () => {
  const talk = openChatBench(PARTIAL);
  await shown(talk, "the whole answer");
  assert.deepEqual(talk.chat.texts(), [LONG]);
  await answered(talk);
  assert.deepEqual(talk.chat.shown, [{ id: "m1", text: "the whole answer" }]);
  assert.deepEqual(talk.outbox.byIntent("e1")[0]!.platformIds, ["m1"]);
  assert.equal(rows(talk), 0);
  assert.ok(talk.points.includes("preview-attempting") && talk.points.includes("preview-sent"));
  talk.close();
});

test("only the first part takes the preview's place; the others follow", async () => {
  const talk = openChatBench(PARTIAL);
  await shown(talk, "one||two");
  await answered(talk);
  assert.deepEqual(talk.chat.texts(), ["one", "two"]);
  talk.close();
});

test("without the wish nothing is shown before the answer", async () => {
  const talk = openChatBench();
  talk.runtime.script = answering("done");
  await ask(talk, "e1");
  await answered(talk);
  assert.deepEqual(talk.chat.calls, ["send done"]);
  talk.close();
});

test("an answer of NO_REPLY takes its preview away, an empty one becomes a sentence in its place", async () => {
  for (const answer of ["NO_REPLY", ""]) {
    const talk = openChatBench(PARTIAL);
    talk.runtime.script = async function* (_turn, control) {
      yield { type: "text", delta: LONG };
      await control.gate();
      if (answer) yield { type: "retry", attempt: 1, maxAttempts: 2, delayMs: 0, reason: "again" };
      yield textEvents(answer);
      yield { type: "end", reason: "stop", checkpoint: null };
    };
    await ask(talk, "e1");
    await until(() => talk.outbox.previews.get("e1")?.state === "sent");
    await answered(talk);
    if (answer) assert.deepEqual(talk.chat.shown, []);
    else assert.match(talk.chat.texts().join(), /^The model gave an empty answer\./);
    assert.equal(rows(talk), 0);
    talk.close();
  }
});

test("a word for the gateway is not shown while it is written", async () => {
  const talk = openChatBench(PARTIAL);
  talk.runtime.script = answering("NO_REPLY", "NO_RE");
  await ask(talk, "e1");
  await until(() => talk.turns.runs.inflight(asId("agent:main:main"))[0]?.text);
  talk.runtime.release("e1");
  await outcome(talk, "e1");
  await talk.store.write(() => {});
  assert.deepEqual(talk.chat.calls, []);
  talk.close();
});

const refusals: [string, SendResult][] = [
  ["gone", { state: "refused", retryable: false, notFound: true, reason: "no such message" }],
  ["not to be edited", { state: "refused", retryable: false, reason: "too old" }],
];
for (const [what, refusal] of refusals)
  test(`where the preview is ${what}, the answer is a new message and the only one`, async () => {
    const talk = openChatBench(PARTIAL);
    await shown(talk, "the answer");
    if (refusal.state === "refused" && refusal.notFound) talk.chat.shown.splice(0);
    talk.chat.next.edit.push(() => refusal);
    await answered(talk);
    assert.deepEqual(talk.chat.texts(), ["the answer"]);
    assert.equal(talk.chat.shown[0]!.id, "m2");
    assert.equal(rows(talk), 0);
    talk.close();
  });

test("an edit with an unknown outcome is repeated", async () => {
  const talk = openChatBench(PARTIAL);
  await shown(talk, "the answer");
  talk.chat.next.edit.push(() => {
    throw new Error("the socket died");
  });
  await answered(talk);
  assert.deepEqual(talk.chat.shown, [{ id: "m1", text: "the answer" }]);
  talk.close();
});

test("an answer that is ready while its preview is on the way waits for it and takes its place", async () => {
  const talk = openChatBench(PARTIAL);
  const gate = Promise.withResolvers<SendResult | null>();
  talk.chat.next.send.push(() => gate.promise);
  talk.runtime.script = answering("the answer");
  await ask(talk, "e1");
  await until(() => talk.chat.calls.length === 1);
  talk.runtime.release("e1");
  await outcome(talk, "e1");
  assert.equal(talk.chat.calls.length, 1);
  gate.resolve(null);
  await until(() => isSettled(talk, "e1"));
  assert.deepEqual(talk.chat.shown, [{ id: "m1", text: "the answer" }]);
  talk.close();
});

test("after a crash the run that is taken up again goes on with the same message", async () => {
  const before = openChatBench(PARTIAL);
  await shown(before, "never");
  before.store.close();
  const after = openChatBench({ ...PARTIAL, dir: before.dir, chat: before.chat });
  after.runtime.script = answering("after the crash", `${LONG}, again`);
  recover({ ...after, ...after.turns, abilitiesOf: () => null });
  await until(() => after.chat.texts()[0] === `${LONG}, again`);
  await answered(after);
  assert.deepEqual(after.chat.shown, [{ id: "m1", text: "after the crash" }]);
  after.close();
});

test("after a crash the notice of a closed run takes the place of its preview", async () => {
  const before = openChatBench(PARTIAL);
  before.runtime.script = async function* (turn) {
    yield { type: "text", delta: LONG };
    await turn.beforeTool({ id: "t", name: "exec", args: {} });
    await new Promise(() => {});
  };
  await before.turns.admission.submit(message("hi", "e1", { channel: "chat", account: "default", target, tools: ["exec"] }));
  await until(() => before.outbox.previews.get("e1")?.state === "sent" && before.turns.runs.find("e1")?.toolsStarted);
  before.store.close();
  const after = openChatBench({ ...PARTIAL, dir: before.dir, chat: before.chat });
  assert.equal(recover({ ...after, ...after.turns, abilitiesOf: () => null }).closed, 1);
  after.delivery.start();
  await until(() => isSettled(after, "e1"));
  assert.equal(after.chat.shown.length, 1);
  assert.match(after.chat.texts()[0]!, /restarted/);
  after.close();
});

test("a preview that was being sent at the crash is found where the platform can be asked", async () => {
  const chat = new FakeChat();
  const before = openChatBench({ ...PARTIAL, chat });
  const sending = chat.link.send;
  chat.next.send.push(async () => {
    const result = await sending({ key: "x", target, text: LONG }, new AbortController().signal);
    before.store.close();
    return result;
  });
  before.runtime.script = answering("never");
  await ask(before, "e1");
  await until(() => chat.shown.length === 1);
  const link = { lookup: async () => [asId<never>("m1")] };
  const after = openChatBench({ ...PARTIAL, dir: before.dir, chat, link, abilities: { idempotency: "lookup" } });
  after.runtime.script = answering("the answer");
  recover({ ...after, ...after.turns, abilitiesOf: () => null });
  await answered(after);
  assert.deepEqual(chat.texts(), ["the answer"]);
  after.close();
});

test("a platform that asks to wait gets no edits meanwhile, and the answer in the end", async () => {
  const talk = openChatBench(PARTIAL);
  talk.chat.next.send.push(() => ({ state: "refused", retryable: true, retryAfterMs: 60, pauses: "account", reason: "slow down" }));
  talk.runtime.script = answering("the answer");
  await ask(talk, "e1");
  await until(() => talk.chat.calls.length === 1);
  talk.runtime.release("e1");
  await until(() => isSettled(talk, "e1"));
  assert.deepEqual(talk.chat.calls, [`send ${LONG}`, "send the answer"]);
  assert.deepEqual(talk.chat.keys, ["e1:0:preview", "e1:0"]);
  talk.close();
});

test("a stopped turn leaves what it had said, in the message that showed it", async () => {
  const talk = openChatBench(PARTIAL);
  await shown(talk, "never");
  talk.turns.lanes.abort(asId("agent:main:main"), undefined);
  await until(() => isSettled(talk, "e1"));
  assert.deepEqual(talk.chat.shown, [{ id: "m1", text: LONG }]);
  talk.close();
});
