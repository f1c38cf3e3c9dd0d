import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { qrMatrix, qrText } from "./qr.ts";

/** The hash of the rows of each matrix; the matrices were compared module by module with a second encoder. */
const KNOWN: readonly (readonly [text: string, size: number, hash: string])[] = [
  ["hello", 21, "8f290f882c94ccf8"],
  ["x".repeat(100), 37, "8329f9290d7ddd42"],
  ["y".repeat(300), 61, "b3d82aa19678ca94"],
  ["ü".repeat(400), 97, "a7ddc3ae7568c5ab"],
];

test("small and large texts give the symbols of ISO/IEC 18004", () => {
  for (const [text, size, hash] of KNOWN) {
    const rows = qrMatrix(text)
      .map((row) => row.map(Number).join(""))
      .join("\n");
    assert.equal(qrMatrix(text).length, size);
    assert.equal(createHash("sha256").update(rows).digest("hex").slice(0, 16), hash, text.slice(0, 20));
  }
  assert.throws(() => qrMatrix("x".repeat(2_954)), RangeError);
});

test("the code for a terminal has a light margin and two rows of modules in each line", () => {
  const lines = qrText("hello").split("\n");
  assert.equal(lines.length, 13);
  assert.ok(lines.every((line) => line.length === 25 && line.startsWith("██")));
  assert.equal(lines[0], "█".repeat(25));
});
