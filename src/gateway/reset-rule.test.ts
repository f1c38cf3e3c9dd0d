import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigValue } from "../config/load.ts";
import { asId } from "../core/ids.ts";
import { resetRule } from "./reset-rule.ts";

const direct = { key: asId<never>("agent:main:irc:direct:a"), chat_kind: "direct" as const, channel: "irc" };
const group = { key: asId<never>("agent:main:irc:group:#a"), chat_kind: "group" as const, channel: "irc" };
const thread = { key: asId<never>("agent:main:slack:channel:c:thread:1"), chat_kind: "channel" as const, channel: "slack" };
const rule = (session: unknown, of: Parameters<typeof resetRule>[1]) => resetRule(checkConfigValue({ session }).config, of);

test("nothing is reset without a rule", () => {
  assert.deepEqual(rule({}, direct), { mode: "none", atHour: 4, idleMinutes: null });
});

test("idle minutes alone reset after that time without messages, unless the mode is never", () => {
  assert.equal(rule({ reset: { idleMinutes: 30 } }, direct).mode, "idle");
  assert.equal(rule({ reset: { mode: "none", idleMinutes: 30 } }, direct).mode, "none");
  assert.equal(rule({ reset: { idleMinutes: 30 }, resetByType: { direct: { mode: "none" } } }, direct).mode, "none");
});

test("the rule of the chat kind overrides that of the channel, then the general one; unset keys are inherited", () => {
  const session = {
    reset: { mode: "daily", atHour: 6 },
    resetByType: { group: { mode: "idle", idleMinutes: 5 }, thread: { atHour: 2 } },
    resetByChannel: { irc: { atHour: 1 } },
  };
  assert.deepEqual(rule(session, direct), { mode: "daily", atHour: 1, idleMinutes: null });
  assert.deepEqual(rule(session, group), { mode: "idle", atHour: 6, idleMinutes: 5 });
  assert.deepEqual(rule(session, thread), { mode: "daily", atHour: 2, idleMinutes: null });
});
