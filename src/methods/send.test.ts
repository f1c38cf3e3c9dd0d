import assert from "node:assert/strict";
import { test } from "node:test";
import { callerOf, openMethodBench } from "../../test/fakes/method-bench.ts";
import { GatewayError } from "../core/errors.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { textOf } from "../store/messages.ts";
import { checkParams } from "../protocol/validate.ts";
import { sendMethods } from "./send.ts";

function rig() {
  const chats = openMethodBench();
  const { deliver, outbox, store } = chats.bench;
  const methods = sendMethods({
    ...chats.deps,
    outbox,
    deliver,
    split: (_target, text) => text.split("||"),
    waitUntilSettled: async (intentId) => outbox.byIntent(intentId),
    onlyChannel: () => "irc",
    link: () => null,
    abilities: () => null,
    keyValue: createKeyValueStore(store),
    mediaFor: () => {
      throw new Error("no files here");
    },
  });
  const send = (params: Record<string, unknown>): Promise<unknown> =>
    Promise.resolve(methods.send.run(checkParams("send", { to: "alice", idempotencyKey: "k1", ...params }) as never)).then(
      (answer: unknown) => answer,
    );
  return { chats, outbox, send };
}

test("a message that is sent for a session is in its transcript, once", async () => {
  const { chats, outbox, send } = rig();
  await chats.call("sessions.create", { key: "main" }, callerOf());
  for (let times = 0; times < 2; times++) await send({ message: "hello there", sessionKey: "main" });
  assert.equal(outbox.byIntent("send:k1").length, 1);
  const session = chats.deps.sessions.get("agent:main:main")!;
  assert.deepEqual(
    chats.deps.messages.tail(session.key, session.session_id, { limit: 10 }).map((message) => textOf(message.body)),
    ["hello there"],
  );
  await assert.rejects(send({ message: "x", sessionKey: "missing", idempotencyKey: "k2" }), /there is no session/);
  assert.equal(outbox.byIntent("send:k2").length, 0);
  chats.close();
});

test("ways of sending that no channel is asked for are refused by name", () => {
  const { chats, send } = rig();
  for (const [param, value] of Object.entries({ asVoice: true, forceDocument: true, gifPlayback: true, silent: true, parseMode: "HTML" }))
    assert.throws(
      () => send({ message: "x", [param]: value }),
      (err: unknown) => err instanceof GatewayError && err.details?.["param"] === param,
      param,
    );
  chats.close();
});

test("a message for a session goes to its conversation when that is what is named, whatever kind of chat it is", async () => {
  const { chats, outbox, send } = rig();
  await chats.call("sessions.create", { key: "main" }, callerOf());
  const stored = { channel: "irc", account: "work", chat: { kind: "channel", id: "alice" }, thread: "t0", replyTo: "m1", guildId: "g" };
  chats.bench.store.run("UPDATE sessions SET target = ? WHERE key = ?", JSON.stringify(stored), "agent:main:main");
  const targetOf = async (key: string, params: Record<string, unknown>): Promise<unknown> => {
    await send({ message: "x", sessionKey: "main", channel: "irc", idempotencyKey: key, ...params });
    return outbox.byIntent(`send:${key}`)[0]!.target;
  };
  const own = { channel: "irc", account: "work", chat: { kind: "channel", id: "alice" }, guildId: "g" };
  assert.deepEqual(await targetOf("own", {}), own);
  assert.deepEqual(await targetOf("thread", { accountId: "work", threadId: "t1" }), { ...own, thread: "t1" });
  for (const [key, params] of [
    ["else", { to: "bob" }],
    ["account", { accountId: "home" }],
  ] as const)
    assert.notDeepEqual(await targetOf(key, params), own, key);
  const row = ((await chats.call("sessions.describe", { key: "main" })) as { session: Record<string, unknown> }).session;
  assert.deepEqual(row["deliveryContext"], { channel: "irc", to: "alice", accountId: "work", threadId: "t0" });
  chats.bench.store.run("UPDATE sessions SET target = ? WHERE key = ?", "{", "agent:main:main");
  const damaged = ((await chats.call("sessions.describe", { key: "main" })) as { session: object }).session;
  assert.ok(!("deliveryContext" in damaged));
  chats.close();
});
