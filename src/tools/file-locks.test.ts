import assert from "node:assert/strict";
import { test } from "node:test";
import { settled } from "../../test/until.ts";
import { FileLocks } from "./file-locks.ts";

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

test("changes of several files wait for all of them, in whatever order they are named", async () => {
  const locks = new FileLocks();
  const running = new Set<string>();
  const change = (keys: readonly string[]): Promise<void> =>
    locks.withLocks(keys, async () => {
      for (const key of new Set(keys)) {
        assert.equal(running.has(key), false);
        running.add(key);
      }
      await settled();
      for (const key of keys) running.delete(key);
    });
  await Promise.all([change(["a", "b"]), change(["b", "a"]), change(["c", "a", "c"]), change(["b", "c"]), locks.withLock("a", settled)]);
  assert.equal(running.size, 0);
});
