import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHttpsUrl, isSafeUrl } from "./url.ts";
import type { AccountIssue } from "./channel.ts";

const CASES: readonly [address: string, safe: boolean][] = [
  ["https://api.example/x", true],
  ["http://127.0.0.1:8080/x", true],
  ["http://localhost", true],
  ["http://[::1]:1", true],
  ["http://api.example", false],
  ["http://127.0.0.1.example", false],
  ["http://localhost.example", false],
  ["https://user@api.example", false],
  ["https://:password@api.example", false],
  ["ftp://api.example", false],
  ["ws://127.0.0.1", false],
  ["api.example", false],
  ["", false],
];

for (const [address, safe] of CASES)
  test(`${address || "nothing"} is ${safe ? "" : "not "}safe for a credential`, () =>
    assert.equal(isSafeUrl(address, "https:", "http:"), safe));

test("a socket has its own words", () => {
  assert.equal(isSafeUrl("wss://x.example", "wss:", "ws:"), true);
  assert.equal(isSafeUrl("ws://x.example", "wss:", "ws:"), false);
});

test("an invalid address is an issue with key and fix", () => {
  for (const value of ["x", "https://x.example/#a"]) {
    const issues: AccountIssue[] = [];
    assert.equal(parseHttpsUrl(value, "apiRoot", issues), "");
    assert.equal(issues[0]?.path, "apiRoot");
    assert.match(issues[0]?.fix ?? "", /this machine/);
  }
});
