import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { matchesFilter, parseSince, searchLogFiles } from "./log-search.ts";

const NOW = Date.parse("2026-11-30T12:00:00Z");

test("--since is a duration before now, or a time", () => {
  assert.equal(parseSince(undefined, NOW), null);
  assert.equal(parseSince("10m", NOW), NOW - 600_000);
  assert.equal(parseSince("2026-11-30T09:00:00Z", NOW), NOW - 3 * 3_600_000);
  assert.throws(() => parseSince("yesterday-ish", NOW), /--since "yesterday-ish" is neither a duration nor a time/);
});

test("a line matches by its run or trace, and by its time", () => {
  const line = { time: "2026-11-30T11:59:00Z", runId: "r1", traceId: "t1" };
  const by = (run: string | null, sinceMs: number | null = null): boolean => matchesFilter(line, { run, sinceMs });
  assert.deepEqual(
    [by("r1"), by("t1"), by("r2"), by(null, NOW), by(null, NOW - 60_000), by("r1", NOW)],
    [true, true, false, false, true, false],
  );
  assert.equal(matchesFilter(null, { run: null, sinceMs: null }), true, "without a filter everything is shown");
  assert.equal(matchesFilter(null, { run: "r1", sinceMs: null }), false);
});

test("older files are searched before newer ones, and the last lines count", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "log-search-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "gateway.log");
  writeFileSync(`${file}.2`, "a1\nb\n");
  writeFileSync(`${file}.1`, "a2\n\nb\n");
  writeFileSync(file, "a3\na4");
  assert.deepEqual(await searchLogFiles(file, 10, (line) => line.startsWith("a")), ["a1", "a2", "a3", "a4"]);
  assert.deepEqual(await searchLogFiles(file, 2, () => true), ["a3", "a4"]);
  assert.deepEqual(await searchLogFiles(join(dir, "nothing.log"), 2, () => true), []);
});
