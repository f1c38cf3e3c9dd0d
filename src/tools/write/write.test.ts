import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { settled } from "../../../test/until.ts";
import { FileLocks } from "../file-locks.ts";
import type { ToolResult } from "../tool.ts";
import { WorkspaceFiles } from "../workspace-files.ts";
import { createWriteTool } from "./write.ts";

function writer(t: TestContext): { context: TestToolContext; dir: string; write: (path: string, content: string) => Promise<ToolResult> } {
  const context = toolContext(t);
  const tool = createWriteTool(new WorkspaceFiles({ home: join(context.workspace, "home") }), new FileLocks());
  return { context, dir: context.workspace, write: (path, content) => tool.run({ path, content }, context) };
}

test("a file is made with its directories, private to its owner", async (t) => {
  const { write, dir } = writer(t);
  assert.equal(textOf(await write("a/b/c.txt", "ä\n")), "Wrote 3 bytes to a/b/c.txt.");
  assert.equal(readFileSync(join(dir, "a/b/c.txt"), "utf8"), "ä\n");
  assert.deepEqual([statSync(join(dir, "a/b/c.txt")).mode & 0o777, statSync(join(dir, "a/b")).mode & 0o777], [0o600, 0o700]);
  await write("~/d.txt", "home");
  assert.equal(readFileSync(join(dir, "home/d.txt"), "utf8"), "home");
});

test("a workspace that does not exist yet is made with the first file", async (t) => {
  const { context, dir, write } = writer(t);
  context.workspace = join(dir, "state/workspace-new");
  await write("a.txt", "x");
  assert.equal(readFileSync(join(dir, "state/workspace-new/a.txt"), "utf8"), "x");
});

test("an existing file keeps its mode, and a link leads to the same place, also when nothing is there yet", async (t) => {
  const { write, dir } = writer(t);
  writeFileSync(join(dir, "run.sh"), "old");
  chmodSync(join(dir, "run.sh"), 0o755);
  symlinkSync("run.sh", join(dir, "link"));
  symlinkSync("later/file", join(dir, "dangling"));
  await write("link", "new");
  await write("dangling", "new");
  assert.deepEqual([readFileSync(join(dir, "run.sh"), "utf8"), statSync(join(dir, "run.sh")).mode & 0o777], ["new", 0o755]);
  assert.equal(readFileSync(join(dir, "later/file"), "utf8"), "new");
  assert.deepEqual([lstatSync(join(dir, "link")).isSymbolicLink(), lstatSync(join(dir, "dangling")).isSymbolicLink()], [true, true]);
  assert.deepEqual(readdirSync(dir).toSorted(), ["dangling", "later", "link", "run.sh"]);
});

test("links that lead to each other, a directory, a pipe and a path through a file are refused", async (t) => {
  const { write, dir } = writer(t);
  symlinkSync("two", join(dir, "one"));
  symlinkSync("one", join(dir, "two"));
  mkdirSync(join(dir, "directory"));
  writeFileSync(join(dir, "file"), "x");
  spawnSync("mkfifo", [join(dir, "pipe")]);
  await assert.rejects(write("one", "x"), /too many symbolic links \(ELOOP\)/);
  await assert.rejects(write("directory", "x"), /it is a directory \(EISDIR\)/);
  await assert.rejects(write("pipe", "x"), /not a regular file/);
  await assert.rejects(write("file/below", "x"), /Cannot write file\/below/);
  await assert.rejects(write("a\0b", "x"), /NUL character/);
  await assert.rejects(write("file://host/a", "x"), /Cannot write file:/);
  assert.equal(lstatSync(join(dir, "pipe")).isFIFO(), true);
});

test("a file without permission to write is refused, although its directory permits a new one", async (t) => {
  const { write, dir } = writer(t);
  if (process.getuid?.() === 0) return t.skip("root may write every file");
  writeFileSync(join(dir, "file"), "old", { mode: 0o444 });
  await assert.rejects(write("file", "new"), /permission denied/);
  return undefined;
});

test("a call that is stopped while it waits for another change of the file changes nothing", async (t) => {
  const context = toolContext(t);
  const file = join(context.workspace, "file");
  const locks = new FileLocks();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const earlier = locks.withLock(file, () => gate);
  const later = createWriteTool(new WorkspaceFiles({ home: "/" }), locks).run({ path: "file", content: "x" }, context);
  await settled();
  context.stop();
  open();
  await assert.rejects(later, /stopped/);
  await earlier;
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("a stopped call changes nothing", async (t) => {
  const { write, dir, context } = writer(t);
  context.stop();
  await assert.rejects(write("a/b", "x"), /stopped/);
  assert.deepEqual(readdirSync(dir), []);
});
