import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { covers } from "../../../test/channel-kit/coverage.ts";
import { until } from "../../../test/until.ts";
import { parseChecked } from "../../../test/fakes/channel-account.ts";
import { openTestHost, type TestHost } from "../../../test/channel-kit/test-host.ts";
import { ADA, BOB, GROUP, NUMBER, OTHER_NUMBER, SignalServer, type Failure } from "../../../test/channel-kit/signal-server.ts";
import { asId, type ChatId, type MessageId } from "../../core/ids.ts";
import { SIGNAL_LIMITS } from "./limits.ts";
import type { Channel, LoginStep, MediaKind, MediaUpload, OutboundPart, ReplyTarget } from "../channel.ts";
import { SIGNAL_TIMINGS } from "./connection.ts";
import { createSignalChannel } from "./index.ts";

const timings = { ...SIGNAL_TIMINGS, streamQuietMs: 2_000, socketQuietMs: 2_000, openMs: 2_000, storeMs: 20 };
const channel = createSignalChannel({ timings }) as Channel;
const signal = new AbortController().signal;
const ada = { kind: "direct" as const, id: `uuid:${ADA.uuid}` };
const room = { kind: "group" as const, id: GROUP };
const KINDS = ["external-native", "container"] as const;

async function scene(
  kind: (typeof KINDS)[number],
  run: (testHost: TestHost, server: SignalServer) => Promise<void>,
  more: object,
): Promise<void> {
  const server = await SignalServer.start();
  server.keepAliveMs = server.pingMs = 200;
  const testHost = await openTestHost(channel, { ...server.config(NUMBER, kind), ...more });
  try {
    await testHost.state("ready");
    await run(testHost, server);
  } finally {
    await testHost.close();
    await server.close();
  }
}

/** Over the daemon and over the container. */
function testWithServer(
  name: string,
  run: (testHost: TestHost, server: SignalServer, kind: (typeof KINDS)[number]) => Promise<void>,
  more: object = {},
): void {
  for (const kind of KINDS) test(`${kind}: ${name}`, () => scene(kind, (testHost, server) => run(testHost, server, kind), more));
}

const target = (chat: { kind: "direct" | "group"; id: string } = ada, more: Partial<ReplyTarget> = {}): ReplyTarget => ({
  channel: asId("signal"),
  account: asId("default"),
  chat: { kind: chat.kind, id: asId<ChatId>(chat.id) },
  ...more,
});
let keys = 0;
const part = (text: string, more: Partial<OutboundPart> = {}): OutboundPart => ({ key: `k${++keys}`, target: target(), text, ...more });
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

testWithServer("what cannot be stored is kept until it can, in order, and nothing more is read meanwhile", async (testHost, server) => {
  testHost.failures.admit = new Error("disk full");
  server.say("one");
  server.say("two");
  assert.match((await testHost.state("degraded")).cause!, /disk full/);
  server.say("three");
  testHost.failures.admit = null;
  await testHost.until(() => testHost.events.length === 3, "three messages");
  assert.deepEqual(texts(testHost), ["one", "two", "three"]);
  await testHost.state("ready");
});

testWithServer("a notification that comes twice is one message", async (testHost, server) => {
  const envelope = server.envelope(ADA, { dataMessage: { timestamp: 1_700_000_000_001, message: "once" } });
  server.push(envelope);
  server.push(envelope);
  server.say("next");
  await testHost.until(() => testHost.events.length === 2, "two messages");
  assert.deepEqual(texts(testHost), ["once", "next"]);
});

testWithServer("messages that arrive while no client listens are delivered later", async (testHost, server) => {
  server.drop("close");
  await testHost.until(() => server.listening() === 0, "the loss");
  server.say("while away");
  server.heal();
  await testHost.until(() => testHost.events.length === 1, "the message");
});

testWithServer("a burst of 5,000 messages is read in order", async (testHost, server) => {
  for (let i = 0; i < 5_000; i++) server.say(`n${i}`);
  await testHost.until(() => testHost.events.length === 5_000, "all of them");
  assert.ok(texts(testHost).every((text, i) => text === `n${i}`));
});

testWithServer("nonsense ends nothing (scenario 39)", async (testHost, server) => {
  for (const nonsense of [{}, { account: NUMBER }, { account: NUMBER, envelope: [] }, { account: NUMBER, envelope: { dataMessage: 5 } }])
    server.pushRaw(nonsense as Record<string, unknown>);
  server.push({ dataMessage: { message: "no sender" } });
  server.say("sense");
  await testHost.until(() => testHost.events.length === 1, "the message");
  assert.ok(testHost.others.every((event) => event.kind === "unreadable"));
  assert.equal(testHost.host.status()[0]!.reconnects, 0);
});

testWithServer("a text is sent with its styles, to a person and to a group", async (testHost, server) => {
  const [id] = ids(await testHost.link().send(part("**bold** and `code`"), signal));
  ids(await testHost.link().send(part("hi all", { target: target(room) }), signal));
  const [first, second] = server.shown();
  assert.deepEqual([first!.to, first!.text, first!.styles.map(({ style }) => style)], [ADA.uuid, "bold and code", ["BOLD", "MONOSPACE"]]);
  assert.equal(String(first!.at), id);
  assert.deepEqual([second!.to, second!.text], [GROUP, "hi all"]);
});

testWithServer("a reply quotes the message with its text, also one of someone in a group", async (testHost, server) => {
  const at = server.say("what is it?", { from: BOB, group: true });
  await testHost.until(() => testHost.events.length === 1, "the question");
  const { message } = testHost.events[0]!;
  ids(await testHost.link().send(part("this", { target: target(room, { replyTo: message }) }), signal));
  assert.deepEqual(server.shown()[0]!.quote, { at, author: BOB.uuid, text: "what is it?" });
});

testWithServer("a sent message is edited, and goes by its first time", async (testHost, server) => {
  const [id] = ids(await testHost.link().send(part("one"), signal));
  assert.deepEqual(ids(await testHost.link().edit!(id!, part("**two**"), signal)), [id]);
  assert.deepEqual(ids(await testHost.link().edit!(id!, part("three"), signal)), [id]);
  assert.deepEqual(
    server.shown().map(({ text, edits }) => [text, edits]),
    [["three", 2]],
  );
  assert.equal((await testHost.link().edit!(`1@uuid:${ADA.uuid}` as MessageId, part("x"), signal)).state, "refused");
});

testWithServer(
  covers(["reactions"], "reactions of the bot name the message's author, in a group and when only its time is known"),
  async (testHost, server) => {
    const at = server.say("hi", { from: BOB, group: true });
    const direct = server.say("hello");
    await testHost.until(() => testHost.events.length === 2, "the messages");
    await testHost.link().react!(target(room), testHost.events[0]!.message, "👀", true);
    await testHost.link().react!(target(room), testHost.events[0]!.message, "👀", false);
    await testHost.link().react!(target(), String(direct) as MessageId, "👍", true);
    const own = ids(await testHost.link().send(part("mine"), signal))[0]!;
    await testHost.link().react!(target(), own, "❤", true);
    const seen = server.reactions.map((each) => [each["emoji"], each["remove"], each["targetTimestamp"], each["targetAuthor"]]);
    assert.deepEqual(seen, [
      ["👀", false, at, BOB.uuid],
      ["👀", true, at, BOB.uuid],
      ["👍", false, direct, ADA.uuid],
      ["❤", false, Number(own), NUMBER],
    ]);
  },
);

testWithServer("own messages are deleted, those of others are not", async (testHost, server) => {
  const [id] = ids(await testHost.link().send(part("oops"), signal));
  await testHost.link().remove!(target(), id!);
  assert.deepEqual(server.sent(), []);
  await assert.rejects(testHost.link().remove!(target(), `5@uuid:${ADA.uuid}` as MessageId), /our own/);
});

testWithServer(covers(["polls"], "a message is pinned and released, and a poll is opened, in a group"), async (testHost, server) => {
  const [id] = ids(await testHost.link().send(part("rules", { target: target(room) }), signal));
  await testHost.link().pin!(target(room), id!, true);
  assert.equal(server.shown()[0]!.pinned, true);
  await testHost.link().pin!(target(room), id!, false);
  assert.equal(server.shown()[0]!.pinned, false);
  ids(await testHost.link().poll!(target(room), { question: "Tea?", options: ["yes", "no"], multiple: false }));
  assert.deepEqual(server.of("sendPollCreate")[0]!["option"], ["yes", "no"]);
});

testWithServer(covers(["typing"], "the typing sign is shown, and its failure is nothing"), async (testHost, server) => {
  await testHost.link().typing!(target());
  server.fail("sendTyping", "close-before");
  await testHost.link().typing!(target());
  assert.equal(server.of("sendTyping").length, 2);
});

testWithServer("events: edit, deletion and reaction of a person", async (testHost, server) => {
  const at = server.say("one");
  server.push(server.envelope(ADA, { editMessage: { targetSentTimestamp: at, dataMessage: { timestamp: at + 5, message: "two" } } }));
  server.push(
    server.envelope(ADA, {
      dataMessage: { timestamp: at + 6, reaction: { emoji: "👍", targetAuthorNumber: NUMBER, targetSentTimestamp: 7, isRemove: false } },
    }),
  );
  server.push(server.envelope(ADA, { dataMessage: { timestamp: at + 7, remoteDelete: { timestamp: at } } }));
  await testHost.until(() => testHost.others.length === 3, "three events");
  const { message } = testHost.events[0]!;
  assert.deepEqual(
    testHost.others.map((event) => [event.kind, "message" in event && event.message]),
    [
      ["edit", message],
      ["reaction", "7"],
      ["delete", message],
    ],
  );
});

testWithServer("a file in is fetched, up to its limit", async (testHost, server) => {
  const bytes = Buffer.from("a picture, so to say");
  server.say("look", { attachments: [server.addFile(bytes)] });
  server.say("", { from: BOB, group: true, attachments: [server.addFile(bytes, "application/pdf", "b.pdf")] });
  await testHost.until(() => testHost.events.length === 2, "the messages");
  for (const { media } of testHost.events) {
    assert.deepEqual(Buffer.from(await testHost.link().download!(media[0]!, 1_000, signal)), bytes);
    await assert.rejects(testHost.link().download!({ ...media[0]!, sizeBytes: null }, 5, signal), /larger/);
    await assert.rejects(testHost.link().download!(media[0]!, 5, signal), /larger/);
  }
  const [ref] = testHost.events[0]!.media;
  await assert.rejects(testHost.link().download!({ ...ref!, url: "signal:id=none&recipient=x" }, 1_000, signal));
  await assert.rejects(testHost.link().download!({ ...ref!, url: "http://127.0.0.1/x" }, 1_000, signal), /does not come from Signal/);
});

testWithServer("a file out arrives with its name, type and caption", async (testHost, server) => {
  ids(await testHost.link().send(part("the *plan*", { media: file("file", "application/pdf", "content", "pl;an, ü.pdf") }), signal));
  const [{ text, files }] = server.shown() as [ReturnType<SignalServer["shown"]>[number]];
  assert.deepEqual(
    [text, files[0]!.name, files[0]!.mimeType, files[0]!.bytes.toString()],
    ["the plan", "pl_an_ ü.pdf", "application/pdf", "content"],
  );
  const large = { ...file("file", "text/plain"), sizeBytes: SIGNAL_LIMITS.uploadBytes + 1 };
  assert.equal((await testHost.link().send(part("", { media: large }), signal)).state, "refused");
  const gone = { ...file("file", "text/plain"), read: () => Promise.reject(new Error("no such file")) };
  assert.equal((await testHost.link().send(part("", { media: gone }), signal)).state, "refused");
});

const rateLimit: Failure = {
  code: -5,
  message: "Failed to send message due to rate limiting",
  results: [{ type: "RATE_LIMIT_FAILURE", retryAfterSeconds: 7 }],
};

test("a rate limit is a refusal with its time; a captcha is named", () =>
  scene(
    "external-native",
    async (testHost, server) => {
      server.fail("send", rateLimit);
      const first = await testHost.link().send(part("x"), signal);
      assert.ok(first.state === "refused" && first.retryable && first.retryAfterMs === 7_000, inspect(first));
      server.fail("send", { ...rateLimit, results: [{ type: "RATE_LIMIT_FAILURE", token: "t" }] });
      const second = await testHost.link().send(part("x"), signal);
      assert.ok(
        second.state === "refused" && second.retryAfterMs === SIGNAL_LIMITS.retryMs && /captcha/.test(second.reason),
        inspect(second),
      );
      assert.equal(testHost.host.status()[0]!.rateLimits, 2);
      assert.deepEqual(server.sent(), []);
    },
    {},
  ));

test("a rate limit of the container is a refusal, too", () =>
  scene(
    "container",
    async (testHost, server) => {
      server.fail("send", rateLimit);
      const result = await testHost.link().send(part("x"), signal);
      assert.ok(result.state === "refused" && result.retryable && result.retryAfterMs === SIGNAL_LIMITS.retryMs, inspect(result));
    },
    {},
  ));

testWithServer("what Signal certainly has not sent is refused", async (testHost, server) => {
  const refusals: Failure[] = [
    { code: -1, message: "Failed to send message: Unregistered user", results: [{ type: "UNREGISTERED_FAILURE" }] },
    { code: -4, message: "Failed to send message due to untrusted identities", results: [{ type: "IDENTITY_FAILURE" }] },
    { code: -1, message: "Invalid group id" },
  ];
  for (const refusal of refusals) {
    server.fail("send", refusal);
    const result = await testHost.link().send(part("x"), signal);
    assert.ok(result.state === "refused" && !result.retryable, inspect(result));
  }
  assert.equal((await testHost.link().send(part(" "), signal)).state, "refused");
  assert.equal((await testHost.link().send(part("x"), AbortSignal.abort())).state, "refused");
  assert.deepEqual(server.sent(), []);
});

testWithServer("what may have left is unknown, and never sent again", async (testHost, server) => {
  const failures: Failure[] = [
    "close-after",
    "close-before",
    { code: -1, message: "Failed to send message", results: [{ type: "NETWORK_FAILURE" }] },
    { code: -32_603, message: "Failed to send message: timeout (IOException)" },
    { code: -3, message: "IO trouble" },
  ];
  for (const failure of failures) {
    server.fail("send", failure);
    await assert.rejects(testHost.link().send(part("x"), signal), (err) => err instanceof Error, inspect(failure));
  }
  assert.equal(server.shown().length, 1, "only what was closed after it took effect");
});

test("a failure before a byte has left is tried again", () =>
  scene(
    "external-native",
    async (testHost, server) => {
      server.fail("send", { code: -32_603, message: "Failed to send message: chat.signal.org (UnknownHostException)" });
      const result = await testHost.link().send(part("x"), signal);
      assert.ok(result.state === "refused" && result.retryable, inspect(result));
      const link = testHost.link();
      await server.close();
      await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
      const away = await link.send(part("x"), signal);
      assert.ok(away.state === "refused" && away.retryable, inspect(away));
    },
    {},
  ));

test("styles that are not read fall back to plain text (scenario 26)", () =>
  scene(
    "external-native",
    async (testHost, server) => {
      server.fail("send", { code: -1, message: "Invalid style: BOLD" });
      ids(await testHost.link().send(part("**x**"), signal));
      assert.deepEqual([server.shown()[0]!.text, server.shown()[0]!.styles], ["x", []]);
    },
    {},
  ));

testWithServer("an unlinked device is terminal and names the fix", async (testHost, server) => {
  server.unlink();
  server.drop("close");
  server.heal();
  const { cause, fix } = await testHost.state("terminal");
  assert.match(cause!, /has no account/);
  assert.match(fix!, /channels login signal/);
});

test("a daemon for another number is terminal: it would be deaf", async () => {
  const server = await SignalServer.start();
  server.only = OTHER_NUMBER;
  const testHost = await openTestHost(channel, server.config());
  await testHost.state("ready");
  server.say("hi", {}, OTHER_NUMBER);
  assert.match((await testHost.state("terminal")).cause!, new RegExp(`serves \\${OTHER_NUMBER}`));
  await testHost.close();
  await server.close();
});

test("a container in another mode is terminal", async () => {
  const server = await SignalServer.start();
  server.mode = "normal";
  const testHost = await openTestHost(channel, server.config(NUMBER, "container"));
  assert.match((await testHost.state("terminal")).fix!, /MODE=json-rpc/);
  await testHost.close();
  await server.close();
});

test("an account is verified: known, unknown, nothing listening", async () => {
  const server = await SignalServer.start();
  for (const kind of KINDS) {
    const verify = (number: string): Promise<{ name: string }> => {
      const parsed = parseChecked(channel, server.config(number, kind));
      assert.ok("account" in parsed);
      return channel.verify(parsed.account, signal);
    };
    assert.deepEqual(await verify(NUMBER), { name: NUMBER });
    await assert.rejects(verify("+15550009999"), (err) => {
      assert.match((err as Error).message, /has no account/);
      assert.match((err as { fix?: string }).fix!, /--no-verify/, "what is not saved cannot be linked");
      return true;
    });
  }
  const parsed = parseChecked(channel, server.config());
  assert.ok("account" in parsed);
  await server.close();
  await assert.rejects(channel.verify(parsed.account, signal), /ECONNREFUSED|socket hang up/);
});

test("a phone that scans the code links its number, over the daemon and the container", async () => {
  for (const kind of KINDS) {
    const server = await SignalServer.start();
    server.accounts.clear();
    const parsed = parseChecked(channel, server.config(NUMBER, kind));
    assert.ok("account" in parsed);
    const steps: LoginStep[] = [];
    const show = (step: LoginStep): void => {
      steps.push(step);
      setImmediate(() => server.scan(NUMBER));
    };
    assert.deepEqual(await channel.login!(parsed.account, null as never, show, signal), { name: NUMBER });
    assert.match((steps[0] as { text: string }).text, /^sgnl:\/\/linkdevice/);
    await server.close();
  }
});

test("another phone than the configured number is named", async () => {
  const server = await SignalServer.start();
  server.accounts.clear();
  const parsed = parseChecked(channel, server.config());
  assert.ok("account" in parsed);
  const show = (): void => void setImmediate(() => server.scan(OTHER_NUMBER));
  await assert.rejects(channel.login!(parsed.account, null as never, show, signal), new RegExp(`\\${OTHER_NUMBER}`));
  await server.close();
});

/** A program in place of signal-cli. Not for Windows, whose shell is another. */
const skip = process.platform === "win32" ? "needs a POSIX shell" : false;

async function withProgram(stage: object, run: (config: object, dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "signal-cli-"));
  try {
    const cliPath = join(dir, "signal-cli");
    const script = fileURLToPath(new URL("../../../test/channel-kit/signal-cli.ts", import.meta.url));
    writeFileSync(cliPath, `#!/bin/sh\nexec "${process.execPath}" "${script}" "$@"\n`);
    chmodSync(cliPath, 0o755);
    writeFileSync(join(dir, "stage.json"), JSON.stringify(stage));
    await run({ account: NUMBER, transport: { kind: "managed-native", cliPath, configPath: dir } }, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

type Started = { args: string[]; pid: number; env: string[] };
const startedIn = (dir: string): Started => JSON.parse(readFileSync(join(dir, "started.json"), "utf8")) as Started;
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("a signal-cli of ours is started, used and ended with the connection", { skip }, () =>
  withProgram({}, async (config, dir) => {
    process.env["SECRET_OF_THE_GATEWAY"] = "x";
    const testHost = await openTestHost(channel, config);
    await testHost.state("ready");
    await testHost.until(() => testHost.events.length === 1, "the message");
    ids(await testHost.link().send(part("hi"), signal));
    const { args, pid, env } = startedIn(dir);
    assert.ok(args.includes("on-connection") && args.includes(NUMBER), args.join(" "));
    assert.ok(!env.includes("SECRET_OF_THE_GATEWAY"));
    await testHost.close();
    assert.equal(isAlive(pid), false);
  }),
);

test("a signal-cli that does not want to end is killed", { skip }, () =>
  withProgram({ ignoresTerm: true }, async (config, dir) => {
    const testHost = await openTestHost(channel, config);
    await testHost.state("ready");
    const { pid } = startedIn(dir);
    await testHost.close();
    assert.equal(isAlive(pid), false);
  }),
);

test("a signal-cli of ours does not outlive a gateway that is killed", { skip }, () =>
  withProgram({ ignoresTerm: true }, async (config, dir) => {
    const code = `
      import { openTestHost } from ${JSON.stringify(new URL("../../../test/channel-kit/test-host.ts", import.meta.url).href)};
      import { createSignalChannel } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
      const testHost = await openTestHost(createSignalChannel(), ${JSON.stringify(config)});
      await testHost.state("ready");
      console.log("ready");`;
    const gateway = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    await once(gateway.stdout, "data");
    const { pid } = startedIn(dir);
    assert.equal(isAlive(pid), true);
    gateway.kill("SIGKILL");
    await once(gateway, "exit");
    await until("the end of the program", () => !isAlive(pid), 10_000);
  }),
);

test("a signal-cli that dies is started again", { skip }, () =>
  withProgram({}, async (config, dir) => {
    const testHost = await openTestHost(channel, config);
    await testHost.state("ready");
    const { pid } = startedIn(dir);
    process.kill(pid, "SIGKILL");
    await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
    await testHost.state("ready");
    assert.notEqual(startedIn(dir).pid, pid);
    await testHost.close();
  }),
);

test("an account reports why signal-cli does not run, and the fix", { skip }, async () => {
  const table: [stage: object, state: "terminal" | "backoff", cause: RegExp][] = [
    [{ fails: "User +15550000001 is not registered." }, "terminal", /has no account \+15550000001/],
    [{ fails: "java.lang.UnsupportedClassVersionError: org/asamk/signal/Main" }, "terminal", /newer Java/],
    [{ fails: "Config file is in use by another instance", code: 3 }, "backoff", /in use by another instance/],
  ];
  for (const [stage, state, cause] of table)
    await withProgram(stage, async (config) => {
      const testHost = await openTestHost(channel, config);
      assert.match((await testHost.state(state)).cause!, cause);
      await testHost.close();
    });
  const testHost = await openTestHost(channel, { account: NUMBER, transport: { cliPath: "/nowhere/signal-cli" } });
  const { cause, fix } = await testHost.state("terminal");
  assert.match(cause!, /cannot be started/);
  assert.match(fix!, /Install signal-cli/);
  await testHost.close();
});

test("a signal-cli of ours links a phone", { skip }, () =>
  withProgram({}, async (config, dir) => {
    const parsed = parseChecked(channel, config);
    assert.ok("account" in parsed);
    const steps: LoginStep[] = [];
    assert.deepEqual(await channel.login!(parsed.account, null as never, (step) => steps.push(step), signal), { name: NUMBER });
    assert.equal(steps.length, 1);
    assert.equal(isAlive(startedIn(dir).pid), false);
    assert.ok(existsSync(join(dir, "started.json")) && !startedIn(dir).args.includes("-a"));
  }),
);
