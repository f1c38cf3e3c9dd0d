import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { openTurnBench } from "../../test/fakes/turn-bench.ts";
import { conversationOf, Outbound } from "./outbound.ts";

const target = {
  channel: asId<never>("irc"),
  account: asId<never>("default"),
  chat: { kind: "direct" as const, id: asId<never>("bob") },
};

test("what is written in shadow mode is held from the start, so that the end of shadow mode sends nothing of it", async () => {
  const bench = openTurnBench();
  let isShadow = true;
  const outbound = new Outbound({
    outbox: bench.outbox,
    split: (_target, text) => text.split("||"),
    replyPrefix: () => "",
    directory: { capabilities: () => null },
    replyToMode: () => "off",
    isShadow: () => isShadow,
  });
  const say = (id: string, text: string): Promise<void> =>
    bench.store.write(() => outbound.add({ id, sessionKey: null, target, text, at: 1_000 }));
  await say("1", "a||b");
  isShadow = false;
  assert.equal(bench.outbox.next(conversationOf(target)), undefined);
  assert.deepEqual(bench.outbox.listOpenConversations(), []);
  await say("2", "c");
  assert.equal(bench.outbox.next(conversationOf(target))?.text, "c");
  assert.deepEqual(
    bench.outbox.byIntent("1").map(({ state }) => state),
    ["held", "held"],
  );
  bench.close();
});
