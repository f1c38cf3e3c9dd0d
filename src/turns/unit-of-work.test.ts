import assert from "node:assert/strict";
import { test } from "node:test";
import { noWork, planInTransaction, type UnitOfWork } from "./unit-of-work.ts";

test("a unit that is planned in its transaction is planned again after a rollback, and only what was planned is undone", () => {
  const seen: string[] = [];
  const named = (name: string): UnitOfWork => ({
    apply: () => void seen.push(`${name} apply`),
    onCommit: () => void seen.push(`${name} commit`),
    onRollback: () => void seen.push(`${name} rollback`),
  });
  const plans = [named("first"), "a failure", named("second")];
  const work = planInTransaction(() => {
    const next = plans.shift();
    if (typeof next === "string") throw new Error(next);
    return next ?? noWork;
  });
  work.onRollback();
  work.apply();
  work.onRollback();
  work.onRollback();
  assert.throws(work.apply, /a failure/);
  work.onRollback();
  work.apply();
  work.onCommit();
  assert.deepEqual(seen, ["first apply", "first rollback", "second apply", "second commit"]);
});
