import assert from "node:assert/strict";
import { test } from "node:test";
import { CHAT_COMMANDS, UNSERVED_COMMANDS } from "../core/chat-commands.ts";
import { isServedCommand, parseCommand } from "./commands.ts";

test("a command is served, or one that is known not to be, and never both", () => {
  const served = CHAT_COMMANDS.flatMap((command) => [command.name, ...command.aliases]);
  assert.deepEqual(
    served.filter((name) => UNSERVED_COMMANDS.has(name)),
    [],
  );
});

test("only a command that is served here calls for this gateway in a room", () => {
  assert.ok(isServedCommand(parseCommand("/status")));
  assert.ok(isServedCommand(parseCommand("/t high")));
  for (const text of ["/restart", "/export-session now", "/Goal: win"]) {
    assert.deepEqual(parseCommand(text)?.unserved, true, text);
    assert.ok(!isServedCommand(parseCommand(text)), text);
  }
  for (const text of ["/unknown-thing", "/restarting", "/etc/hosts", "hello /restart"]) assert.equal(parseCommand(text), null, text);
});
