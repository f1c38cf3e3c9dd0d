// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { covers } from "../../../test/channel-kit/coverage.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import { OTHER_TOKEN, PERSON, TelegramServer, TOKEN } from "../../../test/channel-kit/telegram-server.ts";
import { asId, type ChatId, type MessageId } from "../../core/ids.ts";
import type { Channel, MediaKind, MediaUpload, OutboundPart, ReplyTarget } from "../channel.ts";
import { TELEGRAM_TIMINGS } from "./updates.ts";
import { createTelegramChannel } from "./index.ts";

const timings = {
  ...TELEGRAM_TIMINGS,
  pollMs: 1_000,
  graceMs: 500,
  idleMs: 20,
  storeMs: 20,
  albumMs: 100,
  conflictMs: 50,
  conflictMaxMs: 100,
  webhookCheckMs: 30,
};
const telegram = createTelegramChannel({ timings }) as Channel;
const signal = new AbortController().signal;
const ada = { kind: "direct" as const, id: "7" };
const room = { kind: "group" as const, id: "-1001234" };
const HTML_ERROR = { status: 400, description: "Bad Request: can't parse entities: Unsupported start tag" };

async function scene(
  more: object,
  run: (testHost: TestHost, server: TelegramServer) => Promise<void>,
  channel: Channel = createTelegramChannel({ timings }) as Channel,
): Promise<void> {
  const server = await TelegramServer.start();
  const testHost = await openTestHost(channel, { ...server.config(), ...more });
  try {
    await testHost.state("ready");
    await run(testHost, server);
  } finally {
    await testHost.close();
    await server.close();
  }
}
const testWithServer = (name: string, run: (testHost: TestHost, server: TelegramServer) => Promise<void>, more: object = {}): void =>
  void test(name, () => scene(more, run));

const target = (chat: { kind: "direct" | "group"; id: string }, more: Partial<ReplyTarget> = {}): ReplyTarget => ({
  channel: telegram.id,
  account: asId("default"),
  chat: { kind: chat.kind, id: asId<ChatId>(chat.id) },
  ...more,
});
let keys = 0;
const part = (text: string, more: Partial<OutboundPart> = {}): OutboundPart => ({ key: `k${++keys}`, target: target(ada), text, ...more });
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

testWithServer("messages are stored in order, and confirmed only after that", async (testHost, server) => {
  testHost.failures.admit = new Error("disk full");
  const first = server.say("one")!;
  assert.match((await testHost.state("degraded")).cause!, /disk full/);
  const second = server.say("two")!;
  const polls = server.of("getUpdates").length;
  await testHost.until(() => testHost.states.length > 2, "another attempt");
  assert.equal(server.of("getUpdates").length, polls, "no poll while nothing can be stored");
  assert.deepEqual(server.acked(), []);
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === 2, "both");
  await testHost.state("ready");
  await testHost.until(() => server.acked().length === 2, "the confirmation");
  assert.deepEqual(server.acked(), [first, second]);
  assert.deepEqual(
    testHost.events.map((event) => event.text),
    ["one", "two"],
  );
});

test("a burst of 5,000 messages: none is lost, and no offset is ever above what was stored", async () => {
  const stored = new Set<number>();
  await scene({}, async (testHost, server) => {
    for (let i = 0; i < 5_000; i++) server.say(`n${i}`);
    await testHost.until(() => testHost.events.length === 5_000, "all");
    assert.deepEqual(
      testHost.events.map((event) => event.text),
      Array.from({ length: 5_000 }, (_, i) => `n${i}`),
    );
    for (const event of testHost.events) stored.add(Number(event.eventId.split(":")[1]));
    await testHost.until(() => server.waiting() === 0, "the confirmation");
    for (const { params } of server.of("getUpdates"))
      assert.ok(params["offset"] === undefined || stored.has(Number(params["offset"]) - 1), `offset ${String(params["offset"])}`);
  });
});

testWithServer("a repeated update is one message; restarted update ids are read", async (testHost, server) => {
  server.say("one");
  await testHost.until(() => testHost.events.length === 1, "one");
  // The connection is lost after the update was given and stored: the next poll confirms it.
  server.drop("close");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
  server.say("two");
  server.heal();
  await testHost.until(() => testHost.events.length === 2, "two");
  assert.equal(new Set(testHost.events.map((event) => event.eventId)).size, 2);
});

testWithServer("a poll that hangs is given up, and the next connection reads on", async (testHost, server) => {
  server.drop("silent");
  server.say("meanwhile");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the silence to be noticed");
  server.heal();
  await testHost.until(() => testHost.events.length === 1, "the message");
});

testWithServer("a second program is named, polls become rare, sending works, and it goes on by itself", async (testHost, server) => {
  server.fail("getUpdates", { status: 409, description: "Conflict: terminated by other getUpdates request" }, 3);
  await testHost.until(() => server.polled(), "a poll");
  server.takeOver();
  assert.match((await testHost.state("degraded")).cause!, /another program/);
  assert.equal((await testHost.send(ada, "still here")).state, "sent");
  server.say("after");
  await testHost.until(() => testHost.events.length === 1, "the message");
  await testHost.state("ready");
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
});

testWithServer("a webhook that someone sets is named and removed", async (testHost, server) => {
  await testHost.until(() => server.polled(), "a poll");
  await fetch(`${server.url}/bot${TOKEN}/setWebhook?url=https://other.example`);
  assert.match((await testHost.state("degraded")).cause!, /webhook/);
  await testHost.state("ready");
  assert.equal(server.hook().url, "");
});

testWithServer("a revoked token ends the account with a fix", async (testHost, server) => {
  await testHost.until(() => server.polled(), "a poll");
  server.revoke();
  const status = await testHost.state("terminal");
  assert.match(status.fix!, /BotFather/);
  const calls = server.calls.length;
  assert.equal(status.reconnects, 0);
  assert.equal(server.calls.length, calls);
});

testWithServer("a revoked token is noticed by a send as well, and the part can be sent later", async (testHost, server) => {
  server.fail("sendMessage", { status: 401, description: "Unauthorized" });
  const result = await testHost.send(ada, "x");
  assert.ok(result.state === "refused" && result.retryable);
  await testHost.state("terminal");
});

testWithServer("rate-limited polling waits for retry_after", async (testHost, server) => {
  server.fail("getUpdates", { status: 429, description: "Too Many Requests", parameters: { retry_after: 0.05 } });
  server.say("x");
  await testHost.until(() => testHost.events.length === 1, "the message");
  await testHost.until(() => server.polled(), "a poll");
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
});

test("the menu of commands is filled once, and the bot's name is known", async () => {
  const channel = createTelegramChannel({ timings }) as Channel;
  for (const wanted of [1, 0]) {
    const run = async (testHost: TestHost, server: TelegramServer): Promise<void> => {
      await testHost.until(() => server.polled() && server.of("setMyCommands").length === wanted, "a poll, and the menu");
      if (wanted > 0) assert.deepEqual(server.commands(), [{ command: "status", description: "Show the session." }]);
    };
    await scene({}, run, channel);
  }
  assert.equal(channel.isAddressed!({ botId: "1001" }, "hey @test_bot!"), true);
  assert.equal(channel.isAddressed!({ botId: "1001" }, "hey @test_bots"), false);
});

testWithServer(covers(["commands"], "commands come back as text"), async (testHost, server) => {
  server.sayInRoom("/status@Test_Bot", { entities: [{ type: "bot_command", offset: 0, length: 16 }] });
  await testHost.until(() => testHost.events.length === 1, "the command");
  assert.deepEqual([testHost.events[0]!.text, testHost.events[0]!.mentionsSelf], ["/status", true]);
});

testWithServer("edits, reactions, presses and moves", async (testHost, server) => {
  const chat = { id: -5, type: "group", title: "R" };
  await testHost.until(() => server.polled(), "the wish for reactions");
  const base = { chat, message_id: 3, date: 100, from: PERSON };
  server.push({ edited_message: { ...base, edit_date: 101, text: "better" } });
  server.push({ message_reaction: { ...base, user: PERSON, old_reaction: [], new_reaction: [{ type: "emoji", emoji: "👍" }] } });
  server.push({ callback_query: { id: "q1", from: PERSON, data: "tok", message: base } });
  server.push({ message: { ...base, migrate_to_chat_id: -1005 } });
  server.push({ message: { ...base, chat: { id: -1005, type: "supergroup", title: "R" }, migrate_from_chat_id: -5 } });
  await testHost.until(() => testHost.others.length === 4, "four events");
  assert.deepEqual(
    testHost.others.map((event) => event.kind),
    ["edit", "reaction", "interaction", "migration"],
  );
  await testHost.until(() => server.of("answerCallbackQuery").length === 1, "the confirmation of the press");
  assert.equal(server.of("answerCallbackQuery")[0]!.params["callback_query_id"], "q1");
});

testWithServer("a press is not confirmed before it is stored", async (testHost, server) => {
  testHost.failures.admit = new Error("disk full");
  server.push({
    callback_query: { id: "q2", from: PERSON, data: "tok", message: { chat: { id: 7, type: "private" }, message_id: 3, date: 1 } },
  });
  await testHost.state("degraded");
  assert.equal(server.of("answerCallbackQuery").length, 0);
  testHost.failures.admit = null;
  await testHost.until(() => server.of("answerCallbackQuery").length === 1, "the confirmation");
});

testWithServer("nonsense is kept and confirmed like every other update", async (testHost, server) => {
  server.push({ message: { text: 5 } });
  server.push({ message: "nonsense" });
  server.say("sense");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.deepEqual(
    testHost.others.map((event) => event.kind),
    ["unreadable", "unreadable"],
  );
  await testHost.until(() => server.waiting() === 0, "the confirmation");
});

testWithServer("markup, topics, buttons", async (testHost, server) => {
  const buttons = [[{ text: "Yes", token: "tok_1" }], [{ text: "No", token: "tok_2" }]];
  ids(await testHost.link().send(part("**hi** <you>", { target: target(room, { thread: "42" }), buttons }), signal));
  ids(await testHost.link().send(part("general", { target: target(room, { thread: "1" }) }), signal));
  const [first, second] = server.shown();
  assert.deepEqual([first!.text, first!.thread, first!.chat], ["hi <you>", 42, "-1001234"]);
  assert.deepEqual(first!.markup, {
    inline_keyboard: [[{ text: "Yes", callback_data: "tok_1" }], [{ text: "No", callback_data: "tok_2" }]],
  });
  assert.equal(second!.thread, undefined);
});

testWithServer("an answer to a message", async (testHost, server) => {
  for (const replyTo of ["11", "not-a-number"])
    ids(await testHost.link().send(part("a", { target: target(ada, { replyTo: asId<MessageId>(replyTo) }) }), signal));
  assert.deepEqual(
    server.shown().map(({ reply }) => reply),
    [11, undefined],
  );
  assert.equal(
    (
      server.calls.findLast(({ params }) => params["reply_parameters"])!.params["reply_parameters"] as {
        allow_sending_without_reply: boolean;
      }
    ).allow_sending_without_reply,
    true,
  );
});

testWithServer("markup that Telegram cannot read is sent without, in sends, edits and captions", async (testHost, server) => {
  server.fail("sendMessage", HTML_ERROR);
  const [id] = ids(await testHost.send(ada, "**bold** [a](https://a.example)"));
  assert.deepEqual(server.sent(), ["bold a (https://a.example)"]);
  server.fail("editMessageText", HTML_ERROR);
  ids(await testHost.link().edit!(id!, part("*new*"), signal));
  server.fail("sendPhoto", HTML_ERROR);
  ids(await testHost.link().send(part("**cap**", { media: file("image", "image/png") }), signal));
  assert.deepEqual(server.sent(), ["new", "cap"]);
});

testWithServer("edits: same text, gone, and a text under a file", async (testHost, server) => {
  const [id] = ids(await testHost.send(ada, "one"));
  assert.deepEqual(ids(await testHost.link().edit!(id!, part("two"), signal)), [id]);
  assert.deepEqual(ids(await testHost.link().edit!(id!, part("two"), signal)), [id], "not modified is as good");
  assert.deepEqual(server.sent(), ["two"]);
  const gone = await testHost.link().edit!(asId<MessageId>("1"), part("x"), signal);
  assert.ok(gone.state === "refused" && gone.notFound && !gone.retryable);
  const [pictured] = ids(await testHost.link().send(part("cap", { media: file("image", "image/png") }), signal));
  ids(await testHost.link().edit!(pictured!, part("new cap"), signal));
  assert.deepEqual(server.sent(), ["two", "new cap"]);
});

testWithServer("refusals: for now, for good, and with the time to wait", async (testHost, server) => {
  server.fail("sendMessage", { status: 429, description: "Too Many Requests: retry after 3", parameters: { retry_after: 3 } });
  const limited = await testHost.send(ada, "x");
  assert.deepEqual(limited.state === "refused" && [limited.retryable, limited.retryAfterMs], [true, 3_000]);
  assert.equal(testHost.host.status()[0]!.rateLimits, 1);
  for (const [status, description] of [
    [403, "Forbidden: bot was blocked by the user"],
    [400, "Bad Request: chat not found"],
    [400, "Bad Request: message thread not found"],
    [413, "Request Entity Too Large"],
  ] as const) {
    server.fail("sendMessage", { status, description });
    const result = await testHost.send(ada, "x");
    assert.ok(result.state === "refused" && !result.retryable && result.reason.includes(description), description);
  }
  const empty = await testHost.send(ada, " \n```\n```");
  assert.ok(empty.state === "refused" && !empty.retryable);
  assert.deepEqual(server.sent(), []);
});

testWithServer("the outcome is unknown after a broken connection, a server error or a timeout", async (testHost, server) => {
  for (const how of ["close-before", "close-after", { status: 502, description: "Bad Gateway" }] as const) {
    server.fail("sendMessage", how);
    await assert.rejects(testHost.send(ada, "x"), (err) => err instanceof Error && !err.message.includes("AAtest"));
  }
  server.fail("sendMessage", "hang");
  await assert.rejects(testHost.send(ada, "x", AbortSignal.timeout(100)));
  assert.deepEqual(server.sent(), ["x", "x"], "two of them were shown, and none was repeated");
});

testWithServer(
  "something in front of Telegram says no: the token is not blamed, and the part can be sent later",
  async (testHost, server) => {
    server.fail("getUpdates", { status: 401, page: "<h1>Sign in to the hotel</h1>" });
    server.fail("sendMessage", { status: 403, page: "<h1>Sign in to the hotel</h1>" });
    const result = await testHost.send(ada, "x");
    assert.ok(result.state === "refused" && result.retryable);
    server.say("x");
    await testHost.until(
      () => testHost.events.length === 1 && testHost.host.status()[0]!.reconnects > 0,
      "the message, and the refused poll",
    );
    await testHost.state("ready");
    assert.ok(testHost.states.every(({ state }) => state !== "terminal"));
  },
);

testWithServer("an album is one message, also when its pictures come one by one, and crosses nothing else", async (testHost, server) => {
  await testHost.until(() => server.polled(), "a poll");
  const photo = (): object[] => [{ file_id: server.addFile(Buffer.from("p")), width: 1, height: 1, file_size: 1 }];
  const first = server.say("", { text: undefined, caption: "holiday", media_group_id: "g1", photo: photo() });
  await testHost.until(() => server.of("getUpdates").length > 0 && !server.polled(), "the first picture to be read");
  server.say("", { text: undefined, media_group_id: "g1", photo: photo() });
  server.say("between");
  server.say("", { text: undefined, media_group_id: "g1", photo: photo() });
  await testHost.until(() => testHost.events.length === 2, "two messages");
  assert.deepEqual(
    testHost.events.map(({ text, media, eventId }) => [text, media.length, eventId]),
    [
      ["holiday", 3, `1001:${first}`],
      ["between", 0, `1001:${first! + 2}`],
    ],
  );
  await testHost.until(() => server.waiting() === 0, "the confirmation");
});

testWithServer("no connection at all: certainly not sent", async (testHost, server) => {
  const link = testHost.link();
  await server.close();
  const result = await link.send(part("x"), signal).catch((err: unknown) => err);
  // The open socket may be tried first: its outcome is unknown. A new one is refused.
  const again = await link.send(part("x"), signal);
  assert.ok(again.state === "refused" && again.retryable, inspect([result, again]));
});

testWithServer("a migrated group: the part goes to the new id, and the migration is admitted", async (testHost, server) => {
  server.upgrade(-1001234, -100777);
  ids(await testHost.send(room, "one"));
  ids(await testHost.send(room, "two"));
  assert.deepEqual(
    server.shown().map(({ chat }) => chat),
    ["-100777", "-100777"],
  );
  assert.deepEqual(
    testHost.others.map((event) => event.kind === "migration" && [event.from, event.to]),
    [["-1001234", "-100777"]],
  );
  assert.equal(server.of("sendMessage").length, 3);
});

testWithServer("files out, each by the method that shows it", async (testHost, server) => {
  const cases = [
    ["image", "image/png", "sendPhoto"],
    ["image", "image/gif", "sendAnimation"],
    ["image", "image/tiff", "sendDocument"],
    ["video", "video/mp4", "sendVideo"],
    ["audio", "audio/mpeg", "sendAudio"],
    ["audio", "audio/ogg", "sendVoice"],
    ["file", "text/plain", "sendDocument"],
  ] as const;
  for (const [kind, mimeType, method] of cases) {
    ids(await testHost.link().send(part(mimeType, { media: file(kind, mimeType, mimeType, 'na"me/x') }), signal));
    const call = server.calls.at(-1)!;
    assert.deepEqual(
      [call.method, call.file?.bytes.toString(), call.file?.name, call.params["caption"]],
      [method, mimeType, "na_me_x", mimeType],
    );
  }
});

testWithServer("a picture that Telegram cannot show goes as a document; one that is too large is refused", async (testHost, server) => {
  ids(await testHost.link().send(part("", { media: file("image", "image/png", "HUGE") }), signal));
  assert.equal(server.calls.at(-1)!.method, "sendDocument");
  const big = { ...file("file", "text/plain"), sizeBytes: 60 * 1_048_576 };
  const unreadable = { ...file("file", "text/plain"), read: async () => Promise.reject(new Error("no such file")) };
  for (const media of [big, unreadable]) {
    const result = await testHost.link().send(part("", { media }), signal);
    assert.ok(result.state === "refused" && !result.retryable);
  }
  assert.equal(server.shown().length, 1);
});

testWithServer("a caption that is too long follows its file, and half a part is never called sent", async (testHost, server) => {
  const text = "word ".repeat(300).trim();
  const buttons = [[{ text: "Ok", token: "t" }]];
  assert.equal(ids(await testHost.link().send(part(text, { media: file("image", "image/png"), buttons }), signal)).length, 2);
  const [picture, below] = server.shown();
  assert.deepEqual([picture!.text, picture!.markup, below!.text], ["", undefined, text]);
  assert.ok(below!.markup);
  server.fail("sendMessage", { status: 429, description: "Too Many Requests", parameters: { retry_after: 1 } });
  await assert.rejects(testHost.link().send(part(text, { media: file("image", "image/png") }), signal), /the file was sent/);
});

testWithServer("files in: fetched with the token, which no reference holds", async (testHost, server) => {
  const file_id = server.addFile(Buffer.from("picture"));
  server.say("look", { text: undefined, caption: "look", photo: [{ file_id, width: 1, height: 1, file_size: 7 }] });
  await testHost.until(() => testHost.events.length === 1, "the picture");
  const [ref] = testHost.events[0]!.media;
  assert.ok(ref && !JSON.stringify(ref).includes("AAtest"));
  assert.equal(Buffer.from(await testHost.link().download!(ref, 100, signal)).toString(), "picture");
  await assert.rejects(testHost.link().download!(ref, 3, signal), /larger than 3 bytes/);
  await assert.rejects(testHost.link().download!({ ...ref, sizeBytes: null }, 3, signal), /larger than 3 bytes/);
  await assert.rejects(testHost.link().download!({ ...ref, url: "telegram-file:nope" }, 100, signal), /wrong file_id/);
  await assert.rejects(testHost.link().download!({ ...ref, url: "https://evil.example/" }, 100, signal), /does not come from Telegram/);
  server.addFile(Buffer.from("x"), "../../secret");
  await assert.rejects(testHost.link().download!({ ...ref, url: "telegram-file:file-2" }, 100, signal), /path of the file/);
});

testWithServer(
  covers(["typing", "reactions", "polls"], "typing, reactions, removing, pinning, topics, polls"),
  async (testHost, server) => {
    const link = testHost.link();
    await link.typing!(target(room, { thread: "1" }));
    assert.deepEqual(server.of("sendChatAction")[0]!.params, { chat_id: -1_001_234, action: "typing", message_thread_id: 1 });
    server.fail("sendChatAction", { status: 403, description: "Forbidden" });
    await link.typing!(target(ada));
    const [id] = ids(await testHost.send(ada, "x"));
    await link.react!(target(ada), id!, "❤️", true);
    assert.deepEqual(server.shown()[0]!.reaction, [{ type: "emoji", emoji: "❤" }]);
    await link.react!(target(ada), id!, "❤️", false);
    assert.deepEqual(server.shown()[0]!.reaction, []);
    server.fail("setMessageReaction", { status: 400, description: "Bad Request: REACTION_INVALID" });
    await assert.rejects(link.react!(target(ada), id!, "🦞", true), /REACTION_INVALID/);
    await link.pin!(target(ada), id!, true);
    await link.pin!(target(ada), id!, false);
    assert.match(await link.openThread!(target(room), "Topic"), /^\d+$/);
    ids(await link.poll!(target(room), { question: "Tea?", options: ["yes", "no"], multiple: true }));
    assert.deepEqual(server.of("sendPoll")[0]!.params["options"], [{ text: "yes" }, { text: "no" }]);
    await link.remove!(target(ada), id!);
    await link.remove!(target(ada), id!);
    assert.ok(!server.sent().includes("x"));
  },
);

test("another bot under the same account starts from its own first update", async () => {
  await scene({}, async (testHost, server) => {
    server.say("one");
    await testHost.until(() => testHost.events.length === 1, "one");
    server.renumber(10);
    server.push({ message: server.message({ text: "two" }) }, OTHER_TOKEN);
    const { channel, account } = testHost.host.status()[0]!;
    await testHost.apply([{ channel, account, enabled: true, config: server.config(OTHER_TOKEN) }]);
    await testHost.until(() => testHost.events.length === 2, "the message of the other bot");
    assert.match(testHost.events[1]!.eventId, /^1002:/);
  });
});

test("update ids that restart after a quiet week are read", async () => {
  let now = Date.now();
  const clock = {
    now: () => now,
    monotonic: () => now,
    after: (ms: number, fn: () => void) =>
      (
        (timer) => () =>
          clearTimeout(timer)
      )(setTimeout(fn, ms)),
  };
  const server = await TelegramServer.start();
  const testHost = await openTestHost(createTelegramChannel({ timings, clock }) as Channel, server.config());
  await testHost.state("ready");
  server.say("one");
  await testHost.until(() => server.acked().length === 1 && server.polled(), "the first message");
  now += 7 * 86_400_000;
  server.drop("close");
  await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
  server.heal();
  server.renumber(3);
  server.say("two");
  await testHost.until(() => testHost.events.length === 2, "the message with the lower number");
  await testHost.close();
  await server.close();
});

test("verify names the bot, or says what is wrong without the token", async () => {
  const server = await TelegramServer.start();
  const check = async (token: string): Promise<{ name: string }> => {
    const parsed = parseChecked(telegram, server.config(token));
    assert.ok("account" in parsed);
    return telegram.verify(parsed.account, signal);
  };
  assert.deepEqual(await check(TOKEN), { name: "@Test_Bot" });
  await assert.rejects(check("1009:AAwrong_token"), (err) => /rejected this token/.test(String(err)) && !String(err).includes("AAwrong"));
  server.fail("getMe", { status: 500, description: "Internal error for bot1001:AAtest_token-one" });
  await assert.rejects(check(TOKEN), (err) => /Internal error/.test(String(err)) && !String(err).includes("AAtest"));
  await server.close();
});

const SECRET = "0123456789abcdef-secret";
const hooked = { webhookUrl: "https://gateway.example/hook", webhookSecret: SECRET };
testWithServer(
  "webhook: registered with its secret, checked, and answered 200 only after the message is stored",
  async (testHost, server) => {
    assert.equal(server.hook().url, hooked.webhookUrl);
    assert.equal(server.hook().secret, SECRET);
    assert.equal(server.of("setWebhook")[0]!.params["max_connections"], 1);
    const { channel, account } = testHost.host.status()[0]!;
    const push = async (body: string, secret: string | null = SECRET, method = "POST"): Promise<number> => {
      const headers = secret === null ? {} : { "x-telegram-bot-api-secret-token": secret };
      return (await testHost.host.receive(channel, account, { method, path: "/", query: "", headers, body: Buffer.from(body) })).status;
    };
    const update = JSON.stringify({ update_id: 5, message: server.message({ text: "pushed" }) });
    assert.deepEqual([await push(update, null), await push(update, "wrong"), await push(update, SECRET, "GET")], [401, 401, 405]);
    assert.equal(testHost.events.length, 0);
    testHost.failures.admit = new Error("disk full");
    assert.equal(await push(update), 503);
    testHost.failures.admit = null;
    assert.deepEqual([await push(update), await push(update)], [200, 200]);
    assert.deepEqual(
      testHost.events.map((event) => event.text),
      ["pushed"],
    );
    assert.equal(await push("{nonsense"), 200);
    assert.equal(testHost.others[0]!.kind, "unreadable");
    assert.equal(
      await push(JSON.stringify({ update_id: 6, callback_query: { id: "q", from: PERSON, data: "t", message: server.message({}) } })),
      200,
    );
    await testHost.until(() => server.of("answerCallbackQuery").length === 1, "the confirmation");
    assert.equal((await testHost.send(ada, "out")).state, "sent");
  },
  hooked,
);

testWithServer(
  "webhook: what Telegram says about it is shown, a changed one is set again, a revoked token is terminal",
  async (testHost, server) => {
    Object.assign(server.hook(), { lastErrorDate: Math.floor(Date.now() / 1_000) + 60, lastErrorMessage: "Connection refused" });
    assert.match((await testHost.state("degraded")).cause!, /Connection refused/);
    await testHost.state("ready");
    server.hook().url = "https://other.example";
    await testHost.until(() => server.hook().url === hooked.webhookUrl, "the webhook to be set again");
    server.revoke();
    await testHost.state("terminal");
  },
  hooked,
);
