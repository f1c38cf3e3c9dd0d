import assert from "node:assert/strict";
import { test } from "node:test";
import { createJsonlSplitter, toJsonl, type JsonlRecord } from "./jsonl.ts";

const split = (bytes: Buffer, step: number, cap = 1_000): JsonlRecord[] => {
  const splitter = createJsonlSplitter(cap);
  const records: JsonlRecord[] = [];
  for (let at = 0; at < bytes.length; at += step) records.push(...splitter.push(bytes.subarray(at, at + step)));
  return records;
};

test("Records do not depend on how the bytes are split, even inside a character", () => {
  const values = [{ text: "a\u2028b\u2029c" }, { text: "Grüße 🦞" }, { text: "tab\tand\rreturn" }];
  const bytes = Buffer.from(values.map(toJsonl).join(""));
  for (const step of [1, 2, 3, 7, bytes.length]) {
    const parsed = split(bytes, step).map((record) => JSON.parse((record as { text: string }).text));
    assert.deepEqual(parsed, values, `cut every ${step} bytes`);
  }
});

test("Only LF ends a record; raw line and paragraph separators and a lone CR do not", () => {
  assert.deepEqual(split(Buffer.from('"a\u2028b"\n"c\u2029d"\r\n"e\rf"\n'), 4), [
    { text: '"a\u2028b"' },
    { text: '"c\u2029d"' },
    { text: '"e\rf"' },
  ]);
});

test("Empty records are dropped and an unfinished one waits", () => {
  const splitter = createJsonlSplitter(100);
  assert.deepEqual(splitter.push(Buffer.from("\n\r\n1")), []);
  assert.deepEqual(splitter.push(Buffer.from("2\n")), [{ text: "12" }]);
});

test("A record over the cap is skipped and reported, and the next one is complete", () => {
  const bytes = Buffer.from(`"short"\n${"x".repeat(5_000)}\n"next"\n`);
  for (const step of [1, 64, bytes.length]) {
    assert.deepEqual(split(bytes, step, 100), [{ text: '"short"' }, { tooLongChars: 5_000 }, { text: '"next"' }]);
  }
});
