import assert from "node:assert/strict";
import { test } from "node:test";
import { patternProblem } from "./decide.ts";

const ROWS: readonly [pattern: string, problem: RegExp | null][] = [
  ["/usr/bin/touch", null],
  ["/opt/tools/*", null],
  ["/opt/*/bin/rg", null],
  ["jira", null],
  ["/usr/bin/python3.11", /runs what its arguments or files say/],
  ["bash", /runs what its arguments or files say/],
  ["/usr/bin/git", /runs what its arguments or files say/],
  ["/opt/**/rg", /each directory needs one/],
  ["/usr/bin/../bin/touch", /not the real path/],
  ["/usr//bin/touch", /not the real path/],
  ["/usr/bin/", /not the real path/],
  ["bin/touch", /relative path/],
  ["~/bin/touch", /relative path/],
  ["jir*", /only paths/],
  ["cd", /belongs to the shell/],
];

for (const [pattern, problem] of ROWS) {
  test(`the pattern ${pattern} ${problem === null ? "can allow a program" : "is refused"}`, () => {
    const found = patternProblem(pattern);
    if (problem === null) assert.equal(found, null);
    else assert.match(found?.why ?? "", problem);
  });
}
