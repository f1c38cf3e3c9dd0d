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
  push(text: string, rig: TestHost): void;
  /** Visible texts that the bot has sent, in order. */
  sent(): readonly string[];
  /** Breaks the connection; `silent`: without closing the socket. `heal` restores it. Absent: there is no connection. */
  drop?(how: "close" | "silent"): void | Promise<void>;
  heal?(): void | Promise<void>;
  /** From now on everything is answered so many milliseconds late, also a new connection. Absent: there is none. */
  slow?(ms: number): void;
  /** The platform sends what it should never send. */
  sendMalformed(rig: TestHost): void | Promise<void>;
  close(): Promise<void>;
};

/** A channel with the times of the product, and a platform that keeps its own: for what takes hours, in virtual time. */
export type ConformanceSubject = { channel: Channel; openStage: () => Promise<ReconnectPlatform> };
export type ReconnectPlatform = Pick<ConformancePlatform, "config" | "push" | "drop" | "heal" | "slow" | "close">;

type Runner = (rig: TestHost, stage: ConformancePlatform, channel: Channel) => Promise<void>;

/** Scenarios about a connection that breaks. */
const CONNECTION_FAULTS = [17, 19];
const NO_CONNECTION = "there is no connection";
const BURST = 5_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How often a platform that never answers is asked in half an hour, at most. */
const ATTEMPTS = 25;

/** The room-level scenarios that the kit can play on any stage, by number. */
const RUNNERS: Readonly<Record<number, Runner>> = {
  2: async (rig) => void (await rig.state("ready")),
  10: async (rig, stage) => {
    for (let i = 0; i < 10; i++) stage.push(`m${i}`, rig);
    await rig.until(() => rig.events.length === 10, "ten messages");
    assert.deepEqual(
      rig.events.map((event) => event.text),
      Array.from({ length: 10 }, (_, i) => `m${i}`),
    );
  },
  17: async (rig, stage) => {
    await stage.drop!("close");
    await rig.until(() => rig.host.status()[0]!.reconnects > 0, "the loss");
    await stage.heal!();
    await rig.state("ready");
    await delivered(rig, stage, "after the loss");
  },
  19: async (rig, stage) => {
    await stage.drop!("silent");
    await rig.until(() => rig.host.status()[0]!.reconnects > 0, "the silence to be noticed");
    await stage.heal!();
    await rig.state("ready");
  },
  23: async (rig, stage, channel) => {
    const row = rig.host.status()[0]!;
    const spec = { channel: channel.id, enabled: true, config: stage.config };
    await rig.apply([
      { ...spec, account: row.account },
      { ...spec, account: "twin" as typeof row.account },
    ]);
    await rig.until(() => rig.host.status()[1]?.state === "terminal", "the second to be refused");
    assert.equal(rig.host.status()[0]!.state, "ready");
  },
  27: async (rig, stage, channel) => {
    const { value } = channel.capabilities.maxText;
    for (const text of ["a".repeat(value - 1), "b".repeat(value), "ü🦞 ".repeat(Math.floor(value / 8)), "עברית ".repeat(50)]) {
      const before = stage.sent().length;
      const result = await rig.send(stage.chat, text);
      assert.equal(result.state, "sent");
      const wanted = text.replaceAll(/\s/g, "");
      const got = (): string => stage.sent().slice(before).join("").replaceAll(/\s/g, "");
      await rig.until(() => got().length >= wanted.length, "the whole text");
      assert.equal(got(), wanted);
    }
  },
  36: async (rig, stage, channel) => {
    const { account } = rig.host.status()[0]!;
    const spec = { channel: channel.id, account, enabled: true };
    const before = rig.states.length;
    await rig.apply([{ ...spec, config: structuredClone(stage.config) }]);
    assert.equal(rig.states.length, before, "nothing happens for the same configuration");
    await rig.apply([{ ...spec, config: stage.otherConfig }]);
    await rig.until(() => rig.states.length > before && rig.host.status()[0]!.state === "ready", "the swap");
    await delivered(rig, stage, "after the swap");
  },
  37: async (rig, stage) => {
    const old = rig.link();
    await rig.host.stop(rig.host.status()[0]!.channel, rig.host.status()[0]!.account);
    assert.equal(rig.host.status()[0]!.state, "stopped");
    assert.throws(() => rig.link());
    assert.equal((await old.send({} as never, new AbortController().signal)).state, "refused");
    assert.deepEqual(stage.sent(), []);
  },
  38: async (rig, stage) => {
    // The first thousands come while nothing can be stored.
    const full = Promise.withResolvers<void>();
    rig.stalled.until = full.promise;
    for (let i = 0; i < BURST / 2; i++) stage.push(`n${i}`, rig);
    await rig.until(() => rig.stalled.waiting > 0, "the first to be stored");
    for (let i = BURST / 2; i < BURST; i++) stage.push(`n${i}`, rig);
    rig.stalled.until = null;
    full.resolve();
    await rig.until(() => rig.events.length >= BURST, "all of them");
    assert.deepEqual(
      rig.events.map((event) => event.text),
      Array.from({ length: BURST }, (_, i) => `n${i}`),
    );
  },
  39: async (rig, stage) => {
    await stage.sendMalformed(rig);
    stage.push("sense", rig);
    await rig.until(() => rig.events.some((event) => event.text === "sense"), "the message");
    await delivered(rig, stage, "after the nonsense");
    assert.equal(rig.host.status()[0]!.reconnects, 0);
  },
  40: async (rig) => {
    const started = performance.now();
    await rig.close();
    assert.ok(performance.now() - started < 2_000);
  },
};

async function delivered(rig: TestHost, stage: ConformancePlatform, text: string): Promise<void> {
  let result = await rig.send(stage.chat, text);
  // A channel may still be joining its room; a refusal says so, and promises that nothing was sent.
  while (result.state === "refused" && result.retryable) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    result = await rig.send(stage.chat, text);
  }
  assert.equal(result.state, "sent");
  await rig.until(() => stage.sent().includes(text), "the text");
}

type ReconnectRunner = (rig: TestHost, stage: ReconnectPlatform, time: VirtualTime) => Promise<void>;

/** Scenarios in virtual time. `before`: what is done to the platform before the channel connects. */
const RECONNECT_RUNNERS: readonly { name: string; before?: (stage: ReconnectPlatform) => unknown; play: ReconnectRunner }[] = [
  {
    name: "scenario 20: a platform that takes ten seconds for each answer is waited for",
    before: (stage) => stage.slow!(10_000),
    async play(rig, _stage, time) {
      await time.until(() => isReady(rig), "the connection", 3 * MINUTE_MS);
      assert.equal(rig.host.status()[0]!.reconnects, 0);
    },
  },
  {
    name: "scenario 20: a platform that does not answer is asked more and more seldom, and is used once it does",
    before: (stage) => stage.drop!("silent"),
    async play(rig, stage, time) {
      const waits = (): number => rig.states.filter(({ state }) => state === "backoff").length;
      await time.until(() => waits() > 0, "the end of the first attempt", 10 * MINUTE_MS);
      await time.pass(30 * MINUTE_MS);
      assert.ok(waits() > 2 && waits() < ATTEMPTS, `${waits()} attempts`);
      await stage.heal!();
      await time.until(() => isReady(rig), "the connection", 10 * MINUTE_MS);
    },
  },
  {
    name: "scenario 21: a connection survives a day of silence",
    async play(rig, stage, time) {
      await time.until(() => isReady(rig), "the connection", MINUTE_MS);
      const before = rig.states.length;
      await time.pass(DAY_MS);
      assert.deepEqual(rig.states.slice(before), []);
      assert.equal(rig.host.status()[0]!.reconnects, 0);
      stage.push("good morning", rig);
      await time.until(() => rig.events.length === 1, "the first message of the next day", MINUTE_MS);
    },
  },
];

const isReady = (rig: TestHost): boolean => rig.host.status()[0]?.state === "ready";

function testReconnects({ channel, openStage }: ConformanceSubject, skip: string | false): void {
  for (const { name, before, play } of RECONNECT_RUNNERS) {
    test(name, { skip }, async (t) => {
      const stage = await openStage();
      if (before && !stage.slow) {
        await stage.close();
        return t.skip(NO_CONNECTION);
      }
      const time = virtualTime(t);
      await before?.(stage);
      const rig = await openTestHost(channel, stage.config);
      try {
        await play(rig, stage, time);
      } finally {
        time.end();
        await rig.close();
        await stage.close();
      }
    });
  }
}

/**
 * Plays every room-level scenario that applies, each on a fresh stage. `skip`: why the other side is missing, or false. `patient`: with
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
      const stage = await openStage();
      if (CONNECTION_FAULTS.includes(scenario.number) && !stage.drop) {
        await stage.close();
        return t.skip(NO_CONNECTION);
      }
      const rig = await openTestHost(channel, stage.config);
      try {
        await rig.state("ready");
        await runner(rig, stage, channel);
      } finally {
        await rig.close();
        await stage.close();
      }
    });
  }
  test("a refused credential is terminal and is tried once (scenario 22)", { skip }, async (t) => {
    const stage = await openStage();
    try {
      if (!stage.refusedConfig) return t.skip("the credential is checked with each message only");
      const rig = await openTestHost(channel, stage.refusedConfig);
      const status = await rig.state("terminal");
      assert.ok(status.cause && status.fix);
      assert.equal(status.reconnects, 0);
      await rig.close();
    } finally {
      await stage.close();
    }
  });
}
