import assert from "node:assert/strict";
import { test } from "node:test";
import { isUndelivered, statusText, toTrees } from "./task-tree.ts";
import type { TaskNode, TaskRow } from "./task-tree.ts";

const task = (id: string, ownerKey: string, more: Partial<TaskRow> = {}): TaskRow => ({
  id,
  ownerKey,
  childSessionKey: `child-${id}`,
  status: "completed",
  createdAt: 0,
  ...more,
});
const shape = ({ task: { id }, children }: TaskNode): unknown => (children.length === 0 ? id : [id, children.map(shape)]);

test("tasks are below the one whose session gave them, and the first ones below their conversation", () => {
  const trees = toTrees([task("a", "main"), task("b", "child-a"), task("c", "child-b"), task("d", "main"), task("e", "other")]);
  assert.deepEqual(
    trees.map(({ sessionKey, tasks }) => [sessionKey, tasks.map(shape)]),
    [
      ["main", [["a", [["b", ["c"]]]], "d"]],
      ["other", ["e"]],
    ],
  );
});

test("conversations that give each other work are shown once", () => {
  const circle = [task("a", "x", { childSessionKey: "y" }), task("b", "y", { childSessionKey: "x" })];
  assert.deepEqual(
    toTrees(circle).map(({ sessionKey, tasks }) => [sessionKey, tasks.map(shape)]),
    [["x", [["a", ["b"]]]]],
  );
});

test("the state of a task names its error, and a result that was not handed back", () => {
  assert.equal(statusText(task("a", "main", { status: "failed", error: "no model" })), "Failed: no model");
  for (const deliveryStatus of ["parent_missing", "failed"])
    assert.equal(statusText(task("a", "main", { deliveryStatus })), "Done; its result was not handed back");
  assert.ok(!isUndelivered(task("a", "main", { deliveryStatus: "delivered" })));
});
