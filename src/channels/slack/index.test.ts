// Group: wire
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { covers } from "../../../test/channel-kit/coverage.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import { ADA, APP_TOKEN, BOT_TOKEN, BOT_USER, DM, ROOM, SIGNING, SlackServer, TEAM } from "../../../test/channel-kit/slack-server.ts";
import { asId, type ChatId, type MessageId } from "../../core/ids.ts";
import {
  TerminalError,
  UnknownOutcomeError,
  type Channel,
  type MediaKind,
  type MediaUpload,
  type OutboundPart,
  type ReplyTarget,
} from "../channel.ts";
import { SLACK_TIMINGS } from "./socket-mode.ts";
import { createSlackChannel } from "./index.ts";

const timings = { ...SLACK_TIMINGS, openMs: 1_000, quietMs: 500, marginMs: 100, lingerMs: 100, retryMs: 20, storeMs: 20, checkMs: 30 };
const signal = new AbortController().signal;
const dm = { kind: "direct" as const, id: DM };
const room = { kind: "channel" as const, id: ROOM };

async function scene(more: object, run: (testHost: TestHost, server: SlackServer) => Promise<void>): Promise<void> {
  const server = await SlackServer.start();
  const testHost = await openTestHost(createSlackChannel({ timings }) as Channel, { ...server.config(), ...more });
  try {
    await testHost.state("ready");
    await run(testHost, server);
  } finally {
    await testHost.close();
    await server.close();
  }
}
const testWithServer = (name: string, run: (testHost: TestHost, server: SlackServer) => Promise<void>, more: object = {}): void =>
  void test(name, () => scene(more, run));

const target = (chat: { kind: "direct" | "channel"; id: string }, more: Partial<ReplyTarget> = {}): ReplyTarget => ({
  channel: asId("slack"),
  account: asId("default"),
  chat: { kind: chat.kind, id: asId<ChatId>(chat.id) },
  ...more,
});
let keys = 0;
const part = (text: string, more: Partial<OutboundPart> = {}): OutboundPart => ({ key: `k${++keys}`, target: target(dm), text, ...more });
const file = (kind: MediaKind, mimeType: string, content = "bytes", name = "a.bin"): MediaUpload => ({
  kind,
  name,
  mimeType,
  sizeBytes: content.length,
  read: async () => Buffer.from(content),
});
const ids = (result: { state: string; ids?: readonly MessageId[] }): readonly MessageId[] => {
  assert.equal(result.state, "sent", inspect(result));
  return result.ids!;
};
const texts = (testHost: TestHost): readonly string[] => testHost.events.map((event) => event.text);

testWithServer("nothing is acknowledged before it is stored, and the order stays", async (testHost, server) => {
  testHost.failures.admit = new Error("disk full");
  const first = server.say("one");
  const second = server.say("two");
  assert.match((await testHost.state("degraded")).cause!, /disk full/);
  assert.deepEqual(server.acked(), []);
  testHost.failures.admit = null;
  await testHost.until(() => server.acked().length === 2, "the acknowledgements");
  assert.deepEqual(server.acked(), [first, second]);
  assert.deepEqual(texts(testHost), ["one", "two"]);
  await testHost.state("ready");
});

testWithServer("an envelope that comes again is acknowledged again, and is one message", async (testHost, server) => {
  testHost.failures.admit = new Error("disk full");
  server.say("one");
  await testHost.state("degraded");
  server.redeliver();
  testHost.failures.admit = null;
  await testHost.until(() => server.waiting() === 0, "the acknowledgement");
  server.say("two");
  await testHost.until(() => testHost.events.length === 2, "two messages");
  assert.deepEqual(texts(testHost), ["one", "two"]);
});

testWithServer("a mention that comes as message and as app_mention is one message", async (testHost, server) => {
  const said = server.message({ channel: ROOM, channel_type: "channel", text: `<@${BOT_USER}> hi` });
  server.event(said);
  server.event({ ...said, type: "app_mention", channel_type: undefined });
  await testHost.until(() => server.waiting() === 0, "both acknowledgements");
  assert.deepEqual(
    testHost.events.map(({ text, mentionsSelf, chat, teamId }) => [text, mentionsSelf, chat.kind, teamId]),
    [["hi", true, "channel", TEAM]],
  );
});

for (const reason of ["refresh_requested", "warning"]) {
  testWithServer(`a refresh (${reason}) leaves no moment without a socket, and loses nothing`, async (testHost, server) => {
    for (let round = 1; round <= 3; round++) {
      // The old socket ends as soon as we have left it: the time only has to be long enough on a busy machine.
      server.refresh(5_000, reason);
      for (let i = 0; i < 20; i++) server.say(`${round}.${i}`);
      await testHost.until(() => server.welcomed === round + 1 && server.sockets() === 1, "the other socket");
    }
    await testHost.until(() => testHost.events.length === 60 && server.waiting() === 0, "all");
    assert.equal(new Set(texts(testHost)).size, 60);
    assert.deepEqual(server.gaps, []);
    assert.equal(server.most, 2);
    assert.equal(testHost.host.status()[0]!.reconnects, 0);
  });
}

test("a socket is replaced before its announced end", async () => {
  const server = await SlackServer.start();
  server.lifetime = 0.3;
  const testHost = await openTestHost(createSlackChannel({ timings }) as Channel, server.config());
  await testHost.until(() => server.of("apps.connections.open").length >= 3, "two replacements");
  assert.deepEqual(server.gaps, []);
  await testHost.close();
  await server.close();
});

testWithServer("while the next socket cannot be opened the present one works", async (testHost, server) => {
  server.fail("apps.connections.open", { status: 500 }, 3);
  server.refresh(2_000);
  server.say("meanwhile");
  await testHost.until(() => testHost.events.length === 1, "the message");
  await testHost.until(() => server.most === 2, "the other socket");
  assert.deepEqual(server.gaps, []);
});

testWithServer("after a lost connection, missed messages are read from the history once and in order", async (testHost, server) => {
  const root = server.message({ channel: ROOM, channel_type: "channel", text: "root" });
  server.event(root);
  server.say("before");
  server.event(server.message({ channel: ROOM, channel_type: "channel", text: "in thread", thread_ts: root["ts"] }));
  await testHost.until(() => testHost.events.length === 3, "three");
  server.drop("close");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
  for (const text of ["m1", "m2"]) server.message({ text });
  server.message({ channel: ROOM, channel_type: "channel", text: "more in thread", thread_ts: root["ts"] });
  server.heal();
  server.say("m3");
  await testHost.until(() => testHost.events.length === 7, "the gap");
  server.say("m4");
  await testHost.until(() => testHost.events.length === 8, "live again");
  const gap = testHost.events.slice(3, 7);
  assert.deepEqual(gap.map(({ text }) => text).toSorted(), ["m1", "m2", "m3", "more in thread"]);
  assert.ok(gap.every(({ origin }) => origin === "backfill"));
  assert.deepEqual(
    texts(testHost).filter((text) => /^m\d/.test(text)),
    ["m1", "m2", "m3", "m4"],
  );
  assert.equal(testHost.events.find(({ text }) => text === "more in thread")!.thread!.id, root["ts"]);
});

testWithServer("a conversation that cannot be read after a gap stops nothing", async (testHost, server) => {
  server.say("before");
  await testHost.until(() => testHost.events.length === 1, "one");
  server.fail("conversations.history", { error: "missing_scope", needed: "im:history" });
  server.drop("close");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
  server.heal();
  await testHost.state("ready");
  server.say("after");
  await testHost.until(() => testHost.events.length === 2, "two");
});

testWithServer("a slow history: the time that Slack asks for is waited", async (testHost, server) => {
  server.say("before");
  await testHost.until(() => testHost.events.length === 1, "one");
  server.fail("conversations.history", { status: 429, retryAfter: 0.05 });
  server.drop("close");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
  server.message({ text: "missed" });
  server.heal();
  await testHost.until(() => testHost.events.length === 2, "two");
  assert.equal(testHost.host.status()[0]!.rateLimits, 1);
});

testWithServer("a silent connection is noticed", async (testHost, server) => {
  server.drop("silent");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the silence to be noticed");
  server.heal();
  await testHost.state("ready");
  server.say("after");
  await testHost.until(() => testHost.events.length === 1, "the message");
});

testWithServer("a quiet connection is kept as long as pings arrive", async (testHost, server) => {
  const began = performance.now();
  await testHost.until(() => performance.now() - began > 1_200, "twice the time of silence");
  assert.equal(server.of("apps.connections.open").length, 1);
});

testWithServer("a revoked token is terminal, with a fix", async (testHost, server) => {
  server.revoke();
  const result = await testHost.send(dm, "x");
  assert.ok(result.state === "refused" && result.retryable);
  assert.match((await testHost.state("terminal")).fix!, /botToken/);
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
});
testWithServer("Socket Mode that is switched off is terminal, with a fix", async (testHost, server) => {
  server.refresh(50, "link_disabled");
  assert.match((await testHost.state("terminal")).fix!, /appToken/);
});

testWithServer("nonsense ends nothing", async (testHost, server) => {
  server.raw("no json");
  server.raw("[1]");
  server.raw('{"type":"new_kind"}');
  server.event({ type: "message", channel: "../x", ts: "1.1", user: ADA, text: "x" });
  server.event({ type: "channel_rename", channel: {} });
  server.say("sense");
  await testHost.until(() => testHost.events.length === 1 && server.waiting() === 0, "the message");
  assert.deepEqual(
    testHost.others.map(({ kind }) => kind),
    ["unreadable", "unreadable"],
  );
});

testWithServer(covers(["commands"], "edits, deletions, reactions, presses, commands"), async (testHost, server) => {
  const ts = "1700000000.000100";
  const change = { type: "message", channel: DM, channel_type: "im", ts: "1700000001.000100" };
  const message = { type: "message", user: ADA, ts, text: "better", edited: { user: ADA, ts: "1700000001.000000" } };
  server.event({ ...change, subtype: "message_changed", message, previous_message: { ...message, text: "good" } });
  server.event({ ...change, subtype: "message_deleted", deleted_ts: ts, previous_message: message });
  const item = { type: "message", channel: ROOM, ts };
  server.event({ type: "reaction_added", user: ADA, reaction: "+1", item, event_ts: "1700000002.000100" });
  server.event({ type: "reaction_removed", user: ADA, reaction: "+1", item, event_ts: "1700000003.000100" });
  server.envelope("interactive", {
    type: "block_actions",
    trigger_id: "t1",
    user: { id: ADA, name: "ada" },
    channel: { id: ROOM },
    container: { type: "message", message_ts: ts, channel_id: ROOM },
    actions: [{ type: "button", action_id: "openclaw:0:0", value: "tok_1" }],
  });
  const command = { user_id: ADA, user_name: "ada", channel_id: ROOM, channel_name: "room", trigger_id: "t2" };
  server.envelope("slash_commands", { ...command, command: "/status", text: "now", response_url: `${server.url}/respond` });
  await testHost.until(() => server.waiting() === 0, "all acknowledged");
  assert.deepEqual(
    testHost.others.map(({ kind }) => kind),
    ["edit", "delete", "reaction", "reaction", "interaction"],
  );
  const [said] = testHost.events;
  assert.deepEqual([said!.text, said!.mentionsSelf, said!.via], ["/status now", true, `${server.url}/respond`]);
  server.fail("chat.postMessage", { error: "not_in_channel" });
  ids(await testHost.link().send(part("fine", { target: target(room, { via: said!.via! }) }), signal));
  assert.deepEqual(server.responses, [{ response_type: "in_channel", text: "fine" }]);
});

testWithServer(covers(["reactions"], "threads, buttons, edits, reactions, pins, deletions"), async (testHost, server) => {
  const buttons = [[{ text: "Yes", token: "tok_1" }], [{ text: "No", token: "tok_2" }]];
  const [id] = ids(
    await testHost.link().send(part("**hi** <you>", { target: target(room, { thread: "1700000000.000100" }), buttons }), signal),
  );
  const [shown] = server.shown();
  assert.deepEqual([shown!.text, shown!.thread, shown!.channel], ["*hi* &lt;you&gt;", "1700000000.000100", ROOM]);
  assert.equal((shown!.blocks as { type: string }[]).map(({ type }) => type).join(), "section,actions,actions");
  const at = target(room);
  ids(await testHost.link().edit!(id!, part("new", { target: at }), signal));
  assert.deepEqual([server.sent(), server.shown()[0]!.blocks], [["new"], []], "the buttons have gone");
  for (const emoji of ["👀", ":party_blob:"]) await testHost.link().react!(at, id!, emoji, true);
  await testHost.link().react!(at, id!, "👀", true);
  assert.deepEqual(server.shown()[0]!.reactions, ["eyes", "party_blob"]);
  await testHost.link().react!(at, id!, "👀", false);
  await testHost.link().react!(at, id!, "👀", false);
  await assert.rejects(testHost.link().react!(at, id!, "🪿", true), /write it as :name:/);
  await testHost.link().pin!(at, id!, true);
  assert.equal(await testHost.link().openThread!(at, "t", id!), id);
  await testHost.link().remove!(at, id!);
  await testHost.link().remove!(at, id!);
  assert.deepEqual(server.sent(), []);
  const gone = await testHost.link().edit!(id!, part("x", { target: at }), signal);
  assert.ok(gone.state === "refused" && gone.notFound && !gone.retryable);
});

testWithServer("blocks, and then markup, that Slack cannot read are left out, in sends and in edits", async (testHost, server) => {
  const buttons = [[{ text: "Yes", token: "tok" }]];
  server.fail("chat.postMessage", { error: "invalid_blocks" }, 2);
  const [id] = ids(await testHost.link().send(part("**b** [a](https://a.example)", { buttons }), signal));
  assert.deepEqual(server.sent(), ["b a (https://a.example)"]);
  server.fail("chat.update", { error: "invalid_blocks" });
  ids(await testHost.link().edit!(id!, part("**b**", { buttons }), signal));
  assert.deepEqual(server.sent(), ["*b*"]);
});

testWithServer("a temporary refusal has a delay, a permanent one has a fix", async (testHost, server) => {
  server.fail("chat.postMessage", { status: 429, retryAfter: 3 });
  const limited = await testHost.send(dm, "x");
  assert.deepEqual(limited.state === "refused" && [limited.retryable, limited.retryAfterMs], [true, 3_000]);
  assert.equal(testHost.host.status()[0]!.rateLimits, 1);
  for (const [error, fix] of [
    ["missing_scope", /chat:write.*install the app again/],
    ["not_in_channel", /invite/],
    ["channel_not_found", /invite/],
    ["is_archived", /unarchive/],
    ["msg_too_long", /textChunkLimit/],
  ] as const) {
    server.fail("chat.postMessage", { error, needed: "chat:write" });
    const result = await testHost.send(dm, "x");
    assert.ok(result.state === "refused" && !result.retryable && fix.test(result.reason), inspect(result));
  }
  const empty = await testHost.send(dm, " \n");
  assert.ok(empty.state === "refused" && !empty.retryable);
  assert.deepEqual(server.sent(), []);
});

testWithServer("an unknown outcome is determined by searching the conversation for the key", async (testHost, server) => {
  for (const [how, arrived] of [
    ["close-before", false],
    ["close-after", true],
    [{ status: 503 }, false],
    [{ error: "fatal_error" }, false],
  ] as const) {
    for (const place of [target(dm), target(room, { thread: "1700000000.000100" })]) {
      server.fail("chat.postMessage", how);
      const asked = part("x", { target: place });
      await assert.rejects(testHost.link().send(asked, signal), (err) => err instanceof Error && !/xox|https?:/.test(err.message));
      const found = await testHost.link().lookup!(asked);
      assert.deepEqual(found, arrived ? [server.shown().at(-1)!.ts] : null);
    }
  }
  server.fail("chat.postMessage", "hang");
  await assert.rejects(testHost.send(dm, "x", AbortSignal.timeout(100)));
  await assert.rejects(testHost.link().lookup!(part("", { media: file("file", "text/plain") })), /whether a file/);
});

testWithServer("a key is found behind hundreds of later messages, and is not taken from someone else", async (testHost, server) => {
  const asked = part("x");
  const found = ids(await testHost.link().send(asked, signal));
  for (let i = 0; i < 450; i++) server.message({ text: `m${i}` });
  assert.deepEqual(await testHost.link().lookup!(asked), found);
  assert.equal(await testHost.link().lookup!(part("another")), null);
});

testWithServer(
  "a part that an earlier process has sent is found; that it cannot be known is told apart from not yet",
  async (testHost, server) => {
    const [asked, other] = [part("once"), part("once", { target: target(room) })];
    const found = ids(await testHost.link().send(asked, signal));
    ids(await testHost.link().send(part("again"), signal));
    assert.equal(server.of("conversations.history").length, 0, "nothing is asked for what is sent for the first time");
    const next = await openTestHost(createSlackChannel({ timings }) as Channel, server.config());
    await next.state("ready");
    server.fail("conversations.history", { status: 503 });
    await assert.rejects(next.link().lookup!(asked), (err) => !(err instanceof UnknownOutcomeError));
    assert.deepEqual(await next.link().lookup!(asked), found);
    server.fail("conversations.history", { error: "missing_scope", needed: "channels:history" });
    await assert.rejects(next.link().lookup!(other), UnknownOutcomeError);
    await assert.rejects(next.link().lookup!(part("", { media: file("file", "text/plain") })), UnknownOutcomeError);
    assert.deepEqual(server.sent(), ["once", "again"]);
    await next.close();
  },
);

testWithServer("no connection at all: certainly not sent", async (testHost, server) => {
  const link = testHost.link();
  await server.close();
  await link.send(part("x"), signal).catch(() => undefined);
  const again = await link.send(part("x"), signal);
  assert.ok(again.state === "refused" && again.retryable, inspect(again));
});

testWithServer("files go out in three steps, with their text", async (testHost, server) => {
  const [id] = ids(await testHost.link().send(part("**cap**", { media: file("file", "text/plain", "content", "a/b.txt") }), signal));
  assert.equal(server.uploaded(id!)?.toString(), "content");
  const [shown] = server.shown();
  assert.deepEqual([shown!.file, shown!.text], ["a_b.txt", "*cap*"]);
  server.fail("files.completeUploadExternal", { status: 502 });
  await assert.rejects(testHost.link().send(part("", { media: file("file", "text/plain") }), signal));
  server.fail("files.getUploadURLExternal", { error: "missing_scope", needed: "files:write" });
  const refused = await testHost.link().send(part("", { media: file("file", "text/plain") }), signal);
  assert.ok(refused.state === "refused" && !refused.retryable && refused.reason.includes("files:write"));
});

testWithServer("files come in with the token, only from Slack, and no larger than asked", async (testHost, server) => {
  const given = server.addFile(Buffer.from("picture"), "p.png", "image/png");
  server.say("look", { subtype: "file_share", files: [given] });
  await testHost.until(() => testHost.events.length === 1, "the message");
  const [ref] = testHost.events[0]!.media;
  assert.deepEqual([ref!.kind, ref!.name, ref!.sizeBytes], ["image", "p.png", 7]);
  assert.equal(Buffer.from(await testHost.link().download!(ref!, 100, signal)).toString(), "picture");
  await assert.rejects(testHost.link().download!(ref!, 3, signal), /larger/);
  await assert.rejects(testHost.link().download!({ ...ref!, sizeBytes: null }, 3, signal), /larger/);
  for (const url of ["https://evil.example/f", "https://files.slack.com.evil.example/f", "https://files.slack.com@evil.example/f"])
    await assert.rejects(testHost.link().download!({ ...ref!, url }, 100, signal), /does not (?:come from|belong to) Slack/);
});

test("pushed requests: signature, challenge, and 200 only when it is stored", async () => {
  const server = await SlackServer.start();
  const channel = createSlackChannel({ timings }) as Channel;
  const config = { mode: "http", signingSecret: SIGNING, botToken: BOT_TOKEN, apiRoot: `${server.url}/api` };
  const testHost = await openTestHost(channel, config);
  await testHost.state("ready");
  const push = (text: string, more: { at?: number; secret?: string; method?: string } = {}) => {
    const at = String(more.at ?? Math.floor(Date.now() / 1_000));
    const signature = `v0=${createHmac("sha256", more.secret ?? SIGNING)
      .update(`v0:${at}:${text}`)
      .digest("hex")}`;
    const headers = { "x-slack-request-timestamp": at, "x-slack-signature": signature };
    const request = { method: more.method ?? "POST", path: "/", query: "", headers, body: Buffer.from(text) };
    return testHost.host.receive(channel.id, asId("default"), request);
  };
  const event = JSON.stringify({ type: "event_callback", team_id: TEAM, event_id: "Ev1", event: server.message({ text: "one" }) });
  assert.equal((await push(event, { secret: "wrong-secret" })).status, 401);
  assert.equal((await push(event, { at: Math.floor(Date.now() / 1_000) - 400 })).status, 401);
  assert.equal((await push(event, { method: "GET" })).status, 405);
  const challenge = await push(JSON.stringify({ type: "url_verification", challenge: "c1" }));
  assert.deepEqual([challenge.status, challenge.body], [200, "c1"]);
  testHost.failures.admit = new Error("disk full");
  assert.equal((await push(event)).status, 503);
  testHost.failures.admit = null;
  assert.equal((await push(event)).status, 200);
  assert.equal((await push(event)).status, 200);
  const form = { command: "/openclaw", text: "do it", user_id: ADA, channel_id: DM, channel_name: "directmessage", trigger_id: "t1" };
  assert.equal((await push(new URLSearchParams(form).toString())).status, 200);
  assert.equal((await push("garbage")).status, 200);
  assert.deepEqual(texts(testHost), ["one", "do it"]);
  assert.deepEqual(
    testHost.others.map(({ kind }) => kind),
    ["unreadable"],
  );
  server.revoke();
  await testHost.state("terminal");
  await testHost.close();
  await server.close();
});

test("a rate-limited connections.open is retried after Retry-After", async () => {
  const server = await SlackServer.start();
  server.fail("apps.connections.open", { status: 429, retryAfter: 0.6 });
  const testHost = await openTestHost(createSlackChannel({ timings }) as Channel, server.config());
  const { retryAt, since } = await testHost.state("backoff");
  assert.ok(retryAt! - since >= 590);
  await testHost.state("ready");
  assert.equal((await createSlackChannel().verify(parsed(server), signal)).name, "robot");
  await testHost.close();
  await server.close();
});

const refused = (key: string) => (err: unknown) => err instanceof TerminalError && err.key === key;

test("a wrong app-level token is refused before anything is saved, and named", async () => {
  const server = await SlackServer.start();
  try {
    await assert.rejects(createSlackChannel().verify(parsed(server, { appToken: "xapp-1-wrong" }), signal), refused("appToken"));
    await assert.rejects(createSlackChannel().verify(parsed(server, { botToken: "xoxb-1-wrong" }), signal), refused("botToken"));
  } finally {
    await server.close();
  }
});

function parsed(server: SlackServer, more: object = {}): never {
  const result = parseChecked(createSlackChannel(), { ...server.config(), appToken: APP_TOKEN, ...more });
  assert.ok("account" in result);
  return result.account as never;
}
