// Group: wire
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { applyHunks } from "./hunks.ts";
import { parsePatch, type Hunk } from "./parse.ts";

const hunksOf = (...lines: string[]): readonly Hunk[] => {
  const [patch] = parsePatch(["*** Begin Patch", "*** Update File: f", ...lines, "*** End Patch"].join("\n"));
  assert.equal(patch?.action, "update");
  return patch.hunks;
};
const apply = (content: string, ...lines: string[]): string => applyHunks(content, hunksOf(...lines), "f");

test("context is kept, removed lines go, added ones come, in several hunks", () => {
  const content = "one\ntwo\nthree\nfour\nfive\n";
  assert.equal(apply(content, "@@", " one", "-two", "+TWO", "+more", "@@", " four", "-five"), "one\nTWO\nmore\nthree\nfour\n");
  assert.equal(apply(content, " four", "+and a half"), "one\ntwo\nthree\nfour\nand a half\nfive\n");
});

test("an @@ line says from where on a hunk is searched, with or without its indentation", () => {
  const content = "class A:\n  def f():\n    x\n  def g():\n    x\nclass B:\n  def f():\n    x\n";
  const changed = (at: number): string => content.split("\n").toSpliced(at, 1, "    y").join("\n");
  assert.throws(() => apply(content, "-    x", "+    y"), /hunk 1 of f fits at line 3 and at line 8/);
  assert.equal(apply(content, "@@ def g():", "-    x", "+    y"), changed(4));
  assert.equal(apply(content, "@@   def g():", "-    x", "+    y"), changed(4));
  assert.equal(apply(content, "@@ class B:", "@@ def f():", "-    x", "+    y"), changed(7));
  assert.equal(apply(content, "@@ class B:", "   def f():", "-    x", "+    y"), changed(7));
  assert.equal(apply(content, "@@ def g():", "   def g():", "-    x", "+    y"), changed(4));
  assert.throws(() => apply(content, "@@ class C:", "-    x", "+    y"), /hunk 1 of f \("class C:"\) does not fit/);
});

test("lines are added behind an @@ line, at the end of the file, and to an empty one", () => {
  assert.equal(apply("a\nb\n", "@@ a", "+new"), "a\nnew\nb\n");
  assert.equal(apply("a\nb\n", "+new"), "a\nb\nnew\n");
  assert.equal(apply("a\nb\n", "@@ a", "+new", "*** End of File"), "a\nb\nnew\n");
  assert.equal(apply("", "+new"), "new\n");
});

test("a hunk at the end of the file fits only there", () => {
  const content = "x\ny\nx\n";
  assert.equal(apply(content, "-x", "+z", "*** End of File"), "x\ny\nz\n");
  assert.throws(() => apply(content, "-y", "+z", "*** End of File"), /hunk 1 of f \("y"\) does not fit/);
});

test("hunks follow each other in the file, and equal ones are told apart by their number", () => {
  const content = "a\nx\nb\nx\nc\n";
  assert.equal(apply(content, "-x", "+1", "@@", "-x", "+2"), "a\n1\nb\n2\nc\n");
  assert.throws(() => apply(content, "-x", "+1"), /hunk 1 of f fits at line 2 and at line 4\. Add lines of context/);
  assert.throws(() => apply(content, " b", "-x", "+1", "@@", " a", "-x", "+2"), /hunk 2 of f \("a"\) does not fit.* below line 4/);
});

test("line breaks of all kinds, and a missing one at the end, stay as they are", () => {
  assert.equal(apply("a\r\nb\r\nc\r\n", " a", "-b", "+x", "+y"), "a\r\nx\r\ny\r\nc\r\n");
  assert.equal(apply("a\r\nb\nc\rd\n", "-b", "+x"), "a\r\nx\r\nc\rd\n");
  assert.equal(apply("a\nb", " b", "+c"), "a\nb\nc");
  assert.equal(apply("a\nb", "-b"), "a");
  assert.equal(apply("a\nb", " a", "+x", " b"), "a\nx\nb");
  assert.equal(apply("a\n", "-a"), "");
});

test("typographic characters and spaces at the end of a line do not hinder a fit, and other lines keep them", () => {
  assert.equal(
    apply("keep \u201Cthis\u201D  \nsay \u2018hi\u2019 \u2013 now  \nend\n", ' keep "this"', "-say 'hi' - now", "+said"),
    "keep \u201Cthis\u201D  \nsaid\nend\n",
  );
  assert.throws(() => apply("a-b\na\u2013b\n", "-a-b", "+x"), /fits at line 1 and at line 2/);
});

test("a patch without effect is refused", () => {
  assert.throws(() => apply("a\nb\n", "-a", "+a"), /f was not changed/);
  assert.throws(() => apply("a\nb\n", " a", " b"), /f was not changed/);
});

/** A small generator, so that a failure can be repeated by its seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Random hunks without anchors, most of them cut out of the file. */
function randomHunks(pick: (below: number) => number, file: readonly string[], words: readonly string[]): Hunk[] {
  const hunks: Hunk[] = [];
  for (let from = 0, left = 1 + pick(3); left > 0 && from < file.length; left -= 1) {
    const start = from + pick(file.length - from);
    const end = Math.min(file.length, start + 1 + pick(3));
    const lines: Hunk["lines"][number][] = [];
    for (const text of file.slice(start, end)) {
      if (pick(4) === 0) lines.push({ kind: "add", text: words[pick(words.length)]! });
      lines.push({ kind: pick(2) === 0 ? "keep" : "remove", text: pick(20) === 0 ? words[pick(words.length)]! : text });
    }
    if (pick(2) === 0) lines.push({ kind: "add", text: words[pick(words.length)]! });
    hunks.push({ anchors: [], lines, isAtEnd: end === file.length && pick(3) === 0 });
    from = end;
  }
  return hunks;
}

/** Every way to put the hunks on the file, one below the other, by trying all; at most two are looked for. */
function allPlacements(file: readonly string[], hunks: readonly Hunk[], from = 0): number[][] {
  const [hunk, ...rest] = hunks;
  if (hunk === undefined) return [[]];
  const old = hunk.lines.filter(({ kind }) => kind !== "add");
  const found: number[][] = [];
  for (let start = from; start + old.length <= file.length && found.length < 2; start += 1) {
    if (hunk.isAtEnd && start + old.length !== file.length) continue;
    if (!old.every(({ text }, index) => file[start + index] === text)) continue;
    for (const placement of allPlacements(file, rest, start + old.length)) found.push([start, ...placement]);
  }
  return found.slice(0, 2);
}

function place(file: readonly string[], hunks: readonly Hunk[], starts: readonly number[]): string[] {
  const lines = [...file];
  for (const [index, hunk] of [...hunks.entries()].toReversed()) {
    const old = hunk.lines.filter(({ kind }) => kind !== "add").length;
    lines.splice(starts[index]!, old, ...hunk.lines.filter(({ kind }) => kind !== "remove").map(({ text }) => text));
  }
  return lines;
}

test("10,000 random patches do what trying all places does: applied where one fits, refused where none or several fit", () => {
  const outcomes = { applied: 0, missing: 0, ambiguous: 0, unchanged: 0 };
  for (let seed = 1; seed <= 10_000; seed += 1) {
    const pick = random(seed);
    const words = ["a", "b", "  a", "", "long line of text"].slice(0, 2 + pick(4));
    const file = Array.from({ length: 1 + pick(12) }, () => (pick(3) === 0 ? `only ${pick(9)}` : words[pick(words.length)]!));
    const hunks = randomHunks(pick, file, words);
    const placements = allPlacements(file, hunks);
    const run = (): string => applyHunks(file.map((line) => `${line}\n`).join(""), hunks, "f");
    const says = `seed ${seed}`;
    if (placements.length !== 1) {
      assert.throws(run, placements.length === 0 ? /does not fit/ : /fits at line \d+ and at line \d+/, says);
      outcomes[placements.length === 0 ? "missing" : "ambiguous"] += 1;
      continue;
    }
    const expected = place(file, hunks, placements[0]!);
    if (isDeepStrictEqual(expected, file)) {
      assert.throws(run, /was not changed/, says);
      outcomes.unchanged += 1;
    } else {
      assert.equal(run(), expected.map((line) => `${line}\n`).join(""), says);
      outcomes.applied += 1;
    }
  }
  for (const [outcome, count] of Object.entries(outcomes)) assert.ok(count > 300, `${outcome}: ${count}`);
});

const hunk = (lines: Hunk["lines"]): Hunk => ({ anchors: [], lines, isAtEnd: false });
const xs = (count: number): Hunk["lines"] => Array.from({ length: count }, () => ({ kind: "keep", text: "x" }));

test("repetitive files and patches do not take longer than others", () => {
  const content = `${"x\n".repeat(200_000)}y\n`;
  const changed = applyHunks(content, [hunk([...xs(100_000), { kind: "remove", text: "y" }, { kind: "add", text: "z" }])], "f");
  assert.equal(changed, `${"x\n".repeat(200_000)}z\n`);
  const each = Array.from({ length: 100_000 }, () => hunk([{ kind: "remove", text: "x" }, ...xs(1)]));
  assert.equal(applyHunks(content, each, "f"), `${"x\n".repeat(100_000)}y\n`);
});
