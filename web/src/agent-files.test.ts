import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutFile, nameOf, sizeText } from "./agent-files.ts";

test("an agent is called by its identity, its name, or its id", () => {
  assert.equal(nameOf({ id: "main" }), "main");
  assert.equal(nameOf({ id: "main", name: "Helper" }), "Helper");
  assert.equal(nameOf({ id: "main", name: "Helper", identity: { name: "Rosa", emoji: "🌹" } }), "🌹 Rosa");
});

test("files have a size and a purpose", () => {
  assert.equal(sizeText(12), "12 bytes");
  assert.equal(sizeText(2_048), "2.0 KB");
  assert.equal(aboutFile("SOUL.md"), "Its character and tone.");
  assert.equal(aboutFile("toString.md"), "");
});
