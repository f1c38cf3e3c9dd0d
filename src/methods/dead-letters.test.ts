import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelEvent } from "../channels/channel.ts";
import { deadLetterMethods } from "./dead-letters.ts";
import { account, event, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const unreadable = (id: string, raw: string): ChannelEvent => ({
  kind: "unreadable",
  eventId: id,
  account,
  raw,
  cause: "there is no sender",
  sentAt: Date.now(),
  origin: "live",
});
const letters = (bench: IngestBench) => deadLetterMethods({ ...bench, ...bench.turns, reread: (row) => bench.ingest.retry(row) });
type Item = { id: string; cause: string; text: string };

test("an event that cannot be read is a dead letter with its payload; the events around it go on", async () => {
  const bench = openIngest(OPEN_POLICY);
  await bench.ingest.admit(irc, account, [event("1", "before"), unreadable("2", '{"odd":1}'), event("3", "after")], "cursor");
  await bench.ingest.admit(irc, account, [unreadable("2", '{"odd":1}')]);
  await until(() => bench.runtime.prompts.length === 2);
  const { items } = letters(bench)["deadletters.list"].run() as { items: Item[] };
  assert.deepEqual(
    items.map(({ cause, text }) => [cause, text]),
    [["there is no sender", '{"odd":1}']],
  );
  await assert.rejects(letters(bench)["deadletters.retry"].run({ id: items[0]!.id }), /cannot read an event again/);
  bench.close();
});

test("a retry reads the event again; when it can be read, it runs once and leaves the dead letters", async () => {
  let known = false;
  const bench = openIngest(OPEN_POLICY, { reread: (raw) => (known ? event("whatever", raw) : null) });
  await bench.ingest.admit(irc, account, [unreadable("2", "hello")]);
  const list = (): Item[] => (letters(bench)["deadletters.list"].run() as { items: Item[] }).items;
  const [item] = list();
  await assert.rejects(letters(bench)["deadletters.retry"].run({ id: item!.id }), /still cannot be read/);
  known = true;
  await letters(bench)["deadletters.retry"].run({ id: item!.id });
  await until(() => bench.runtime.prompts[0]?.text === "hello");
  assert.deepEqual(list(), []);
  await bench.ingest.admit(irc, account, [unreadable("2", "hello")]);
  await bench.ingest.admit(irc, account, [event("2", "hello")]);
  assert.deepEqual(list(), []);
  assert.equal(bench.runtime.prompts.length, 1);
  bench.close();
});

test("an event on which the gateway itself fails becomes a dead letter, and its batch is stored", async () => {
  const bench = openIngest(OPEN_POLICY);
  const broken = { ...event("2", "x"), sender: undefined } as unknown as ChannelEvent;
  const late = { ...event("3", "x"), text: undefined } as unknown as ChannelEvent;
  await bench.ingest.admit(irc, account, [event("1", "before"), broken, late, event("4", "after")], "cursor");
  await until(() => bench.runtime.prompts.length === 2);
  const { items } = letters(bench)["deadletters.list"].run() as { items: Item[] };
  assert.equal(items.length, 2);
  for (const item of items) assert.match(item.cause, /the gateway failed over it/);
  assert.equal(bench.store.get<{ value: string }>("SELECT value FROM cursors")?.value, "cursor");
  bench.close();
});
