import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { openChat } from "./chat-state.ts";
import { toPalette } from "./palette.ts";
import { statusLines, type StatusFacts } from "./status-line.ts";

const session = {
  key: "agent:main:main",
  label: "A very long title of a session",
  model: "echo",
  modelProvider: "test",
  totalTokens: 1_280,
  contextTokens: 128_000,
  estimatedCostUsd: 0.5,
  effectiveQueueMode: "steer",
};
const facts: StatusFacts = {
  link: { kind: "online" },
  chat: { ...openChat("agent:main:main"), session },
  requests: 0,
  since: null,
  now: 0,
};
const lines = (width: number, more: Partial<StatusFacts> = {}) =>
  statusLines(toPalette(false, "dark"), { ...facts, ...more }, width).map(stripVTControlCharacters);

test("the status has the connection, the session, its model, context, cost and queue; a narrow one shortens the title first", () => {
  assert.match(
    lines(120).join("|"),
    /^● connected +main: A very long title of a session · test\/echo · context 1 % of 128k · \$0\.50 · queue: steer$/,
  );
  assert.match(lines(70).join("|"), /^● connected\|main: A.*… · test\/echo · context 1 % of 128k · \$0\.50 · queue: steer$/);
});

test("without a connection it says why and when the next try is, and nothing of the turn", () => {
  const link = { kind: "lost", why: "nothing listens there", retryAt: 2_000 } as const;
  assert.match(lines(200, { link, since: 0 }).join("|"), /^○ nothing listens there; trying again in 2 s \(Enter: now\) +main/);
});
