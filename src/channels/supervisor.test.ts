import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { asId, type AccountId, type ChannelId, type ChatId, type MessageId, type SenderId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { channelBackoffMs } from "./account-supervisor.ts";
import { TerminalError, type Channel, type ChannelContext as RunHost, type InboundMessage, type Link } from "./channel.ts";
import { accountApplier } from "../../test/fakes/account-changes.ts";
import type { AccountSpec, AccountStatus } from "./account-types.ts";
import { LinkTable } from "./link-table.ts";
import { createChannelSupervisor } from "./supervisor.ts";

const id = asId<ChannelId>("demo");

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

type Run = { account: Demo; host: RunHost; live: (link: Link | null) => void; signal: AbortSignal; end: (err?: Error) => void };
type Demo = { token: string; stubborn?: boolean };
const link: Link = { send: async () => ({ state: "sent", ids: [] }) };

function scene(parse: (raw: Demo) => ReturnType<Channel["parse"]> = (raw) => ({ account: raw })) {
  const runs: Run[] = [];
  const states: AccountStatus[] = [];
  const admitted: InboundMessage[] = [];
  const clock = new FakeClock(1_000);
  const channel: Channel = {
    id,
    label: "Demo",
    capabilities: {
      chatKinds: ["direct"],
      maxText: { unit: "utf16", value: 100 },
      markup: "plain",
      ack: "none",
      idempotency: "none",
      edit: false,
      typing: false,
      reactions: false,
      media: { in: false, out: false },
      buttons: false,
      commands: false,
      polls: false,
      events: [],
    },
    parse: (raw) => parse(raw as Demo),
    identity: (account) => (account as Demo).token,
    verify: async () => ({ name: "demo" }),
    parseChat: () => null,
    run: (account, host, live, signal) =>
      new Promise((resolve, reject) => {
        const end = (err?: Error): void => (err ? reject(err) : resolve());
        runs.push({ account: account as Demo, host, live, signal, end });
        if (!(account as Demo).stubborn) signal.addEventListener("abort", () => resolve());
      }),
  };
  const links = new LinkTable();
  const host = createChannelSupervisor({
    links,
    load: async (wanted) => (wanted === id ? channel : null),
    admit: async (_channel, _account, events) => void admitted.push(...events.filter((each) => each.kind === "message")),
    cursor: () => "c1",
    onState: (status) => states.push(status),
    clock,
    log: silentLog,
    metrics: silentMetrics,
    random: () => 0,
    commands: [],
  });
  const spec = (config: Demo, account = "default", enabled = true): AccountSpec => ({
    channel: id,
    account: asId<AccountId>(account),
    enabled,
    config,
  });
  return {
    runs,
    states,
    admitted,
    clock,
    links,
    host: { ...host, apply: accountApplier(host) },
    spec,
    path: () => states.map((status) => status.state).join(" "),
  };
}

const event: InboundMessage = {
  kind: "message",
  eventId: "e1",
  account: asId<AccountId>("someone-else"),
  chat: { kind: "direct", id: asId<ChatId>("c") },
  sender: { id: asId<SenderId>("s"), isBot: false, isSelf: false },
  message: asId<MessageId>("m"),
  text: "x",
  media: [],
  mentionsSelf: true,
  sentAt: 0,
  origin: "live",
};

test("an account connects, is ready, and its link is found at send time only", async () => {
  const { host, runs, spec, path } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  assert.equal(host.link(id, asId("default")), null);
  runs[0]!.live(link);
  assert.equal(host.status()[0]!.state, "ready");
  const found = host.link(id, asId("default"))!;
  assert.equal((await found.send({} as never, new AbortController().signal)).state, "sent");
  assert.ok(host.status()[0]!.lastWriteAt! > 0);
  runs[0]!.live(null);
  assert.equal(host.link(id, asId("default")), null);
  const late = await found.send({} as never, new AbortController().signal);
  assert.equal(late.state, "sent", "the object still serves its own connection");
  assert.equal(path(), "connecting ready connecting");
});

test("an account that reported a problem before it connected is known as able to send", async () => {
  const { host, links, runs, spec, path } = scene();
  const up: string[] = [];
  links.onUp((channel, account) => void up.push(`${channel}/${account} ${links.get(channel, account) !== null}`));
  await host.apply([spec({ token: "t" })]);
  await settle();
  runs[0]!.host.setState("degraded", "slow");
  assert.deepEqual(up, []);
  runs[0]!.live(link);
  runs[0]!.live(null);
  runs[0]!.live(link);
  assert.deepEqual(up, ["demo/default true", "demo/default true"]);
  assert.equal(path(), "connecting degraded connecting ready");
});

test("a link of a lost connection refuses instead of writing", async () => {
  const { host, runs, spec, clock } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  runs[0]!.live(link);
  const old = host.link(id, asId("default"))!;
  runs[0]!.end(new Error("lost"));
  await clock.advanceSettled(1_000);
  const result = await old.send({} as never, new AbortController().signal);
  assert.ok(result.state === "refused" && result.retryable);
});

test("failures back off without an end: doubling, capped at five minutes", async () => {
  const { host, runs, spec, clock } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  for (let attempt = 1; attempt <= 30; attempt++) {
    runs.at(-1)!.end(new Error("no route"));
    await settle();
    const status = host.status()[0]!;
    assert.equal(status.state, "backoff");
    assert.equal(status.cause, "no route");
    const waitMs = status.retryAt! - clock.now();
    assert.equal(waitMs, channelBackoffMs(attempt, 0));
    await clock.advanceSettled(waitMs);
    assert.equal(runs.length, attempt + 1);
  }
  assert.equal(host.status()[0]!.reconnects, 30);
});

for (const [n, least, most] of [
  [1, 250, 500],
  [2, 500, 1_000],
  [5, 4_000, 8_000],
  [11, 150_000, 300_000],
  [1_000, 150_000, 300_000],
] as const) {
  test(`the pause before retry ${n} lies between ${least} and ${most} ms`, () => {
    assert.equal(channelBackoffMs(n, 0), least);
    assert.ok(channelBackoffMs(n, 0.999) <= most && channelBackoffMs(n, 0.999) > least);
  });
}

test("a connection that was stable starts again from the shortest pause; an unstable one does not", async () => {
  const { host, runs, spec, clock } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  for (const [readyForMs, wanted] of [
    [0, 1],
    [1_000, 2],
    [1_000, 3],
    [60_000, 1],
    [10, 2],
  ] as const) {
    runs.at(-1)!.live(link);
    await clock.advanceSettled(readyForMs);
    runs.at(-1)!.end();
    await settle();
    const waitMs = host.status()[0]!.retryAt! - clock.now();
    assert.equal(waitMs, channelBackoffMs(wanted, 0));
    await clock.advanceSettled(waitMs);
  }
});

test("quiet for a day is not a fault", async () => {
  const { host, runs, spec, clock } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  runs[0]!.live(link);
  await clock.advanceSettled(24 * 3_600_000);
  assert.equal(runs.length, 1);
  assert.equal(host.status()[0]!.state, "ready");
});

test("terminal is loud and final until the configuration changes or someone starts it", async () => {
  const { host, runs, spec, clock } = scene();
  await host.apply([spec({ token: "t" })]);
  await settle();
  runs[0]!.end(new TerminalError("token revoked", "make another token"));
  await clock.advanceSettled(24 * 3_600_000);
  const status = host.status()[0]!;
  assert.deepEqual([status.state, status.cause, status.fix, runs.length], ["terminal", "token revoked", "make another token", 1]);
  host.start(id, asId("default"));
  await settle();
  assert.equal(runs.length, 2);
});

test("a bad configuration is terminal with the path, and another account still runs", async () => {
  const { host, runs, spec } = scene((raw) =>
    raw.token ? { account: raw } : { issues: [{ path: "token", message: "is missing", fix: "set it" }] },
  );
  await host.apply([spec({ token: "" }, "bad"), spec({ token: "t" }, "good")]);
  await settle();
  const bad = host.status().find((row) => row.account === "bad")!;
  assert.deepEqual([bad.state, bad.cause, bad.fix], ["terminal", "token: is missing", "set it"]);
  assert.equal(runs.length, 1);
});

test("an unknown channel is terminal", async () => {
  const { host } = scene();
  await host.apply([{ channel: asId("nope"), account: asId("default"), enabled: true, config: {} }]);
  await settle();
  assert.equal(host.status()[0]!.state, "terminal");
});

test("one credential never runs twice; the second waits and takes over", async () => {
  const { host, runs, spec } = scene();
  await host.apply([spec({ token: "t" }, "a"), spec({ token: "t" }, "b")]);
  await settle();
  assert.equal(runs.length, 1);
  const second = host.status().find((row) => row.account === "b")!;
  assert.equal(second.state, "terminal");
  assert.match(second.cause!, /demo\/a uses the same credential/);
  await host.stop(id, asId("a"));
  await settle();
  assert.equal(runs.length, 2);
  assert.ok(runs[0]!.signal.aborted && !runs[1]!.signal.aborted);
});

test("a run that does not end is abandoned after two seconds, cannot store, and keeps its credential leased", async () => {
  const { host, runs, spec, clock, admitted } = scene();
  await host.apply([spec({ token: "t", stubborn: true })]);
  await settle();
  runs[0]!.live(link);
  const stopping = host.stop(id, asId("default"));
  await runs[0]!.host.admit([event]);
  assert.equal(admitted.length, 1, "what was already read may be stored while it stops");
  await clock.advanceSettled(2_000);
  await stopping;
  assert.equal(host.status()[0]!.state, "stopped");
  await assert.rejects(runs[0]!.host.admit([event]), /replaced/);
  runs[0]!.host.setState("ready");
  runs[0]!.live(link);
  assert.equal(host.status()[0]!.state, "stopped", "a stale run says nothing any more");
  assert.equal(host.link(id, asId("default")), null);
  host.start(id, asId("default"));
  await settle();
  assert.equal(runs.length, 1, "not before the old one has ended");
  assert.match(host.status()[0]!.cause!, /previous connection/);
  runs[0]!.end();
  await settle();
  assert.equal(runs.length, 2);
});

test("apply touches only what changed", async () => {
  const { host, runs, spec } = scene();
  await host.apply([spec({ token: "1" }, "a"), spec({ token: "2" }, "b"), spec({ token: "3" }, "c")]);
  await settle();
  await host.apply([spec({ token: "1" }, "a"), spec({ token: "2x" }, "b"), spec({ token: "4" }, "d")]);
  await settle();
  assert.deepEqual(
    runs.map((run) => [run.account.token, run.signal.aborted]),
    [
      ["1", false],
      ["2", true],
      ["3", true],
      ["4", false],
      ["2x", false],
    ],
  );
  assert.deepEqual(
    host.status().map((row) => row.account),
    ["a", "b", "d"],
  );
  await host.apply([spec({ token: "1" }, "a", false), spec({ token: "2x" }, "b"), spec({ token: "4" }, "d")]);
  await settle();
  assert.deepEqual([host.status()[0]!.state, host.status()[0]!.cause], ["stopped", "disabled in the configuration"]);
});

test("an account that was stopped by hand stays stopped through a reload", async () => {
  const { host, runs, spec } = scene();
  await host.apply([spec({ token: "1" })]);
  await settle();
  await host.stop(id, asId("default"));
  await host.apply([spec({ token: "2" })]);
  await settle();
  assert.equal(runs.length, 1);
  host.start(id, asId("default"));
  await settle();
  assert.equal(runs[1]!.account.token, "2");
});

test("events carry the account of their host, whatever the channel says", async () => {
  const { host, runs, spec, admitted } = scene();
  await host.apply([spec({ token: "1" })]);
  await settle();
  await runs[0]!.host.admit([event], "c2");
  assert.equal(admitted[0]!.account, "default");
  assert.equal(runs[0]!.host.cursor(), "c1");
  assert.ok(host.status()[0]!.lastEventAt! > 0);
});

test("only a message of a person counts as the last message", async () => {
  const { host, runs, spec } = scene();
  await host.apply([spec({ token: "1" })]);
  await settle();
  await runs[0]!.host.admit([], "c1");
  const { lastMessageAt, lastEventAt } = host.status()[0]!;
  assert.deepEqual([lastMessageAt, lastEventAt], [null, null], "a position without an event");
  const { eventId, account, sentAt, origin } = event;
  await runs[0]!.host.admit([{ kind: "unreadable", eventId, account, sentAt, origin, raw: "{}", cause: "odd" }]);
  assert.equal(host.status()[0]!.lastMessageAt, null);
  assert.ok(host.status()[0]!.lastEventAt! > 0);
  await runs[0]!.host.admit([event]);
  assert.ok(host.status()[0]!.lastMessageAt! > 0);
});

test("webhook requests are refused where no account handles them", async () => {
  const { host, spec } = scene();
  await host.apply([spec({ token: "1" })]);
  await settle();
  const request = { method: "POST", path: "/", query: "", headers: {}, body: new Uint8Array() };
  await assert.rejects(host.receive(id, asId("default"), request), /does not accept HTTP requests/);
  await assert.rejects(host.receive(id, asId("ghost"), request), /no account/);
});

test("a callback that fails ends its connection, which is made again after a pause", async () => {
  const { runs, host, spec, clock, path } = scene();
  await host.apply([spec({ token: "a" }), spec({ token: "b" }, "other")]);
  await settle();
  for (const run of runs) run.live(link);
  const [first, other] = runs;
  first!.host.fail(new TypeError("a bug"));
  first!.host.fail(new TypeError("a second one"));
  await settle();
  assert.equal(first!.signal.aborted, true);
  assert.equal(other!.signal.aborted, false);
  const [status] = host.status();
  assert.deepEqual([status!.state, status!.cause], ["backoff", "a bug"]);
  await clock.advanceSettled(60_000);
  assert.equal(runs.length, 3, path());
  await host.close();
});

test("a failed connection that does not end is abandoned, and the next one is made", async () => {
  const { runs, host, spec, clock } = scene();
  await host.apply([spec({ token: "a", stubborn: true })]);
  await settle();
  runs[0]!.host.fail(new Error("a bug"));
  await clock.advanceSettled(60_000);
  assert.equal(runs.length, 2);
  await assert.rejects(runs[0]!.host.admit([event]), /replaced/);
  runs[1]!.end();
  await host.close();
});
