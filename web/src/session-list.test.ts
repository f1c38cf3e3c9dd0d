import assert from "node:assert/strict";
import { test } from "node:test";
import { channelIds, channelManifest } from "../../src/channels/registry.ts";
import {
  applyChange,
  canonicalKey,
  channelLabelOf,
  channelName,
  withoutAgentPrefix,
  titleOf,
  groupByDate,
  stripMarkdown,
  toShortTime,
  upsertSession,
  chatLocationOf,
  toDay,
} from "./session-list.ts";
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";

const NOW = new Date(2026, 5, 17, 15, 0, 0).getTime();
const row = (key: string, extra: Partial<SessionListRow> = {}): SessionListRow => ({ key, updatedAt: NOW, ...extra });

test("a change updates, adds or removes one row", () => {
  const rows = [row("agent:main:a"), row("agent:main:b")];
  assert.equal(applyChange(rows, { sessionKey: "agent:main:a", session: row("agent:main:a", { label: "A" }) })?.[0]?.label, "A");
  assert.equal(applyChange(rows, { sessionKey: "agent:main:c", session: row("agent:main:c") })?.length, 3);
  assert.deepEqual(
    applyChange(rows, { sessionKey: "agent:main:a", reason: "delete" })?.map((one) => one.key),
    ["agent:main:b"],
  );
  assert.equal(applyChange(rows, { sessionKey: "agent:main:a", session: row("agent:main:a", { archived: true }) })?.length, 1);
});

test("a change that carries only the changed fields changes only them", () => {
  const rows = [row("agent:main:a", { label: "A", model: "one" })];
  const changed = applyChange(rows, { sessionKey: "agent:main:a", reason: "patch", ts: 1, model: "two", unread: true });
  assert.deepEqual(changed?.[0], row("agent:main:a", { label: "A", model: "two", unread: true, derivedTitle: null }));
  assert.equal(applyChange(rows, { sessionKey: "agent:main:new", phase: "start", runId: "r", ts: 1, status: "running" }), null);
});

test("a change that names nothing asks for the whole list", () => {
  assert.equal(applyChange([], { reason: "delete" }), null);
  assert.equal(applyChange([], { sessionKey: "agent:main:a", reason: "patch" }), null);
});

test("a derived title survives a row without one", () => {
  const rows = upsertSession([row("k", { derivedTitle: "Plans" })], row("k", { unread: true }));
  assert.deepEqual([rows[0]?.derivedTitle, rows[0]?.unread], ["Plans", true]);
});

test("short keys become long ones", () => {
  assert.equal(canonicalKey("main", "main"), "agent:main:main");
  assert.equal(canonicalKey("agent:ops:x", "main"), "agent:ops:x");
  assert.equal(canonicalKey("global", "main"), "global");
  assert.equal(withoutAgentPrefix("agent:main:irc:direct:anna"), "irc:direct:anna");
});

test("a session has the name that says most", () => {
  const machine = "agent:main:web-0e0c7d1a-aaaa-4bbb-8ccc-0123456789ab";
  assert.equal(titleOf(row("agent:main:main", { isMain: true })), "Main");
  assert.equal(titleOf(row("agent:main:main", { isMain: true, derivedTitle: "Hello" })), "Main");
  assert.equal(titleOf(row("agent:main:main", { isMain: true, label: "Home" })), "Home");
  assert.equal(titleOf(row("agent:main:other", { displayName: "other" })), "other");
  assert.equal(
    titleOf(row(machine, { displayName: "web-0e0c7d1a-aaaa-4bbb-8ccc-0123456789ab", lastMessagePreview: "**Bold** plan" })),
    "Bold plan",
  );
  assert.equal(titleOf(row(machine)), "New session");
});

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

test("a preview is plain", () => {
  assert.equal(stripMarkdown("## Title\n\n- **one** `two`\n> [link](https://x.y)"), "Title one two link");
  assert.equal(stripMarkdown("_Setup guide_ a snake_case_name _x_."), "Setup guide a snake_case_name x.");
  assert.equal(stripMarkdown("Disk. ## Largest | a |"), "Disk. Largest a");
});

test("a built-in channel has the label of its description", () => {
  for (const id of channelIds) assert.equal(channelName(id), channelManifest(id)!.label);
});
