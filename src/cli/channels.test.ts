import assert from "node:assert/strict";
import { test } from "node:test";
import { accountTable, type AccountRow } from "./channels.ts";
import { Output } from "./output.ts";

test("the account table fits 80 columns with any names and causes; problems and fixes follow below it", () => {
  let text = "";
  const out = new Output(
    { stdout: { write: (more: string) => (text += more), isTTY: true, columns: 80 }, stderr: { write: () => {} } },
    { json: false, color: false },
  );
  const now = 10_000_000_000;
  const rows: AccountRow[] = [
    {
      channel: "telegram",
      accountId: "default",
      name: "telegram/default",
      state: "ready",
      since: now - 48 * 60_000,
      lastInboundAt: now - 59 * 60_000,
      lastOutboundAt: now - 59 * 60_000,
      queueDepth: 12,
      oldestWaitingAt: now - 120_000,
      outboxWaiting: 345,
      outboxParked: 2,
      parked: 1,
      rateLimits: 3,
      reconnectAttempts: 1,
    },
    {
      channel: "discord",
      accountId: "of-someone",
      name: "discord/of-someone",
      state: "terminal",
      since: now - 5_000,
      lastError: "the token was revoked, which is explained in a rather long sentence that has to be wrapped somewhere",
      fix: "Make a new token and set it.",
    },
  ];
  accountTable(out, rows, now);
  const lines = text.trimEnd().split("\n");
  assert.ok(
    lines.every((line) => line.length <= 80),
    text,
  );
  assert.match(lines[0]!, /^account +state +since +in +out +queue +unsent +dead$/);
  assert.match(lines[1]!, /^telegram\/default +ok +48 min +59 min +59 min +12 +345 +3$/);
  assert.match(lines[2]!, /^discord\/of-someone +stopped +5 s +- +- +- +- +-$/);
  assert.match(text, /telegram\/default: rate limited 3 times by the platform/);
  assert.match(text, /openclaw dead-letters list/);
  assert.match(text, /Make a new token and set it\./);
});
