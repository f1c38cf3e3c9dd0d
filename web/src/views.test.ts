import assert from "node:assert/strict";
import { test } from "node:test";
import { approvalOfHash, hashOf, inSentence, viewOfHash } from "./views.ts";

test("an address leads to the view that it was made for, and every other one to the conversation", () => {
  assert.equal(viewOfHash(hashOf("approvals")), "approvals");
  assert.equal(viewOfHash(hashOf("channels")), "channels");
  for (const hash of ["", "#", "#s=agent%3Amain%3Amain", "#toString", "#approve=", "#approve=a/b"]) assert.equal(viewOfHash(hash), "chat");
});

test("an address of one approval leads to the approvals", () => {
  assert.equal(viewOfHash("#approve=3f2a-1"), "approvals");
  assert.equal(approvalOfHash("#approve=3f2a-1"), "3f2a-1");
  assert.equal(approvalOfHash("#approvals"), null);
});

test("a title within a sentence begins small, unless it begins with an abbreviation", () => {
  assert.deepEqual([inSentence("skills"), inSentence("mcp")], ["skills", "MCP servers"]);
});
