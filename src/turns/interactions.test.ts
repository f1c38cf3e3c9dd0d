import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelCapabilities, InboundPress } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { account, event, irc, OPEN_POLICY, openIngest, type IngestBench } from "../../test/fakes/ingest-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const KEY = asId<never>("agent:main:irc:direct:alice");
const press = (id: string, token: string, sender = "alice", chat = "alice"): InboundPress => ({
  kind: "interaction",
  eventId: id,
  account,
  chat: { kind: "direct", id: asId(chat) },
  sender: { id: asId(sender), name: sender, isBot: false, isSelf: false },
  message: asId("m"),
  token,
  sentAt: Date.now(),
  origin: "live",
});

const issue = (bench: IngestBench, more: { sender?: string | null; ttlMs?: number; values?: string[] } = {}): Promise<string[]> =>
  bench.store.write(() =>
    bench.buttons.issue({
      conversation: "irc|default|alice|",
      sessionKey: KEY,
      sender: more.sender === undefined ? "alice" : more.sender,
      values: more.values ?? ["/think high", "yes please"],
      ttlMs: more.ttlMs ?? 60_000,
      now: Date.now(),
    }),
  );
const said = (bench: IngestBench): string[] => bench.outbox.byState("queued", 50).map((part) => part.text);

test("a press says what its button stands for, once, in the session of the button", async () => {
  const bench = openIngest(OPEN_POLICY);
  const [command, words] = await issue(bench);
  for (const token of [command, words]) assert.match(token!, /^[A-Za-z0-9_-]{16,32}$/);
  await bench.ingest.admit(irc, account, [press("p1", words!)]);
  await until(() => said(bench).includes("echo: yes please"));
  await bench.ingest.admit(irc, account, [press("p1", words!), press("p2", words!)]);
  await bench.ingest.admit(irc, account, [press("p3", command!)]);
  await until(() => bench.sessions.get(KEY)?.thinking === "high");
  assert.equal(bench.runtime.prompts.length, 1);
  const row = bench.inbox.byEvent<{ provenance: { senderId: string } }>("irc", "default", "p1")!;
  assert.equal(row.payload.provenance.senderId, "alice");
  bench.close();
});

test("another person, another chat, an unknown token and someone who is not admitted run nothing", async () => {
  const bench = openIngest({ channels: { irc: { dmPolicy: "allowlist", allowFrom: ["alice", "bob"] } } });
  const [, words] = await issue(bench);
  await bench.ingest.admit(irc, account, [
    press("p1", words!, "bob"),
    press("p2", words!, "alice", "elsewhere"),
    press("p3", "nonsense"),
    press("p4", words!, "mallory"),
  ]);
  assert.equal(bench.buttons.get(words!)!.usedAt, null);
  assert.deepEqual(said(bench), []);
  await bench.ingest.admit(irc, account, [press("p5", words!)]);
  await until(() => bench.runtime.prompts.length === 1);
  bench.close();
});

test("a late interaction gets one notice", async () => {
  const bench = openIngest(OPEN_POLICY);
  const [, words] = await issue(bench, { ttlMs: -1 });
  await bench.ingest.admit(irc, account, [press("p1", words!)]);
  await bench.ingest.admit(irc, account, [press("p1", words!), press("p2", words!)]);
  assert.equal(said(bench).length, 1);
  assert.match(said(bench)[0]!, /no longer valid/);
  assert.equal(bench.runtime.prompts.length, 0);
  bench.close();
});

test("a press that could not be stored can be pressed again; a button is valid after a restart", async () => {
  const bench = openIngest(OPEN_POLICY);
  const [, words] = await issue(bench, { sender: null });
  bench.store.all("PRAGMA query_only=ON");
  await assert.rejects(bench.ingest.admit(irc, account, [press("p1", words!)]));
  bench.store.all("PRAGMA query_only=OFF");
  bench.store.close();
  const again = openIngest(OPEN_POLICY, { dir: bench.dir });
  await again.ingest.admit(irc, account, [press("p1", words!, "bob")]);
  await until(() => again.runtime.prompts.length === 1);
  await again.ingest.admit(irc, account, [event("after", "next")]);
  await until(() => again.runtime.prompts.length === 2);
  again.close();
});

const abilities: ChannelCapabilities = {
  chatKinds: ["direct"],
  maxText: { unit: "utf16", value: 4_000 },
  markup: "plain",
  ack: "cursor",
  idempotency: "none",
  edit: false,
  typing: false,
  reactions: false,
  media: { in: false, out: false },
  buttons: true,
  commands: false,
  polls: false,
  events: ["interaction"],
};

test("/model offers the models as buttons, and a press chooses one", async () => {
  const bench = openIngest(OPEN_POLICY, { abilities });
  await bench.ingest.admit(irc, account, [event("1", "/model")]);
  const part = await until(() => bench.outbox.byState("queued", 5)[0]);
  const rows = part.buttons as { text: string; token: string }[][];
  assert.deepEqual(
    rows.map((row) => row.map((button) => button.text)),
    [["fake/model"], ["fake/other"]],
  );
  await bench.ingest.admit(irc, account, [press("p1", rows[1]![0]!.token, "bob")]);
  await bench.ingest.admit(irc, account, [press("p2", rows[1]![0]!.token)]);
  await until(() => bench.sessions.get(KEY)?.model === "fake/other");
  assert.equal(bench.runtime.prompts.length, 0);
  bench.close();
});

test("where a channel has no buttons, /model is answered with the list alone", async () => {
  const bench = openIngest(OPEN_POLICY, { abilities: { ...abilities, buttons: false } });
  await bench.ingest.admit(irc, account, [event("1", "/model")]);
  const part = await until(() => bench.outbox.byState("queued", 5)[0]);
  assert.match(part.text, /- fake\/other$/);
  assert.equal(part.buttons?.length ?? 0, 0);
  assert.equal(bench.store.get<{ n: number }>("SELECT count(*) AS n FROM buttons")!.n, 0);
  bench.close();
});
