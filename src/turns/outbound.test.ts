import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ToolName } from "../agents/runtime.ts";
import type { SendResult, ReplyTarget } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { textEvents } from "../../test/fakes/fake-runtime.ts";
import { chatTarget, openChatBench, type ChatBench } from "../../test/fakes/chat-bench.ts";
import { message, until } from "../../test/fakes/turn-bench.ts";
import { textOf } from "../store/messages.ts";
import { stripMediaLines } from "./outbound-media.ts";
import { conversationOf, type ReplyToMode } from "./outbound.ts";

const isSettled = (talk: ChatBench, id: string): boolean => {
  const parts = talk.outbox.byIntent(id);
  return parts.length > 0 && parts.every((part) => part.state !== "queued" && part.state !== "attempting");
};

/** One message, one answer, delivered. */
async function converse(talk: ChatBench, answer: string, more: { target?: ReplyTarget; tools?: readonly ToolName[] } = {}): Promise<void> {
  talk.runtime.script = async function* () {
    yield textEvents(answer);
    yield { type: "end", reason: "stop", checkpoint: null };
  };
  await talk.turns.admission.submit(message("hi", "e1", { channel: "chat", account: "default", target: chatTarget(), ...more }));
  await until(() => isSettled(talk, "e1"));
}

/** What an operator says, delivered. */
async function say(talk: ChatBench, id: string, text: string, target: ReplyTarget, extras = {}): Promise<void> {
  await talk.store.write(() => talk.turns.outbound.add({ id, sessionKey: null, target, text, at: Date.now(), ...extras }));
  talk.delivery.wake(conversationOf(target));
}

test("files that an answer names inside of the workspace follow the text", async () => {
  const talk = openChatBench();
  writeFileSync(join(talk.dir, "cat.png"), "meow");
  mkdirSync(join(talk.dir, "sub"));
  writeFileSync(join(talk.dir, "sub", "notes.txt"), "notes");
  await converse(talk, `Here:\nMEDIA:cat.png\nMEDIA: \`${join(talk.dir, "sub", "notes.txt")}\`\n`, { tools: ["read"] });
  assert.deepEqual(
    talk.chat.shown.map((each) => each.file ?? each.text),
    ["Here:", "cat.png meow", "notes.txt notes"],
  );
  const part = talk.outbox.byIntent("e1")[1]!;
  assert.equal(part.media?.kind, "image");
  assert.match(part.media!.file, /^[0-9a-f]{64}$/);
  talk.close();
});

test("a path that lies elsewhere, is not a file, or is named in code stays text", async () => {
  const talk = openChatBench();
  symlinkSync("/etc/hostname", join(talk.dir, "link"));
  mkdirSync(join(talk.dir, "folder"));
  const lines = ["MEDIA:/etc/hostname", "MEDIA:link", "MEDIA:folder", "MEDIA:../x", "MEDIA:https://x.example/a.png", "MEDIA:none.png"];
  writeFileSync(join(talk.dir, "code.txt"), "x");
  const answer = [...lines, "```", "MEDIA:code.txt", "```"].join("\n");
  await converse(talk, answer, { tools: ["read"] });
  assert.deepEqual(talk.chat.texts(), [answer]);
  talk.close();
});

test("a conversation that may not read files does not get any", async () => {
  const talk = openChatBench();
  writeFileSync(join(talk.dir, "secret.txt"), "x");
  await converse(talk, "MEDIA:secret.txt");
  assert.deepEqual(talk.chat.texts(), ["MEDIA:secret.txt"]);
  talk.close();
});

test("MEDIA lines are not shown in a preview", () => {
  assert.equal(stripMediaLines("a\nMEDIA:x\n```\nMEDIA:y\n```"), "a\n```\nMEDIA:y\n```");
});

test("a channel without files gets their names, and one without buttons their texts", async () => {
  const talk = openChatBench({ abilities: { media: { in: false, out: false }, buttons: false } });
  const file = await talk.media.saveFile({ kind: "file", name: "a.pdf", mimeType: "application/pdf" }, Buffer.from("x"));
  const buttons = [[{ text: "Yes", token: "y" }], [{ text: "No", token: "n" }]];
  await say(talk, "s1", "Well?", chatTarget(), { media: [file], buttons });
  await until(() => isSettled(talk, "s1"));
  assert.deepEqual(talk.chat.texts(), ["Well?\n[a.pdf]\n1. Yes\n2. No"]);
  talk.close();
});

test("buttons are under the last text, files follow it, and a missing file becomes a dead letter", async () => {
  const talk = openChatBench();
  const media = [await talk.media.saveFile({ kind: "file", name: "a.txt", mimeType: "text/plain" }, Buffer.from("x"))];
  await say(talk, "s1", "one||two", chatTarget(), { media, buttons: [[{ text: "Yes", token: "y" }]] });
  await until(() => isSettled(talk, "s1"));
  assert.deepEqual(
    talk.chat.shown.map(({ text, buttons, file }) => [text, buttons, file]),
    [
      ["one", undefined, undefined],
      ["two", 1, undefined],
      ["", undefined, "a.txt x"],
    ],
  );
  await say(talk, "s2", "", chatTarget(), { media: [{ ...media[0]!, file: "0".repeat(64) }] });
  await until(() => isSettled(talk, "s2"));
  assert.match(talk.outbox.byIntent("s2")[0]!.cause!, /no longer exists/);
  talk.close();
});

const THREADING: [ReplyToMode, string, (string | undefined)[]][] = [
  ["off", "a||b", [undefined, undefined]],
  ["first", "a||b", ["their-1", undefined]],
  ["all", "a||b", ["their-1", "their-1"]],
  ["batched", "a||b", [undefined, undefined]],
  ["off", "[[reply_to_current]] a||b", ["their-1", undefined]],
  ["off", "[[reply_to: 77]]\na||b", ["77", undefined]],
];
for (const [mode, answer, expected] of THREADING)
  test(`replyToMode ${mode}, ${JSON.stringify(answer)}: ${expected.join(", ")}`, async () => {
    const talk = openChatBench({ replyToMode: mode });
    await converse(talk, answer);
    assert.deepEqual(talk.chat.texts(), ["a", "b"]);
    assert.deepEqual(
      talk.chat.shown.map((each) => each.replyTo),
      expected,
    );
    talk.close();
  });

test("a tag that is not at the start, or is none, is text", async () => {
  const talk = openChatBench();
  await converse(talk, "see [[reply_to_current]]");
  assert.deepEqual(talk.chat.texts(), ["see [[reply_to_current]]"]);
  talk.close();
});

const other = (chat: string, account = "default"): ReplyTarget =>
  chatTarget({ chat: { kind: "direct", id: asId(chat) }, account: asId(account) });

for (const pauses of ["conversation", "account"] as const)
  test(`a platform that asks to wait pauses the ${pauses}, and nothing overtakes`, async () => {
    const talk = openChatBench();
    const first = Promise.withResolvers<SendResult>();
    talk.chat.next.send.push(() => first.promise);
    await say(talk, "s1", "a1||a2", other("alice"));
    await until(() => talk.chat.calls.length === 1);
    first.resolve({ state: "refused", retryable: true, retryAfterMs: 700, pauses, reason: "slow down" });
    await until(() => talk.outbox.byIntent("s1")[0]!.state === "queued");
    assert.equal(talk.pauses.isPaused(other("alice")), true);
    assert.equal(talk.pauses.isPaused(other("bob")), pauses === "account");
    assert.equal(talk.pauses.isPaused(other("alice", "second")), false);
    await say(talk, "s2", "b1", other("bob"));
    await say(talk, "s3", "c1", other("alice", "second"));
    await until(() => ["s1", "s2", "s3"].every((id) => isSettled(talk, id)));
    const order = talk.chat.texts();
    assert.deepEqual(order.toSorted(), ["a1", "a2", "b1", "c1"]);
    assert.ok(order.indexOf("c1") < order.indexOf("a1"));
    assert.ok(order.indexOf("a1") < order.indexOf("a2"));
    // A paused account sends nothing; afterwards, conversations do not wait for each other.
    assert.equal(order.indexOf("b1") < order.indexOf("c1"), pauses === "conversation");
    talk.close();
  });

test("a platform that says when to come again is obeyed more often than a failure is repeated", async () => {
  const talk = openChatBench();
  for (let n = 0; n < 12; n++) talk.chat.next.send.push(() => ({ state: "refused", retryable: true, retryAfterMs: 2, reason: "busy" }));
  await say(talk, "s1", "at last", other("alice"));
  await until(() => isSettled(talk, "s1"));
  assert.deepEqual(talk.chat.texts(), ["at last"]);
  talk.close();
});

test("a failure that may pass is not repeated at once", async () => {
  const talk = openChatBench();
  talk.chat.next.send.push(() => ({ state: "refused", retryable: true, reason: "not now" }));
  await say(talk, "s1", "x", other("alice"));
  await until(() => talk.outbox.byIntent("s1")[0]!.cause === "not now");
  assert.equal(talk.pauses.isPaused(other("alice")), true);
  assert.equal(talk.chat.calls.length, 1);
  talk.close();
});

test("a session gets one note that its reply did not arrive, and the agent does not see it", async () => {
  const talk = openChatBench();
  for (let n = 0; n < 2; n++) talk.chat.next.send.push(() => ({ state: "refused", retryable: false, reason: "blocked" }));
  await converse(talk, "a||b");
  const key = asId<never>("agent:main:main");
  const session = talk.sessions.get(key)!;
  const notes = talk.messages.tail(key, session.session_id, { limit: 10 }).filter((each) => textOf(each.body).includes("not delivered"));
  assert.equal(notes.length, 1);
  assert.match(textOf(notes[0]!.body), /blocked/);
  await until(() =>
    talk.events.some((event) => event.name === "message.added" && (event.payload as { message: unknown }).message !== null),
  );
  assert.ok(talk.turns.transcript.buildContext(session, []).every((each) => !each.text.includes("not delivered")));
  talk.close();
});
