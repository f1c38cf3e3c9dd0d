import assert from "node:assert/strict";
import { test } from "node:test";
import { queueSettings } from "./queue-mode.ts";

test("the defaults are steer and 500 ms", () => {
  assert.deepEqual(queueSettings(undefined, "irc"), { mode: "steer", debounceMs: 500, source: "default" });
});

for (const mode of ["steer", "followup", "collect", "interrupt"] as const) {
  test(`${mode} for the channel stands over the configuration`, () => {
    const config = { mode: "collect", byChannel: { irc: mode } };
    assert.deepEqual([queueSettings(config, "irc").mode, queueSettings(config, "irc").source], [mode, "channel"]);
    assert.deepEqual([queueSettings(config, "telegram").mode, queueSettings(config, "telegram").source], ["collect", "config"]);
  });
}

test("values that make no sense are passed over", () => {
  const config = { mode: "fast", debounceMs: -1, byChannel: { irc: "x" }, debounceMsByChannel: { irc: Number.NaN } };
  assert.deepEqual(queueSettings(config, "irc"), { mode: "steer", debounceMs: 500, source: "default" });
  assert.equal(queueSettings({ byChannel: { irc: "collect" } }, "__proto__").mode, "steer");
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "irc").debounceMs, 2);
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "telegram").debounceMs, 1);
});
