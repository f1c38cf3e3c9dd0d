import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asId } from "../../core/ids.ts";
import { canonicalIrcId, ircIdentity, parseIrcAccount } from "./config.ts";
import { createIrcChannel } from "./index.ts";
import type { IrcAccountKeys } from "./schema.ts";
import { checkAccount, parseChecked } from "../../../test/fakes/channel-account.ts";
import { addressedNick, decodeIrcMessage, type IrcDecodeContext } from "./inbound.ts";
import { casefold, isTarget, parseLine, parsePrefix } from "./message-line.ts";
import { utf8Length, splitIntoLines, toPlainIrc } from "./outbound.ts";

const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8")) as T;
const facts: IrcDecodeContext = {
  account: asId("default"),
  nick: "Bot",
  casemapping: "rfc1459",
  chanTypes: "#&",
  statusMarks: "@+",
  now: 10_000,
  localId: () => "local",
};

type Want = {
  kind: string;
  chat: string;
  sender: string;
  aliases?: string[];
  text: string;
  mentionsSelf: boolean;
  eventId: string;
  sentAt?: number;
  origin?: string;
  isBot?: boolean;
  isSelf?: boolean;
};
for (const { name, line, want } of read<{ name: string; line: string; want: Want | null }[]>("01-inbound.json")) {
  test(`inbound: ${name}`, () => {
    const parsed = parseLine(line);
    assert.ok(parsed);
    const event = decodeIrcMessage(parsed, facts);
    if (!event || !want) return assert.equal(event, want);
    const { chat, sender, text, mentionsSelf, eventId, sentAt, origin } = event;
    const got = {
      kind: chat.kind,
      chat: chat.id,
      sender: sender.id,
      aliases: sender.aliases,
      text,
      mentionsSelf,
      eventId,
      sentAt,
      origin,
      isBot: sender.isBot,
      isSelf: sender.isSelf,
    };
    assert.deepEqual(got, { aliases: undefined, sentAt: 10_000, origin: "live", isBot: false, isSelf: false, ...want });
  });
}

for (const { name, markdown, want } of read<{ name: string; markdown: string; want: string[] }[]>("02-outbound.json")) {
  test(`outbound: ${name}`, () => assert.deepEqual(toPlainIrc(markdown), want));
}

test("a nick with any character is found as a word, and nothing in it is a pattern", () => {
  for (const nick of ["my-bot", "open-claw", "Guest-123", "a.b", "[bot]", "x{2}", "c^|", "b\\d", "(a+)+", "bot`", "_", "小助手"]) {
    for (const casemapping of ["ascii", "rfc1459"]) {
      const of = (text: string) => addressedNick(text, { nick, casemapping });
      assert.deepEqual(of(`${nick}: are you there?`), { mentioned: true, text: "are you there?" }, nick);
      assert.deepEqual(of(`@${nick.toUpperCase()}, hi`), { mentioned: true, text: "hi" }, nick);
      assert.deepEqual(of(`hi ${nick}!`), { mentioned: true, text: `hi ${nick}!` });
      assert.equal(of(`${nick}x and x${nick}: no`).mentioned, false, nick);
      assert.equal(of("hello everybody").mentioned, false);
    }
  }
  assert.equal(addressedNick(": x", { nick: "", casemapping: "ascii" }).mentioned, false);
});

test("no line of random bytes makes the parser throw", () => {
  let seed = 3;
  const random = (n: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
  const parts = [
    "@",
    ":",
    " ",
    "!",
    "PRIVMSG",
    "#room",
    "\u0001",
    "\u0003",
    ";",
    "=",
    "\\",
    "bot",
    "é",
    "🦞",
    "\ud800",
    "a@b",
    "001",
    "\t",
    "",
  ];
  let events = 0;
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: random(14) }, () => parts[random(parts.length)]).join(random(2) ? "" : " ");
    const line = parseLine(text);
    if (line && decodeIrcMessage({ ...line, command: "PRIVMSG", prefix: "a!b@c", params: ["bot", text] }, facts)) events++;
  }
  assert.ok(events > 1_000, `${events} events`);
});

test("every line of a reply fits with the prefix that the server adds", () => {
  const nick = "n".repeat(16);
  for (const target of ["#r", "#".padEnd(50, "r")]) {
    for (const text of ["x".repeat(2_000), "🦞".repeat(500), "wörter ".repeat(300), "    indented ".repeat(100)]) {
      for (const line of splitIntoLines(text, target, 80)) {
        assert.ok(Buffer.byteLength(`:${nick}${"u".repeat(64)} PRIVMSG ${target} :${line}\r\n`) <= 512);
        assert.ok(line.isWellFormed() && line.trim() !== "");
      }
      assert.equal(splitIntoLines(text, target, 80).join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    }
  }
  assert.ok(utf8Length("#r", 80) > 400);
});

test("lines, prefixes, names", () => {
  assert.deepEqual(parseLine(":s 005 me A=b C :are supported")!.params, ["me", "A=b", "C", "are supported"]);
  assert.deepEqual(parseLine("PING :a b")!.params, ["a b"]);
  assert.deepEqual(parseLine("PRIVMSG #r ::-)")!.params, ["#r", ":-)"]);
  for (const text of ["", ":only", "@tags", " ", ":p ", "bad-command x"]) assert.equal(parseLine(text), null, text);
  assert.deepEqual(parsePrefix("n!u@h"), { nick: "n", user: "u", host: "h" });
  assert.deepEqual(parsePrefix("server.name"), { nick: "server.name", user: "", host: "" });
  assert.deepEqual(
    [casefold("A[]\\~", "rfc1459"), casefold("A[]\\~", "rfc1459-strict"), casefold("A[~", "ascii")],
    ["a{}|^", "a{}|~", "a[~"],
  );
  for (const bad of ["", "a b", "a,b", ":a", "*", "a\rb", "!x", "@x", "x".repeat(201)]) assert.equal(isTarget(bad), false, bad);
  for (const good of ["alice", "#room", "[a]", "a:b"]) assert.equal(isTarget(good), true, good);
});

const irc = createIrcChannel();
const parseKeys = (keys: object): ReturnType<typeof parseIrcAccount> => parseChecked(irc, keys);

test("a complete account gets its defaults, TLS first of all", () => {
  const result = parseKeys({ host: "irc.example.com", nick: "bot", channels: ["#a"], password: "pw" });
  assert.ok("account" in result);
  const { account } = result;
  assert.deepEqual([account.port, account.tls, account.username, account.realname], [6697, { verify: "authorities" }, "bot", "OpenClaw"]);
  assert.equal(account.password!.reveal(), "pw");
  assert.equal(JSON.stringify(account).includes("pw"), false);
  const plain = parseKeys({ host: "h", nick: "b", tls: false });
  assert.ok("account" in plain && plain.account.port === 6667 && plain.account.tls === false);
  const registers = parseKeys({ host: "h", nick: "b", nickserv: { password: "p", register: true, registerEmail: "a@b.example" } });
  assert.ok("account" in registers && registers.account.nickserv?.registerEmail === "a@b.example");
});

const BAD: readonly (readonly [config: object, path: string])[] = [
  [{ nick: "b" }, "host"],
  [{ host: "h" }, "nick"],
  [{ host: "h", nick: "a b" }, "nick"],
  [{ host: "h", nick: "#room" }, "nick"],
  [{ host: "h", nick: "9b" }, "nick"],
  [{ host: "h", nick: "b\r\nQUIT" }, "nick"],
  [{ host: "h", nick: "b", username: "a\r\nQUIT" }, "username"],
  [{ host: "h", nick: "b", realname: "a\r\nQUIT" }, "realname"],
  [{ host: "h", nick: "b", nickserv: { service: "N\r\nQUIT" } }, "nickserv.service"],
  [{ host: "h", nick: "b", nickserv: { registerEmail: "a\nb" } }, "nickserv.registerEmail"],
  [{ host: "h", nick: "b", sasl: { username: "a\nb", password: "p" } }, "sasl.username"],
  [{ host: "h", nick: "b", port: 0 }, "port"],
  [{ host: "h", nick: "b", port: 65_536 }, "port"],
  [{ host: "h", nick: "b", port: "6667" }, "port"],
  [{ host: "h", nick: "b", tls: "no" }, "tls"],
  [{ host: "h", nick: "b", tlsFingerprint: "abc" }, "tlsFingerprint"],
  [{ host: "h", nick: "b", channels: 5 }, "channels"],
  [{ host: "h", nick: "b", channels: ["a"] }, "channels[0]"],
  [{ host: "h", nick: "b", channels: ["#a,#b"] }, "channels[0]"],
  [{ host: "h", nick: "b", channels: ["#a b,c"] }, "channels[0]"],
  [{ host: "h", nick: "b", channels: ["#a :b"] }, "channels[0]"],
  [{ host: "h", nick: "b", channels: [`#${"é".repeat(100)}`] }, "channels[0]"],
  [{ host: "h", nick: "b", channels: [`#a ${"é".repeat(51)}`] }, "channels[0]"],
  [{ host: "h", nick: "b", groups: { "#a": { key: "two words" } } }, 'groups["#a"].key'],
  [{ host: "h", nick: "b", password: "a\r\nQUIT" }, "password"],
  [{ host: "h", nick: "b", password: 7 }, "password"],
  [{ host: "h\nx", nick: "b" }, "host"],
  [{ host: "h", nick: "b", sasl: {} }, "sasl.password"],
  [{ host: "h", nick: "b", flood: { burst: 0 } }, "flood.burst"],
  [{ host: "h", nick: "b", flood: { intervalMs: 60_001 } }, "flood.intervalMs"],
  [{ host: "h", nick: "b", nickserv: { password: "p", register: true } }, "nickserv.registerEmail"],
];
for (const [config, path] of BAD) {
  test(`${JSON.stringify(config)} is refused at ${path}`, () => {
    const result = parseKeys(config);
    assert.ok("issues" in result);
    assert.deepEqual(
      result.issues.map((issue) => issue.path),
      [path],
    );
  });
}

const fixOf = (keys: object): string | undefined => checkAccount("irc", { host: "h", nick: "b", ...keys }).issues[0]?.fix;

test("a wrong value is reported with what to do about it", () => {
  assert.equal(fixOf({ tls: 1 }), "Remove it to use TLS.");
  assert.match(fixOf({ channels: ["room"] })!, /begin with "#"/);
});

test("a certificate pin that cannot be read stops the account", () => {
  const { raw } = checkAccount("irc", { host: "h", nick: "b", tlsFingerprint: 1234 });
  const result = parseIrcAccount(raw as IrcAccountKeys);
  assert.ok("issues" in result);
  assert.deepEqual(
    result.issues.map(({ path }) => path),
    ["tlsFingerprint"],
  );
});

test("an empty text is the same as an absent key", () => {
  const empty = { username: "", realname: "", tlsFingerprint: "", sasl: { username: "", password: "p" } };
  const result = parseKeys({ host: "h", nick: "b", ...empty, nickserv: { service: "", registerEmail: "", password: "p" } });
  assert.ok("account" in result);
  const { username, realname, tls, sasl, nickserv } = result.account;
  assert.deepEqual([username, realname, tls, sasl?.user], ["b", "OpenClaw", { verify: "authorities" }, "b"]);
  assert.deepEqual([nickserv?.service, nickserv?.registerEmail], ["NickServ", null]);
});

test("one text is taken as the only channel, and the defaults of a part apply where it is given", () => {
  const result = parseKeys({ host: "h", nick: "b", channels: "#a", flood: { burst: 2 } });
  assert.ok("account" in result);
  assert.deepEqual([result.account.channels, result.account.flood], [["#a"], { burst: 2, intervalMs: 2_000 }]);
});

function identity(config: object): string {
  const result = parseKeys({ host: "h", nick: "b", ...config });
  assert.ok("account" in result);
  return ircIdentity(result.account);
}

test("the identity is the nick on its server, without any secret", () => {
  assert.equal(identity({ password: "a" }), identity({ password: "b", nick: "B" }));
  assert.notEqual(identity({}), identity({ nick: "c" }));
});

test("entries of access lists are brought into the form of sender ids", () => {
  assert.equal(canonicalIrcId(" User:Alice!A@H "), "alice!a@h");
  assert.equal(canonicalIrcId("channel:#Room"), "#room");
  assert.equal(canonicalIrcId("account:Alice"), "account:alice");
});
