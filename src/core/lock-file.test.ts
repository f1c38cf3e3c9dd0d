import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { tryLock } from "./lock-file.ts";

const GONE = 2 ** 22 + 1;

function place(t: TestContext): { dir: string; path: string } {
  const dir = mkdtempSync(join(tmpdir(), "lock-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return { dir, path: join(dir, "lock") };
}

test("a lock is had once, and again after its release", async (t) => {
  const { dir, path } = place(t);
  const attempts = await Promise.all([tryLock(path), tryLock(path), tryLock(path)]);
  const [first, ...more] = attempts.filter(({ isTaken }) => isTaken);
  assert.equal(more.length, 0);
  assert.deepEqual(await tryLock(path), { isTaken: false, holder: process.pid });
  assert.ok(first?.isTaken);
  await first.release();
  assert.deepEqual(readdirSync(dir), []);
  assert.ok((await tryLock(path)).isTaken);
});

test("the lock of a process that is gone is taken over, also one with the id of this process", async (t) => {
  const { dir, path } = place(t);
  for (const left of [String(GONE), String(process.pid), ""]) {
    writeFileSync(path, left);
    assert.deepEqual(await tryLock(path), { isTaken: false, holder: 0 });
    const next = await tryLock(path);
    assert.ok(next.isTaken, left);
    await next.release();
  }
  assert.deepEqual(readdirSync(dir), []);
});

test("the lock of a process that runs stays", async (t) => {
  const { dir, path } = place(t);
  writeFileSync(path, String(process.ppid));
  assert.deepEqual(await tryLock(path), { isTaken: false, holder: process.ppid });
  assert.deepEqual(readdirSync(dir), ["lock"]);
});
