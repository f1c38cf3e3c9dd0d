import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeText } from "./decode-text.ts";

const latin = (text: string): Buffer => Buffer.from(text, "latin1");

test("the byte order mark wins, then the header, then the page, then UTF-8", () => {
  assert.equal(decodeText(Buffer.from("\ufeffä", "utf8"), "iso-8859-1"), "ä");
  assert.equal(decodeText(Buffer.from("\ufeffä", "utf16le"), null), "ä");
  assert.equal(decodeText(latin("ä"), "iso-8859-1"), "ä");
  assert.equal(decodeText(Buffer.from([0x82, 0xa0]), "shift_jis"), "あ");
  assert.equal(decodeText(latin('<meta charset="iso-8859-15">\xa4'), null), '<meta charset="iso-8859-15">€');
  assert.equal(decodeText(latin('<meta http-equiv=x content="text/html; charset=windows-1251">\xe6'), null).at(-1), "ж");
  assert.equal(decodeText(Buffer.from('<meta charset="utf-16">ä'), null), '<meta charset="utf-16">ä');
  assert.equal(decodeText(Buffer.from("ä"), null), "ä");
});

test("an unknown encoding and invalid bytes never fail", () => {
  assert.equal(decodeText(Buffer.from("ä"), "x-unknown"), "ä");
  assert.equal(decodeText(latin("caf\xe9 \x80"), null), "café €");
  assert.equal(decodeText(Buffer.from([0x61, 0xff]), "utf-8"), "a\ufffd");
});

test("a character that was cut at the end does not change the encoding", () => {
  for (const char of ["ä", "€", "😀"]) {
    const bytes = Buffer.from(`ä${char}`);
    for (let length = 3; length < bytes.length; length++) assert.equal(decodeText(bytes.subarray(0, length), null), "ä", char);
  }
  assert.equal(decodeText(new Uint8Array(), null), "");
});
