import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../core/limits.ts";
import { HistoryPageCache, type SerializedHistoryPage } from "./history-pages.ts";
import { toPage } from "./wire-rows.ts";

const page = (json: string): SerializedHistoryPage => ({ json, count: 1, truncated: false });

test("a page is made once per name, and again under another name", () => {
  const pages = new HistoryPageCache();
  let made = 0;
  const make = (): SerializedHistoryPage => page(`[${++made}]`);
  assert.equal(pages.get("s|1", make).json, "[1]");
  assert.equal(pages.get("s|1", make).json, "[1]");
  assert.equal(pages.get("s|2", make).json, "[2]");
});

test("the pages that were not asked for the longest go first, and a giant one is not kept", () => {
  const pages = new HistoryPageCache();
  const big = "x".repeat(LIMITS.historyCacheBytes / 5);
  let made = 0;
  const make = (): SerializedHistoryPage => (made++, page(big));
  for (const name of ["a", "b", "c", "d", "e"]) pages.get(name, make);
  pages.get("a", make);
  pages.get("f", make);
  assert.equal(made, 6);
  pages.get("a", make);
  assert.equal(made, 6, "a was used last, so it stayed");
  pages.get("b", make);
  assert.equal(made, 7, "b had to go");
  const giant = (): SerializedHistoryPage => (made++, page("y".repeat(LIMITS.historyCacheBytes)));
  pages.get("giant", giant);
  pages.get("giant", giant);
  assert.equal(made, 9);
});

test("a page holds the newest rows that fit, and at least one", () => {
  const rows = ["old", "newer", "newest"].map((text) => ({ text }));
  assert.deepEqual(JSON.parse(toPage(rows, 10_000).json), rows);
  assert.deepEqual(toPage(rows, 40), { json: '[{"text":"newer"},{"text":"newest"}]', count: 2, truncated: true });
  assert.deepEqual(JSON.parse(toPage(rows, 1).json), [{ text: "newest" }]);
  assert.deepEqual(toPage([], 100), { json: "[]", count: 0, truncated: false });
});
