import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundDelete, InboundEdit, InboundReaction } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { textOf } from "../store/messages.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const alice = { id: asId<never>("alice"), name: "Alice", isBot: false, isSelf: false };
const direct = { chat: { kind: "direct" as const, id: asId<never>("alice") } };
const room = { chat: { kind: "group" as const, id: asId<never>("#room") } };
const base = (id: string) => ({ eventId: id, account, sentAt: Date.now(), origin: "live" as const });

const edit = (id: string, message: string, text: string, more: Partial<InboundEdit> = {}): InboundEdit => ({
  ...base(id),
  ...direct,
  kind: "edit",
  sender: alice,
  message: asId(message),
  text,
  ...more,
});
const remove = (id: string, message: string, more: Partial<InboundDelete> = {}): InboundDelete => ({
  ...base(id),
  ...direct,
  kind: "delete",
  message: asId(message),
  ...more,
});
const reaction = (id: string, message: string, more: Partial<InboundReaction> = {}): InboundReaction => ({
  ...base(id),
  ...direct,
  kind: "reaction",
  sender: alice,
  message: asId(message),
  emoji: "👍",
  added: true,
  ...more,
});

const KEY = "agent:main:irc:direct:alice";
const texts = (bench: IngestBench): string[] => {
  const session = bench.sessions.get(KEY)!;
  return bench.messages.tail(KEY, session.session_id, { limit: 50 }).map((row) => textOf(row.body));
};

/** One turn runs, and message 2 waits behind it. */
async function busy(): Promise<IngestBench & { first: string }> {
  const bench = openIngest({ ...OPEN_POLICY, messages: { queue: { mode: "followup" } } });
  bench.runtime.script = gatedScript;
  await bench.ingest.admit(irc, account, [event("1", "first")]);
  await bench.ingest.admit(irc, account, [event("2", "secnod")]);
  const first = await until(() => bench.runtime.prompts[0]?.runId);
  return { ...bench, first };
}

const finish = async (bench: IngestBench, count: number): Promise<void> => {
  await until(() => {
    for (const prompt of bench.runtime.prompts) bench.runtime.release(prompt.runId);
    return bench.inbox.counts().length === 0 && bench.runtime.prompts.length === count;
  });
};

test("an edit of a message that waits replaces its text; a repeat of the edit does nothing", async () => {
  const bench = await busy();
  await bench.ingest.admit(irc, account, [edit("e1", "2", "second")]);
  await bench.ingest.admit(irc, account, [edit("e2", "2", "the second")]);
  await bench.ingest.admit(irc, account, [edit("e1", "2", "second")]);
  assert.deepEqual(texts(bench), ["first", "the second"]);
  await bench.ingest.admit(irc, account, [event("2", "secnod")]);
  await finish(bench, 2);
  assert.deepEqual(
    bench.runtime.prompts.map((prompt) => prompt.text),
    ["first", "the second"],
  );
  assert.deepEqual(bench.notes.take(KEY), []);
  bench.close();
});

test("an edit of a message that runs or was answered becomes a note for the next turn, once, also after a restart", async () => {
  const bench = await busy();
  await bench.ingest.admit(irc, account, [edit("e1", "1", "the\nfirst")]);
  await finish(bench, 2);
  await bench.ingest.admit(irc, account, [edit("e2", "2", "x".repeat(5_000))]);
  bench.store.close();
  const again = openIngest(OPEN_POLICY, { dir: bench.dir });
  await again.ingest.admit(irc, account, [edit("e1", "1", "the\nfirst")]);
  const notes = again.notes.take(KEY);
  assert.equal(notes[0], "[edited message] Alice: the first");
  assert.equal(notes.length, 2);
  assert.equal(notes[1]!.length, 2_000);
  assert.deepEqual(again.notes.take(KEY), []);
  again.close();
});

test("only its sender changes a message, and a sender without access changes nothing", async () => {
  const bench = await busy();
  await bench.ingest.admit(irc, account, [edit("e1", "2", "mallory was here", { sender: { ...alice, id: asId("mallory") } })]);
  await bench.ingest.admit(irc, account, [edit("e2", "2", "self", { sender: { ...alice, isSelf: true } })]);
  assert.deepEqual(texts(bench), ["first", "secnod"]);
  await finish(bench, 2);
  bench.close();
});

test("a message that was deleted while it waited is not run, and its text is gone", async () => {
  const bench = await busy();
  await bench.ingest.admit(irc, account, [event("3", "third"), remove("d1", "2")]);
  assert.equal(bench.inbox.byEvent("irc", "default", "2")!.state, "dropped");
  assert.deepEqual(texts(bench), ["first", "third"]);
  await finish(bench, 2);
  assert.deepEqual(
    bench.runtime.prompts.map((prompt) => prompt.text),
    ["first", "third"],
  );
  assert.equal(bench.inbox.byEvent("irc", "default", "2")!.state, "dropped");
  await bench.ingest.admit(irc, account, [remove("d2", "1"), remove("d3", "2"), remove("d4", "unknown")]);
  assert.deepEqual(bench.notes.take(KEY), ["[deleted message] The sender took this back: first"]);
  bench.close();
});

test("a message that is deleted in the batch that brings it is not run, and one that comes with it is", async () => {
  const bench = await busy();
  const batch = [event("3", "third"), remove("d1", "3"), event("4", "fourth")];
  bench.store.all("PRAGMA query_only=ON");
  await assert.rejects(bench.ingest.admit(irc, account, batch));
  bench.store.all("PRAGMA query_only=OFF");
  await bench.ingest.admit(irc, account, batch);
  assert.equal(bench.inbox.byEvent("irc", "default", "3")!.state, "dropped");
  await finish(bench, 3);
  assert.deepEqual(
    bench.runtime.prompts.map((prompt) => prompt.text),
    ["first", "secnod", "fourth"],
  );
  assert.deepEqual(bench.notes.take(KEY), []);
  bench.close();
});

test("a deletion that could not be stored leaves the message in its lane", async () => {
  const bench = await busy();
  bench.store.all("PRAGMA query_only=ON");
  await assert.rejects(bench.ingest.admit(irc, account, [remove("d1", "2")]));
  bench.store.all("PRAGMA query_only=OFF");
  await finish(bench, 2);
  assert.equal(bench.runtime.prompts[1]!.text, "secnod");
  bench.close();
});

test("lines that wait in a room are changed and taken back, and a repeat of a line is not kept twice", async () => {
  const bench = openIngest(OPEN_POLICY);
  await bench.ingest.admit(irc, account, [inGroup("1", "one"), inGroup("2", "two"), inGroup("3", "three")]);
  await bench.ingest.admit(irc, account, [inGroup("3", "three")]);
  await bench.ingest.admit(irc, account, [edit("e", "1", "ONE", room), remove("d", "2", room)]);
  await bench.ingest.admit(irc, account, [inGroup("4", "bot: hi", { mentionsSelf: true })]);
  const prompt = await until(() => bench.runtime.prompts[0]);
  assert.equal(prompt.text, "[Earlier in this room, not addressed to you]\nAlice: ONE\nAlice: three\n[Addressed to you]\n\nAlice: bot: hi");
  bench.close();
});

test("a reaction to our own message is a note for its session; nothing runs", async () => {
  const bench = openIngest(OPEN_POLICY);
  await bench.ingest.admit(irc, account, [event("1", "hello")]);
  const part = await until(() => bench.outbox.byState("queued", 1)[0]);
  await bench.store.write(() => bench.outbox.settle(part.partKey, "sent", 1, { ids: ["m-77", "m-78"] }));
  await bench.ingest.admit(irc, account, [
    reaction("r1", "m-78"),
    reaction("r1", "m-78"),
    reaction("r2", "m-78", { added: false, emoji: "x\ny" }),
    reaction("r3", "1"),
    reaction("r4", "m-78", { sender: { ...alice, isSelf: true } }),
  ]);
  assert.deepEqual(bench.notes.take(KEY), [
    "[reaction 👍 by Alice on your message]",
    "[reaction x y by Alice taken back from your message]",
  ]);
  assert.equal(bench.runtime.prompts.length, 1);
  bench.close();
});

for (const [mode, own, other] of [
  ["off", 0, 0],
  ["own", 1, 0],
  ["all", 1, 1],
  ["allowlist", 1, 1],
  ["nonsense", 0, 0],
] as const) {
  test(`reactionNotifications ${mode}: ${own} of our own, ${other} of others`, async () => {
    const bench = openIngest({
      channels: { irc: { dmPolicy: "open", allowFrom: ["*"], reactionNotifications: mode, reactionAllowlist: ["alice"] } },
    });
    await bench.ingest.admit(irc, account, [event("1", "hello")]);
    const part = await until(() => bench.outbox.byState("queued", 1)[0]);
    await bench.store.write(() => bench.outbox.settle(part.partKey, "sent", 1, { ids: ["m-1"] }));
    await bench.ingest.admit(irc, account, [reaction("r1", "m-1")]);
    assert.equal(bench.notes.take(KEY).length, own);
    await bench.ingest.admit(irc, account, [reaction("r2", "1")]);
    assert.equal(bench.notes.take(KEY).length, other);
    bench.close();
  });
}

test("notes of one session are bounded: the oldest go", async () => {
  const bench = openIngest({ channels: { irc: { dmPolicy: "open", allowFrom: ["*"], reactionNotifications: "all" } } });
  await bench.ingest.admit(irc, account, [event("1", "hello")]);
  await bench.ingest.admit(
    irc,
    account,
    Array.from({ length: 30 }, (_, n) => reaction(`r${n}`, "1", { emoji: String(n) })),
  );
  const notes = bench.notes.take(KEY);
  assert.equal(notes.length, 20);
  assert.match(notes[0]!, /reaction 10 /);
  bench.close();
});
