// Group: wire
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { asId } from "../../core/ids.ts";
import { DISCORD_LIMITS } from "./limits.ts";
import { covers } from "../../../test/channel-kit/coverage.ts";
import { settled } from "../../../test/until.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import { ALICE, DIRECT, DiscordServer, GUILD, OWN_ROLE, ROOM, THREAD } from "../../../test/channel-kit/discord-server.ts";
import type { Channel, OutboundPart, SendResult, ReplyTarget } from "../channel.ts";
import { DISCORD_TIMINGS } from "./gateway-connection.ts";
import { createDiscordChannel } from "./index.ts";

const timings = { ...DISCORD_TIMINGS, reidentifyMs: 10, cursorMs: 20, storeRetryMs: 20 };
const discord = createDiscordChannel({ timings }) as Channel;

type Scene = { server: DiscordServer; testHost: TestHost };

async function open(t: TestContext, options?: ConstructorParameters<typeof DiscordServer>[0], config: object = {}): Promise<Scene> {
  const server = await DiscordServer.start(options);
  const testHost = await openTestHost(discord, server.config(config));
  t.after(async () => {
    await testHost.close();
    await server.close();
  });
  await testHost.state("ready");
  return { server, testHost };
}

const room = { kind: "channel", id: ROOM } as const;
const never = new AbortController().signal;

function target(more: Partial<ReplyTarget> = {}): ReplyTarget {
  return { channel: asId("discord"), account: asId("default"), chat: { kind: "channel", id: asId(ROOM) }, ...more };
}

const part = (key: string, text: string, more: Partial<OutboundPart> = {}): OutboundPart => ({ key, target: target(), text, ...more });

function refusal(result: SendResult): Extract<SendResult, { state: "refused" }> {
  assert.equal(result.state, "refused");
  return result as Extract<SendResult, { state: "refused" }>;
}

test("a message says who, where, and whether we were called", async (t) => {
  const { server, testHost } = await open(t);
  server.push("<@9000000000000000001> hello <@123>", { mentions: [{ id: "123", username: "bob" }] });
  server.push("in private", { channel_id: DIRECT });
  server.push("in the thread", { channel_id: THREAD });
  await testHost.until(() => testHost.events.length === 3, "three messages");
  const [first, direct, thread] = testHost.events;
  assert.equal(first!.text, "hello @bob");
  assert.deepEqual(first!.chat, { kind: "channel", id: ROOM, title: "general" });
  assert.equal(first!.guildId, GUILD);
  assert.deepEqual(first!.sender, { id: ALICE, name: "Alice", isBot: false, isSelf: false, roles: ["5000000000000000001"] });
  assert.equal(first!.mentionsSelf, true);
  assert.deepEqual([direct!.chat, direct!.mentionsSelf], [{ kind: "direct", id: ALICE }, true]);
  assert.deepEqual([thread!.chat.id, thread!.thread, thread!.mentionsSelf], [ROOM, { id: THREAD }, false]);
});

test("the bot's own role calls it, also after a session was resumed", async (t) => {
  const { server, testHost } = await open(t);
  server.push(`<@&${OWN_ROLE}> hello`, { mention_roles: [OWN_ROLE] });
  server.push("<@&5000000000000000001> hello", { mention_roles: ["5000000000000000001"] });
  await testHost.until(() => testHost.events.length === 2, "two messages");
  assert.deepEqual(
    testHost.events.map(({ text, mentionsSelf }) => [text, mentionsSelf]),
    [
      ["hello", true],
      ["<@&5000000000000000001> hello", false],
    ],
  );
  const { channel, account } = testHost.host.status()[0]!;
  await testHost.host.stop(channel, account);
  await testHost.host.start(channel, account);
  server.push(`<@&${OWN_ROLE}> again`);
  await testHost.until(() => testHost.events.length === 3, "a message of the resumed session");
  assert.deepEqual([testHost.events[2]!.text, testHost.events[2]!.mentionsSelf, server.logins.at(-1)!["op"]], ["again", true, 6]);
});

test("our own messages and those of the platform start nothing; a reply to us says so", async (t) => {
  const { server, testHost } = await open(t);
  const sent = await testHost.send(room, "mine");
  assert.ok(sent.state === "sent");
  server.push("", { type: 7 });
  server.push("yes", {
    type: 19,
    message_reference: { message_id: sent.ids[0], channel_id: ROOM },
    referenced_message: { id: sent.ids[0], content: "mine", author: { id: "9000000000000000001" } },
  });
  await testHost.until(() => testHost.events.length === 1, "the reply");
  assert.deepEqual(testHost.events[0]!.replyTo, { id: sent.ids[0], text: "mine", sender: { id: "9000000000000000001" }, isSelf: true });
});

test("what comes while the position alone is being stored is handled at once, not with the event after it", async (t) => {
  const { server, testHost } = await open(t);
  server.push("before");
  await testHost.until(() => testHost.events.length === 1, "a first message");
  const stored = Promise.withResolvers<void>();
  testHost.stalled.until = stored.promise;
  await testHost.send(room, "mine");
  await testHost.until(() => testHost.stalled.waiting === 1, "the position behind our own message to be stored");
  server.push("just then");
  await settled();
  testHost.stalled.until = null;
  stored.resolve();
  await testHost.until(() => testHost.events.length === 2, "the message");
});

test("nothing that is not stored is reported as received, and it comes again after a crash", async (t) => {
  const server = await DiscordServer.start({ heartbeatMs: 100 });
  const testHost = await openTestHost(discord, server.config());
  t.after(async () => {
    await testHost.close();
    await server.close();
  });
  await testHost.state("ready");
  server.push("one");
  await testHost.until(() => testHost.events.length === 1 && server.acked.at(-1) === 3, "the first to be reported");
  testHost.failures.admit = new Error("disk full");
  server.push("two");
  await testHost.state("degraded");
  const beats = server.acked.length;
  await testHost.until(() => server.acked.length > beats + 3, "more heartbeats");
  assert.equal(Math.max(...server.acked.map(Number)), 3);
  // The connection goes while nothing can be stored: the session is resumed behind the last thing that was.
  server.drop("close");
  await testHost.until(() => server.logins.length === 2, "the resume");
  assert.deepEqual([server.logins[1]!["op"], server.logins[1]!["seq"]], [6, 3]);
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === 2, "the second");
  await testHost.until(() => server.acked.at(-1)! > 3, "the second to be reported");
  assert.deepEqual(
    testHost.events.map(({ text }) => text),
    ["one", "two"],
  );
});

test("a stop keeps the session: the next start resumes it and gets the messages in between", async (t) => {
  const { server, testHost } = await open(t);
  server.push("before");
  await testHost.until(() => testHost.events.length === 1, "the first");
  const { channel, account } = testHost.host.status()[0]!;
  await testHost.host.stop(channel, account);
  assert.ok(!server.closes.includes(1000) && !server.closes.includes(1001));
  server.push("meanwhile");
  await testHost.host.start(channel, account);
  await testHost.until(() => testHost.events.length === 2, "the second");
  assert.deepEqual([testHost.events[1]!.text, testHost.events[1]!.origin], ["meanwhile", "live"]);
  assert.deepEqual(
    server.logins.map(({ op }) => op),
    [2, 6],
  );
});

test("a refused resume: a new session, and the gap is read from the history of the known conversations", async (t) => {
  const { server, testHost } = await open(t);
  server.push("known");
  server.push("known thread", { channel_id: THREAD });
  server.push("known person", { channel_id: DIRECT });
  await testHost.until(() => testHost.events.length === 3, "the first messages");
  for (let i = 0; i < 130; i++) server.push(`gap ${i}`, { quiet: true });
  server.push("gap in the thread", { quiet: true, channel_id: THREAD });
  server.push("gap in private", { quiet: true, channel_id: DIRECT });
  server.endSessions();
  await testHost.until(() => testHost.events.length === 135, "the gap");
  await testHost.state("ready");
  server.push("after");
  await testHost.until(() => testHost.events.length === 136, "the message after it");
  const gap = testHost.events.slice(3, 135);
  assert.ok(gap.every(({ origin }) => origin === "backfill"));
  assert.deepEqual(
    gap.filter(({ chat, thread }) => chat.id === ROOM && !thread).map(({ text }) => text),
    Array.from({ length: 130 }, (_, i) => `gap ${i}`),
  );
  assert.deepEqual(gap.find(({ text }) => text === "gap in the thread")!.thread, { id: THREAD });
  assert.equal(gap.find(({ text }) => text === "gap in private")!.chat.id, ALICE);
  assert.equal(testHost.events[135]!.origin, "live");
});

test("a resume that is refused leads to a new session on the same connection, behind the gap", async (t) => {
  const { server, testHost } = await open(t);
  server.push("known");
  await testHost.until(() => testHost.events.length === 1, "the first");
  server.push("in the gap", { quiet: true });
  server.endSessions("quietly");
  await testHost.until(() => testHost.events.length === 2, "the gap");
  server.push("after");
  await testHost.until(() => testHost.events.length === 3, "all");
  assert.deepEqual(
    testHost.events.map(({ text, origin }) => [text, origin]),
    [
      ["known", "live"],
      ["in the gap", "backfill"],
      ["after", "live"],
    ],
  );
  assert.deepEqual(
    server.logins.map(({ op }) => op),
    [2, 6, 2],
  );
  assert.equal(testHost.host.status()[0]!.reconnects, 1, "one connection for both");
});

test("while the gap is read, no number of the old session is reported in the new one", async (t) => {
  const { server, testHost } = await open(t, { heartbeatMs: 100 });
  for (let i = 0; i < 50; i++) server.push(String(i));
  await testHost.until(() => server.acked.at(-1) === 52, "all to be reported");
  server.fail("history", { status: 503, body: {} }, 2);
  server.endSessions("quietly");
  await testHost.until(() => server.logins.length === 3, "the new session");
  const from = server.acked.length;
  await testHost.until(() => server.acked.length > from + 3, "heartbeats");
  assert.deepEqual([...new Set(server.acked.slice(from))], [null]);
  await testHost.until(() => server.acked.at(-1) === 2, "the new session to be stored");
});

test("a session that Discord wants resumed once more is resumed", async (t) => {
  const { server, testHost } = await open(t);
  server.say({ op: 9, d: true });
  await testHost.until(() => server.logins.length === 2, "the resume");
  server.push("later");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.equal(server.logins[1]!["op"], 6);
});

test("Discord may ask for a heartbeat", async (t) => {
  const { server, testHost } = await open(t, { heartbeatMs: 60_000 });
  server.say({ op: 1, d: null });
  await testHost.until(() => server.acked.length === 1, "the heartbeat");
});

test("a place for resuming that is gone is replaced by the general one", async (t) => {
  const { server, testHost } = await open(t, { resumeUrl: "ws://127.0.0.1:9" });
  server.drop("close");
  server.push("meanwhile");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.equal(server.logins[1]!["op"], 6);
});

test("no new session is asked for when none is left today", async (t) => {
  const server = await DiscordServer.start({ starts: 0 });
  const testHost = await openTestHost(discord, server.config());
  t.after(async () => {
    await testHost.close();
    await server.close();
  });
  const status = await testHost.state("backoff");
  assert.match(status.cause!, /sessions/);
  assert.ok(status.retryAt! - Date.now() > 50_000);
  assert.equal(server.logins.length, 0);
});

test("more events than can wait end the connection, and none is lost", async (t) => {
  const { server, testHost } = await open(t);
  testHost.failures.admit = new Error("disk full");
  const count = DISCORD_LIMITS.pendingFrames + 500;
  for (let i = 0; i < count; i++) server.push(String(i));
  await testHost.until(() => server.closes.length > 0, "the end of the connection");
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === count, "all of them");
  assert.equal(server.logins[1]!["op"], 6);
  assert.ok(testHost.events.every(({ text }, index) => text === String(index)));
});

test("the gap is not skipped when the history cannot be read at that moment", async (t) => {
  const { server, testHost } = await open(t);
  server.push("known");
  await testHost.until(() => testHost.events.length === 1, "the first");
  server.push("in the gap", { quiet: true });
  server.fail("history", "close-before", 2);
  server.endSessions();
  await testHost.until(() => testHost.events.length === 2, "the gap");
  assert.equal(testHost.events[1]!.text, "in the gap");
});

test("a request to reconnect is followed and resumed", async (t) => {
  const { server, testHost } = await open(t);
  server.say({ op: 7, d: null });
  await testHost.until(() => server.logins.length === 2, "the resume");
  assert.equal(server.logins[1]!["op"], 6);
  await testHost.state("ready");
});

test("nonsense from the gateway ends nothing", async (t) => {
  const { server, testHost } = await open(t);
  for (const nonsense of ["{", "[]", "null", { op: 0, s: "x", t: "MESSAGE_CREATE" }, { op: 99, d: {} }]) server.say(nonsense);
  server.dispatch("MESSAGE_CREATE", { id: "x", channel_id: ROOM });
  server.dispatch("MESSAGE_CREATE", { id: "1", channel_id: "../../x", author: { id: "2" } });
  server.dispatch("NO_SUCH_EVENT", { a: 1 });
  server.push("still here");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.deepEqual(
    testHost.others.map(({ kind }) => kind),
    ["unreadable", "unreadable"],
  );
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
});

test("a burst of 3,000 messages is stored in order", async (t) => {
  const { server, testHost } = await open(t);
  for (let i = 0; i < 3_000; i++) server.push(String(i));
  await testHost.until(() => testHost.events.length === 3_000, "all of them");
  assert.deepEqual(
    testHost.events.map(({ text }) => text),
    Array.from({ length: 3_000 }, (_, i) => String(i)),
  );
});

test("a revoked token is terminal, names the fix and is not retried", async (t) => {
  const { server, testHost } = await open(t);
  server.revoke();
  const status = await testHost.state("terminal");
  assert.match(status.fix!, /developer portal/);
  assert.equal(JSON.stringify(testHost.states).includes("secret-of-the-bot"), false);
});

test("a token that only the HTTP API refuses is terminal as well", async (t) => {
  const { server, testHost } = await open(t);
  server.revoke("quietly");
  assert.equal(refusal(await testHost.send(room, "x")).retryable, true);
  await testHost.state("terminal");
});

test("a part that is cancelled while it waits for a limit was not sent", async (t) => {
  const { server, testHost } = await open(t, { limit: { messages: 1, windowMs: 4_000 } });
  assert.equal((await testHost.send(room, "1")).state, "sent");
  const abort = new AbortController();
  const waiting = testHost.send(room, "2", abort.signal);
  abort.abort(new Error("stopping"));
  assert.equal(refusal(await waiting).retryable, true);
  assert.equal(server.sent().length, 1);
});

test("a missing intent is terminal and names it", async (t) => {
  const server = await DiscordServer.start({ noContent: true });
  t.after(() => server.close());
  const testHost = await openTestHost(discord, server.config());
  const status = await testHost.state("terminal");
  assert.match(status.fix!, /Message Content Intent/);
  await testHost.close();
  const modest = await openTestHost(discord, server.config({ intents: { messageContent: false } }));
  await modest.state("ready");
  await modest.close();
});

test("a repeated part is one message", async (t) => {
  const { server, testHost } = await open(t);
  server.fail("send", "close-after");
  await assert.rejects(testHost.link().send(part("k", "once"), never));
  const again = await testHost.link().send(part("k", "once"), never);
  assert.equal(again.state, "sent");
  assert.deepEqual(
    server.sent().map(({ content }) => content),
    ["once"],
  );
});

test("a part that had arrived is recognized after a restart, when Discord has forgotten its key", async (t) => {
  const { server, testHost } = await open(t);
  server.fail("send", "close-after");
  await assert.rejects(testHost.link().send(part("k", "once"), never));
  const { channel, account } = testHost.host.status()[0]!;
  await testHost.host.stop(channel, account);
  server.forgetNonces();
  await testHost.host.start(channel, account);
  await testHost.state("ready");
  const again = await testHost.link().send(part("k", "once"), never);
  assert.deepEqual(again, { state: "sent", ids: [server.sent()[0]!.id] });
  assert.equal(server.sent().length, 1);
});

test("a failed send is unknown, or refused when certainly nothing was sent", async (t) => {
  const { server, testHost } = await open(t);
  server.fail("send", { status: 502, body: {} });
  await assert.rejects(testHost.send(room, "x"), /502/);
  server.fail("send", "close-before");
  await assert.rejects(testHost.send(room, "x"));
  server.fail("send", { status: 403, body: { code: 50013, message: "Missing Permissions" } });
  const missing = refusal(await testHost.send(room, "x"));
  assert.deepEqual([missing.retryable, /Send Messages/.test(missing.reason)], [false, true]);
  server.fail("send", { status: 403, body: { code: 50007, message: "Cannot send messages to this user" } });
  assert.equal(refusal(await testHost.send({ kind: "direct", id: ALICE }, "x")).retryable, false);
  const nowhere = refusal(await testHost.send({ kind: "channel", id: "1" }, "x"));
  assert.deepEqual([nowhere.retryable, /no longer exists/.test(nowhere.reason)], [false, true]);
  assert.equal(refusal(await testHost.send({ kind: "channel", id: "../1" }, "x")).retryable, false);
  assert.equal(refusal(await testHost.send(room, "  ")).retryable, false);
  assert.deepEqual(server.sent(), []);
});

test("a limit is refused with its time; a global one pauses the account", async (t) => {
  const { server, testHost } = await open(t);
  server.fail("send", { status: 429, body: { retry_after: 0.03, global: false } });
  const one = refusal(await testHost.send(room, "x"));
  assert.deepEqual([one.retryable, one.retryAfterMs, one.pauses], [true, 30, "conversation"]);
  server.fail("send", { status: 429, body: { retry_after: 60, global: true } });
  assert.deepEqual(refusal(await testHost.send(room, "x")).pauses, "account");
  const calls = server.calls.length;
  const held = refusal(await testHost.send({ kind: "channel", id: THREAD }, "x"));
  assert.equal(held.pauses, "account");
  assert.ok(held.retryAfterMs! > 50_000);
  assert.equal(server.calls.length, calls, "nothing is asked while all is paused");
  assert.equal(testHost.host.status()[0]!.rateLimits, 2);
});

test("a bucket that is used up is waited for, so that Discord need not refuse", async (t) => {
  const { server, testHost } = await open(t, { limit: { messages: 2, windowMs: 150 } });
  for (const text of ["1", "2", "3", "4", "5"]) assert.equal((await testHost.send(room, text)).state, "sent");
  assert.deepEqual(
    server.sent().map(({ content }) => content),
    ["1", "2", "3", "4", "5"],
  );
  assert.equal(testHost.host.status()[0]!.rateLimits, 0);
});

test("sent messages mention no one, and a reply quotes its message", async (t) => {
  const { server, testHost } = await open(t);
  const question = server.push("?");
  await testHost.link().send(part("r", "@everyone", { target: target({ replyTo: asId(question.id) }) }), never);
  const [sent] = server.sent();
  assert.deepEqual(sent!["allowed_mentions"], { parse: [], replied_user: true });
  assert.deepEqual(sent!["message_reference"], { message_id: question.id, fail_if_not_exists: false });
  server.fail("send", { status: 400, body: { code: 50035, message: "Invalid Form Body" } });
  const again = await testHost.link().send(part("r2", "x", { target: target({ replyTo: asId(question.id) }) }), never);
  assert.equal(again.state, "sent");
  assert.equal(server.sent()[1]!["message_reference"], undefined);
});

test("a direct message opens its conversation; a thread is answered in the thread", async (t) => {
  const { server, testHost } = await open(t);
  assert.equal((await testHost.send({ kind: "direct", id: ALICE }, "hi")).state, "sent");
  await testHost.link().send(part("t", "there", { target: target({ thread: THREAD }) }), never);
  assert.deepEqual(
    server.sent().map((message) => message.channel_id),
    [DIRECT, THREAD],
  );
});

test("edits, deletions and reactions of people come in", async (t) => {
  const { server, testHost } = await open(t);
  const message = server.push("first");
  server.pushEdit(message, "second");
  server.pushReaction(message.id, "👍", true);
  server.pushReaction(message.id, "👍", false);
  server.pushDelete(message);
  await testHost.until(() => testHost.others.length === 4, "four events");
  const [edit, added, removed, gone] = testHost.others;
  assert.ok(edit?.kind === "edit" && edit.text === "second" && edit.message === message.id);
  assert.ok(added?.kind === "reaction" && added.added && added.emoji === "👍" && added.sender.id === ALICE);
  assert.ok(removed?.kind === "reaction" && !removed.added);
  assert.ok(gone?.kind === "delete" && gone.message === message.id && gone.chat.id === ROOM);
});

test("a resumed session repeats its events, and each counts once", async (t) => {
  const { server, testHost } = await open(t);
  const message = server.push("x");
  server.pushReaction(message.id, "👍", true);
  await testHost.until(() => testHost.others.length === 1, "the reaction");
  const [login] = server.logins;
  assert.equal(login!["op"], 2);
  server.drop("close");
  await testHost.until(() => server.logins.length === 2, "the resume");
  server.push("y");
  await testHost.until(() => testHost.events.length === 2, "the next message");
  assert.deepEqual([testHost.events.length, testHost.others.length], [2, 1]);
});

test(covers(["reactions"], "our own messages can be edited, removed, pinned and reacted to"), async (t) => {
  const { server, testHost } = await open(t);
  const link = testHost.link();
  const sent = await link.send(part("b", "choose", { buttons: [[{ text: "Yes", token: "tok_1" }]] }), never);
  assert.ok(sent.state === "sent");
  const id = sent.ids[0]!;
  assert.match(JSON.stringify(server.sent()[0]!["components"]), /"custom_id":"tok_1"/);
  assert.equal((await link.edit!(id, part("b", "chosen"), never)).state, "sent");
  assert.deepEqual([server.sent()[0]!.content, server.sent()[0]!["components"]], ["chosen", []]);
  await link.pin!(target(), id, true);
  assert.equal(server.sent()[0]!["pinned"], true);
  await link.react!(target(), id, "👀", true);
  await link.react!(target(), id, "<:party:55>", false);
  assert.deepEqual(
    server.reactions.map(({ emoji, on }) => [emoji, on]),
    [
      ["👀", true],
      ["party:55", false],
    ],
  );
  await link.remove!(target(), id);
  assert.deepEqual(server.sent(), []);
  const gone = refusal(await link.edit!(id, part("b", "x"), never));
  assert.equal(gone.notFound, true);
  await assert.rejects(link.react!(target(), id, "👀", true), /Unknown Message/);
  await assert.rejects(link.remove!(target(), asId("../../users/@me")), /not a Discord id/);
});

test(covers(["typing", "polls"], "typing, threads and polls"), async (t) => {
  const { server, testHost } = await open(t);
  await testHost.link().typing!(target());
  server.fail("typing", { status: 403, body: { code: 50013, message: "Missing Permissions" } });
  await testHost.link().typing!(target());
  assert.equal(await testHost.link().openThread!(target(), "Plans"), THREAD);
  assert.equal(server.threads[0]!["name"], "Plans");
  const poll = await testHost.link().poll!(target(), { question: "Tea?", options: ["yes", "no"], multiple: false });
  assert.equal(poll.state, "sent");
  assert.match(JSON.stringify(server.sent()[0]!["poll"]), /Tea\?/);
});

test("files come in and go out", async (t) => {
  const { server, testHost } = await open(t);
  const bytes = Buffer.from("picture");
  server.pushFile("a.png", "image/png", bytes);
  await testHost.until(() => testHost.events.length === 1, "the file");
  const [ref] = testHost.events[0]!.media;
  assert.deepEqual([ref!.kind, ref!.name, ref!.mimeType, ref!.sizeBytes], ["image", "a.png", "image/png", 7]);
  const { download } = testHost.link();
  assert.deepEqual(Buffer.from(await download!(ref!, 100, never)), bytes);
  await assert.rejects(download!(ref!, 3, never), /larger/);
  await assert.rejects(download!({ ...ref!, sizeBytes: null }, 3, never), /larger/);
  await assert.rejects(download!({ ...ref!, url: "http://127.0.0.1:1/x" }, 100, never), /not stored at Discord/);
  await assert.rejects(download!({ ...ref!, url: "https://cdn.discordapp.com.evil.example/x" }, 100, never), /not stored/);
  server.expireFile("a.png");
  assert.deepEqual(Buffer.from(await download!(ref!, 100, never)), bytes, "an address that has expired is renewed");
  assert.ok(server.calls.filter(({ path }) => path.startsWith("/attachments/")).every(({ path }) => path.endsWith("refresh-urls")));
  const media = { kind: "file", name: "b.txt", mimeType: "text/plain", sizeBytes: 5, read: async () => Buffer.from("hello") } as const;
  assert.equal((await testHost.link().send(part("f", "see", { media }), never)).state, "sent");
  const [sent] = server.sent();
  const [file] = sent!["files"] as { name: string; data: Uint8Array }[];
  assert.deepEqual([sent!.content, file!.name, Buffer.from(file!.data).toString()], ["see", "b.txt", "hello"]);
});

test(covers(["commands"], "a slash command is stored before it is acknowledged, and the answer replaces its placeholder"), async (t) => {
  const { server, testHost } = await open(t);
  testHost.failures.admit = new Error("disk full");
  server.pushCommand("status", "all");
  await testHost.state("degraded");
  assert.ok(!server.calls.some(({ path }) => path.endsWith("/callback")));
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === 1, "the command");
  const [event] = testHost.events;
  assert.deepEqual([event!.text, event!.mentionsSelf, event!.chat.id], ["/status all", true, ROOM]);
  await testHost.until(() => server.sent().length === 1, "the sign");
  const via = { target: target({ via: event!.via! }) };
  server.fail("original", "close-before");
  assert.equal(refusal(await testHost.link().send(part("c1", "it works", via), never)).retryable, true);
  const first = await testHost.link().send(part("c1", "it works", via), never);
  const second = await testHost.link().send(part("c2", "really", via), never);
  assert.ok(first.state === "sent" && second.state === "sent");
  assert.deepEqual(
    server.sent().map(({ content }) => content),
    ["it works", "really"],
  );
  assert.ok(server.calls.filter(({ path }) => path.startsWith("/webhooks/")).every(({ authorization }) => authorization === undefined));
});

test("the answer to a command whose token is old, or which Discord has forgotten, is a message", async (t) => {
  const { server, testHost } = await open(t);
  server.pushCommand("status", "", Date.now() - 16 * 60_000);
  await testHost.until(() => testHost.events.length === 1, "the command");
  assert.equal(testHost.events[0]!.text, "/status");
  const old = part("o", "late", { target: target({ via: testHost.events[0]!.via! }) });
  assert.equal((await testHost.link().send(old, never)).state, "sent");
  const unknown = part("u", "lost", { target: target({ via: `${server.id()}:no-such-token` }) });
  assert.equal((await testHost.link().send(unknown, never)).state, "sent");
  assert.deepEqual(
    server.sent().map(({ content }) => content),
    ["late", "lost"],
  );
});

test("an earlier attempt with an unknown outcome to answer a command is recognized", async (t) => {
  const { server, testHost } = await open(t);
  server.pushCommand("status", "");
  await testHost.until(() => testHost.events.length === 1 && server.sent().length === 1, "the command");
  const answer = part("c", "done", { target: target({ via: testHost.events[0]!.via! }) });
  assert.equal((await testHost.link().send(answer, never)).state, "sent");
  // Another process, which does not remember.
  const { channel, account } = testHost.host.status()[0]!;
  await testHost.host.stop(channel, account);
  await testHost.host.start(channel, account);
  await testHost.state("ready");
  assert.equal((await testHost.link().send(answer, never)).state, "sent");
  assert.equal(server.sent().length, 1);
});

test("a press is stored, then confirmed", async (t) => {
  const { server, testHost } = await open(t);
  const { token } = server.pushPress("123", "tok_1");
  await testHost.until(() => testHost.others.length === 1, "the press");
  const [press] = testHost.others;
  assert.ok(press?.kind === "interaction" && press.token === "tok_1" && press.message === "123" && press.sender.id === ALICE);
  const confirmed = (): boolean => server.calls.some(({ path, body }) => path.endsWith(`${token}/callback`) && body["type"] === 6);
  await testHost.until(confirmed, "the confirmation");
});

test("slash commands are registered once, and only when they differ", async (t) => {
  const { server, testHost } = await open(t);
  await testHost.until(() => server.commands.length === 1, "the commands");
  assert.equal(server.commands[0]!["name"], "status");
  const again = await openTestHost(discord, server.config());
  await again.state("ready");
  await again.until(
    () => server.calls.filter(({ method, path }) => method === "GET" && path.endsWith("/commands")).length === 2,
    "the look",
  );
  await again.close();
  assert.equal(server.calls.filter(({ method }) => method === "PUT").length, 1);
});

test("verify names the bot, or says that the token is wrong", async (t) => {
  const { server } = await open(t);
  const parsed = (config: object) => (parseChecked(discord, config) as { account: unknown }).account;
  assert.deepEqual(await discord.verify(parsed(server.config()), never), { name: "robot" });
  await assert.rejects(discord.verify(parsed(server.config({ token: "wrong" })), never), /token/);
});
