import assert from "node:assert/strict";
import { test } from "node:test";
import { sourceText, stateText } from "./skill-list.ts";

test("a skill says where it is from and whether it is on", () => {
  assert.equal(sourceText("openclaw-managed"), "state directory");
  assert.equal(sourceText("a new place"), "a new place");
  assert.equal(stateText({ eligible: true, modelVisible: true }), "On");
  assert.equal(stateText({ eligible: true, modelVisible: false }), "On, only for /skill");
  assert.equal(stateText({ eligible: false, modelVisible: false }), "Off");
});
