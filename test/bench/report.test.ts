import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Figures } from "./measure.ts";
import { isWithin, toText, writeTables, type PartResult } from "./report.ts";

const dir = mkdtempSync(join(tmpdir(), "bench-report-"));
after(() => rmSync(dir, { recursive: true, force: true }));

function partOf(name: string, samples: readonly number[]): PartResult {
  const figures = new Figures();
  for (const sample of samples) figures.record("cost", "ms CPU", sample, 2);
  return { part: name, builds: [{ main: "a", figures: figures.list }] };
}

test("the median decides about the budget, which may be a lower limit", () => {
  const figures = new Figures();
  for (const sample of [1, 2, 30]) {
    figures.record("cost", "ms", sample, 2);
    figures.record("rate", "turns/s", sample, { limit: 3, atLeast: true });
    figures.record("other", "ms", sample);
  }
  assert.deepEqual(figures.list.map(isWithin), [true, false, undefined]);
});

test("two builds are compared by the ratio of their medians", () => {
  const [first, second] = [partOf("turn", [2]).builds[0]!, partOf("turn", [3]).builds[0]!];
  assert.match(toText({ part: "turn", builds: [first, second] }), /cost +ms CPU +2\.000 .* within +3\.000 .* 1\.50/);
});

test("only the tables of the measured parts are replaced", () => {
  const path = join(dir, "page.md");
  writeFileSync(
    path,
    ["# Page", "<!-- figures: turn -->\nold turn\n<!-- end: turn -->", "<!-- figures: idle -->\nold idle\n<!-- end: idle -->"].join("\n"),
  );
  writeTables(path, [partOf("turn", [1])], new Date(0));
  const text = readFileSync(path, "utf8");
  assert.match(text, /1970-01-01[^]*\| cost \| ms CPU \| 1\.000 /);
  assert.ok(!text.includes("old turn") && text.includes("old idle"));
  assert.throws(() => writeTables(path, [partOf("unknown", [1])]), /no place for the part unknown/);
});
