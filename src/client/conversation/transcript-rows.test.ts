import assert from "node:assert/strict";
import { test } from "node:test";
import { call, live, page, row } from "../../../test/fakes/wire-fixtures.ts";
import { applyChat } from "./live-run.ts";
import { applyNewestPage, applyOlderPage, applyRow, isSettled, mergeRows, NO_ROWS, rowId } from "./transcript-rows.ts";

test("rows are merged by id and ordered by the server's sequence", () => {
  const rows = mergeRows([row(3, "user", "c"), row(1, "user", "a")], [row(2, "user", "b"), row(3, "user", "c changed")]);
  assert.deepEqual(
    rows.map((one) => one.content),
    ["a", "b", "c changed"],
  );
});

test("a row without an id is known by what it says", () => {
  assert.equal(rowId({ role: "user", content: "x", timestamp: 1 }), rowId({ role: "user", content: "x", timestamp: 1 }));
  assert.notEqual(rowId({ role: "user", content: "x", timestamp: 1 }), rowId({ role: "user", content: "y", timestamp: 1 }));
});

test("a new first page drops what the server no longer has and keeps older pages", () => {
  let rows = applyNewestPage(NO_ROWS, page([row(3, "user", "c"), row(4, "assistant", "d")], { hasMore: true, nextOffset: 2 }));
  rows = applyOlderPage(rows, page([row(1, "user", "a"), row(2, "assistant", "b")], { hasMore: false }));
  assert.equal(rows.hasMore, false);
  rows = applyNewestPage(rows, page([row(3, "user", "c"), row(5, "assistant", "e")], { hasMore: true, nextOffset: 2 }));
  assert.deepEqual(
    rows.rows.map((one) => one.content),
    ["a", "b", "c", "e"],
  );
  assert.equal(rows.hasMore, false);
});

test("a reset session starts empty", () => {
  const before = applyNewestPage(NO_ROWS, page([row(1, "user", "a"), row(2, "assistant", "b")]));
  const after = applyNewestPage(before, page([row(1, "user", "fresh")], { sessionId: "two" }));
  assert.deepEqual(
    after.rows.map((one) => one.content),
    ["fresh"],
  );
});

test("older pages are counted from the newest message, live rows included", () => {
  const rows = applyRow(applyNewestPage(NO_ROWS, page([row(9, "user", "a")], { hasMore: true, nextOffset: 1 })), row(10, "assistant", "b"));
  assert.equal(rows.nextOffset, 2);
  assert.equal(applyRow(rows, row(10, "assistant", "b")).nextOffset, 2);
});

test("a run is settled by its last row, not by a call in the middle", () => {
  const ended = applyChat(live("x"), { runId: "k1", sessionKey: "s", seq: 4, state: "final" });
  assert.equal(isSettled(ended, [call(1, "x")]), false);
  assert.equal(isSettled(ended, [call(1, "x"), row(2, "assistant", "y", { runId: "k1", stopReason: "stop" })]), true);
  assert.equal(isSettled(live("x"), [row(2, "assistant", "y", { runId: "k1", stopReason: "stop" })]), false);
});
