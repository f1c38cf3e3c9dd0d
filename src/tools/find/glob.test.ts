import assert from "node:assert/strict";
import { test } from "node:test";
import { compileGlob } from "./glob.ts";

const CASES: readonly [pattern: string, matches: readonly string[], others: readonly string[]][] = [
  ["*.ts", ["a.ts", "src/a.ts", "a/b/c.ts", ".ts"], ["a.tsx", "a.ts/b", "ats"]],
  ["src/*.ts", ["src/a.ts"], ["a.ts", "src/b/a.ts", "x/src/a.ts"]],
  ["./src/*", ["src/a"], ["a"]],
  ["src/**", ["src", "src/a", "src/a/b"], ["a", "srcs/a"]],
  ["src/**/*.ts", ["src/a.ts", "src/a/b.ts", "src/a/b/c.ts"], ["a.ts", "src/a.js"]],
  ["**/test/**", ["test", "test/a", "a/test/b"], ["tests/a"]],
  ["a?c", ["abc", "x/axc"], ["ac", "abbc"]],
  ["[a-c]x", ["ax", "cx"], ["dx"]],
  ["[!a-c]x", ["dx"], ["ax"]],
  ["[]x]", ["]", "x"], ["a"]],
  ["[", ["["], ["a"]],
  ["*.{ts,js}", ["a.ts", "b/c.js"], ["a.css"]],
  ["{src,test}/*.{ts,js}", ["src/a.ts", "test/b.js"], ["lib/a.ts"]],
  ["{a,{b,c}d}", ["a", "bd", "cd"], ["b", "d"]],
  ["{a}", ["{a}"], ["a"]],
  ["\\*", ["*"], ["a"]],
  ["a*b*c", ["abc", "axxbyyc", "abbc"], ["acb", "ab"]],
  ["émile*", ["émile.txt"], ["emile.txt"]],
];
for (const [pattern, matches, others] of CASES) {
  test(`the pattern ${pattern}`, () => {
    const glob = compileGlob(pattern);
    assert.ok(typeof glob !== "string", String(glob));
    for (const path of matches) assert.ok(glob.matches(path), `${path} should match`);
    for (const path of others) assert.ok(!glob.matches(path), `${path} should not match`);
  });
}

test("patterns that cannot be used are refused in words", () => {
  assert.match(String(compileGlob("")), /empty/);
  assert.match(String(compileGlob("a".repeat(600))), /longer than 512/);
  assert.match(String(compileGlob("{a,b}".repeat(7))), /more than 64 alternatives/);
});

test("hostile patterns take no more than pattern times path", () => {
  const glob = compileGlob("*a*a*a*a*a*a*a*a*a*a*a*a*b");
  const deep = compileGlob(`${"**/a/".repeat(60)}b`);
  assert.ok(typeof glob !== "string" && typeof deep !== "string");
  const started = process.cpuUsage();
  assert.equal(glob.matches("a".repeat(255)), false);
  assert.equal(deep.matches("a/".repeat(2_000)), false);
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < 1_000_000, `${(user + system) / 1_000} ms of CPU`);
});
