import assert from "node:assert/strict";
import { test } from "node:test";
import { maskKeys } from "./mask-keys.ts";

test("keys of the usual providers and platforms are not shown", () => {
  for (const key of [
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz",
    "sk-proj-abcdefghijklmnop",
    "xoxb-1234567890-abcdefghij",
    "ghp_abcdefghijklmnopqrst",
    "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
  ]) {
    const shown = maskKeys(`my key is ${key}, ok?`);
    assert.ok(!shown.includes(key), shown);
    assert.match(shown, /^my key is .{6}….{2} \(hidden\), ok\?$/);
  }
});

test("other text stays as it is", () => {
  const text = "Ask sk-learn at 12:30, in task-12345678901234567890 or at https://example.org/ghp_x";
  assert.equal(maskKeys(text), text);
});
