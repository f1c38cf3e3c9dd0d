import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { asId } from "../core/ids.ts";
import { ALL_CAPABILITIES } from "../../test/fakes/chat-bench.ts";
import { indicatorSettings, previewMode, replyToMode } from "./indicator-settings.ts";

const { config } = checkConfigValue({
  agents: { defaults: { typingMode: "thinking" } },
  messages: { ackReaction: "👀", removeAckAfterReply: true },
  channels: {
    chat: {
      accounts: {
        plain: {},
        set: { streaming: { mode: "block" }, replyToMode: "first", ackReaction: "" },
        wrong: { streaming: { mode: "sometimes" }, replyToMode: 3 },
      },
    },
  },
});
const place = (account: string) => ({ channel: asId<never>("chat"), account: asId<never>(account) });
const shows = { ...ALL_CAPABILITIES, preview: true };

test("the preview mode is that of the account, then the default of its channel, and needs edits", () => {
  assert.equal(previewMode(config, place("set"), ALL_CAPABILITIES), "block");
  assert.equal(previewMode(config, place("plain"), shows), "partial");
  assert.equal(previewMode(config, place("plain"), ALL_CAPABILITIES), "off");
  assert.equal(previewMode(config, place("wrong"), ALL_CAPABILITIES), "off");
  assert.equal(previewMode(config, place("set"), { ...shows, edit: false }), "off");
  assert.equal(previewMode(config, place("set"), null), "off");
});

test("parts of a reply are shown as an answer only where the account says so", () => {
  assert.equal(replyToMode(config, place("set")), "first");
  assert.equal(replyToMode(config, place("plain")), "off");
  assert.equal(replyToMode(config, place("wrong")), "off");
});

test("the session's typing mode overrides that of the agents; an account may switch the acknowledgement off", () => {
  assert.deepEqual(indicatorSettings(config, place("plain"), shows), {
    preview: "partial",
    typing: "thinking",
    ack: { emoji: "👀", scope: "group-mentions", removeAfterReply: true },
  });
  assert.equal(indicatorSettings(config, place("set"), shows).ack, null);
  const never = checkConfigValue({ session: { typingMode: "never" }, agents: { defaults: { typingMode: "thinking" } } }).config;
  assert.equal(indicatorSettings(never, place("plain"), null).typing, "never");
  assert.equal(indicatorSettings(checkConfigValue({}).config, place("plain"), null).typing, null);
  assert.equal(
    indicatorSettings(checkConfigValue({ messages: { ackReactionScope: "x", ackReaction: "👀" } }).config, place("p"), null).ack?.scope,
    "off",
  );
});
