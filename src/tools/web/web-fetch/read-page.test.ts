import assert from "node:assert/strict";
import { test } from "node:test";
import { WEB_LIMITS } from "../web-limits.ts";
import { readPage, type PageRequest } from "./read-page.ts";

const read = (content: string | Uint8Array, mimeType: string, more: Partial<PageRequest> = {}): string => {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const page = readPage({ bytes, mimeType, charset: null, url: "https://site.example/", mode: "markdown", mainOnly: true, ...more });
  return "problem" in page ? `problem: ${page.problem}` : page.text;
};

test("JSON gets line breaks and keeps its numbers", () => {
  assert.equal(
    read('{"a":[1,2.50,12345678901234567890],"b":"x"}', "application/json"),
    '{\n  "a": [\n    1,\n    2.50,\n    12345678901234567890\n  ],\n  "b": "x"\n}',
  );
  assert.equal(read('{"@id":1}', "application/ld+json"), '{\n  "@id": 1\n}');
});

test("JSON that is wrong or nested too deep is shown as it is", () => {
  assert.equal(read('{"a":', "application/json"), '{"a":');
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  assert.equal(read(deep, "application/json"), deep);
});

test("text and Markdown stay as they are", () => {
  for (const type of ["text/plain", "text/markdown", "text/csv", "application/xml", "application/atom+xml", "application/yaml"]) {
    assert.equal(read("# a\n\n<b>  c\n", type), "# a\n\n<b>  c", type);
  }
});

test("content without a type is taken for what it looks like", () => {
  assert.equal(read("<!DOCTYPE html><p>a <b>b</b>", "application/octet-stream"), "a **b**");
  assert.equal(read("just text", "application/octet-stream"), "just text");
});

test("what is not text is refused by its type", () => {
  assert.equal(read("x", "image/png"), "problem: it is not text (image/png)");
  assert.equal(read(Uint8Array.of(0x50, 0x4b, 0, 1), "application/octet-stream"), "problem: it is not text (application/octet-stream)");
  assert.equal(read(Uint8Array.of(0x61, 0), "text/plain"), "problem: it is not text (text/plain)");
  assert.equal(read(Buffer.from("\ufeffabc", "utf16le"), "text/plain"), "abc");
});

test("a long text is cut", () => {
  const page = readPage({
    bytes: Buffer.alloc(WEB_LIMITS.pageChars + 1, "a"),
    mimeType: "text/plain",
    charset: null,
    url: "https://site.example/",
    mode: "text",
    mainOnly: true,
  });
  assert.ok(!("problem" in page) && page.isCut && page.text.length === WEB_LIMITS.pageChars);
});
