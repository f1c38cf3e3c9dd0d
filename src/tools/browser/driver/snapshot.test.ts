import assert from "node:assert/strict";
import { test } from "node:test";
import { takePart, toCompact } from "./snapshot.ts";

test("a compact snapshot has what can be acted on, and headings, below each other", () => {
  const snapshot = [
    "- generic [active] [ref=e1]:",
    '  - navigation "Main" [ref=e2]:',
    "    - list:",
    '      - listitem: - link "Home" [ref=e4]',
    '      - link "About" [ref=e5] [cursor=pointer]:',
    "        - /url: /about",
    '  - combobox "Size" [ref=e6]:',
    '    - option "S" [selected]',
    "  - text: - button",
    '  - heading "Title" [level=1] [ref=e7]',
  ].join("\n");
  assert.equal(
    toCompact(snapshot),
    [
      '- link "About" [ref=e5] [cursor=pointer]',
      '- combobox "Size" [ref=e6]',
      '  - option "S" [selected]',
      '- heading "Title" [level=1] [ref=e7]',
    ].join("\n"),
  );
  assert.equal(toCompact(""), "");
});

test("parts are whole lines within their size, and together the whole text", () => {
  const text = Array.from({ length: 300 }, (_, index) => `${"ä".repeat(index % 7)} line ${index}`).join("\n");
  for (const maxBytes of [40, 200, 1_000, 100_000]) {
    const parts: string[] = [];
    let offset: number | null = 0;
    while (offset !== null) {
      const part = takePart(text, offset, maxBytes);
      assert.ok(Buffer.byteLength(part.text) + 2 * part.text.split("\n").length <= maxBytes);
      parts.push(part.text);
      offset = part.next;
    }
    assert.equal(parts.join("\n"), text);
  }
});

test("a line that alone is too long is cut between characters", () => {
  const text = `${"€".repeat(100)}\nend`;
  const first = takePart(text, 0, 50);
  assert.equal(first.text, "€".repeat(15));
  assert.equal(first.next, 15);
  const rest = takePart(text, first.next, 10_000);
  assert.deepEqual(rest, { text: `${"€".repeat(85)}\nend`, next: null });
});
