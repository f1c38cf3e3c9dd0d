import assert from "node:assert/strict";
import { test } from "node:test";
import { decideCommand, patternProblem } from "./decide.ts";
import { planCommand } from "./plan.ts";

const ROWS: readonly [pattern: string, problem: RegExp | null][] = [
  ["/usr/bin/touch", null],
  ["/opt/tools/*", null],
  ["/opt/*/bin/rg", null],
  ["jira", null],
  ["/usr/bin/python3.11", /runs what its arguments or files say/],
  ["bash", /runs what its arguments or files say/],
  ["/usr/bin/git", /runs what its arguments or files say/],
  ["/usr/bin/ldd", /runs what its arguments or files say/],
  ["m4", /runs what its arguments or files say/],
  ["/opt/**/rg", /each directory needs one/],
  ["/usr/bin/../bin/touch", /not the real path/],
  ["/usr//bin/touch", /not the real path/],
  ["/usr/bin/", /not the real path/],
  ["bin/touch", /relative path/],
  ["~/bin/touch", /relative path/],
  ["jir*", /only paths/],
  ["cd", /belongs to the shell/],
  ["printf", /is a command of the shell itself/],
  ["/usr/bin/printf", null],
];

for (const [pattern, problem] of ROWS) {
  test(`the pattern ${pattern} ${problem === null ? "can allow a program" : "is refused"}`, () => {
    const found = patternProblem(pattern);
    if (problem === null) assert.equal(found, null);
    else assert.match(found?.why ?? "", problem);
  });
}

// In bash each of these runs `./bin/ls` or a command of its own.
for (const command of [
  "printf -v PATH %s ./bin ; ls",
  "printf -v 'a[$(touch made)]' x",
  "test -v 'a[$(touch made)]'",
  "kill -l && hash -p ./bin/ls ls",
])
  test(`a program of the allowlist allows no command of the shell that has its name: ${command}`, async () => {
    const plan = await planCommand(
      { command, cwd: "/", env: { PATH: "/usr/bin:/bin" }, host: "gateway" },
      { workspace: "/nowhere", outside: [] },
    );
    const allowlist = ["printf", "test", "kill", "hash", "/usr/bin/*", "/bin/*"].map((pattern) => ({ pattern }));
    const { verdict } = decideCommand({ mode: "allowlist", rule: "tools.exec.mode", plan, allowlist, alwaysAsk: false });
    assert.equal(verdict, "deny");
  });
