import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent } from "../agents/runtime.ts";
import { presentEnd } from "./presentation.ts";
import { mayBecomeReplyTag, takeReplyTag } from "./reply-tag.ts";

const end: Extract<AgentEvent, { type: "end" }> = { type: "end", reason: "stop", checkpoint: null };

/** A text, what remains of it, and the message that is answered. Undefined: the text has no tag. */
const TAGS: [text: string, rest: string, to: string | undefined][] = [
  ["[[reply_to_current]]", "", "current"],
  [" \n[[ reply_to_current ]]\n a", "a", "current"],
  ["[[reply_to: 77]]\na", "a", "77"],
  ["[[reply_to:$ev:x.example]] a", "a", "$ev:x.example"],
  ["[[reply_to_current]] [[reply_to: 1]]", "[[reply_to: 1]]", "current"],
  ["[[reply_to]]", "[[reply_to]]", undefined],
  ["[[reply_to: 12 34]]", "[[reply_to: 12 34]]", undefined],
  ["[[reply_to:]] a", "[[reply_to:]] a", undefined],
  ["[[reply_to_last]]", "[[reply_to_last]]", undefined],
  ["[[reply_to_current]", "[[reply_to_current]", undefined],
  ["see [[reply_to_current]]", "see [[reply_to_current]]", undefined],
  [`[[reply_to: ${"7".repeat(257)}]]`, `[[reply_to: ${"7".repeat(257)}]]`, undefined],
];

for (const [text, rest, to] of TAGS)
  test(`${JSON.stringify(text.slice(0, 40))} ${to === undefined ? "is text" : `answers ${to}`}, and an answer of only a tag is empty`, () => {
    const tagged = takeReplyTag(text);
    assert.equal(tagged.text, rest);
    assert.deepEqual(tagged.to, to === undefined ? null : to === "current" ? to : { id: to });
    const presented = presentEnd(end, { text, thinking: false, tools: 0, stopReason: "stop", model: null });
    assert.equal(presented.end.reason, rest === "" ? "error" : "stop");
  });

test("a tag is recognized while it is being written", () => {
  assert.deepEqual(["[[", "[[reply_to: 7", "[[reply_to: 7]]", "[", "a [["].map(mayBecomeReplyTag), [true, true, false, false, false]);
});
