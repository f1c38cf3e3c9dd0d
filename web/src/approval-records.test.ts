import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeHistory, toEntries, withoutEntry } from "./approval-records.ts";
import type { ApprovalSnapshot } from "./approval-model.ts";

const item = (id: string): ApprovalSnapshot => ({
  id,
  status: "denied",
  createdAtMs: 0,
  expiresAtMs: 1,
  presentation: { commandText: "true" },
});
const ids = ({ items }: { items: readonly ApprovalSnapshot[] }): string => items.map(({ id }) => id).join("");

test("the newest page goes before the older ones that were read", () => {
  const known = { items: [item("c"), item("b"), item("a")], next: "a" };
  const merged = mergeHistory(known, { items: [item("d"), item("c")], nextCursor: "c" });
  assert.deepEqual([ids(merged), merged.next], ["dcba", "a"]);
});

test("a newest page that does not reach what was read replaces it, so that nothing is missing between them", () => {
  const merged = mergeHistory({ items: [item("a")], next: "a" }, { items: [item("z"), item("y")], nextCursor: "y" });
  assert.deepEqual([ids(merged), merged.next], ["zy", "y"]);
});

test("a page without another one behind it is the whole history", () => {
  const merged = mergeHistory({ items: [item("a"), item("x")], next: null }, { items: [item("b"), item("a")] });
  assert.deepEqual([ids(merged), merged.next], ["ba", null]);
});

const DOCUMENT = {
  version: 1,
  defaults: { ask: "always" },
  agents: {
    main: { security: "allowlist", allowlist: [{ pattern: "git", argPattern: "words:[]" }, { pattern: "git" }] },
    "*": { allowlist: [{ pattern: "make" }] },
    ops: {},
  },
};

test("an entry leaves the document, and everything else stays as it is", () => {
  const changed = withoutEntry(DOCUMENT, "main", { pattern: "git" });
  assert.deepEqual(changed, {
    ...DOCUMENT,
    agents: { ...DOCUMENT.agents, main: { security: "allowlist", allowlist: [{ pattern: "git", argPattern: "words:[]" }] } },
  });
  assert.equal(withoutEntry(DOCUMENT, "unknown", { pattern: "git" }), DOCUMENT);
});

test("every entry comes with its agent", () => {
  assert.deepEqual(
    toEntries(DOCUMENT).map(({ agentId, entry }) => `${agentId} ${entry.pattern}`),
    ["main git", "main git", "* make"],
  );
  assert.deepEqual(toEntries({ version: 1 }), []);
});
