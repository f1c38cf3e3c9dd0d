import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { toolContext } from "../../test/fakes/tool-context.ts";
import type { FileTarget } from "./file-target.ts";
import { WorkspaceFiles } from "./workspace-files.ts";

function finder(t: TestContext): { dir: string; find: (path: string, wanted?: "entry") => Promise<FileTarget> } {
  const context = { ...toolContext(t), outside: ["/dev"] };
  const files = new WorkspaceFiles({ home: "/nowhere" });
  return {
    dir: context.workspace,
    find: async (path, wanted) => {
      const target = await files.findTarget(path, context, wanted);
      t.after(() => target.close());
      return target;
    },
  };
}

test("paths through links and to nothing lead to the file that is changed", async (t) => {
  const { dir, find } = finder(t);
  mkdirSync(join(dir, "real"));
  writeFileSync(join(dir, "real/file"), "");
  symlinkSync("real", join(dir, "directory"));
  symlinkSync("directory/file", join(dir, "link"));
  symlinkSync("directory/new", join(dir, "dangling"));
  symlinkSync(join(dir, "directory/../real/./file"), join(dir, "absolute"));
  symlinkSync("../real/file", join(dir, "real/up"));
  const paths = ["link", "directory/file", "dangling", "directory/x/y", "absolute", "real/up", "directory/up"];
  const keys = await Promise.all(paths.map(async (path) => (await find(path)).key));
  const expected = ["real/file", "real/file", "real/new", "real/x/y", "real/file", "real/file", "real/file"];
  assert.deepEqual(
    keys,
    expected.map((path) => join(dir, path)),
  );
  assert.equal((await find("link", "entry")).key, join(dir, "link"));
  await assert.rejects(find("real/file/below"), { code: "ENOTDIR" });
});

test("devices, directories and links are not replaced by files", async (t) => {
  const { dir, find } = finder(t);
  await assert.rejects((await find("/dev/null")).checkWritable(), /not a regular file/);
  await assert.rejects((await find(".")).checkWritable(), { code: "EISDIR" });
  const target = await find("file");
  symlinkSync("other", join(dir, "file"));
  await assert.rejects(target.checkWritable(), /it is a symbolic link/);
  await assert.rejects(target.replace("x"), /it is a symbolic link/);
  assert.deepEqual(readdirSync(dir), ["file"]);
});

test("a file whose directories are made later is found there", async (t) => {
  const { dir, find } = finder(t);
  const target = await find("a/b/c");
  assert.equal(await target.stats(), null);
  mkdirSync(join(dir, "a/b"), { recursive: true });
  writeFileSync(join(dir, "a/b/c"), "text");
  assert.equal((await target.stats())?.size, 4);
  assert.equal(await target.readText(), "text");
});

test("what is staged appears with its commit, and a discarded content leaves nothing but directories that others use", async (t) => {
  const { dir, find } = finder(t);
  const [one, two] = [await find("new/one/a"), await find("new/two/b")];
  for (const target of [one, two]) await target.makeDirectories();
  const [first, second] = [await one.stage("1"), await two.stage("2", 0o640)];
  assert.equal(existsSync(join(dir, "new/one/a")), false);
  await second.commit();
  await first.discard();
  await one.removeMadeDirectories();
  assert.deepEqual(readdirSync(dir, { recursive: true }).toSorted(), ["new", "new/two", "new/two/b"]);
  assert.equal(readFileSync(join(dir, "new/two/b"), "utf8"), "2");
});
