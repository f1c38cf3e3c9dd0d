import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionListRow } from "./protocol-types.ts";
import { applyChange, canonicalKey, stripMarkdown, titleOf, upsertSession, withoutAgentPrefix } from "./session-row.ts";

const row = (key: string, extra: Partial<SessionListRow> = {}): SessionListRow => ({ key, updatedAt: 1, ...extra });

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

test("a preview is plain", () => {
  assert.equal(stripMarkdown("## Title\n\n- **one** `two`\n> [link](https://x.y)"), "Title one two link");
  assert.equal(stripMarkdown("_Setup guide_ a snake_case_name _x_."), "Setup guide a snake_case_name x.");
  assert.equal(stripMarkdown("Disk. ## Largest | a |"), "Disk. Largest a");
});
