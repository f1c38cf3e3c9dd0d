import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import type { RoutingConfig } from "../routing/types.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest } from "../../test/fakes/ingest-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const bot: Partial<InboundMessage> = { sender: { id: asId("robot"), isBot: true, isSelf: false } };
const allow = (allowBots: unknown, more: object = {}): RoutingConfig => ({
  channels: { irc: { groupPolicy: "open", dmPolicy: "open", allowFrom: ["*"], allowBots, requireMention: false, ...more } },
});

for (const [allowBots, plain, mentioned] of [
  [undefined, 0, 0],
  [false, 0, 0],
  [true, 1, 1],
  ["mentions", 0, 1],
  ["yes", 0, 0],
] as const) {
  test(`allowBots ${allowBots}: a bot gets ${plain} answers, and ${mentioned} when it addresses this one`, async () => {
    const bench = openIngest(allow(allowBots));
    await bench.ingest.admit(irc, account, [inGroup("1", "beep", bot)]);
    await bench.ingest.admit(irc, account, [inGroup("2", "beep", { ...bot, mentionsSelf: true })]);
    assert.equal(bench.inbox.byEvent("irc", "default", "1") ? 1 : 0, plain);
    assert.equal(bench.inbox.byEvent("irc", "default", "2") ? 1 : 0, mentioned);
    await until(() => bench.runtime.prompts.length === plain + mentioned);
    bench.close();
  });
}

test("a bot that answers every answer is left alone beyond the budget; people and other bots are not", async () => {
  const bench = openIngest(allow(true, { botLoopProtection: { maxEventsPerWindow: 3 } }));
  for (let n = 0; n < 6; n++) await bench.ingest.admit(irc, account, [inGroup(`b${n}`, "beep", bot)]);
  await bench.ingest.admit(irc, account, [inGroup("h", "hello")]);
  await bench.ingest.admit(irc, account, [inGroup("o", "boop", { sender: { id: asId("other"), isBot: true, isSelf: false } })]);
  await until(() => bench.inbox.counts().length === 0);
  const taken = (id: string): boolean => bench.inbox.byEvent("irc", "default", id) !== undefined;
  assert.deepEqual(["b0", "b1", "b2", "b3", "b4", "b5", "h", "o"].filter(taken), ["b0", "b1", "b2", "h", "o"]);
  bench.close();
});

test("a broadcast group: every listed agent gets the message once, in its own session, with the lines before it", async () => {
  const config: RoutingConfig = {
    ...OPEN_POLICY,
    agents: { entries: { main: {}, work: {}, fun: {} } },
    broadcast: { strategy: "parallel", "#room": ["work", "fun", "gone", "work"] },
  };
  const bench = openIngest(config);
  await bench.ingest.admit(irc, account, [inGroup("0", "before")]);
  const call = inGroup("1", "all of you", { mentionsSelf: true });
  await bench.ingest.admit(irc, account, [call]);
  await bench.ingest.admit(irc, account, [call]);
  await until(() => bench.outbox.byState("queued", 10).length === 2);
  assert.deepEqual(bench.runtime.prompts.map((prompt) => prompt.sessionKey).toSorted(), [
    "agent:fun:irc:group:#room",
    "agent:work:irc:group:#room",
  ]);
  for (const prompt of bench.runtime.prompts) assert.match(prompt.text, /Alice: before/);
  await bench.ingest.admit(irc, account, [event("2", "only one")]);
  await until(() => bench.runtime.prompts.length === 3);
  assert.equal(bench.runtime.prompts[2]!.sessionKey, "agent:main:irc:direct:alice");
  bench.close();
});

test("in a thread in which the agent has answered, it need not be mentioned again; a topic does not count as a thread", async () => {
  const bench = openIngest(OPEN_POLICY);
  const thread = { thread: { id: "t" } };
  await bench.ingest.admit(irc, account, [inGroup("1", "without a mention", thread)]);
  assert.equal(bench.runtime.prompts.length, 0);
  await bench.ingest.admit(irc, account, [inGroup("2", "bot: hi", { ...thread, mentionsSelf: true })]);
  await until(() => bench.inbox.counts().length === 0);
  await bench.ingest.admit(irc, account, [inGroup("3", "and more", thread)]);
  await until(() => bench.runtime.prompts.length === 2);
  await bench.ingest.admit(irc, account, [inGroup("4", "elsewhere")]);
  assert.equal(bench.inbox.byEvent("irc", "default", "4"), undefined);
  bench.close();
});
