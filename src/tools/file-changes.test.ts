import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toolContext } from "../../test/fakes/tool-context.ts";
import { settled } from "../../test/until.ts";
import { checkWritable, FileLocks, targetOf } from "./file-changes.ts";

test("paths through links and to nothing lead to the file that is changed", async (t) => {
  const { workspace: dir } = toolContext(t);
  mkdirSync(join(dir, "real"));
  writeFileSync(join(dir, "real/file"), "");
  symlinkSync("real", join(dir, "directory"));
  symlinkSync("directory/file", join(dir, "link"));
  symlinkSync("directory/new", join(dir, "dangling"));
  const targets = ["link", "directory/file", "dangling", "directory/x/y", "real/file/below"].map((path) => targetOf(join(dir, path)));
  const expected = ["real/file", "real/file", "real/new", "real/x/y", "real/file/below"].map((path) => join(dir, path));
  assert.deepEqual(await Promise.all(targets), expected);
});

test("devices are not replaced by files", async () => {
  await assert.rejects(checkWritable("/dev/null"), /not a regular file/);
});

test("changes of one file run one after the other, also after a failure; others do not wait", async () => {
  const locks = new FileLocks();
  const steps: string[] = [];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const change = (file: string, name: string, wait?: Promise<void>): Promise<void> =>
    locks.withLock(file, async () => {
      await wait;
      steps.push(name);
      if (name === "first") throw new Error("failed");
    });
  const first = assert.rejects(change("a", "first", gate), /failed/);
  const rest = [change("a", "second"), change("a", "third"), change("b", "other")];
  await settled();
  assert.deepEqual(steps, ["other"]);
  open();
  await Promise.all([first, ...rest]);
  assert.deepEqual(steps, ["other", "first", "second", "third"]);
});
