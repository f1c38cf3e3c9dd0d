import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "./secret.ts";
import { secureEquals } from "./secure-compare.ts";

const CASES: [string | Uint8Array, string | Uint8Array | Secret, boolean][] = [
  ["token", "token", true],
  ["token", new Secret("token"), true],
  [Buffer.from("token"), "token", true],
  ["", "", true],
  ["token", "tokem", false],
  ["token", "token ", false],
  ["", new Secret("token"), false],
  ["\u00E9", "e\u0301", false],
  ["ä", Buffer.from("ä"), true],
];

test("values are equal when their bytes are, whatever their lengths", () => {
  for (const [given, expected, equal] of CASES) assert.equal(secureEquals(given, expected), equal, JSON.stringify([given, equal]));
});
