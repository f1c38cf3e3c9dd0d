import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUE_MODES } from "../core/queue-modes.ts";
import { queueSettings as settingsOf } from "./queue-mode.ts";
import type { QueueConfig } from "./types.ts";

/** The configuration as it would be without its checks. */
const queueSettings = (config: object | undefined, channel: string) => settingsOf(config as QueueConfig | undefined, channel);

test("the defaults are steer and 500 ms", () => {
  assert.deepEqual(queueSettings(undefined, "irc"), { mode: "steer", debounceMs: 500, source: "default" });
});

for (const mode of QUEUE_MODES) {
  test(`${mode} of the channel overrides the configuration`, () => {
    const config = { mode: "collect", byChannel: { irc: mode } };
    assert.deepEqual([queueSettings(config, "irc").mode, queueSettings(config, "irc").source], [mode, "channel"]);
    assert.deepEqual([queueSettings(config, "telegram").mode, queueSettings(config, "telegram").source], ["collect", "config"]);
  });
}

test("unknown values are skipped", () => {
  const config = { mode: "fast", debounceMs: -1, byChannel: { irc: "x" }, debounceMsByChannel: { irc: Number.NaN } };
  assert.deepEqual(queueSettings(config, "irc"), { mode: "steer", debounceMs: 500, source: "default" });
  assert.equal(queueSettings({ byChannel: { irc: "collect" } }, "__proto__").mode, "steer");
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "irc").debounceMs, 2);
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "telegram").debounceMs, 1);
});
