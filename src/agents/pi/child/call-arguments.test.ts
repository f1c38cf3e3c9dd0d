import assert from "node:assert/strict";
import { test } from "node:test";
import { CallArguments } from "./call-arguments.ts";

function isCut(pieces: readonly string[]): boolean {
  const calls = new CallArguments();
  for (const delta of pieces) calls.note({ type: "toolcall_delta", contentIndex: 0, delta });
  calls.note({ type: "toolcall_end", contentIndex: 0, toolCall: { id: "c1" } });
  return calls.isCut("c1");
}

test("arguments are cut off at every place before their end, in whatever pieces they come", () => {
  const text = JSON.stringify({ command: 'rm -rf "build/tmp" \\ {[', list: [1, { a: "}" }] });
  for (let end = 1; end < text.length; end++) {
    assert.equal(isCut([text.slice(0, end)]), true, text.slice(0, end));
    assert.equal(isCut([text.slice(0, end), text.slice(end)]), false);
    assert.equal(isCut(Array.from(text.slice(0, end))), true);
  }
});

test("what is complete and not quite JSON is not cut off", () => {
  for (const text of ['{"command": "a\nb"}', '{"command": "ls",}', "{}", "", '{"path": "C:\\x"}']) assert.equal(isCut([text]), false, text);
});

test("calls of one message are told apart, and a message does not know those of the one before", () => {
  const calls = new CallArguments();
  calls.note({ type: "toolcall_delta", contentIndex: 1, delta: '{"a":' });
  calls.note({ type: "toolcall_delta", contentIndex: 2, delta: '{"a":1}' });
  calls.note({ type: "toolcall_end", contentIndex: 2, toolCall: { id: "whole" } });
  calls.note({ type: "toolcall_end", contentIndex: 1, toolCall: { id: "part" } });
  assert.deepEqual([calls.isCut("whole"), calls.isCut("part")], [false, true]);
  calls.begin();
  assert.equal(calls.isCut("part"), false);
});
