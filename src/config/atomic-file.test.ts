import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeAtomic } from "./atomic-file.ts";
import { ensureDirectory } from "./make-dir.ts";

test("a file that is mounted by itself is written in place, and nothing is left beside it", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "atomic-"));
  const [outer, inner] = [join(dir, "outer.json"), join(dir, "openclaw.json")];
  writeFileSync(outer, "the old text, which is longer than the new one", { mode: 0o600 });
  writeFileSync(inner, "");
  t.after(() => {
    spawnSync("umount", [inner]);
    rmSync(dir, { recursive: true });
  });
  if (spawnSync("mount", ["--bind", outer, inner]).status !== 0) return t.skip("nothing can be mounted here");
  await writeAtomic(inner, "new", `${inner}.bak`);
  assert.equal(readFileSync(outer, "utf8"), "new");
  assert.equal(readFileSync(`${inner}.bak`, "utf8"), "the old text, which is longer than the new one");
  assert.equal(statSync(inner).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dir).toSorted(), ["openclaw.json", "openclaw.json.bak", "outer.json"]);
});

test("a directory that the system does not make is an error, and not an endless wait", () => {
  assert.throws(() => ensureDirectory("/proc/nothing/below/it"), { code: "ENOENT" });
  assert.throws(() => ensureDirectory("/dev/null/x"), { code: "EEXIST" });
  const dir = mkdtempSync(join(tmpdir(), "make-"));
  ensureDirectory(join(dir, "a", "b"));
  ensureDirectory(join(dir, "a", "b"));
  assert.equal(statSync(join(dir, "a", "b")).mode & 0o777, 0o700);
  rmSync(dir, { recursive: true });
});
