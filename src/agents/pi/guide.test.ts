import assert from "node:assert/strict";
import { test } from "node:test";
import { GUIDE_NAME } from "../../core/guide-model.ts";
import { looksLikeKey, guideReply, type GuideFacts } from "./guide.ts";

const facts: GuideFacts = {
  version: "1.2.3",
  url: "ws://127.0.0.1:18789",
  channels: [{ id: "irc", state: "connected", detail: "libera" }],
  models: [{ name: "ollama/qwen3:8b", available: true }],
  pendingPairings: 2,
  logPath: "/var/log/x.log",
  problems: ["The disk is full."],
};

const COMMANDS: readonly [string, RegExp][] = [
  ["help", /connect <provider>/],
  ["Help!", /connect <provider>/],
  ["/status", /version 1\.2\.3/],
  ["status", /irc \(connected\)/],
  ["models", /ollama\/qwen3:8b/],
  ["channels", /irc: connected \(libera\)/],
  ["connect anthropic", /models\.providers\.anthropic\.apiKey --stdin/],
  ["connect Claude", /ANTHROPIC_API_KEY/],
  ["connect ollama", /ollama pull/],
  ["connect", /Which provider/],
  ["connect frobnicate", /do not know that provider/],
  ["pair", /2 waiting/],
  ["doctor", /The disk is full/],
  ["logs", /\/var\/log\/x\.log/],
  ["[irc alice]\nstatus", /version 1\.2\.3/],
  ["what is the weather like?", /cannot answer that/],
  ["help me with my homework", /cannot answer that/],
  ["constructor", /cannot answer that/],
  ["", /cannot answer that/],
];

for (const [text, expected] of COMMANDS) {
  test(`"${text.replace("\n", " / ")}" is answered, as a script, with a next step`, () => {
    const reply = guideReply(text, facts);
    assert.ok(reply.startsWith(`_${GUIDE_NAME}_\n`));
    assert.match(reply, expected);
    assert.match(reply.split("\n\n").at(-1)!, /^\*\*Next step:\*\* /);
  });
}

test("Without facts every command still has an answer", () => {
  for (const [text] of COMMANDS) assert.doesNotMatch(guideReply(text, {}), /undefined|NaN/);
});

const KEYS = [
  "sk-ant-api03-abcdefghijklmnop",
  "connect openai sk-proj-AbCdEf123456789",
  "my api key is 1234567890abcdef",
  "AIzaSyA1234567890abcdefg",
  "gsk_abcdefghijklmnop1234",
  "xoxb-123456789012-abcdefghijkl",
  "here: 9f8e7d6c5b4a39281706f5e4d3c2b1a0",
];

for (const text of KEYS) {
  test(`A message with "${text.slice(0, 18)}..." is detected as a key, refused and not repeated`, () => {
    const reply = guideReply(text, facts);
    assert.match(reply, /don't accept keys in a chat/);
    for (const word of text.split(" ").filter((word) => /\d/.test(word))) assert.ok(!reply.includes(word));
  });
}

test("Ordinary sentences are not detected as keys", () => {
  for (const text of ["help", "connect anthropic", "How do I get an API key?", "what is a token", "see https://example.org/a/b"]) {
    assert.equal(looksLikeKey(text), false, text);
  }
});
