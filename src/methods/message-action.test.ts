import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Link, ReplyTarget } from "../channels/channel.ts";
import { DESCRIPTION } from "../channels/irc/description.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AccountId, type ChannelId, type ChatId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore } from "../store/open.ts";
import { runAction, type ActionContext } from "./message-action.ts";
import { createIdempotency } from "./idempotency.ts";

const root = mkdtempSync(join(tmpdir(), "action-"));
after(() => rmSync(root, { recursive: true, force: true }));

const target = (to: string, thread?: string): ReplyTarget => ({
  channel: asId<ChannelId>("toy"),
  account: asId<AccountId>("default"),
  chat: { kind: "group", id: asId<ChatId>(to) },
  ...(thread === undefined ? {} : { thread }),
});

function rig(link: Partial<Link> | null) {
  const did: unknown[][] = [];
  const context: ActionContext = {
    link: link && ({ send: async () => ({ state: "sent", ids: [] }), ...link } as Link),
    abilities: DESCRIPTION.capabilities,
    target,
    split: (_, text) => text.split("|"),
    send: async (where, message) => {
      did.push(["send", where.chat.id, where.thread, where.replyTo, message]);
      return { ok: true };
    },
    key: "k1",
  };
  return { did, run: (action: string, params: Record<string, unknown>) => runAction("toy", action, { to: "room", ...params }, context) };
}

const code = (wanted: string) => (err: unknown) => err instanceof GatewayError && err.details?.["code"] === wanted;

test("each action uses its own function of the connection", async () => {
  const calls: unknown[][] = [];
  const note =
    (name: string, result?: unknown) =>
    async (...args: unknown[]): Promise<never> => {
      calls.push([name, ...args.filter((arg) => !(arg instanceof AbortSignal))]);
      return result as never;
    };
  const r = rig({
    edit: note("edit", { state: "sent", ids: ["m1"] }),
    remove: note("remove"),
    react: note("react"),
    pin: note("pin"),
    openThread: note("openThread", "t9"),
    poll: note("poll", { state: "sent", ids: ["m2"] }),
  });
  assert.deepEqual(await r.run("edit", { messageId: "m1", message: "new" }), { ok: true, messageId: "m1", messageIds: ["m1"] });
  await r.run("delete", { messageId: "m1" });
  await r.run("react", { messageId: "m1", emoji: "👍" });
  await r.run("react", { messageId: "m1", emoji: "👍", remove: true });
  await r.run("pin", { messageId: "m1" });
  await r.run("unpin", { messageId: "m1" });
  assert.deepEqual(await r.run("thread-create", { messageId: "m1", threadName: "Plans", message: "hello" }), { ok: true, threadId: "t9" });
  await r.run("thread-reply", { threadId: "t9", message: "more" });
  await r.run("reply", { messageId: "m1", message: "yes" });
  await r.run("poll", { pollQuestion: "Tea?", pollOption: ["yes", "no"], pollMulti: true });
  const room = target("room");
  assert.deepEqual(calls, [
    ["edit", "m1", { key: "k1", target: room, text: "new" }],
    ["remove", room, "m1"],
    ["react", room, "m1", "👍", true],
    ["react", room, "m1", "👍", false],
    ["pin", room, "m1", true],
    ["pin", room, "m1", false],
    ["openThread", room, "Plans", "m1"],
    ["poll", room, { question: "Tea?", options: ["yes", "no"], multiple: true }],
  ]);
  assert.deepEqual(r.did, [
    ["send", "room", "t9", undefined, "hello"],
    ["send", "room", "t9", undefined, "more"],
    ["send", "room", undefined, "m1", "yes"],
  ]);
});

test("what the channel does not have is refused, with what it has", async () => {
  await assert.rejects(rig({ react: async () => {} }).run("pin", { messageId: "1" }), (err) => {
    assert.ok(code("ACTION_NOT_SUPPORTED")(err));
    assert.deepEqual((err as GatewayError).details?.["actions"], ["send", "reply", "react"]);
    return true;
  });
  await assert.rejects(rig(null).run("constructor", {}), code("ACTION_NOT_SUPPORTED"));
  await assert.rejects(
    rig({ edit: async () => ({ state: "sent", ids: [] }) }).run("edit", { messageId: "1", message: "a|b" }),
    /longer than one message/,
  );
});

test("a refusal, a missing message and an unknown outcome have different errors", async () => {
  const edit = (end: () => Promise<Awaited<ReturnType<NonNullable<Link["edit"]>>>>) =>
    rig({ edit: end }).run("edit", { messageId: "1", message: "x" });
  await assert.rejects(
    edit(async () => ({ state: "refused", retryable: true, retryAfterMs: 7, reason: "slow" })),
    (err) => {
      assert.ok(err instanceof GatewayError && err.retryable && err.retryAfterMs === 7);
      return true;
    },
  );
  await assert.rejects(
    edit(async () => ({ state: "refused", retryable: false, notFound: true, reason: "deleted" })),
    (err) => err instanceof GatewayError && err.code === "NOT_FOUND",
  );
  await assert.rejects(
    edit(async () => Promise.reject(new Error("reset"))),
    code("OUTBOUND_DELIVERY_UNKNOWN"),
  );
  await assert.rejects(
    rig({ react: async () => Promise.reject(new Error("no such emoji")) }).run("react", { messageId: "1", emoji: "x" }),
    code("ACTION_FAILED"),
  );
});

test("a key is acted upon once, also across a crash; a certain failure may be repeated", async () => {
  let store = openStore({ dir: root, log: silentLog });
  const make = () =>
    createIdempotency({
      name: "message-actions",
      limit: 500,
      keyValue: createKeyValueStore(store),
      write: (change) => store.write(change),
      now: () => 1,
    });
  let times = 0;
  const work = async (): Promise<unknown> => ({ n: ++times });
  const once = make();
  assert.deepEqual(await Promise.all([once("a", work), once("a", work)]), [{ n: 1 }, { n: 1 }]);
  await assert.rejects(once("b", async () => Promise.reject(new GatewayError("UNAVAILABLE", "away"))));
  assert.deepEqual(await once("b", work), { n: 2 });
  const begun = Promise.withResolvers<void>();
  void once("c", () => {
    begun.resolve();
    return new Promise<never>(() => {});
  });
  await begun.promise;
  store.close();
  store = openStore({ dir: root, log: silentLog });
  const later = make();
  assert.deepEqual(await later("a", work), { n: 1 });
  await assert.rejects(later("c", work), code("OUTBOUND_DELIVERY_UNKNOWN"));
  assert.equal(times, 2);
  store.close();
});

const unread = (param: string) => (err: unknown) =>
  err instanceof GatewayError && err.details?.["code"] === "PARAM_NOT_SERVED" && err.details["param"] === param;

test("a param of an action that has no effect is refused by its name; what is off or empty asks for nothing", async () => {
  const { did, run } = rig({});
  const cli = {
    pin: false,
    gifPlayback: false,
    forceDocument: false,
    silent: false,
    json: false,
    dryRun: false,
    verbose: true,
    __agentId: "main",
  };
  await run("send", { message: "hi", ...cli });
  for (const [name, value] of Object.entries({ pin: true, silent: true, dryRun: true, asVoice: "yes", effectId: 5, buttons: [[1]] }))
    await assert.rejects(run("send", { message: "hi", ...cli, [name]: value }), unread(`params.${name}`), name);
  await assert.rejects(run("poll", { pollQuestion: "?", pollOption: ["a", "b"], pollDurationHours: 2 }), code("ACTION_NOT_SUPPORTED"));
  await run("send", { message: "an answer", replyTo: "m7" });
  assert.deepEqual(
    did.map(([, , , replyTo, message]) => [replyTo, message]),
    [
      [undefined, "hi"],
      ["m7", "an answer"],
    ],
  );
});
