import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { holdByPath, holdDirectory, type HeldDirectory, type HoldDirectory } from "./held-directory.ts";

const WAYS: readonly [string, HoldDirectory][] = [
  ["by descriptor", holdDirectory],
  ["by path", holdByPath],
];
const isExact = process.platform === "linux";

/** `a/b/file` with the text "inside", and `other/b/file` with "outside". */
function tree(t: TestContext): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "held-")));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [top, text] of [
    ["a", "inside"],
    ["other", "outside"],
  ] as const) {
    mkdirSync(join(dir, top, "b"), { recursive: true });
    writeFileSync(join(dir, top, "b", "file"), text);
  }
  return dir;
}

async function enter(t: TestContext, hold: HoldDirectory, path: string, ...names: string[]): Promise<HeldDirectory> {
  let at = await hold(path);
  for (const name of names) {
    const next = await at.enter(name);
    at.close();
    at = next;
  }
  t.after(() => at.close());
  return at;
}

for (const [way, hold] of WAYS) {
  test(`a directory ${way} has its path without links, and its entries`, async (t) => {
    const dir = tree(t);
    symlinkSync("a", join(dir, "link"));
    const held = await enter(t, hold, join(dir, "link"), "b");
    assert.equal(held.path, join(dir, "a/b"));
    assert.deepEqual(readdirSync(held.self), ["file"]);
    assert.equal(readFileSync(held.entry("file"), "utf8"), "inside");
    await held.confirm();
  });

  test(`from a directory ${way} neither links nor files are entered, and a name is one name`, async (t) => {
    const dir = tree(t);
    symlinkSync("a", join(dir, "link"));
    writeFileSync(join(dir, "file"), "");
    const held = await enter(t, hold, dir);
    await assert.rejects(held.enter("link"), { code: "ENOTDIR" });
    await assert.rejects(held.enter("file"), { code: "ENOTDIR" });
    await assert.rejects(held.enter("none"), { code: "ENOENT" });
    for (const name of ["", ".", "..", "a/b", "/"]) assert.throws(() => held.entry(name), /not the name of an entry/);
    await assert.rejects(held.enter(".."), /not the name of an entry/);
    await assert.rejects(hold(join(dir, "file")), { code: "ENOTDIR" });
  });

  test(`a directory ${way} is not redirected by a link in its place, or the link is noticed`, async (t) => {
    const dir = tree(t);
    const held = await enter(t, hold, dir, "a", "b");
    renameSync(join(dir, "a"), join(dir, "away"));
    symlinkSync("other", join(dir, "a"));
    if (isExact && hold === holdDirectory) assert.equal(readFileSync(held.entry("file"), "utf8"), "inside");
    else await assert.rejects(held.confirm(), { code: "ESTALE" });
  });
}

test("a file that was opened through a link of the moment is not confirmed by path", async (t) => {
  const dir = tree(t);
  const held = await enter(t, holdByPath, dir, "a", "b");
  renameSync(join(dir, "a"), join(dir, "away"));
  symlinkSync("other", join(dir, "a"));
  const handle = await open(held.entry("file"));
  t.after(() => handle.close());
  rmSync(join(dir, "a"));
  renameSync(join(dir, "away"), join(dir, "a"));
  await held.confirm();
  await assert.rejects(held.confirm({ name: "file", handle }), { code: "ESTALE" });
});

test("a closed directory is not used by mistake: its descriptor may be that of another file", async (t) => {
  if (!isExact) return t.skip("only Linux names open directories");
  const held = await holdDirectory(tree(t));
  held.close();
  held.close();
  assert.throws(() => held.self, /used after it was closed/);
  assert.throws(() => held.entry("a"), /used after it was closed/);
  return undefined;
});
