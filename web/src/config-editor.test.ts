import assert from "node:assert/strict";
import { test } from "node:test";
import { changeText, effectText } from "./config-editor.ts";

const plan = (effects: readonly ("applied" | "restart-channel" | "restart-gateway")[], channels: readonly string[] = []) => ({
  changes: effects.map((effect, at) => ({ path: `key${at}`, effect })),
  requiresRestart: effects.includes("restart-gateway"),
  restartsChannels: channels,
});

test("a plan says what restarts", () => {
  assert.equal(effectText(plan([])), "No setting changes; only the text does.");
  assert.equal(effectText(plan(["applied"])), "1 setting changes, without a restart.");
  assert.equal(
    effectText(plan(["applied", "restart-channel"], ["irc", "slack"])),
    "2 settings change. These channels connect again: irc, slack.",
  );
  assert.match(effectText(plan(["restart-gateway"])), /^1 setting changes\. The gateway restarts/);
});

test("each change says when it works", () => {
  assert.equal(changeText({ path: "a", effect: "applied" }), "at once");
  assert.equal(changeText({ path: "a", effect: "restart-gateway" }), "needs a restart");
});
