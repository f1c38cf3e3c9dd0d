import assert from "node:assert/strict";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { IrcClient } from "../../../test/channel-kit/irc-client.ts";
import { noNgircd, startNgircd, type Ngircd } from "../../../test/channel-kit/ngircd.ts";
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
): Promise<{ rig: TestHost; peer: IrcClient; bot: string; room: string; close: () => Promise<void> }> {
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
  const rig = await openTestHost(options.channel ?? irc, config);
  await rig.state("ready");
  await peer.line(new RegExp(`^:${bot}!\\S+ JOIN`));
  return { rig, peer, bot, room, close: async () => (peer.close(), rig.close()) };
}

test("a direct message comes in with typed ids, and its answer goes back to the same person", { skip }, async () => {
  const { rig, peer, bot, close } = await scene();
  peer.say(bot, "hello \u0002bold\u000f \u00034,5red\u0003!");
  await rig.until(() => rig.events.length === 1, "the message");
  const [event] = rig.events;
  assert.equal(event!.text, "hello bold red!");
  assert.equal(event!.chat.kind, "direct");
  assert.match(event!.sender.id, new RegExp(`^${peer.nick}!~?${peer.nick}@127\\.0\\.0\\.1$`));
  assert.equal(event!.mentionsSelf, true);
  const result = await rig.send(event!.chat, "and **hello** to you");
  assert.equal(result.state, "sent");
  await peer.line(/:and hello to you$/);
  await close();
});

test("a room message tells whether the bot is addressed, and loses the address", { skip }, async () => {
  const { rig, peer, bot, room, close } = await scene();
  peer.say(room, "just chatting");
  peer.say(room, `${bot}: /status please`);
  peer.say(room, `ask ${bot.toUpperCase()} about it`);
  peer.say(room, `${bot}x is another`);
  peer.say(room, "\u0001ACTION waves\u0001");
  await rig.until(() => rig.events.length === 5, "five messages");
  assert.deepEqual(
    rig.events.map((event) => [event.mentionsSelf, event.text]),
    [
      [false, "just chatting"],
      [true, "/status please"],
      [true, `ask ${bot.toUpperCase()} about it`],
      [false, `${bot}x is another`],
      [false, `* ${peer.nick} waves`],
    ],
  );
  assert.ok(rig.events.every((event) => event.chat.id === room && event.chat.kind === "group"));
  await close();
});

test("long and many-line replies arrive complete, in order, within the line limit", { skip }, async () => {
  const { rig, peer, room, close } = await scene();
  const words = Array.from({ length: 400 }, (_, i) => `wörd${i}🦞`).join(" ");
  const [first, second] = await Promise.all([
    rig.send({ kind: "group", id: room }, `# Title\n\n${words}\n\n- one\n- two`),
    rig.send({ kind: "group", id: room }, "after"),
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
  const { rig, peer, bot, close } = await scene();
  for (let i = 0; i < 200; i++) peer.say(bot, `n${i}`);
  await rig.until(() => rig.events.length === 200, "200 messages");
  assert.deepEqual(
    rig.events.map((event) => event.text),
    Array.from({ length: 200 }, (_, i) => `n${i}`),
  );
  assert.equal(new Set(rig.events.map((event) => event.eventId)).size, 200);
  await close();
});

test("messages that cannot be stored are kept and stored later, in order", { skip }, async () => {
  const { rig, peer, bot, close } = await scene();
  rig.failures.admit = new Error("disk full");
  for (let i = 0; i < 5; i++) peer.say(bot, `n${i}`);
  const status = await rig.state("degraded");
  assert.match(status.cause!, /disk full/);
  rig.failures.admit = null;
  await rig.until(() => rig.events.length === 5, "the kept messages");
  assert.deepEqual(rig.events.map((event) => event.text).join(), "n0,n1,n2,n3,n4");
  await close();
});

test("a kick is reported, and the bot rejoins", { skip }, async () => {
  const { rig, peer, bot, room, close } = await scene();
  peer.raw(`KICK ${room} ${bot} :out`);
  const status = await rig.state("degraded");
  assert.match(status.cause!, new RegExp(`${room}.*kicked: out`));
  const refused = await rig.send({ kind: "group", id: room }, "hello?");
  assert.ok(refused.state === "refused" && refused.retryable && refused.reason.includes("not in"));
  await rig.state("ready");
  assert.equal((await rig.send({ kind: "group", id: room }, "back")).state, "sent");
  await close();
});

test("refusals of the server are refusals, not unknown", { skip }, async () => {
  const { rig, peer, room, close } = await scene();
  const unknownNick = await rig.send({ kind: "direct", id: "absent" }, "x");
  assert.ok(unknownNick.state === "refused" && unknownNick.retryable && unknownNick.retryAfterMs! > 0, JSON.stringify(unknownNick));
  const unknownRoom = await rig.send({ kind: "group", id: "#nowhere" }, "x");
  assert.ok(unknownRoom.state === "refused" && !unknownRoom.retryable, JSON.stringify(unknownRoom));
  peer.raw(`MODE ${room} +m`);
  await peer.line(/MODE \S+ \+m/);
  const moderated = await rig.send({ kind: "group", id: room }, "one\ntwo\nthree");
  assert.ok(moderated.state === "refused" && !moderated.retryable, JSON.stringify(moderated));
  for (const id of ["a b", "x,y", "*", "", ":x", "#x"]) assert.equal((await rig.send({ kind: "direct", id }, "x")).state, "refused", id);
  assert.equal((await rig.send({ kind: "group", id: room }, "   \n```\n```")).state, "refused");
  await close();
});

test("a reply never reaches someone who has taken the nick meanwhile", { skip }, async () => {
  const { rig, peer, bot, close } = await scene();
  peer.say(bot, "hello");
  await rig.until(() => rig.events.length === 1, "the message");
  // The same nick from elsewhere: on this server the user part tells the two apart.
  const stolen = { kind: "direct" as const, id: rig.events[0]!.chat.id.replace(/!.*@/, "!someone@") };
  const result = await rig.send(stolen, "secret");
  assert.ok(result.state === "refused" && !result.retryable && result.reason.includes("someone else"), JSON.stringify(result));
  assert.ok(!peer.lines.some((line) => line.includes("secret")));
  await close();
});

test("text cannot smuggle a command", { skip }, async () => {
  const { rig, peer, room, close } = await scene();
  await rig.send({ kind: "group", id: room }, "a\r\nQUIT :x\u0000\u0001VERSION\u0001 \rKICK");
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
  const rig = await openTestHost(irc, { host: "127.0.0.1", port: own.port, tls: false, nick: "phoenix", channels: ["#ash"], flood });
  await rig.state("ready");
  await own.stop();
  const down = await rig.state("backoff");
  assert.ok(down.retryAt! > 0 && down.cause);
  assert.equal(rig.host.link(irc.id, down.account), null);
  await own.restart();
  await rig.state("ready");
  const peer = await IrcClient.join(own.port, "watcher", ["#ash"]);
  assert.equal((await rig.send({ kind: "group", id: "#ash" }, "alive")).state, "sent");
  await peer.line(/:alive$/);
  assert.ok(rig.host.status()[0]!.reconnects >= 1);
  peer.close();
  await rig.close();
  await own.close();
});

test("a wrong server password is terminal, with what to do", { skip }, async () => {
  const own = await startNgircd({ password: "right" });
  const config = { host: "127.0.0.1", port: own.port, tls: false, nick: "locked", password: "wrong", flood };
  const rig = await openTestHost(irc, config);
  const status = await rig.state("terminal");
  assert.match(status.fix!, /channels\.irc\.password/);
  assert.equal(status.reconnects, 0, "no hammering");
  await rig.apply([{ channel: irc.id, account: status.account, enabled: true, config: { ...config, password: "right" } }]);
  await rig.state("ready");
  await rig.close();
  await own.close();
});

test("a nick in use gives a substitute, and the own nick is taken back when it is free", { skip }, async () => {
  const holder = await IrcClient.join(server.port, "wanted", ["#nicks"]);
  const rig = await openTestHost(irc, { host: "127.0.0.1", port: server.port, tls: false, nick: "wanted", channels: ["#nicks"], flood });
  await rig.state("ready");
  await holder.line(/^:wanted\S+!\S+ JOIN/);
  await rig.until(() => rig.host.status()[0]!.state === "ready", "the room");
  await rig.send({ kind: "group", id: "#nicks" }, "hi");
  const said = await holder.line(/PRIVMSG #nicks :hi$/);
  assert.ok(!said.startsWith(":wanted!"), said);
  const witness = await IrcClient.join(server.port, "witness", ["#nicks"]);
  holder.raw("QUIT :bye");
  await witness.line(/ NICK :?wanted$/);
  holder.close();
  witness.close();
  await rig.close();
});

test("a reload of something else keeps the connection, a changed nick swaps it", { skip }, async () => {
  const { rig, peer, bot, room, close } = await scene();
  const account = rig.host.status()[0]!.account;
  const config = { host: "127.0.0.1", port: server.port, tls: false, nick: bot, channels: [room], flood: { ...flood } };
  const before = rig.states.length;
  await rig.apply([{ channel: irc.id, account, enabled: true, config }]);
  assert.equal(rig.states.length, before, "the same configuration changes nothing");
  await rig.apply([{ channel: irc.id, account, enabled: true, config: { ...config, nick: `${bot}z` } }]);
  await peer.line(new RegExp(`^:${bot}z!\\S+ JOIN`));
  await peer.line(new RegExp(`^:${bot}!\\S+ QUIT`));
  await rig.apply([]);
  await peer.line(new RegExp(`^:${bot}z!\\S+ QUIT`));
  await close();
});

test("CTCP VERSION is answered once, not as often as it is asked; NOTICE is never a message", { skip }, async () => {
  const { rig, peer, bot, close } = await scene();
  for (let i = 0; i < 5; i++) peer.say(bot, "\u0001VERSION\u0001");
  peer.raw(`NOTICE ${bot} :do not answer`);
  peer.say(bot, "end");
  await rig.until(() => rig.events.length > 0, "the last message");
  assert.deepEqual(
    rig.events.map((event) => event.text),
    ["end"],
  );
  await rig.send(rig.events[0]!.chat, "done");
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
  const { rig, room, close } = await scene({ channel: short, port: proxy.port });
  proxy.mute(true);
  await assert.rejects(rig.send({ kind: "group", id: room }, "anyone?"), /does not answer|nothing was read/);
  const status = await rig.state("backoff");
  assert.match(status.cause!, /does not answer|nothing was read/);
  proxy.mute(false);
  await rig.state("ready");
  await close();
  await proxy.close();
});

test("a quiet wire that answers PING is never dropped", { skip }, async () => {
  const short = createIrcChannel({ timings: { ...fast, quietMs: 30, pongMs: 500 } }) as Channel;
  const { rig, close } = await scene({ channel: short });
  const read = rig.host.status()[0]!.lastReadAt!;
  await rig.until(() => true, "nothing");
  await rig.until(() => rig.host.status()[0]!.lastReadAt! - read >= 300, "several answers to PING");
  assert.equal(rig.host.status()[0]!.reconnects, 0);
  assert.equal(rig.host.status()[0]!.state, "ready");
  await close();
});

test("an abort before the first line refuses; the flood limit holds lines back", { skip }, async () => {
  const { rig, peer, room, close } = await scene({ config: { flood: { burst: 2, intervalMs: 60_000 } } });
  const stop = new AbortController();
  const sending = rig.send({ kind: "group", id: room }, "one\ntwo\nthree\nfour", stop.signal);
  sending.catch(() => undefined);
  await peer.until(() => peer.said().length > 0, "the first line");
  stop.abort();
  await assert.rejects(sending, /stopped after \d of 4 lines/);
  const later = await rig.send({ kind: "group", id: room }, "five", AbortSignal.abort());
  assert.ok(later.state === "refused" && later.retryable);
  await close();
});

test("stopping is quick and says goodbye", { skip }, async () => {
  const { rig, peer, bot } = await scene();
  const started = Date.now();
  await rig.close();
  assert.ok(Date.now() - started < 2_000);
  await peer.line(new RegExp(`^:${bot}!\\S+ QUIT`));
  assert.equal(rig.host.status()[0]!.state, "stopped");
  peer.close();
});

test("verify signs in and out, and says the nick", { skip }, async () => {
  const parsed = irc.parse({ host: "127.0.0.1", port: server.port, tls: false, nick: "checker" });
  assert.ok("account" in parsed);
  assert.deepEqual(await irc.verify(parsed.account, new AbortController().signal), { name: "checker" });
});
