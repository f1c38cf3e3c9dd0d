import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQueueCommand, queueSettings } from "./queue-mode.ts";

test("the defaults are steer, 500 ms, 20, summarize", () => {
  assert.deepEqual(queueSettings(undefined, "irc"), { mode: "steer", debounceMs: 500, cap: 20, drop: "summarize", source: "default" });
});

const MODES = ["steer", "followup", "collect", "interrupt"] as const;
for (const mode of MODES) {
  for (const other of MODES) {
    test(`${mode} for the message stands over ${other} for the channel, that over the configuration`, () => {
      const config = { mode: "collect", byChannel: { irc: other } };
      assert.equal(queueSettings(config, "irc", { mode }).mode, mode);
      assert.deepEqual([queueSettings(config, "irc").mode, queueSettings(config, "irc").source], [other, "channel"]);
      assert.deepEqual([queueSettings(config, "telegram").mode, queueSettings(config, "telegram").source], ["collect", "config"]);
    });
  }
}

test("values that make no sense are passed over", () => {
  const config = { mode: "fast", cap: 0, drop: "all", debounceMs: -1, byChannel: { irc: "x" }, debounceMsByChannel: { irc: Number.NaN } };
  assert.deepEqual(queueSettings(config, "irc"), { mode: "steer", debounceMs: 500, cap: 20, drop: "summarize", source: "default" });
  assert.equal(queueSettings({ byChannel: { irc: "collect" } }, "__proto__").mode, "steer");
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "irc").debounceMs, 2);
  assert.equal(queueSettings({ debounceMs: 1, debounceMsByChannel: { irc: 2 } }, "irc", { debounceMs: 3 }).debounceMs, 3);
});

const COMMANDS: readonly (readonly [words: string, want: object | null, unknown?: readonly string[]])[] = [
  ["collect", { mode: "collect" }],
  ["COLLECT debounce:0.5s cap:25 drop:summarize", { mode: "collect", debounceMs: 500, cap: 25, drop: "summarize" }],
  ["debounce:250", { debounceMs: 250 }],
  ["debounce:2m", { debounceMs: 120_000 }],
  ["default", null],
  ["reset", null],
  ["", {}],
  ["cap:0", {}, ["cap:0"]],
  ["debounce:soon drop:me wild", {}, ["debounce:soon", "drop:me", "wild"]],
];
for (const [words, want, unknown] of COMMANDS) {
  test(`/queue ${words}`, () => assert.deepEqual(parseQueueCommand(words), { override: want, unknown: unknown ?? [] }));
}
