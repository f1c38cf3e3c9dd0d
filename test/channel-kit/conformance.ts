import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "../../src/channels/channel.ts";
import { openTestHost, type TestHost } from "./test-host.ts";
import { scenariosFor } from "./scenarios.ts";
import { virtualTime, type VirtualTime } from "./virtual-time.ts";

/** What the author of a channel supplies: the other side. */
export type ConformancePlatform = {
  config: object;
  /** A second configuration with another credential, for the swap. */
  otherConfig: object;
  /** A configuration that the platform refuses, or null where that cannot be staged. */
  refusedConfig: object | null;
  /** Chat to write to. */
  chat: { kind: "direct" | "group" | "channel"; id: string };
  /** Says something to the bot, as a person. */
  push(text: string, testHost: TestHost): void;
  /** Visible texts that the bot has sent, in order. */
  sent(): readonly string[];
  /** Breaks the connection; `silent`: without closing the socket. `heal` restores it. Absent: there is no connection. */
  drop?(how: "close" | "silent"): void | Promise<void>;
  heal?(): void | Promise<void>;
  /** From now on everything is answered so many milliseconds late, also a new connection. Absent: there is none. */
  slow?(ms: number): void;
  /** The platform sends what it should never send. */
  sendMalformed(testHost: TestHost): void | Promise<void>;
  close(): Promise<void>;
};

/** A channel with the times of the product, and a platform that keeps its own: for what takes hours, in virtual time. */
export type ConformanceSubject = { channel: Channel; openStage: () => Promise<ReconnectPlatform> };
export type ReconnectPlatform = Pick<ConformancePlatform, "config" | "push" | "drop" | "heal" | "slow" | "close">;

type Runner = (testHost: TestHost, platform: ConformancePlatform, channel: Channel) => Promise<void>;

/** Scenarios about a connection that breaks. */
const CONNECTION_FAULTS = [17, 19];
const NO_CONNECTION = "there is no connection";
const BURST = 5_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How often a platform that never answers is asked in half an hour, at most. */
const ATTEMPTS = 25;

/** The room-level scenarios that the kit can run on any platform, by number. */
const RUNNERS: Readonly<Record<number, Runner>> = {
  2: async (testHost) => void (await testHost.state("ready")),
  10: async (testHost, platform) => {
    for (let i = 0; i < 10; i++) platform.push(`m${i}`, testHost);
    await testHost.until(() => testHost.events.length === 10, "ten messages");
    assert.deepEqual(
      testHost.events.map((event) => event.text),
      Array.from({ length: 10 }, (_, i) => `m${i}`),
    );
  },
  17: async (testHost, platform) => {
    await platform.drop!("close");
    await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the loss");
    await platform.heal!();
    await testHost.state("ready");
    await delivered(testHost, platform, "after the loss");
  },
  19: async (testHost, platform) => {
    await platform.drop!("silent");
    await testHost.until(() => testHost.host.status()[0]!.reconnects > 0, "the silence to be noticed");
    await platform.heal!();
    await testHost.state("ready");
  },
  23: async (testHost, platform, channel) => {
    const row = testHost.host.status()[0]!;
    const spec = { channel: channel.id, enabled: true, config: platform.config };
    await testHost.apply([
      { ...spec, account: row.account },
      { ...spec, account: "twin" as typeof row.account },
    ]);
    await testHost.until(() => testHost.host.status()[1]?.state === "terminal", "the second to be refused");
    assert.equal(testHost.host.status()[0]!.state, "ready");
  },
  27: async (testHost, platform, channel) => {
    const { value } = channel.capabilities.maxText;
    for (const text of ["a".repeat(value - 1), "b".repeat(value), "ü🦞 ".repeat(Math.floor(value / 8)), "עברית ".repeat(50)]) {
      const before = platform.sent().length;
      const result = await testHost.send(platform.chat, text);
      assert.equal(result.state, "sent");
      const wanted = text.replaceAll(/\s/g, "");
      const got = (): string => platform.sent().slice(before).join("").replaceAll(/\s/g, "");
      await testHost.until(() => got().length >= wanted.length, "the whole text");
      assert.equal(got(), wanted);
    }
  },
  36: async (testHost, platform, channel) => {
    const { account } = testHost.host.status()[0]!;
    const spec = { channel: channel.id, account, enabled: true };
    const before = testHost.states.length;
    await testHost.apply([{ ...spec, config: structuredClone(platform.config) }]);
    assert.equal(testHost.states.length, before, "nothing happens for the same configuration");
    await testHost.apply([{ ...spec, config: platform.otherConfig }]);
    await testHost.until(() => testHost.states.length > before && testHost.host.status()[0]!.state === "ready", "the swap");
    await delivered(testHost, platform, "after the swap");
  },
  37: async (testHost, platform) => {
    const old = testHost.link();
    await testHost.host.stop(testHost.host.status()[0]!.channel, testHost.host.status()[0]!.account);
    assert.equal(testHost.host.status()[0]!.state, "stopped");
    assert.throws(() => testHost.link());
    assert.equal((await old.send({} as never, new AbortController().signal)).state, "refused");
    assert.deepEqual(platform.sent(), []);
  },
  38: async (testHost, platform) => {
    // The first thousands come while nothing can be stored.
    const full = Promise.withResolvers<void>();
    testHost.stalled.until = full.promise;
    for (let i = 0; i < BURST / 2; i++) platform.push(`n${i}`, testHost);
    await testHost.until(() => testHost.stalled.waiting > 0, "the first to be stored");
    for (let i = BURST / 2; i < BURST; i++) platform.push(`n${i}`, testHost);
    testHost.stalled.until = null;
    full.resolve();
    await testHost.until(() => testHost.events.length >= BURST, "all of them");
    assert.deepEqual(
      testHost.events.map((event) => event.text),
      Array.from({ length: BURST }, (_, i) => `n${i}`),
    );
  },
  39: async (testHost, platform) => {
    await platform.sendMalformed(testHost);
    platform.push("sense", testHost);
    await testHost.until(() => testHost.events.some((event) => event.text === "sense"), "the message");
    await delivered(testHost, platform, "after the nonsense");
    assert.equal(testHost.host.status()[0]!.reconnects, 0);
  },
  40: async (testHost) => {
    const started = performance.now();
    await testHost.close();
    assert.ok(performance.now() - started < 2_000);
  },
};

async function delivered(testHost: TestHost, platform: ConformancePlatform, text: string): Promise<void> {
  let result = await testHost.send(platform.chat, text);
  // A channel may still be joining its room; a refusal says so, and promises that nothing was sent.
  while (result.state === "refused" && result.retryable) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    result = await testHost.send(platform.chat, text);
  }
  assert.equal(result.state, "sent");
  await testHost.until(() => platform.sent().includes(text), "the text");
}

type ReconnectRunner = (testHost: TestHost, platform: ReconnectPlatform, time: VirtualTime) => Promise<void>;

/** Scenarios in virtual time. `before`: what is done to the platform before the channel connects. */
const RECONNECT_RUNNERS: readonly { name: string; before?: (platform: ReconnectPlatform) => unknown; run: ReconnectRunner }[] = [
  {
    name: "scenario 20: a platform that takes ten seconds for each answer is waited for",
    before: (platform) => platform.slow!(10_000),
    async run(testHost, _stage, time) {
      await time.until(() => isReady(testHost), "the connection", 3 * MINUTE_MS);
      assert.equal(testHost.host.status()[0]!.reconnects, 0);
    },
  },
  {
    name: "scenario 20: a platform that does not answer is asked more and more seldom, and is used once it does",
    before: (platform) => platform.drop!("silent"),
    async run(testHost, platform, time) {
      const waits = (): number => testHost.states.filter(({ state }) => state === "backoff").length;
      await time.until(() => waits() > 0, "the end of the first attempt", 10 * MINUTE_MS);
      await time.pass(30 * MINUTE_MS);
      assert.ok(waits() > 2 && waits() < ATTEMPTS, `${waits()} attempts`);
      await platform.heal!();
      await time.until(() => isReady(testHost), "the connection", 10 * MINUTE_MS);
    },
  },
  {
    name: "scenario 21: a connection survives a day of silence",
    async run(testHost, platform, time) {
      await time.until(() => isReady(testHost), "the connection", MINUTE_MS);
      const before = testHost.states.length;
      await time.pass(DAY_MS);
      assert.deepEqual(testHost.states.slice(before), []);
      assert.equal(testHost.host.status()[0]!.reconnects, 0);
      platform.push("good morning", testHost);
      await time.until(() => testHost.events.length === 1, "the first message of the next day", MINUTE_MS);
    },
  },
];

const isReady = (testHost: TestHost): boolean => testHost.host.status()[0]?.state === "ready";

function testReconnects({ channel, openStage }: ConformanceSubject, skip: string | false): void {
  for (const { name, before, run } of RECONNECT_RUNNERS) {
    test(name, { skip }, async (t) => {
      const platform = await openStage();
      if (before && !platform.slow) {
        await platform.close();
        return t.skip(NO_CONNECTION);
      }
      const time = virtualTime(t);
      await before?.(platform);
      const testHost = await openTestHost(channel, platform.config);
      try {
        await run(testHost, platform, time);
      } finally {
        time.end();
        await testHost.close();
        await platform.close();
      }
    });
  }
}

/**
 * Runs every room-level scenario that applies, each on a fresh platform. `skip`: why the other side is missing, or false. `patient`: with
 * what the scenarios of hours are played.
 */
export function testConformance(
  channel: Channel,
  openStage: () => Promise<ConformancePlatform>,
  skip: string | false,
  patient?: ConformanceSubject,
): void {
  if (patient) testReconnects(patient, skip);
  for (const scenario of scenariosFor(channel.capabilities, "room")) {
    const runner = RUNNERS[scenario.number];
    if (!runner) continue;
    test(`scenario ${scenario.number}: ${scenario.name}`, { skip }, async (t) => {
      const platform = await openStage();
      if (CONNECTION_FAULTS.includes(scenario.number) && !platform.drop) {
        await platform.close();
        return t.skip(NO_CONNECTION);
      }
      const testHost = await openTestHost(channel, platform.config);
      try {
        await testHost.state("ready");
        await runner(testHost, platform, channel);
      } finally {
        await testHost.close();
        await platform.close();
      }
    });
  }
  test("a refused credential is terminal and is tried once (scenario 22)", { skip }, async (t) => {
    const platform = await openStage();
    try {
      if (!platform.refusedConfig) return t.skip("the credential is checked with each message only");
      const testHost = await openTestHost(channel, platform.refusedConfig);
      const status = await testHost.state("terminal");
      assert.ok(status.cause && status.fix);
      assert.equal(status.reconnects, 0);
      await testHost.close();
    } finally {
      await platform.close();
    }
  });
}
