import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createLsTool } from "./ls.ts";

test("a directory is listed by name, with marks, and continued after a name", async (t) => {
  const context = toolContext(t);
  const tool = createLsTool(new WorkspaceFiles({ home: "/nowhere" }));
  const ls = async (args: object = {}): Promise<string> => textOf(await tool.run({ ...args }, context));
  assert.equal(await ls(), "(the directory is empty)");
  mkdirSync(join(context.workspace, "src"));
  symlinkSync("/etc", join(context.workspace, "link"));
  for (const name of [".hidden", "b.txt", "a.txt", "Z.txt"]) writeFileSync(join(context.workspace, name), "");
  assert.equal(await ls(), [".hidden", "Z.txt", "a.txt", "b.txt", "link@", "src/"].join("\n"));
  assert.equal(await ls({ limit: 2 }), '.hidden\nZ.txt\n\n[2 of 6 entries. Continue with after="Z.txt".]');
  assert.equal(await ls({ limit: 4, after: "Z.txt" }), "a.txt\nb.txt\nlink@\nsrc/");
  assert.equal(await ls({ after: "src" }), '(no entry after "src")');
  assert.equal(await ls({ path: "src" }), "(the directory is empty)");
});

test("what cannot be listed is reported with its reason", async (t) => {
  const context = toolContext(t);
  const tool = createLsTool(new WorkspaceFiles({ home: "/nowhere" }));
  writeFileSync(join(context.workspace, "file"), "");
  await assert.rejects(() => tool.run({ path: "missing" }, context), /Cannot list missing: it does not exist \(ENOENT\)/);
  await assert.rejects(() => tool.run({ path: "file" }, context), /Cannot list file: a part of the path is a file/);
});
