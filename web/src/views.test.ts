import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, viewOfHash } from "./views.ts";

test("an address leads to the view that it was made for, and every other one to the conversation", () => {
  assert.equal(viewOfHash(hashOf("approvals")), "approvals");
  assert.equal(viewOfHash(hashOf("channels")), "channels");
  for (const hash of ["", "#", "#s=agent%3Amain%3Amain", "#toString"]) assert.equal(viewOfHash(hash), "chat");
});
