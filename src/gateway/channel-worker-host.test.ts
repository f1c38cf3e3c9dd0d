// Group: wire
import assert from "node:assert/strict";
import { copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { NotSentError } from "../channels/api.ts";
import {
  TerminalError,
  UnknownOutcomeError,
  type ChannelEvent,
  type ChannelContext,
  type Link,
  type OutboundPart,
  type SendResult,
  type ReplyTarget,
} from "../channels/channel.ts";
import { LinkTable } from "../channels/link-table.ts";
import { createChannelSupervisor } from "../channels/supervisor.ts";
import { loadChannel } from "../channels/registry.ts";
import { until } from "../../test/until.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type MessageId } from "../core/ids.ts";
import { silentLog, type Log } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { Secret } from "../core/secret.ts";
import { openSpool } from "../store/spool.ts";
import { withChannelWorker, spoolPath } from "./channel-worker-host.ts";

const CHANNEL = asId<ChannelId>("toy");
const ACCOUNT = asId<AccountId>("default");
const CREDENTIAL = "the-credential-of-the-toy";
const target = { channel: CHANNEL, account: ACCOUNT, chat: { kind: "direct", id: asId("c") } } as ReplyTarget;
const toy = new URL("../../test/fakes/scripted-channel.mjs", import.meta.url);

const root = mkdtempSync(join(tmpdir(), "isolation-"));
after(() => rmSync(root, { recursive: true, force: true }));
let homes = 0;

type Scene = {
  spool: string;
  /** What the gateway has stored, in order. */
  stored: string[];
  cursors: (string | undefined)[];
  lines: string[];
  said: string[];
  /** Makes the gateway refuse to store so many times. */
  refuse(times: number): void;
  /** Starts the account; resolves when it can send. */
  start(options?: { isolate?: boolean; config?: object; clock?: Clock; host?: Partial<ChannelContext> }): Promise<Running>;
};
type Running = {
  link: Link;
  send(text: string, more?: Partial<OutboundPart>, signal?: AbortSignal): Promise<SendResult>;
  receive(path: string): Promise<unknown>;
  stop(): Promise<void>;
  /** Settles as `run` does. */
  ended: Promise<void>;
};

function scene(context: TestContext): Scene {
  const stateDir = join(root, String(++homes));
  mkdirSync(join(stateDir, "channels"), { recursive: true });
  copyFileSync(toy, join(stateDir, "channels", "toy.mjs"));
  const made: Pick<Scene, "stored" | "cursors" | "lines" | "said"> = { stored: [], cursors: [], lines: [], said: [] };
  let refusals = 0;
  const seen = new Set<string>();
  const stops: (() => Promise<void>)[] = [];
  context.after(() => Promise.all(stops.map((stop) => stop())));
  const kept = new Map<string, Uint8Array>();
  const host: ChannelContext = {
    admit: async (events: readonly ChannelEvent[], cursor) => {
      if (refusals > 0) {
        refusals--;
        throw new GatewayError("UNAVAILABLE", "the disk is full");
      }
      const fresh = events.filter(({ eventId }) => !seen.has(eventId));
      for (const { eventId } of fresh) seen.add(eventId);
      made.stored.push(...fresh.map((event) => (event.kind === "message" ? event.text : event.kind)));
      made.cursors.push(cursor);
    },
    cursor: () => "from before",
    reportActivity: () => void made.said.push("alive"),
    setState: (state, cause) => void made.said.push(`${state}: ${cause}`),
    reportRateLimit: () => void made.said.push("limited"),
    fail: (err) => void made.said.push(`failed: ${String(err)}`),
    commands: [{ name: "help", description: "Helps." }],
    log: recorder(made.lines),
    vault: {
      read: async (key) => kept.get(key) ?? null,
      write: async (key, value) => void kept.set(key, value),
      clear: async () => kept.clear(),
    },
  };
  return {
    ...made,
    spool: spoolPath(stateDir, CHANNEL, ACCOUNT),
    refuse: (times) => void (refusals = times),
    async start({ isolate = true, config = {}, clock = systemClock, host: own = {} } = {}) {
      const outside = { stateDir };
      const raw = { isolate, secret: new Secret(CREDENTIAL), ...config };
      const loaded = (await loadChannel(CHANNEL, outside))!;
      const spec = { channel: CHANNEL, account: ACCOUNT, enabled: true, config: raw };
      const channel = await withChannelWorker(loaded, spec, { gatewayDir: stateDir, outside, clock });
      const parsed = channel.parse(raw);
      assert.ok("account" in parsed);
      const abort = new AbortController();
      const live = Promise.withResolvers<Link>();
      const ended = channel.run(parsed.account, { ...host, ...own }, (link) => link && live.resolve(link), abort.signal);
      ended.catch(() => undefined);
      const stop = async (): Promise<void> => {
        abort.abort(new Error("the test stops it"));
        await ended.catch(() => undefined);
      };
      stops.push(stop);
      const link = await Promise.race([live.promise, ended.then(() => assert.fail("it ended before it was live"))]);
      return {
        link,
        send: (text, more = {}, signal = new AbortController().signal) => link.send({ key: text, target, text, ...more }, signal),
        receive: (path) =>
          channel.handleWebhook!(parsed.account, { method: "POST", path, query: "", headers: {}, body: Buffer.from("body") }, host),
        stop,
        ended,
      };
    },
  };
}

function recorder(lines: string[]): Log {
  const at =
    (level: string) =>
    (message: string, fields = {}): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: () => log };
  return log;
}

const idsOf = (result: SendResult): string => (result.state === "sent" ? String(result.ids[0]) : `refused: ${result.reason}`);

/** What is in the spool of an account that does not run. */
function spooled(path: string): string[] {
  const spool = openSpool(path, silentLog);
  try {
    return [...spool.pending()].map(({ body }) => (JSON.parse(body) as { events: { text: string }[] }).events[0]!.text);
  } finally {
    spool.close();
  }
}

test("everything that a link can do is done in the thread, and nothing else is offered", async (t) => {
  const it = scene(t);
  const run = await it.start();
  assert.deepEqual(Object.keys(run.link).toSorted(), ["download", "edit", "lookup", "openThread", "send"]);
  assert.equal(idsOf(await run.send("say:hello")), "hello");
  assert.equal(idsOf(await run.link.edit!(asId<MessageId>("m9"), { key: "k", target, text: "x" }, new AbortController().signal)), "m9");
  assert.equal(await run.link.openThread!(target, "name", asId("m1")), "c name m1");
  const ref = { kind: "file" as const, name: "f", mimeType: "a/b", sizeBytes: 1, url: "where" };
  assert.equal(Buffer.from(await run.link.download!(ref, 7, new AbortController().signal)).toString(), "where 7");
  assert.equal(await run.link.lookup!({ key: "k", target, text: "gone" }), null);
  const bytes = Buffer.from("the bytes of a file");
  const media = { kind: "file" as const, name: "f", mimeType: "a/b", sizeBytes: bytes.length, read: async () => bytes };
  for (let time = 1; time <= 2; time++) assert.equal(idsOf(await run.send("file", { media })), String(bytes));
  assert.equal(idsOf(await run.send("keep:a key")), "a key");
  await until("its state", () => it.said.includes("degraded: for a moment") && it.said.includes("alive"));
});

test("secrets are secrets in the thread, too, and do not leak into its log", async (t) => {
  const it = scene(t);
  const run = await it.start();
  assert.equal(idsOf(await run.send("secret")), CREDENTIAL);
  assert.doesNotMatch(idsOf(await run.send("printed")), new RegExp(CREDENTIAL));
  await until("its line", () => it.lines.some((line) => line.includes("the toy runs")));
  assert.match(it.lines.join("\n"), /"secret":"\[secret\]","commands":\["help"\]/);
  assert.doesNotMatch(it.lines.join("\n"), new RegExp(CREDENTIAL));
});

test("errors keep their class and what they say", async (t) => {
  const run = await scene(t).start();
  const thrown = async (kind: string): Promise<unknown> => run.send(`throw:${kind}`).then(() => assert.fail("it was sent"), (err: unknown) => err); // prettier-ignore
  assert.ok((await thrown("not-sent")) instanceof NotSentError, "a channel that throws it is not taken for a refusal");
  assert.ok((await thrown("type")) instanceof TypeError);
  const plain = (await thrown("plain")) as NodeJS.ErrnoException;
  assert.deepEqual([plain.message, plain.code], ["some trouble", "ETROUBLE"]);
  await assert.rejects(run.link.lookup!({ key: "k", target, text: "x" }), UnknownOutcomeError);
  await run.send("end:terminal");
  await assert.rejects(run.ended, (err: unknown) => err instanceof TerminalError && err.fix === "Ask for mercy.");
});

test("a send that is given up is given up in the thread", async (t) => {
  const run = await scene(t).start();
  const abort = new AbortController();
  const waiting = run.send("wait", {}, abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(waiting, /aborted/);
});

test("events are stored in order, with their cursor, and leave the spool then", async (t) => {
  const it = scene(t);
  const run = await it.start();
  assert.equal(idsOf(await run.send("admit:one")), "after one", "the thread knows its newest cursor");
  await run.send("many:300");
  await until("all of them", () => it.stored.length === 301);
  assert.deepEqual(it.stored, ["one", ...Array.from({ length: 300 }, (_, at) => String(at))]);
  assert.equal(it.cursors[0], "after one");
  await run.stop();
  assert.deepEqual(spooled(it.spool), []);
  assert.equal(statSync(it.spool).mode & 0o777, 0o600);
});

test("what the gateway does not store is offered again, in order", async (t) => {
  const it = scene(t);
  const run = await it.start();
  it.refuse(2);
  for (const word of ["one", "two", "three"]) await run.send(`admit:${word}`);
  await until("all of them", () => it.stored.length === 3);
  assert.deepEqual(it.stored, ["one", "two", "three"]);
});

for (const isolate of [true, false]) {
  test(`what is left in the spool is taken over before the account connects again, ${isolate ? "" : "not "}isolated`, async (t) => {
    const it = scene(t);
    const first = await it.start();
    it.refuse(Infinity);
    await first.send("admit:one");
    await first.send("admit:two");
    await first.stop();
    assert.deepEqual([it.stored, spooled(it.spool)], [[], ["one", "two"]]);
    it.refuse(0);
    const second = await it.start({ isolate });
    assert.deepEqual([it.stored, it.cursors], [["one", "two"], ["after two"]], "at the time when it can send");
    assert.equal(idsOf(await second.send("say:hello")), "hello");
    if (!isolate) assert.ok(!existsSync(it.spool), "nothing of it is left");
  });
}

test("events without an id are refused to the channel, and not acknowledged", async (t) => {
  const run = await scene(t).start();
  await assert.rejects(run.send("nonsense"), TypeError);
});

const ENDS: readonly [deed: string, reason: RegExp][] = [
  ["exit", /ended its thread \(exit code 3\)/],
  ["crash", /crashed: a bug of the toy/],
  ["reject", /crashed: nobody caught this/],
  ["fill", /needed more than \d+ MiB/],
];
for (const [deed, reason] of ENDS) {
  test(`${deed}: it is the end of the thread and of nothing else; what was stored is taken over, a send is unknown`, async (t) => {
    const it = scene(t);
    const run = await it.start();
    await run.send("admit:before it");
    await assert.rejects(run.send(deed), /in the middle of a request/);
    await assert.rejects(run.ended, reason);
    assert.deepEqual([it.stored, spooled(it.spool)], [["before it"], []]);
    assert.match(idsOf(await run.send("say:later")), /refused: the channel's thread has ended/);
  });
}

test("what was stored in the last moment of a thread is taken over, in order", async (t) => {
  const it = scene(t);
  const run = await it.start();
  await assert.rejects(run.send("many-exit:200"));
  await assert.rejects(run.ended, /exit code 0/);
  assert.deepEqual(
    it.stored,
    Array.from({ length: 200 }, (_, at) => String(at)),
  );
  assert.deepEqual(spooled(it.spool), []);
});

test("a thread that does not end is cut off, and what it was never asked is refused", async (t) => {
  const it = scene(t);
  const run = await it.start();
  const spinning = run.send("spin");
  const behind = run.send("say:behind it");
  spinning.catch(() => undefined);
  await run.stop();
  await assert.rejects(spinning, /in the middle of a request/);
  assert.match(idsOf(await behind), /^refused/);
  const stubborn = await it.start({ config: { stubborn: true } });
  await stubborn.stop();
});

for (const deed of ["crash", "reject", "exit", "fill", "end:plain"])
  test(`a thread that ends by "${deed}" ends its own account only`, async (t) => {
    const other = await scene(t).start();
    const run = await scene(t).start();
    run.send(deed).catch(() => undefined);
    await assert.rejects(run.ended, (err: unknown) => err instanceof Error);
    assert.equal(idsOf(await other.send("say:still here")), "still here");
  });

for (const callback of ["reportActivity", "setState"] as const)
  test(`what the gateway's own "${callback}" throws for a thread ends its account only`, async (t) => {
    const other = await scene(t).start();
    const broken = (): never => {
      throw new TypeError(`a bug in ${callback}`);
    };
    await assert.rejects(
      scene(t)
        .start({ host: { [callback]: broken } })
        .then(({ ended }) => ended),
      new RegExp(`a bug in ${callback}`),
    );
    assert.equal(idsOf(await other.send("say:still here")), "still here");
  });

test("events for which the gateway's own admission throws stay in the spool, are logged and offered again", async (t) => {
  const it = scene(t);
  let throws = 1;
  const admitted: number[] = [];
  const admit = (events: readonly ChannelEvent[]): Promise<void> => {
    if (throws-- > 0) throw new TypeError("a bug in admit");
    admitted.push(events.length);
    return Promise.resolve();
  };
  const run = await it.start({ host: { admit } });
  assert.equal(idsOf(await run.send("admit:one")), "after one");
  await until("the event", () => admitted.length === 1);
  assert.match(it.lines.join("\n"), /warn .*not admitted yet .*a bug in admit/);
});

test("an endless loop in a thread is noticed, and ends it", async (t) => {
  const faster = 50;
  const clock: Clock = {
    now: () => Date.now() * faster,
    monotonic: () => performance.now() * faster,
    after: (delayMs, fn) => systemClock.after(delayMs / faster, fn),
  };
  const run = await scene(t).start({ clock });
  const spinning = run.send("spin");
  spinning.catch(() => undefined);
  await assert.rejects(run.ended, /has not answered for 30 s/);
  await assert.rejects(spinning, /in the middle of a request/);
});

test("a pushed request is answered by the thread when it is stored, and refused when the thread has ended", async (t) => {
  const it = scene(t);
  const run = await it.start();
  assert.deepEqual(await run.receive("/hook"), { status: 200, body: "body" });
  await until("the event", () => it.stored.includes("/hook"));
  await run.stop();
  await assert.rejects(run.receive("/hook"), (err: unknown) => err instanceof GatewayError && err.code === "UNAVAILABLE");
});

test("a damaged spool is renamed and reported, and the account starts", async (t) => {
  const it = scene(t);
  mkdirSync(join(it.spool, ".."), { recursive: true });
  writeFileSync(it.spool, "this is not a database, but long enough to be read as one ".repeat(100));
  const run = await it.start();
  await run.send("admit:one");
  await until("the event", () => it.stored.length === 1);
  assert.equal(globSync(`${it.spool}.damaged-*`).length, 1);
  assert.match(readFileSync(globSync(`${it.spool}.damaged-*`)[0]!, "utf8"), /not a database/);
  assert.match(it.lines.join("\n"), /error a spool is damaged and was renamed/);
});

test("the supervisor starts a crashed thread again, and says that the account is isolated", async (t) => {
  const it = scene(t);
  const stateDir = join(it.spool, "../..");
  const outside = { stateDir };
  const states: string[] = [];
  const host = createChannelSupervisor({
    links: new LinkTable(),
    load: (id) => loadChannel(id, outside),
    toWorkerChannel: (channel, spec) => withChannelWorker(channel, spec, { gatewayDir: stateDir, outside }),
    admit: async () => undefined,
    cursor: () => null,
    onState: ({ state, cause, isolated }) => states.push(`${state} ${cause ?? ""} ${isolated}`),
    commands: [],
    clock: systemClock,
    log: silentLog,
    metrics: silentMetrics,
    random: () => 0,
  });
  t.after(() => host.close());
  const account = { channel: CHANNEL, account: ACCOUNT, enabled: true, config: { isolate: true, secret: new Secret("s") } };
  await host.apply({ added: [account], removed: [], restarted: [], updated: [] });
  const link = (): Link | null => host.link(CHANNEL, ACCOUNT);
  await until("a link", () => link() !== null);
  await link()!
    .send({ key: "k", target, text: "exit" }, new AbortController().signal)
    .catch(() => undefined);
  await until("its end", () => link() === null);
  await until("another link", () => link() !== null);
  assert.ok(states.includes("backoff the channel ended its thread (exit code 3) true"), states.join("\n"));
});
