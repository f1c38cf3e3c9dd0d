import assert from "node:assert/strict";
import { test } from "node:test";
import { LETTERS, viewOfKey, viewsOfWords } from "./go-to.ts";
import { VIEW_TITLES } from "./views.ts";

test("g and a letter lead to a view, soon enough and in this order", () => {
  assert.equal(viewOfKey("o", 0), null);
  assert.equal(viewOfKey("g", 10), null);
  assert.equal(viewOfKey("o", 500), "overview");
  assert.equal(viewOfKey("o", 600), null, "the letter alone");
  viewOfKey("g", 1_000);
  assert.equal(viewOfKey("l", 3_000), null, "too late");
  viewOfKey("g", 4_000);
  assert.equal(viewOfKey("x", 4_100), null);
  assert.equal(viewOfKey("c", 4_200), null, "another key was between them");
});

test("every view but a timeline has a letter of its own", () => {
  const reached = Object.values(LETTERS);
  assert.equal(new Set(reached).size, reached.length);
  const views = Object.keys(VIEW_TITLES).filter((view) => view !== "trace");
  assert.deepEqual(
    views.filter((view) => !reached.includes(view as "chat")),
    [],
  );
});

test("the words of the search field find views by the beginning of a word", () => {
  assert.deepEqual(viewsOfWords("ch"), ["channels"]);
  assert.deepEqual(viewsOfWords("serv"), ["mcp"]);
  assert.deepEqual(viewsOfWords("MCP s"), ["mcp"]);
  assert.deepEqual(viewsOfWords("a"), []);
  assert.deepEqual(viewsOfWords("imeline"), []);
});
