// Group: wire
import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { GroupWatcher } from "../group-watcher.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createGrepTool } from "./grep.ts";

const FILES: Readonly<Record<string, string>> = {
  "a.ts": "const one = 1;\nconst two = 22;\n",
  "src/b.ts": "// ONE\nlet x = a[0];\n",
  "src/long.txt": `${"y".repeat(2_000)} one\n`,
  "node_modules/x.ts": "one\n",
  ".git/y.ts": "one\n",
  "binary.bin": "one\0two\n",
  "odd:name 1.txt": "one: more\n",
};

function searcher(t: TestContext): { context: TestToolContext; grep: (args: Record<string, unknown>) => Promise<string> } {
  const context = toolContext(t);
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(context.workspace, path)), { recursive: true });
    writeFileSync(join(context.workspace, path), content);
  }
  const watcher = new GroupWatcher();
  t.after(() => watcher.killAll());
  const tool = createGrepTool({
    files: new WorkspaceFiles({ home: "/nowhere" }),
    env: { PATH: process.env["PATH"]! },
    marker: testMarker(),
    watcher,
  });
  return {
    context,
    grep: async (args) =>
      textOf(await tool.run(args, context))
        .split("\n")
        .toSorted()
        .join("\n"),
  };
}

test("lines are found with path and number, in text files only", async (t) => {
  const { grep } = searcher(t);
  assert.equal(await grep({ pattern: "one", include: "*.ts" }), "a.ts:1: const one = 1;");
  assert.equal(await grep({ pattern: "one", ignoreCase: true, include: "*.ts" }), "a.ts:1: const one = 1;\nsrc/b.ts:1: // ONE");
  assert.equal(await grep({ pattern: "one: more" }), "odd:name 1.txt:1: one: more");
  assert.equal(await grep({ pattern: "a[0]", literal: true }), "src/b.ts:2: let x = a[0];");
  assert.equal(await grep({ pattern: "= \\d{2};" }), "a.ts:2: const two = 22;");
  assert.equal(await grep({ pattern: "= [\\d]+;", path: "a.ts" }), "a.ts:1: const one = 1;\na.ts:2: const two = 22;");
  assert.equal(await grep({ pattern: "one", path: "src" }), `long.txt:1: ${"y".repeat(500)}...`);
  assert.equal(await grep({ pattern: "nowhere to be found" }), "(nothing found)");
  assert.equal(
    await grep({ pattern: "one", path: "a.ts", include: "*.ts" }),
    "Nothing was searched: include is for directories, and a.ts is a file.",
  );
});

test("patterns and paths are arguments, never options or commands", async (t) => {
  const { context, grep } = searcher(t);
  assert.equal(await grep({ pattern: "--version" }), "(nothing found)");
  assert.equal(await grep({ pattern: "$(touch pwned)`touch pwned`; touch pwned", literal: true }), "(nothing found)");
  writeFileSync(join(context.workspace, "-r"), "one\n");
  assert.equal(await grep({ pattern: "one", path: "-r" }), "-r:1: one");
});

test("a link is searched where it leads when it is named, and not beneath a directory", async (t) => {
  const { context, grep } = searcher(t);
  symlinkSync("src", join(context.workspace, "link"));
  symlinkSync("a.ts", join(context.workspace, "one-more.ts"));
  assert.equal(await grep({ pattern: "let x", path: "link" }), "b.ts:2: let x = a[0];");
  assert.equal(await grep({ pattern: "two", path: "one-more.ts" }), "a.ts:2: const two = 22;");
  assert.equal(await grep({ pattern: "let x|two = ", include: "*.ts" }), "a.ts:2: const two = 22;\nsrc/b.ts:2: let x = a[0];");
});

test("more than the limit ends the search, and what grep refuses is reported", async (t) => {
  const { context, grep } = searcher(t);
  writeFileSync(join(context.workspace, "many.log"), "match\n".repeat(400_000));
  const text = await grep({ pattern: "match", limit: 3 });
  assert.match(text, /\[The first 3 lines\. Use a narrower pattern/);
  assert.equal(text.match(/many\.log:\d: match/g)?.length, 3);
  assert.match(await grep({ pattern: "(unclosed" }), /^Nothing was searched: Unmatched \( /);
  assert.equal(await grep({ pattern: "" }), "Nothing was searched: the pattern is empty.");
  const bare = createGrepTool({
    files: new WorkspaceFiles({ home: "/" }),
    env: { PATH: "/nowhere" },
    marker: testMarker(),
    watcher: new GroupWatcher(),
  });
  assert.match(textOf(await bare.run({ pattern: "x" }, context)), /grep is not installed/);
  await assert.rejects(() => grep({ pattern: "x", path: "missing" }), /Cannot search missing: it does not exist/);
});
