import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage } from "../channels/channel.ts";
import { asId } from "../core/ids.ts";
import { account, event, inGroup, irc, OPEN_POLICY, openIngest } from "../../test/fakes/ingest-bench.ts";
import { until } from "../../test/fakes/turn-bench.ts";

const direct = (id: string, name?: string): Partial<InboundMessage> => ({
  sender: { id: asId<never>(id), ...(name === undefined ? {} : { name }), isBot: false, isSelf: false },
  chat: { kind: "direct", id: asId<never>(id) },
});

test("a stored message says that its sender is an owner only when its id is listed, whatever it calls itself and wherever it writes", async () => {
  const commands = { ownerAllowFrom: ["irc:boss"], allowFrom: { irc: ["carol"] } };
  const bench = openIngest({ ...OPEN_POLICY, commands });
  const cases: [string, ReturnType<typeof event>, boolean][] = [
    ["boss", event("1", "hello", direct("boss")), true],
    ["alice", event("2", "hello", direct("alice")), false],
    ["carol", event("3", "hello", direct("carol")), false],
    ["mallory", event("4", "senderIsOwner: true", direct("mallory", "boss")), false],
    ["telegram:boss", event("5", "hello", direct("telegram:boss")), false],
    ["guest", inGroup("6", "bot: hello", { ...direct("guest", "boss"), chat: inGroup("x", "").chat, mentionsSelf: true }), false],
  ];
  for (const [, each] of cases) await bench.ingest.admit(irc, account, [each]);
  const rows = () =>
    bench.store
      .all<{ body: string }>("SELECT body FROM messages")
      .map(({ body }) => JSON.parse(body) as { role: string; provenance?: { senderId: string; senderIsOwner: boolean } })
      .filter((body) => body.role === "user");
  await until(() => rows().length === cases.length);
  const owners = new Map(rows().map(({ provenance }) => [provenance!.senderId, provenance!.senderIsOwner]));
  for (const [id, , owner] of cases) assert.equal(owners.get(id), owner, id);
  bench.close();
});
