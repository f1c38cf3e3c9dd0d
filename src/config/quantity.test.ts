import assert from "node:assert/strict";
import { test } from "node:test";
import { retentionTimes } from "./retention.ts";
import type { Config } from "./schema.ts";
import { durationPattern, parseDurationMs } from "./quantity.ts";

const HOUR = 3_600_000;
const isAccepted = (text: string): boolean => new RegExp(`^(?:${durationPattern(["h", "d", "w"])})$`).test(text);

/** Text -> hours; null: refused. */
const TEXTS: readonly (readonly [text: string, hours: number | null])[] = [
  ["30d", 720],
  ["30 d", 720],
  [" 1 d 2 h ", 26],
  ["1d12h", 36],
  ["1.5d", 36],
  ["2", 48],
  ["0", 0],
  ["4w", 672],
  ["1h 30", null],
  ["5 5", null],
  ["30d 12", null],
  ["30x", null],
  ["", null],
];

for (const [text, hours] of TEXTS)
  test(`a duration in the configuration that is accepted has its effect: ${JSON.stringify(text)}`, () => {
    assert.equal(isAccepted(text), hours !== null);
    assert.equal(parseDurationMs(text, "d"), hours === null ? null : hours * HOUR);
  });

test("a long text that is not a duration costs no more than a short one", () => {
  assert.equal(isAccepted(`${"1".repeat(60)}x`), false);
  assert.equal(isAccepted(`${"1 ".repeat(2_000)}x`), false);
});

test("sessions are removed after a time that is written with a blank", () => {
  const config = {
    session: { maintenance: { mode: "enforce", pruneAfter: "30 d", resetArchiveRetention: "1 w" } },
    store: { retention: { archivedSessions: "12 h", audit: "90d", usage: "400d" } },
  } as unknown as Pick<Config, "session" | "store">;
  assert.deepEqual(retentionTimes(config), { idleMs: 720 * HOUR, archivedMs: 12 * HOUR, resetMs: 168 * HOUR });
});
