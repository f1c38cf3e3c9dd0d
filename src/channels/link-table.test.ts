import assert from "node:assert/strict";
import { test } from "node:test";
import { asId, type AccountId, type ChannelId, type ChatId } from "../core/ids.ts";
import type { Link } from "./channel.ts";
import { LinkTable } from "./link-table.ts";

test("a link is found for its own account only, and until it is replaced or gone", () => {
  const links = new LinkTable();
  assert.equal(links.get("irc", "a"), null);
  const first: Link = { send: () => Promise.reject(new Error("unused")) };
  const second: Link = { ...first };
  links.set("irc", "a", first);
  assert.equal(links.get("irc", "a"), first);
  for (const [channel, account] of [
    ["irc", "b"],
    ["slack", "a"],
    ["irc|a", ""],
  ] as const)
    assert.equal(links.get(channel, account), null);
  links.set("irc", "a", second);
  assert.equal(links.get("irc", "a"), second);
  links.set("irc", "a", null);
  assert.equal(links.get("irc", "a"), null);
});

test("in shadow mode nothing of a connection can reach a person, and files of messages are still fetched", async () => {
  let isShadow = true;
  const calls: string[] = [];
  const called = (name: string) => async (): Promise<never> => {
    calls.push(name);
    throw new Error(name);
  };
  const link: Link = {
    send: called("send"),
    edit: called("edit"),
    typing: called("typing"),
    react: called("react"),
    remove: called("remove"),
    pin: called("pin"),
    poll: called("poll"),
    openThread: called("openThread"),
    lookup: called("lookup"),
    download: async () => Buffer.from("picture"),
  };
  const links = new LinkTable(() => isShadow);
  links.set("irc", "a", link);
  const found = links.get("irc", "a")!;
  assert.deepEqual(Object.keys(found).toSorted(), ["download", "send"]);
  const target = {
    channel: asId<ChannelId>("irc"),
    account: asId<AccountId>("a"),
    chat: { kind: "direct" as const, id: asId<ChatId>("bob") },
  };
  const signal = AbortSignal.timeout(1_000);
  const result = await found.send({ key: "k", target, text: "hi" }, signal);
  assert.deepEqual([result.state, result.state === "refused" && result.retryable], ["refused", false]);
  const file = { kind: "image" as const, name: "a.png", mimeType: "image/png", sizeBytes: 7, url: "x" };
  assert.equal(Buffer.from(await found.download!(file, 100, signal)).toString(), "picture");
  assert.deepEqual(calls, []);
  isShadow = false;
  assert.equal(links.get("irc", "a"), link);
});
