// Group: kit
import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandFuzz } from "./commands.ts";

test("what a person has agreed to is what runs, to the byte", async () => {
  const { cases, understood, changed, refused, faults } = await new CommandFuzz(1).run(2_000, { changeShare: 0.3 });
  assert.deepEqual(faults, []);
  assert.equal(cases, 2_000);
  assert.ok(understood > 200 && changed > 400 && refused > 40, JSON.stringify({ understood, changed, refused }));
});
