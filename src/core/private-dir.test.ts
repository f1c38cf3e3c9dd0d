import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { silentLog } from "./log.ts";
import { makePrivateDir } from "./private-dir.ts";

function inTemp(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "private-dir-"));
  return run(dir).finally(() => rmSync(dir, { recursive: true, force: true }));
}

test("a file in the place of the directory, or of one above it, is renamed and said", () =>
  inTemp(async (root) => {
    for (const file of ["a/b/c", "d/b", "e"]) {
      const dir = join(root, file[0]!, "b", "c");
      await makePrivateDir(dirname(join(root, file)), silentLog);
      writeFileSync(join(root, file), "what was here");
      const said: unknown[] = [];
      await makePrivateDir(dir, { warn: (_message, fields) => void said.push(fields) });
      assert.equal(statSync(dir).mode & 0o777, 0o700);
      const { path, keptAs } = said[0] as { path: string; keptAs: string };
      assert.equal(path, join(root, file));
      assert.equal(readFileSync(keptAs, "utf8"), "what was here");
      await makePrivateDir(dir, { warn: () => assert.fail("nothing is in the way any more") });
    }
  }));

test("anything else in the way stays where it is", () =>
  inTemp(async (root) => {
    symlinkSync(join(root, "nowhere"), join(root, "link"));
    await assert.rejects(makePrivateDir(join(root, "link"), silentLog));
    assert.deepEqual(readdirSync(root), ["link"]);
  }));
