import assert from "node:assert/strict";
import { test } from "node:test";
import { toParams } from "./all-sessions.ts";
import { formatBytes } from "./health-report.ts";
import { placeStages } from "./trace.ts";
import { level, lines, parseLine, shown, words } from "./log-tail.ts";

test("a line of the log is a record with its fields, and anything else is shown as it is", () => {
  const line = parseLine(
    '{"time":"2026-11-30T18:00:26.042Z","level":"fatal","message":"no disk","subsystem":"store","runId":"r1","n":3}',
    1,
  );
  assert.deepEqual([line.at, line.level, line.subsystem, line.message, line.runId], [1_796_061_626_042, "error", "store", "no disk", "r1"]);
  assert.deepEqual(line.fields, [
    ["runId", "r1"],
    ["n", "3"],
  ]);
  for (const text of ["not json", "[1]", "null", '{"level":1}'])
    assert.deepEqual([parseLine(text, 1).message, parseLine(text, 1).level], [text, "info"]);
});

test("lines are shown by level and words of every field, the newest first", () => {
  lines.value = ["info", "warn", "error", "debug"].map((one, id) =>
    parseLine(JSON.stringify({ level: one, message: one, cause: `C${id}` }), id),
  );
  level.value = "warn";
  assert.deepEqual(
    shown.value.map((line) => line.message),
    ["error", "warn"],
  );
  words.value = "cause=c1";
  assert.deepEqual(
    shown.value.map((line) => line.message),
    ["warn"],
  );
});

test("a filter of sessions is part of the question", () => {
  assert.deepEqual(toParams("archived", "", 0)["archived"], true);
  const params = toParams("week", "tea", 100);
  assert.deepEqual([params["activeMinutes"], params["search"], params["offset"]], [10_080, "tea", 100]);
});

test("amounts of memory are written in the unit that one reads", () => {
  assert.deepEqual([0, 999, 61_400_000, 1_250_000_000].map(formatBytes), ["0 B", "999 B", "61 MB", "1.3 GB"]);
});

test("stages are placed on one axis, and one that runs reaches until now", () => {
  const stored = { kind: "stored", startedAt: 100, endedAt: 150, status: "done" } as const;
  const tool = { kind: "tool", tool: "exec", callId: "c", startedAt: 150, status: "running" } as const;
  const { placed, totalMs } = placeStages([stored, tool], 300);
  assert.equal(totalMs, 200);
  assert.deepEqual(
    placed.map(({ from, width, tookMs }) => [from, width, tookMs]),
    [
      [0, 25, 50],
      [25, 75, 150],
    ],
  );
});
