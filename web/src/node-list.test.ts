import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf, requestText, stateText, systemText } from "./node-list.ts";

test("the state of a node is what a person has to do about it, or whether it is there", () => {
  assert.equal(stateText({ connected: true, approvalState: "approved" }), "Connected");
  assert.equal(stateText({ connected: false, approvalState: "approved" }), "Not connected");
  assert.equal(stateText({ connected: true, approvalState: "pending-approval" }), "Waits for approval");
  assert.equal(stateText({ connected: true, approvalState: "pending-reapproval" }), "Waits for approval");
  assert.equal(stateText({ connected: true, approvalState: "unapproved" }), "Not approved");
});

test("a node has a name and a system", () => {
  assert.equal(nameOf({ nodeId: "ed00f690ccd3" }), "ed00f690");
  assert.equal(nameOf({ nodeId: "ed00f690ccd3", displayName: "attic" }), "attic");
  assert.equal(systemText({ platform: "linux", version: "1" }), "linux, 1");
});

test("a request says in words what it would allow", () => {
  assert.equal(requestText({ summary: ["run programs", "use cameras"] }), "It could run programs, use cameras.");
  assert.equal(requestText({ summary: ["use cameras"], isRepair: true }), "It could use cameras. It offers more than was approved before.");
  assert.equal(requestText({}), "It offers nothing that could be allowed.");
});
