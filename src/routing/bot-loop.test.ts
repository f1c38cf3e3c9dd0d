import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveAccountPolicy } from "./account-policy.ts";
import { BotLoopGuard, checkBotLoop, type BotWindow } from "./bot-loop.ts";

const settings = { enabled: true, maxEventsPerWindow: 2, windowSeconds: 60, cooldownSeconds: 30 };

test("the budget of a window, the silence after it, and the end of the silence", () => {
  let window: BotWindow | undefined;
  const at = (seconds: number): string => {
    const verdict = checkBotLoop(window, settings, seconds * 1000);
    window = verdict.window;
    return `${verdict.answer}${verdict.began ? " began" : ""}`;
  };
  assert.deepEqual([0, 10, 20, 21, 49, 50, 51, 52].map(at), [
    "true",
    "true",
    "false began",
    "false",
    "false",
    "true",
    "true",
    "false began",
  ]);
});

test("a slow exchange stays under the budget, and the guard can be switched off", () => {
  let window: BotWindow | undefined;
  for (let second = 0; second < 600; second += 31) {
    const verdict = checkBotLoop(window, settings, second * 1000);
    assert.equal(verdict.answer, true, `second ${second}`);
    window = verdict.window;
  }
  for (let n = 0; n < 10; n++)
    assert.equal(checkBotLoop({ times: [0, 0, 0], cooldownUntil: 9 }, { ...settings, enabled: false }, 1).answer, true);
});

test("pairs are counted apart, and the number of remembered pairs is bounded", () => {
  const guard = new BotLoopGuard();
  for (let n = 0; n < 5; n++) guard.check("a", settings, 1);
  assert.equal(guard.check("a", settings, 1).answer, false);
  assert.equal(guard.check("b", settings, 1).answer, true);
  for (let n = 0; n < 1_000; n++) guard.check(`pair ${n}`, settings, 1);
  assert.equal(guard.check("a", settings, 1).answer, true, "forgotten");
});

test("account keys override the channel's, which override the defaults; invalid values are ignored", () => {
  const config = {
    channels: {
      defaults: { botLoopProtection: { maxEventsPerWindow: 5, windowSeconds: 10, cooldownSeconds: -1 } },
      irc: { botLoopProtection: { windowSeconds: 20 }, accounts: { a: { botLoopProtection: { enabled: false } } } },
    },
  };
  assert.deepEqual(resolveAccountPolicy(config, "irc", "a").botLoop, {
    enabled: false,
    maxEventsPerWindow: 5,
    windowSeconds: 20,
    cooldownSeconds: 60,
  });
  assert.equal(resolveAccountPolicy(config, "irc", "b").botLoop.enabled, true);
});
