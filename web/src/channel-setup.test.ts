import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelCard, SetupField } from "./channel-card.ts";
import { hasReceivedMessage, stateText, toAccounts, toBlock, stateTone, toChannelPatch } from "./channel-setup.ts";

const row = (lastInboundAt: number) => [{ channel: "toy", label: "Toy", accountId: "default", lastInboundAt }];
const card: ChannelCard = { id: "toy", label: "Toy", login: false, fields: [] };

test("the state of an account is one word and one tone", () => {
  assert.deepEqual([stateTone({ state: "ready" }), stateText({ state: "ready" })], ["good", "Connected"]);
  assert.deepEqual([stateTone({ state: "terminal" }), stateText({ state: "terminal" })], ["bad", "Action needed"]);
  assert.deepEqual([stateTone({ state: "ready", enabled: false }), stateText({ state: "ready", enabled: false })], ["off", "Disabled"]);
});

test("accounts come in the order of the gateway, with the label of their channel", () => {
  const rows = toAccounts({
    channelOrder: ["b", "a"],
    channelLabels: { b: "Bee" },
    channelAccounts: { a: [{ accountId: "x" }], b: [{ accountId: "y" }] },
  });
  assert.deepEqual(
    rows.map((row) => [row.channel, row.label, row.accountId]),
    [
      ["b", "Bee", "y"],
      ["a", "a", "x"],
    ],
  );
});

test("what is saved is what was typed, without empty fields, in the block of its account", () => {
  assert.deepEqual(toBlock({ token: " t ", name: " " }), { token: "t" });
  assert.deepEqual(toChannelPatch("toy", "", { token: "t" }), { channels: { toy: { token: "t", enabled: true } } });
  assert.deepEqual(toChannelPatch("toy", "work", { token: "t" }), {
    channels: { toy: { enabled: true, accounts: { work: { token: "t", enabled: true } } } },
  });
});

const field = (key: string, kind?: SetupField["kind"]): SetupField => ({
  key,
  help: "",
  secret: false,
  required: false,
  ...(kind ? { kind } : {}),
});

test("numbers, switches and lists are saved as what they are", () => {
  const fields = [field("port", "number"), field("tls", "boolean"), field("channels", "array"), field("nick")];
  assert.deepEqual(toBlock({ port: "6697", tls: "false", channels: "#a, #b #c", nick: "7" }, fields), {
    port: 6697,
    tls: false,
    channels: ["#a", "#b", "#c"],
    nick: "7",
  });
  assert.deepEqual(toBlock({ port: "many" }, fields), { port: "many" });
});

test("a message from before does not tick the test, a new one or a person who asks does", () => {
  const step = { step: "test", card, account: "default", name: "bot", savedAt: 100 } as const;
  assert.equal(hasReceivedMessage(step, row(99), []), false);
  assert.equal(hasReceivedMessage(step, row(100), []), true);
  assert.equal(
    hasReceivedMessage(
      step,
      [],
      [{ requestId: "1", channel: "toy", channelLabel: "Toy", accountId: "default", senderId: "s", senderLabel: "S" }],
    ),
    true,
  );
  const old = { requestId: "1", channel: "toy", channelLabel: "Toy", accountId: "default", senderId: "s", senderLabel: "S" };
  assert.equal(hasReceivedMessage(step, [], [{ ...old, createdAt: new Date(99).toISOString() }]), false, "a request from before");
  assert.equal(hasReceivedMessage(step, [], [{ ...old, createdAt: new Date(101).toISOString() }]), true);
});
