import assert from "node:assert/strict";
import { test } from "node:test";
import { TOOL_LIMITS } from "../limits.ts";
import { parsePatch } from "./parse.ts";

const patch = (...lines: string[]): string => ["*** Begin Patch", ...lines, "*** End Patch"].join("\n");

test("a patch has files that are added, changed, moved and removed", () => {
  const input = patch(
    "*** Add File: new dir/a.txt",
    "+one",
    "+",
    "+*** End Patch",
    "*** Update File: b.ts",
    "*** Move to: c.ts",
    "@@ class B",
    "@@   method",
    " keep",
    "-old",
    "+new",
    "",
    "@@",
    "+last",
    "*** End of File",
    "",
    "*** Delete File: d.txt",
  );
  const expected = [
    { action: "add", path: "new dir/a.txt", content: "one\n\n*** End Patch\n" },
    {
      action: "update",
      path: "b.ts",
      moveTo: "c.ts",
      hunks: [
        {
          anchors: ["class B", "method"],
          lines: [
            { kind: "keep", text: "keep" },
            { kind: "remove", text: "old" },
            { kind: "add", text: "new" },
          ],
          isAtEnd: false,
        },
        { anchors: [], lines: [{ kind: "add", text: "last" }], isAtEnd: true },
      ],
    },
    { action: "delete", path: "d.txt" },
  ];
  for (const text of [input, `\n  \n${input}\n\n`, input.replaceAll("\n", "\r\n"), input.replace("*** Begin Patch", "*** Begin Patch  ")])
    assert.deepEqual(parsePatch(text), expected);
});

test("an empty line in a hunk is one of its context", () => {
  const [file] = parsePatch(patch("*** Update File: a", " one", "", "-two", ""));
  assert.deepEqual(file?.action === "update" && file.hunks[0]?.lines, [
    { kind: "keep", text: "one" },
    { kind: "keep", text: "" },
    { kind: "remove", text: "two" },
  ]);
});

test("what does not belong into a patch is refused with its line", () => {
  const cases: [input: string, problem: RegExp][] = [
    ["", /must begin with "\*\*\* Begin Patch"/],
    ["--- a/x\n+++ b/x", /line 1 .*must begin with/],
    ["```\n*** Begin Patch", /line 1 /],
    ["*** Begin Patch\n*** Add File: a\n+x", /line 4 .*must end with "\*\*\* End Patch"/],
    [`${patch("*** Delete File: a")}\nmore`, /line 4 .*nothing may follow/],
    [patch(), /changes no file/],
    [patch("hello"), /line 2 .*a section must begin with/],
    [patch("*** Rename File: a"), /line 2 .*a section must begin with/],
    [patch("*** Add File: "), /line 2 .*followed by a path/],
    [patch("*** Add File: a", "text"), /line 3 .*must begin with \+/],
    [patch("*** Delete File: a", "-text"), /line 3 .*a section must begin with/],
    [patch("*** Update File: a"), /line 3 .*the section of a has no hunk/],
    [patch("*** Update File: a", "@@"), /line 4 .*the hunk before this line has no lines/],
    [patch("*** Update File: a", "*** End of File"), /line 4 .*a hunk must have lines/],
    [patch("*** Update File: a", "text"), /line 3 .*must begin with a space, - or \+, not with "text"/],
    [patch("*** Update File: a", "@@ -1,2 +1,2 @@ f", "-x"), /line 3 .*line numbers are not used/],
    [patch("*** Update File: a", "@@f", "-x"), /line 3 .*must be followed by a space/],
    [patch("*** Update File: a", "-x", "*** Move to: b"), /line 4 .*a section must begin with/],
    [patch(...Array.from({ length: TOOL_LIMITS.patchedFiles + 1 }, (_, index) => `*** Delete File: ${index}`)), /more than 100 files/],
  ];
  for (const [input, problem] of cases) assert.throws(() => parsePatch(input), problem, input);
});

test("a patch of many empty lines is read once", () => {
  const [file] = parsePatch(patch("*** Update File: a", "-x", "\n".repeat(300_000), "+y"));
  assert.equal(file?.action === "update" && file.hunks[0]?.lines.length, 300_003);
});
