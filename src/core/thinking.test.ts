import assert from "node:assert/strict";
import { test } from "node:test";
import { isThinkingLevel, THINKING_CHOICES, THINKING_LEVELS, THINKING_LEVELS_OF_MODEL, toThinkingLevel } from "./thinking.ts";

test("every word stands for a level, and every level stands for itself", () => {
  assert.deepEqual(THINKING_CHOICES, ["off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra"]);
  assert.deepEqual(THINKING_LEVELS, ["off", "minimal", "low", "medium", "high", "xhigh", "max"]);
  for (const word of THINKING_CHOICES) assert.ok(THINKING_LEVELS.includes(toThinkingLevel(word)!), word);
  for (const level of THINKING_LEVELS) assert.ok(isThinkingLevel(level), level);
  assert.deepEqual([toThinkingLevel("adaptive"), toThinkingLevel("ultra"), isThinkingLevel("ultra")], ["medium", "max", false]);
  for (const word of ["", "OFF", "toString", "constructor"]) assert.equal(toThinkingLevel(word), null, word);
  for (const levels of Object.values(THINKING_LEVELS_OF_MODEL)) for (const level of levels) assert.ok(isThinkingLevel(level), level);
});
