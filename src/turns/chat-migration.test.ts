import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelEvent, InboundMessage, ReplyTarget } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { RoutingConfig } from "../routing/types.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest } from "../../test/fakes/ingest-bench.ts";
import { gatedScript } from "../../test/fakes/fake-runtime.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const move = (id: string, from: string, to: string): ChannelEvent => ({
  kind: "migration",
  eventId: id,
  account,
  from: asId(from),
  to: asId(to),
  sentAt: Date.now(),
  origin: "live",
});
const at = (chat: string): Partial<InboundMessage> => ({ chat: { kind: "group", id: asId(chat) }, mentionsSelf: true });

const rules: RoutingConfig = {
  channels: { irc: { groups: { "-1": {} }, allowFrom: ["alice"] } },
  agents: { entries: { main: {}, work: {} } },
  bindings: [{ agentId: "work", match: { channel: "irc", peer: { kind: "group", id: "-1" } } }],
};

test("after a move the chat keeps its session, its rules and its agent, also after two moves and a restart", async () => {
  const warnings: unknown[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_text: string, fields: unknown) => void warnings.push(fields) } as unknown as Log;
  const bench = openIngest(rules, { log });
  await bench.ingest.admit(irc, account, [event("1", "before", at("-1"))]);
  await until(() => bench.runtime.prompts.length === 1);
  const key = bench.runtime.prompts[0]!.sessionKey;
  assert.equal(key, "agent:work:irc:group:-1");
  await bench.ingest.admit(irc, account, [move("m1", "-1", "-2"), event("2", "at once", at("-2"))]);
  await bench.ingest.admit(irc, account, [move("m1", "-1", "-2")]);
  await bench.ingest.admit(irc, account, [move("m2", "-2", "-3"), event("3", "again", at("-3"))]);
  await until(() => bench.runtime.prompts.length === 3);
  bench.store.close();
  const again = openIngest(rules, { dir: bench.dir });
  await again.ingest.admit(irc, account, [event("4", "later", at("-3"))]);
  await until(() => again.runtime.prompts.length === 1);
  for (const prompt of [...bench.runtime.prompts, ...again.runtime.prompts]) assert.equal(prompt.sessionKey, key);
  assert.equal(warnings.length, 2);
  assert.match(JSON.stringify(warnings[0]), /"fix":"Write -2 instead of -1/);
  again.close();
});

test("messages for the old id are sent to the new one, and pending lines of the room move along", async () => {
  const bench = openIngest({ ...OPEN_POLICY, messages: { queue: { mode: "followup" } } });
  bench.runtime.script = gatedScript;
  await bench.ingest.admit(irc, account, [inGroup("0", "unaddressed")]);
  await bench.ingest.admit(irc, account, [event("1", "first", at("#other"))]);
  await bench.ingest.admit(irc, account, [event("2", "second", at("#other"))]);
  await bench.store.write(() =>
    bench.turns.outbound.add({
      id: "x",
      sessionKey: null,
      target: { channel: irc, account, chat: { kind: "group", id: asId("#other") } },
      text: "hello",
      at: 1,
    }),
  );
  await bench.ingest.admit(irc, account, [move("m1", "#other", "#new"), move("m2", "#room", "#place")]);
  const [part] = bench.outbox.byState("queued", 5);
  assert.equal(part!.conversation, "irc|default|#new|");
  assert.equal((part!.target as ReplyTarget).chat.id, "#new");
  const waiting = bench.inbox.byEvent<{ target: ReplyTarget }>("irc", "default", "2")!;
  assert.equal(waiting.payload.target.chat.id, "#new");
  assert.match(bench.sessions.get("agent:main:irc:group:#other")!.target!, /"#new"/);
  await bench.ingest.admit(irc, account, [event("3", "now", at("#place"))]);
  const prompt = await until(() => bench.runtime.prompts.find((each) => each.text.includes("now")));
  assert.match(prompt.text, /Alice: unaddressed/);
  bench.close();
});

test("a turn that runs while its chat moves is answered at the new id", async () => {
  const bench = openIngest(OPEN_POLICY);
  bench.runtime.script = gatedScript;
  await bench.ingest.admit(irc, account, [event("1", "slow", at("#old"))]);
  const prompt = await until(() => bench.runtime.prompts[0]);
  await bench.ingest.admit(irc, account, [move("m1", "#old", "#new")]);
  bench.runtime.release(prompt.runId);
  const part = await until(() => bench.outbox.byState("queued", 5)[0]);
  assert.equal(part.conversation, "irc|default|#new|");
  assert.equal((part.target as ReplyTarget).chat.id, "#new");
  bench.close();
});
