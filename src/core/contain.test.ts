import assert from "node:assert/strict";
import { test } from "node:test";
import { contain } from "./contain.ts";

test("what a contained callback throws or rejects with reaches only its handler", async () => {
  const errors: unknown[] = [];
  const onError = (err: unknown): void => void errors.push(err);
  contain(onError, () => {
    throw new Error("thrown");
  })();
  contain(onError, () => Promise.reject(new Error("rejected")))();
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(
    errors.map((err) => (err as Error).message),
    ["thrown", "rejected"],
  );
});

test("a contained callback receives its arguments", () => {
  let sum = 0;
  contain(assert.ifError, (a: number, b: number) => void (sum = a + b))(1, 2);
  assert.equal(sum, 3);
});
