import assert from "node:assert/strict";
import { test } from "node:test";
import { authorityText, statusText, toParams } from "./audit-records.ts";

test("a filter is a kind or a status, and a page continues at its cursor", () => {
  assert.deepEqual(toParams("all", null), { limit: 50 });
  assert.deepEqual(toParams("tools", "7"), { limit: 50, kind: "tool_action", cursor: "7" });
  assert.deepEqual(toParams("blocked", null), { limit: 50, status: "blocked" });
});

test("for whom something was done, in words", () => {
  assert.equal(authorityText({ surface: "operator", channel: "webchat", isOwner: true, client: "cli" }), "cli");
  assert.equal(authorityText({ surface: "operator", channel: "webchat", isOwner: true }), "an operator");
  assert.equal(authorityText({ surface: "channel", channel: "irc", sender: "ada", isOwner: true }), "ada on irc (owner)");
  assert.equal(authorityText({ surface: "channel", channel: "irc", isOwner: false }), "someone on irc");
});

test("a status that is not known is shown as it is", () => {
  assert.deepEqual([statusText("timed_out"), statusText("later")], ["Took too long", "later"]);
});
