import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestHost } from "../../../test/channel-kit/test-host.ts";
import { createCertificate, startScriptedIrc, type Script } from "../../../test/channel-kit/scripted-irc.ts";
import type { Channel } from "../channel.ts";
import { IRC_TIMINGS } from "./connection.ts";
import { createIrcChannel } from "./index.ts";

const irc = createIrcChannel({ timings: { ...IRC_TIMINGS, nickRetryMs: 100, rejoinMs: 50 } }) as Channel;
const certificate = createCertificate();
const skipTls = certificate ? false : "openssl is missing";
const base = { host: "127.0.0.1", tls: false, nick: "bot", flood: { burst: 50, intervalMs: 1 } };

/** A server with capabilities; `more` sees each line first and says whether it has answered. */
function modern(
  more: (line: string, say: (line: string) => void) => boolean = () => false,
  caps = "server-time message-tags account-tag echo-message sasl=PLAIN",
): Script {
  return {
    on(line, say) {
      if (more(line, say)) return;
      if (line.startsWith("CAP LS")) say(`:s CAP * LS :${caps}`);
      else if (line.startsWith("CAP REQ")) say(`:s CAP * ACK :${line.slice(9)}`);
      else if (line === "AUTHENTICATE PLAIN") say("AUTHENTICATE +");
      else if (line.startsWith("AUTHENTICATE ")) say(":s 903 bot :ok");
      else if (line === "CAP END")
        say(":s 001 bot :hi\r\n:s 005 bot CHANTYPES=# CASEMAPPING=ascii STATUSMSG=@+ :are supported\r\n:s 376 bot :end");
      else if (line.startsWith("PING")) say(`:s PONG s ${line.slice(5)}`);
      else if (line.startsWith("JOIN")) say(`:bot!b@h ${line}`);
    },
  };
}

test("SASL over verified-by-fingerprint TLS, tags, and ids of the server", { skip: skipTls }, async () => {
  let count = 0;
  const server = await startScriptedIrc(
    modern((line, say) => {
      if (line.startsWith("PRIVMSG")) say(`@msgid=out${++count} :bot!b@h ${line}`);
      return false;
    }),
    certificate!,
  );
  const testHost = await openTestHost(irc, {
    ...base,
    port: server.port,
    tls: true,
    tlsFingerprint: certificate!.sha256,
    channels: ["#a"],
    sasl: { password: "pw" },
  });
  await testHost.state("ready");
  await testHost.until(() => server.lines.includes("JOIN #a"), "the join");
  assert.ok(server.lines.includes(`AUTHENTICATE ${Buffer.from("bot\0bot\0pw").toString("base64")}`));
  for (const socket of server.sockets) socket.write("@msgid=in1;account=Alice :al!a@h PRIVMSG bot :hello\r\n");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.deepEqual(
    [testHost.events[0]!.eventId, testHost.events[0]!.sender.id, testHost.events[0]!.sender.aliases],
    ["m:in1", "account:alice", ["al!a@h"]],
  );
  assert.deepEqual(await testHost.send(testHost.events[0]!.chat, "one\ntwo"), { state: "sent", ids: ["m:out1", "m:out2"] });
  assert.equal(testHost.events.length, 1, "our own echo is not a message");
  await testHost.close();
  await server.close();
});

test("an untrusted certificate is refused, and so is a wrong fingerprint", { skip: skipTls }, async () => {
  const server = await startScriptedIrc(modern(), certificate!);
  const strict = await openTestHost(irc, { ...base, port: server.port, tls: true });
  assert.match((await strict.state("backoff")).cause!, /self-signed|self signed/);
  await strict.close();
  const pinned = await openTestHost(irc, { ...base, port: server.port, tls: true, tlsFingerprint: "00".repeat(32) });
  const status = await pinned.state("terminal");
  assert.match(status.cause!, /fingerprint/);
  await pinned.close();
  assert.equal(server.lines.length, 0, "nothing was sent over an unverified connection");
  const careless = await openTestHost(irc, { ...base, port: server.port, tls: true, tlsInsecure: true });
  await careless.state("ready");
  await careless.close();
  await server.close();
});

const ENDINGS: readonly (readonly [name: string, on: string, answer: string, state: "terminal" | "backoff", cause: RegExp])[] = [
  ["a refused SASL login", "AUTHENTICATE Y", ":s 904 bot :no", "terminal", /SASL login/],
  ["a ban", "USER", ":s 465 bot :You are banned", "terminal", /banned/],
  ["a K-line", "USER", "ERROR :Closing Link: bot (K-Lined)", "terminal", /K-Lined/],
  ["a bad password in ERROR", "USER", "ERROR :Access denied: Bad server password?", "terminal", /password/],
  ["a bad nick", "NICK", ":s 432 * bot :Erroneous nickname", "terminal", /does not accept the nick/],
  ["a full server", "USER", "ERROR :Closing Link: Too many connections", "backoff", /Too many connections/],
  ["reconnecting too fast", "USER", "ERROR :Trying to reconnect too fast.", "backoff", /too fast/],
  ["every nick in use", "NICK", ":s 433 * bot :in use", "backoff", /in use/],
];
for (const [name, on, answer, state, cause] of ENDINGS) {
  test(`${name} is ${state}`, async () => {
    const server = await startScriptedIrc(
      modern((line, say) => {
        if (line.startsWith(on)) say(answer);
        return line.startsWith(on) || line === "CAP END";
      }),
    );
    const testHost = await openTestHost(irc, { ...base, port: server.port, sasl: { username: "b", password: "pw" } });
    const status = await testHost.state(state);
    assert.match(status.cause!, cause);
    assert.equal(status.fix !== null, state === "terminal");
    await testHost.close();
    await server.close();
  });
}

test("a killed client comes back", async () => {
  const server = await startScriptedIrc(modern());
  const testHost = await openTestHost(irc, { ...base, port: server.port });
  await testHost.state("ready");
  for (const socket of server.sockets) socket.end(":op!o@h KILL bot :test\r\nERROR :Closing Link: Killed (op)\r\n");
  assert.match((await testHost.state("backoff")).cause!, /Killed/);
  await testHost.state("ready");
  await testHost.close();
  await server.close();
});

test("a connection that dies after the bytes were written leaves the part unknown; one that is gone before refuses", async () => {
  const server = await startScriptedIrc({
    on(line, say, socket) {
      if (line.startsWith("PRIVMSG #a :die")) socket.destroy();
      else modern().on(line, say, socket);
    },
  });
  const testHost = await openTestHost(irc, { ...base, port: server.port, channels: ["#a"] });
  await testHost.until(() => server.lines.includes("JOIN #a"), "the join");
  await testHost.state("ready");
  const link = testHost.link();
  assert.equal((await testHost.send({ kind: "group", id: "#a" }, "fine")).state, "sent");
  const unknown = testHost.send({ kind: "group", id: "#a" }, "die");
  const behind = testHost.send({ kind: "group", id: "#a" }, "behind");
  await assert.rejects(unknown);
  const refused = await behind;
  assert.ok(refused.state === "refused" && refused.retryable, JSON.stringify(refused));
  assert.ok(!server.lines.some((line) => line.includes("behind")));
  const stale = await link.send({} as never, new AbortController().signal);
  assert.equal(stale.state, "refused");
  await testHost.close();
  await server.close();
});

test("a server that takes no message at the moment refuses it, and it is tried again", async () => {
  const server = await startScriptedIrc(
    modern((line, say) => {
      if (line.startsWith("PRIVMSG")) say(":s 263 bot PRIVMSG :Please wait a while and try again.");
      return line.startsWith("PRIVMSG");
    }),
  );
  const testHost = await openTestHost(irc, { ...base, port: server.port, channels: ["#a"] });
  await testHost.until(() => server.lines.includes("JOIN #a"), "the join");
  await testHost.state("ready");
  const refused = await testHost.send({ kind: "group", id: "#a" }, "hello");
  assert.ok(refused.state === "refused" && refused.retryable && refused.retryAfterMs! > 0, JSON.stringify(refused));
  await testHost.close();
  await server.close();
});

test("lines that are too long, not UTF-8 or nonsense do not end the connection", async () => {
  const server = await startScriptedIrc(modern());
  const testHost = await openTestHost(irc, { ...base, port: server.port });
  await testHost.state("ready");
  for (const socket of server.sockets) {
    socket.write(`:al!a@h PRIVMSG bot :${"x".repeat(60_000)}`);
    socket.write(" still the same line\r\n\r\n:::\r\n@\r\n:a\r\n");
    socket.write(Buffer.from(":al!a@h PRIVMSG bot :caf\xe9\r\n", "latin1"));
    socket.write(":al!a@h PRIVMSG bot :spl");
    socket.write("it\n");
  }
  await testHost.until(() => testHost.events.length === 2, "two messages");
  assert.deepEqual(
    testHost.events.map((event) => event.text),
    ["café", "split"],
  );
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
  await testHost.close();
  await server.close();
});

test("NickServ is asked once the bot has its nick, and only NickServ receives the password", async () => {
  const server = await startScriptedIrc(modern(undefined, ""));
  const testHost = await openTestHost(irc, { ...base, port: server.port, nickserv: { password: "s3cret", service: "NickServ" } });
  await testHost.until(() => server.lines.some((line) => line === "PRIVMSG NickServ :IDENTIFY s3cret"), "the login");
  assert.equal(server.lines.filter((line) => line.includes("s3cret")).length, 1);
  assert.ok(!JSON.stringify(testHost.states).includes("s3cret"));
  await testHost.close();
  await server.close();
});

const ROOM = { kind: "group" as const, id: "#a" };
/** Someone who wrote so long ago that the nick has to be looked up before an answer. */
const ANN = { kind: "direct" as const, id: "ann!a@h" };

for (const [name, answers] of [
  ["is silent", () => null],
  ["knows no USERHOST", (line: string) => (/^(USERHOST|WHOIS) /.test(line) ? `:s 421 bot ${line.split(" ")[0]} :Unknown command` : null)],
  ["has no time for it", (line: string) => (/^(USERHOST|WHOIS) /.test(line) ? `:s 263 bot ${line.split(" ")[0]} :Try later` : null)],
  ["wants more parameters", (line: string) => (/^(USERHOST|WHOIS) /.test(line) ? `:s 461 bot ${line.split(" ")[0]} :More` : null)],
] as const) {
  test(`a server that does not say who holds a nick (it ${name}) holds up nothing else`, async () => {
    const server = await startScriptedIrc(
      modern((line, say) => {
        const answer = answers(line);
        if (answer !== null) say(answer);
        return answer !== null;
      }, "message-tags"),
    );
    const quick = createIrcChannel({ timings: { ...IRC_TIMINGS, answerMs: 50 } }) as Channel;
    const testHost = await openTestHost(quick, { ...base, port: server.port, channels: ["#a"] });
    await testHost.state("ready");
    const [direct, room] = await Promise.all([testHost.send(ANN, "private"), testHost.send(ROOM, "public")]);
    assert.ok(direct.state === "refused" && direct.retryable && /did not confirm who ann is/.test(direct.reason), JSON.stringify(direct));
    assert.equal(room.state, "sent");
    assert.equal(server.lines.filter((line) => line.startsWith("PRIVMSG ann")).length, 0);
    await testHost.close();
    await server.close();
  });
}

test("WHOIS says who holds a nick where USERHOST does not, and a late answer is not taken for the next one", async () => {
  let held: (() => void) | null = null;
  const server = await startScriptedIrc(
    modern((line, say) => {
      if (line.startsWith("USERHOST")) held ??= () => say(":s 302 bot :");
      if (line === "WHOIS ann") say(":s 311 bot ann a h * :Ann\r\n:s 318 bot ann :End");
      if (line === "WHOIS bob") {
        held?.();
        say(":s 318 bot bob :End");
      }
      return false;
    }, "message-tags"),
  );
  const quick = createIrcChannel({ timings: { ...IRC_TIMINGS, answerMs: 50 } }) as Channel;
  const testHost = await openTestHost(quick, { ...base, port: server.port });
  await testHost.state("ready");
  assert.equal((await testHost.send(ANN, "hello")).state, "sent");
  const bob = await testHost.send({ kind: "direct", id: "bob!b@h" }, "hello");
  assert.ok(bob.state === "refused" && /bob is not online/.test(bob.reason));
  await testHost.close();
  await server.close();
});

test("a room with a key is joined with it, and an unanswered JOIN is repeated", async () => {
  let joins = 0;
  const server = await startScriptedIrc(
    modern((line, say) => {
      if (line.startsWith("JOIN #silent")) return ++joins < 2;
      if (line.startsWith("JOIN "))
        say(line.endsWith(" sesame") ? `:bot!b@h JOIN ${line.split(" ")[1]}` : `:s 475 bot ${line.split(" ")[1]} :+k`);
      return line.startsWith("JOIN ");
    }),
  );
  const quick = createIrcChannel({ timings: { ...IRC_TIMINGS, answerMs: 50, rejoinMs: 20 } }) as Channel;
  const testHost = await openTestHost(quick, {
    ...base,
    port: server.port,
    channels: ["#one sesame", "#Two", "#silent"],
    groups: { "#two": { key: "sesame" } },
  });
  await testHost.until(() => joins === 2 && testHost.host.status()[0]!.state === "ready", "the second JOIN");
  assert.ok(server.lines.includes("JOIN #one sesame") && server.lines.includes("JOIN #Two sesame"));
  assert.equal(JSON.stringify(testHost.states).includes("sesame"), false);
  await testHost.close();
  await server.close();
});
