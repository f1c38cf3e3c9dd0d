import assert from "node:assert/strict";
import { test } from "node:test";
import { channelIds, channelManifest } from "../../src/channels/registry.ts";
import { channelLabelOf, channelName, groupByDate, toShortTime, chatLocationOf, toDay } from "./session-list.ts";
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";

const NOW = new Date(2026, 5, 17, 15, 0, 0).getTime();
const row = (key: string, extra: Partial<SessionListRow> = {}): SessionListRow => ({ key, updatedAt: NOW, ...extra });

test("a session says where it comes from", () => {
  assert.equal(channelLabelOf(row("agent:main:irc:direct:anna")), "IRC");
  assert.equal(channelLabelOf(row("agent:main:cron:job")), "schedule");
  assert.equal(channelLabelOf(row("agent:main:tui-0e0c7d1a-aaaa")), "terminal");
  assert.equal(channelLabelOf(row("agent:main:main")), null);
  assert.equal(channelLabelOf(row("agent:main:irc")), null);
  assert.equal(channelLabelOf(row("agent:main:web-0e0c7d1a-aaaa")), null);
});

test("groups are by recency, the filter takes every word", () => {
  const day = 86_400_000;
  const rows = [
    row("agent:main:old", { updatedAt: NOW - 30 * day, label: "Old plan" }),
    row("agent:main:older", { updatedAt: Date.UTC(2020, 11, 5, 12), label: "Older" }),
    row("agent:main:yesterday", { updatedAt: NOW - day, label: "Yesterday's" }),
    row("agent:main:week", { updatedAt: NOW - 3 * day, label: "Garden plan" }),
    row("agent:main:today", { updatedAt: NOW - 3_600_000, label: "Garden list" }),
    row("agent:main:main", { isMain: true }),
    row("agent:main:gone", { archived: true }),
  ];
  assert.deepEqual(
    groupByDate(rows, "", NOW, { locale: "en-GB" }).map((group) => [group.title, group.rows.length]),
    [
      ["Pinned", 1],
      ["Today", 1],
      ["Yesterday", 1],
      ["Previous 7 days", 1],
      ["May", 1],
      ["December 2020", 1],
    ],
  );
  assert.deepEqual(
    groupByDate(rows, "PLAN gar", NOW).flatMap((group) => group.rows.map((one) => one.key)),
    ["agent:main:week"],
  );
  const found = new Set(["agent:main:old"]);
  assert.deepEqual(
    groupByDate(rows, "nowhere", NOW, { found }).flatMap((group) => group.rows.map((one) => one.key)),
    ["agent:main:old"],
    "what the gateway has found needs no words",
  );
});

test("days have the names that people use", () => {
  const day = 86_400_000;
  const names = [0, 1, 3, 20, 400].map((back) => toDay(NOW - back * day, NOW, "en-GB"));
  assert.deepEqual(names.slice(0, 2), ["Today", "Yesterday"]);
  assert.match(names[2]!, /day$/);
  assert.match(names[3]!, /^\d+ May$/);
  assert.match(names[4]!, /\d{4}$/);
});

test("a session of a chat application says where it takes place", () => {
  assert.deepEqual(chatLocationOf(row("k", { channel: "telegram", chatType: "direct" })), {
    place: "Telegram · direct message",
    isGroup: false,
  });
  assert.deepEqual(chatLocationOf(row("k", { channel: "irc", chatType: "group" })), { place: "IRC · group", isGroup: true });
  assert.equal(chatLocationOf(row("k", { channel: "webchat" })), null);
  assert.equal(chatLocationOf(row("k", { channel: "telegram", isMain: true })), null);
});

test("times are short", () => {
  assert.equal(toShortTime(NOW - 5_000, NOW), "now");
  assert.equal(toShortTime(NOW - 300_000, NOW), "5 min");
  assert.equal(toShortTime(NOW - 3 * 3_600_000, NOW, "en-GB"), "12:00");
  assert.equal(toShortTime(NOW - 2 * 86_400_000, NOW, "en-GB"), "Mon");
  assert.equal(toShortTime(NOW - 20 * 86_400_000, NOW, "en-GB"), "28 May");
});

test("a built-in channel has the label of its description", () => {
  for (const id of channelIds) assert.equal(channelName(id), channelManifest(id)!.label);
});
