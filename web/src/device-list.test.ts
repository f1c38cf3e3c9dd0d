import assert from "node:assert/strict";
import { test } from "node:test";
import { liveTokens, nameOf, requestText, scopesText, systemText } from "./device-list.ts";

test("scopes are shown in words, and admin includes the others", () => {
  assert.equal(scopesText(["operator.read", "operator.admin"]), "May change everything");
  assert.equal(scopesText(["operator.read", "operator.write"]), "May read, send messages");
  assert.equal(scopesText([]), "Has no rights of an operator");
  assert.equal(scopesText(["operator.other"]), "May operator.other");
});

test("a request says what it would allow", () => {
  assert.equal(requestText({ role: "operator", scopes: ["operator.read"] }), "Wants to read.");
  assert.equal(
    requestText({ role: "node", scopes: [], isRepair: true }),
    "Wants to be a node, which runs commands for agents. It was paired before, and asks again.",
  );
});

test("a device without a name is called by its client and the beginning of its id", () => {
  assert.equal(nameOf({ deviceId: "0123456789ab", clientId: "cli" }), "cli 01234567");
  assert.equal(nameOf({ deviceId: "0123456789ab", displayName: "Laptop" }), "Laptop");
});

test("a system is one line without repetitions, and revoked tokens do not count", () => {
  assert.equal(systemText({ platform: "linux", deviceFamily: "linux", remoteIp: "" }), "linux");
  const token = { role: "operator", scopes: [], createdAtMs: 1 };
  assert.deepEqual(liveTokens({ tokens: [token, { ...token, role: "node", revokedAtMs: 2 }] }), [token]);
});
