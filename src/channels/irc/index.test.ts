import assert from "node:assert/strict";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { IrcClient } from "../../../test/channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../../../test/channel-kit/ngircd.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import type { Channel } from "../channel.ts";
import { IRC_TIMINGS } from "./connection.ts";
import { createIrcChannel } from "./index.ts";

const skip = noNgircd;
const fast = { ...IRC_TIMINGS, nickRetryMs: 200, rejoinMs: 100 };
const irc = createIrcChannel({ timings: fast }) as Channel;
const flood = { burst: 50, intervalMs: 5 };
let server: Ngircd;

before(async () => {
  if (!skip) server = await startNgircd();
});
after(() => server?.close());

let names = 0;
/** A bot in a room of its own, ready, and a person beside it. */
async function scene(
  options: { config?: object; channel?: Channel; port?: number } = {},
): Promise<{ testHost: TestHost; peer: IrcClient; bot: string; room: string; close: () => Promise<void> }> {
  const n = ++names;
  const [bot, room] = [`bot${n}`, `#room${n}`];
  const peer = await IrcClient.join(server.port, `peer${n}`, [room]);
  const config = {
    host: "127.0.0.1",
    port: options.port ?? server.port,
    tls: false,
    nick: bot,
    channels: [room],
    flood,
    ...options.config,
  };
  const testHost = await openTestHost(options.channel ?? irc, config);
  await testHost.state("ready");
  await peer.line(new RegExp(`^:${bot}!\\S+ JOIN`));
  return { testHost, peer, bot, room, close: async () => (peer.close(), testHost.close()) };
}

test("a direct message comes in with typed ids, and its answer goes back to the same person", { skip }, async () => {
  const { testHost, peer, bot, close } = await scene();
  peer.say(bot, "hello \u0002bold\u000f \u00034,5red\u0003!");
  await testHost.until(() => testHost.events.length === 1, "the message");
  const [event] = testHost.events;
  assert.equal(event!.text, "hello bold red!");
  assert.equal(event!.chat.kind, "direct");
  assert.match(event!.sender.id, new RegExp(`^${peer.nick}!~?${peer.nick}@127\\.0\\.0\\.1$`));
  assert.equal(event!.mentionsSelf, true);
  const result = await testHost.send(event!.chat, "and **hello** to you");
  assert.equal(result.state, "sent");
  await peer.line(/:and hello to you$/);
  await close();
});

test("a room message tells whether the bot is addressed, and loses the address", { skip }, async () => {
  const { testHost, peer, bot, room, close } = await scene();
  peer.say(room, "just chatting");
  peer.say(room, `${bot}: /status please`);
  peer.say(room, `ask ${bot.toUpperCase()} about it`);
  peer.say(room, `${bot}x is another`);
  peer.say(room, "\u0001ACTION waves\u0001");
  await testHost.until(() => testHost.events.length === 5, "five messages");
  assert.deepEqual(
    testHost.events.map((event) => [event.mentionsSelf, event.text]),
    [
      [false, "just chatting"],
      [true, "/status please"],
      [true, `ask ${bot.toUpperCase()} about it`],
      [false, `${bot}x is another`],
      [false, `* ${peer.nick} waves`],
    ],
  );
  assert.ok(testHost.events.every((event) => event.chat.id === room && event.chat.kind === "group"));
  await close();
});

test("long and many-line replies arrive complete, in order, within the line limit", { skip }, async () => {
  const { testHost, peer, room, close } = await scene();
  const words = Array.from({ length: 400 }, (_, i) => `wörd${i}🦞`).join(" ");
  const [first, second] = await Promise.all([
    testHost.send({ kind: "group", id: room }, `# Title\n\n${words}\n\n- one\n- two`),
    testHost.send({ kind: "group", id: room }, "after"),
  ]);
  assert.deepEqual([first.state, second.state], ["sent", "sent"]);
  await peer.line(/:after$/);
  const said = peer.said().map((line) => line.text);
  assert.equal(said[0], "Title");
  assert.deepEqual(said.slice(-3), ["- one", "- two", "after"]);
  assert.equal(said.slice(1, -3).join(" "), words);
  assert.ok(peer.lines.every((line) => Buffer.byteLength(line) <= 510));
  assert.ok(said.length > 10);
  await close();
});

test("200 messages in one burst keep their order and lose none", { skip }, async () => {
  const { testHost, peer, bot, close } = await scene();
  for (let i = 0; i < 200; i++) peer.say(bot, `n${i}`);
  await testHost.until(() => testHost.events.length === 200, "200 messages");
  assert.deepEqual(
    testHost.events.map((event) => event.text),
    Array.from({ length: 200 }, (_, i) => `n${i}`),
  );
  assert.equal(new Set(testHost.events.map((event) => event.eventId)).size, 200);
  await close();
});

test("messages that cannot be stored are kept and stored later, in order", { skip }, async () => {
  const { testHost, peer, bot, close } = await scene();
  testHost.failures.admit = new Error("disk full");
  for (let i = 0; i < 5; i++) peer.say(bot, `n${i}`);
  const status = await testHost.state("degraded");
  assert.match(status.cause!, /disk full/);
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === 5, "the kept messages");
  assert.deepEqual(testHost.events.map((event) => event.text).join(), "n0,n1,n2,n3,n4");
  await close();
});

test("a kick is reported, and the bot rejoins", { skip }, async () => {
  const { testHost, peer, bot, room, close } = await scene();
  peer.raw(`KICK ${room} ${bot} :out`);
  const status = await testHost.state("degraded");
  assert.match(status.cause!, new RegExp(`${room}.*kicked: out`));
  const refused = await testHost.send({ kind: "group", id: room }, "hello?");
  assert.ok(refused.state === "refused" && refused.retryable && refused.reason.includes("not in"));
  await testHost.state("ready");
  assert.equal((await testHost.send({ kind: "group", id: room }, "back")).state, "sent");
  await close();
});

test("refusals of the server are refusals, not unknown", { skip }, async () => {
  const { testHost, peer, room, close } = await scene();
  const unknownNick = await testHost.send({ kind: "direct", id: "absent" }, "x");
  assert.ok(unknownNick.state === "refused" && unknownNick.retryable && unknownNick.retryAfterMs! > 0, JSON.stringify(unknownNick));
  const unknownRoom = await testHost.send({ kind: "group", id: "#nowhere" }, "x");
  assert.ok(unknownRoom.state === "refused" && !unknownRoom.retryable, JSON.stringify(unknownRoom));
  peer.raw(`MODE ${room} +m`);
  await peer.line(/MODE \S+ \+m/);
  const moderated = await testHost.send({ kind: "group", id: room }, "one\ntwo\nthree");
  assert.ok(moderated.state === "refused" && !moderated.retryable, JSON.stringify(moderated));
  for (const id of ["a b", "x,y", "*", "", ":x", "#x"])
    assert.equal((await testHost.send({ kind: "direct", id }, "x")).state, "refused", id);
  assert.equal((await testHost.send({ kind: "group", id: room }, "   \n```\n```")).state, "refused");
  await close();
});

test("a reply never reaches someone who has taken the nick meanwhile", { skip }, async () => {
  const { testHost, peer, bot, close } = await scene();
  peer.say(bot, "hello");
  await testHost.until(() => testHost.events.length === 1, "the message");
  // The same nick from elsewhere: on this server the user part tells the two apart.
  const stolen = { kind: "direct" as const, id: testHost.events[0]!.chat.id.replace(/!.*@/, "!someone@") };
  const result = await testHost.send(stolen, "secret");
  assert.ok(result.state === "refused" && !result.retryable && result.reason.includes("someone else"), JSON.stringify(result));
  assert.ok(!peer.lines.some((line) => line.includes("secret")));
  await close();
});

test("text cannot smuggle a command", { skip }, async () => {
  const { testHost, peer, room, close } = await scene();
  await testHost.send({ kind: "group", id: room }, "a\r\nQUIT :x\u0000\u0001VERSION\u0001 \rKICK");
  await peer.line(/:KICK$/);
  assert.deepEqual(
    peer.said().map((line) => line.text),
    ["a", "QUIT :xVERSION", "KICK"],
  );
  assert.ok(!peer.lines.some((line) => / QUIT /.test(line.split(" :")[0]!)));
  await close();
});

test("the server is killed and comes back: the bot reconnects and works", { skip }, async () => {
  const own = await startNgircd();
  const testHost = await openTestHost(irc, { host: "127.0.0.1", port: own.port, tls: false, nick: "phoenix", channels: ["#ash"], flood });
  await testHost.state("ready");
  await own.stop();
  const down = await testHost.state("backoff");
  assert.ok(down.retryAt! > 0 && down.cause);
  assert.equal(testHost.host.link(irc.id, down.account), null);
  await own.restart();
  await testHost.state("ready");
  const peer = await IrcClient.join(own.port, "watcher", ["#ash"]);
  assert.equal((await testHost.send({ kind: "group", id: "#ash" }, "alive")).state, "sent");
  await peer.line(/:alive$/);
  assert.ok(testHost.host.status()[0]!.reconnects >= 1);
  peer.close();
  await testHost.close();
  await own.close();
});

test("a wrong server password is terminal, with what to do", { skip }, async () => {
  const own = await startNgircd({ password: "right" });
  const config = { host: "127.0.0.1", port: own.port, tls: false, nick: "locked", password: "wrong", flood };
  const testHost = await openTestHost(irc, config);
  const status = await testHost.state("terminal");
  assert.match(status.fix!, /channels\.irc\.password/);
  assert.equal(status.reconnects, 0, "no hammering");
  await testHost.apply([{ channel: irc.id, account: status.account, enabled: true, config: { ...config, password: "right" } }]);
  await testHost.state("ready");
  await testHost.close();
  await own.close();
});

test("a nick in use gives a substitute, and the own nick is taken back when it is free", { skip }, async () => {
  const holder = await IrcClient.join(server.port, "wanted", ["#nicks"]);
  const testHost = await openTestHost(irc, {
    host: "127.0.0.1",
    port: server.port,
    tls: false,
    nick: "wanted",
    channels: ["#nicks"],
    flood,
  });
  await testHost.state("ready");
  await holder.line(/^:wanted\S+!\S+ JOIN/);
  await testHost.until(() => testHost.host.status()[0]!.state === "ready", "the room");
  await testHost.send({ kind: "group", id: "#nicks" }, "hi");
  const said = await holder.line(/PRIVMSG #nicks :hi$/);
  assert.ok(!said.startsWith(":wanted!"), said);
  const witness = await IrcClient.join(server.port, "witness", ["#nicks"]);
  holder.raw("QUIT :bye");
  await witness.line(/ NICK :?wanted$/);
  holder.close();
  witness.close();
  await testHost.close();
});

test("a reload of something else keeps the connection, a changed nick swaps it", { skip }, async () => {
  const { testHost, peer, bot, room, close } = await scene();
  const account = testHost.host.status()[0]!.account;
  const config = { host: "127.0.0.1", port: server.port, tls: false, nick: bot, channels: [room], flood: { ...flood } };
  const before = testHost.states.length;
  await testHost.apply([{ channel: irc.id, account, enabled: true, config }]);
  assert.equal(testHost.states.length, before, "the same configuration changes nothing");
  await testHost.apply([{ channel: irc.id, account, enabled: true, config: { ...config, nick: `${bot}z` } }]);
  await peer.line(new RegExp(`^:${bot}z!\\S+ JOIN`));
  await peer.line(new RegExp(`^:${bot}!\\S+ QUIT`));
  await testHost.apply([]);
  await peer.line(new RegExp(`^:${bot}z!\\S+ QUIT`));
  await close();
});

test("CTCP VERSION is answered once, not as often as it is asked; NOTICE is never a message", { skip }, async () => {
  const { testHost, peer, bot, close } = await scene();
  for (let i = 0; i < 5; i++) peer.say(bot, "\u0001VERSION\u0001");
  peer.raw(`NOTICE ${bot} :do not answer`);
  peer.say(bot, "end");
  await testHost.until(() => testHost.events.length > 0, "the last message");
  assert.deepEqual(
    testHost.events.map((event) => event.text),
    ["end"],
  );
  await testHost.send(testHost.events[0]!.chat, "done");
  await peer.line(/:done$/);
  assert.equal(peer.said("NOTICE").filter((line) => line.text.includes("OpenClaw Gateway")).length, 1);
  await close();
});

/** A wire between client and server that can go silent without closing. */
async function openProxy(port: number) {
  const pairs: Socket[][] = [];
  let mute = false;
  const proxy = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    pairs.push([client, upstream]);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("data", (chunk) => !mute && to.write(chunk));
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => proxy.once("listening", resolve));
  return {
    port: (proxy.address() as AddressInfo).port,
    mute: (on: boolean): void => void (mute = on),
    close: () => (pairs.flat().forEach((socket) => socket.destroy()), new Promise((resolve) => proxy.close(resolve))),
  };
}

test("a wire that went silent is noticed, and a part that was under way is unknown", { skip }, async () => {
  const proxy = await openProxy(server.port);
  const short = createIrcChannel({ timings: { ...fast, quietMs: 300, pongMs: 300 } }) as Channel;
  const { testHost, room, close } = await scene({ channel: short, port: proxy.port });
  proxy.mute(true);
  await assert.rejects(testHost.send({ kind: "group", id: room }, "anyone?"), /does not answer|nothing was read/);
  const status = await testHost.state("backoff");
  assert.match(status.cause!, /does not answer|nothing was read/);
  proxy.mute(false);
  await testHost.state("ready");
  await close();
  await proxy.close();
});

test("a quiet wire that answers PING is never dropped", { skip }, async () => {
  const short = createIrcChannel({ timings: { ...fast, quietMs: 30, pongMs: 500 } }) as Channel;
  const { testHost, close } = await scene({ channel: short });
  const read = testHost.host.status()[0]!.lastReadAt!;
  await testHost.until(() => true, "nothing");
  await testHost.until(() => testHost.host.status()[0]!.lastReadAt! - read >= 300, "several answers to PING");
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
  assert.equal(testHost.host.status()[0]!.state, "ready");
  await close();
});

test("an abort before the first line refuses; the flood limit holds lines back", { skip }, async () => {
  const { testHost, peer, room, close } = await scene({ config: { flood: { burst: 2, intervalMs: 60_000 } } });
  const stop = new AbortController();
  const sending = testHost.send({ kind: "group", id: room }, "one\ntwo\nthree\nfour", stop.signal);
  sending.catch(() => undefined);
  await peer.until(() => peer.said().length > 0, "the first line");
  stop.abort();
  await assert.rejects(sending, /stopped after \d of 4 lines/);
  const later = await testHost.send({ kind: "group", id: room }, "five", AbortSignal.abort());
  assert.ok(later.state === "refused" && later.retryable);
  await close();
});

test("stopping is quick and says goodbye", { skip }, async () => {
  const { testHost, peer, bot } = await scene();
  const started = Date.now();
  await testHost.close();
  assert.ok(Date.now() - started < 2_000);
  await peer.line(new RegExp(`^:${bot}!\\S+ QUIT`));
  assert.equal(testHost.host.status()[0]!.state, "stopped");
  peer.close();
});

test("verify signs in and out, and says the nick", { skip }, async () => {
  const parsed = parseChecked(irc, { host: "127.0.0.1", port: server.port, tls: false, nick: "checker" });
  assert.ok("account" in parsed);
  assert.deepEqual(await irc.verify(parsed.account, new AbortController().signal), { name: "checker" });
});
