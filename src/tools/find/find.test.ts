import assert from "node:assert/strict";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createFindTool } from "./find.ts";

function tree(t: TestContext): { context: TestToolContext; find: (args: Record<string, unknown>) => Promise<string> } {
  const context = toolContext(t);
  for (const path of ["a.ts", "src/b.ts", "src/deep/c.ts", "src/d.js", "node_modules/x/index.ts", ".git/config.ts"]) {
    mkdirSync(dirname(join(context.workspace, path)), { recursive: true });
    writeFileSync(join(context.workspace, path), "");
  }
  const tool = createFindTool(new WorkspaceFiles({ home: "/nowhere" }));
  return { context, find: async (args) => textOf(await tool.run(args, context)) };
}

test("paths are found beneath the workspace, in order, without what programs made and without following links", async (t) => {
  const { context, find } = tree(t);
  symlinkSync(join(context.workspace, "src"), join(context.workspace, "link"));
  assert.equal(await find({ pattern: "*.ts" }), "a.ts\nsrc/b.ts\nsrc/deep/c.ts");
  assert.equal(await find({ pattern: "*.ts", path: "src" }), "b.ts\ndeep/c.ts");
  assert.equal(
    await find({ pattern: "*" }),
    [".git/", "a.ts", "link@", "node_modules/", "src/", "src/b.ts", "src/d.js", "src/deep/", "src/deep/c.ts"].join("\n"),
  );
  assert.equal(
    await find({ pattern: "*.ts", limit: 2 }),
    "a.ts\nsrc/b.ts\n\n[The first 2 paths. Use a narrower pattern or path, or a higher limit.]",
  );
  assert.equal(await find({ pattern: "*.md" }), "(nothing found)");
  assert.equal(await find({ pattern: "x{".repeat(300) }), "Nothing was searched: the pattern is longer than 512 characters.");
});

test("a directory that may not be read is left out, and a missing one is an error", async (t) => {
  const { context, find } = tree(t);
  if (process.getuid?.() !== 0) {
    chmodSync(join(context.workspace, "src/deep"), 0);
    const found = await find({ pattern: "*.ts" });
    // Before the workspace is removed, which happens first of what runs after the test.
    chmodSync(join(context.workspace, "src/deep"), 0o700);
    assert.equal(found, "a.ts\nsrc/b.ts");
  }
  await assert.rejects(() => find({ pattern: "*", path: "missing" }), /Cannot search missing: it does not exist/);
  context.stop();
  await assert.rejects(() => find({ pattern: "*" }), /The call was stopped/);
});
