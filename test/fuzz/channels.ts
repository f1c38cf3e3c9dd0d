import type { Channel, ChannelContext } from "../../src/channels/channel.ts";
import { systemClock } from "../../src/core/clock.ts";
import { openTestHost, type TestHost } from "../channel-kit/test-host.ts";
import { CHANNEL_TARGETS, type ChannelTarget } from "./channel-targets.ts";

export type ChannelFuzzSummary = {
  channel: string;
  pushed: number;
  /** Events that were stored, by their kind. */
  stored: Readonly<Record<string, number>>;
  /** What went wrong; empty when nothing did. */
  faults: readonly string[];
};

type Random = (below: number) => number;
type Json = Record<string, unknown>;

const ODD: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => -1,
  () => 1e308,
  () => 0.5,
  () => true,
  () => "",
  () => "x".repeat(5_000),
  () => "\ud800\u0000\u202e\u001b[2J",
  () => "2026-13-45T99:99:99Z",
  () => "99999999999999999999999999",
  () => [],
  () => [null, [[]], {}],
  () => ({}),
  () => ({ id: { id: { id: null } } }),
  () => ({ toString: 1, constructor: null, length: -5 }),
  () => JSON.parse('{"__proto__":{"polluted":true}}') as unknown,
  (random) => ">".repeat(random(3_000)),
  (random) => "[a](".repeat(random(500)),
  (random) => Array.from({ length: random(50) }, (_, i) => ({ type: "mention", offset: i - 5, length: random(10) - 2, id: i })),
  () => nested(200),
];
const KEYS =
  "id type chat message text from user channel data account envelope timestamp date entities attachments media reactions quote thread event".split(
    " ",
  );

function nested(depth: number): unknown {
  let value: unknown = "deep";
  for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { value };
  return value;
}

/** A copy in which some fields are odd, missing or new. */
export function mutate(value: unknown, random: Random, changes = 1 + random(3)): unknown {
  const copy = structuredClone(value) as Json;
  for (let i = 0; i < changes; i++) {
    let at: Json = copy;
    for (let depth = random(5); depth > 0; depth--) {
      const inner = Object.values(at).filter((each) => typeof each === "object" && each !== null);
      if (inner.length === 0) break;
      at = inner[random(inner.length)] as Json;
    }
    const keys = Object.keys(at);
    const key = keys.length > 0 && random(4) > 0 ? keys[random(keys.length)]! : KEYS[random(KEYS.length)]!;
    if (random(5) === 0) delete at[key];
    else at[key] = ODD[random(ODD.length)]!(random);
  }
  return copy;
}

/** The events of Discord are told apart by a name beside their data. */
const DISCORD_TYPES =
  "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE INTERACTION_CREATE GUILD_CREATE CHANNEL_UPDATE CHANNEL_DELETE THREAD_LIST_SYNC TYPING_START".split(
    " ",
  );

function oddEvent(target: ChannelTarget, random: Random): unknown {
  const sample = target.sample(`hello ${random(1_000)}`);
  if (random(20) === 0) return ODD[random(ODD.length)]!(random);
  const event = mutate(sample, random) as Json;
  if (target.channel.id === "discord" && random(2) === 0) event["type"] = DISCORD_TYPES[random(DISCORD_TYPES.length)];
  return event;
}

/** Events between two messages of which the arrival is waited for. */
const ROUND = 50;

/** Sends odd events through the real connection of one channel, and looks that ordinary messages go on to arrive. */
export async function fuzzChannel(name: string, events: number, seed: number): Promise<ChannelFuzzSummary> {
  let state = seed % 2_147_483_647 || 1;
  const random: Random = (below) => (below <= 0 ? 0 : (state = (state * 48_271) % 2_147_483_647) % below);
  const faults: string[] = [];
  const target = await CHANNEL_TARGETS[name]!(systemClock);
  const testHost = await openTestHost(
    watched(target.channel, (err) => faults.push(`a callback threw: ${err instanceof Error ? err.stack : String(err)}`)),
    target.config,
  );
  let pushed = 0;
  try {
    await testHost.state("ready");
    while (pushed < events && faults.length === 0) {
      for (let i = 0; i < ROUND && pushed < events; i++, pushed++)
        await Promise.resolve(target.push(oddEvent(target, random), testHost)).catch((err: unknown) =>
          faults.push(`a request was not answered: ${String(err)}`),
        );
      await expectMessage(target, testHost, `marker ${pushed}`);
    }
    await expectNothingAcknowledged(target, testHost, faults);
    const { state: link, cause } = testHost.host.status()[0]!;
    if (link !== "ready") faults.push(`the account is ${link}: ${cause}`);
    if (({} as Json)["polluted"] !== undefined) faults.push("a prototype was changed");
  } catch (err) {
    faults.push(String(err));
  } finally {
    await testHost.close();
    await target.close();
  }
  const stored: Record<string, number> = {};
  for (const { kind } of [...testHost.events, ...testHost.others]) stored[kind] = (stored[kind] ?? 0) + 1;
  return { channel: name, pushed, stored, faults };
}

/** The channel, with a host that tells of failures. */
function watched(channel: Channel, onFailure: (err: unknown) => void): Channel {
  const told = (host: ChannelContext): ChannelContext => ({
    ...host,
    fail(err) {
      onFailure(err);
      host.fail(err);
    },
  });
  const { handleWebhook: receive } = channel;
  return {
    ...channel,
    run: (account, host, live, signal) => channel.run(account, told(host), live, signal),
    ...(receive && { handleWebhook: (account, request, host) => receive(account, request, told(host)) }),
  };
}

async function expectMessage(target: ChannelTarget, testHost: TestHost, text: string): Promise<void> {
  await target.say(text, testHost);
  await testHost.until(() => testHost.events.some((event) => event.text.endsWith(text)), `"${text}" after odd events`);
}

/** While nothing can be stored, nothing is acknowledged to the platform. */
async function expectNothingAcknowledged(target: ChannelTarget, testHost: TestHost, faults: string[]): Promise<void> {
  if (target.unacknowledged() === null) return;
  await testHost.until(() => target.unacknowledged() === 0, "the acknowledgements");
  testHost.failures.admit = new Error("disk full");
  await target.say("while the disk is full", testHost);
  await testHost.state("degraded");
  if (target.unacknowledged() !== 1) faults.push("an event was acknowledged that is not stored");
  testHost.failures.admit = null;
  await testHost.until(
    () => testHost.events.some(({ text }) => text.endsWith("while the disk is full")),
    "the message after the disk was full",
  );
  await testHost.state("ready");
}

export const FUZZED_CHANNELS = Object.keys(CHANNEL_TARGETS);
