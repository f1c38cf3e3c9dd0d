import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentEvent, ErrorKind } from "../agents/runtime.ts";
import {
  presentEnd,
  retryText,
  describeFailure,
  describeDuration,
  toPresentableBlocks,
  waitingText,
  type TurnSummary,
} from "./presentation.ts";

type End = Extract<AgentEvent, { type: "end" }>;
const stop: End = { type: "end", reason: "stop", checkpoint: null };
const facts: TurnSummary = { text: "hi", thinking: false, tools: 0, stopReason: "stop", model: "office/qwen" };

const KINDS: ErrorKind[] = [
  "auth",
  "billing",
  "rate_limit",
  "overloaded",
  "context_length",
  "model_not_found",
  "timeout",
  "refusal",
  "network",
  "cut",
  "bad_answer",
  "too_long",
  "tool_loop",
  "crashed",
  "unknown",
];

for (const kind of KINDS)
  test(`a provider's failure of kind ${kind} becomes a sentence with a way out, without the provider's words`, () => {
    const raw = '500 <html><body>secret words</body></html> {"trace":"x"}';
    const end: End = { ...stop, reason: "error", error: { kind, message: raw, origin: "provider", httpStatus: 500 } };
    const presented = presentEnd(end, facts);
    const { message } = presented.end.error!;
    assert.match(message, /^[\p{L}].*[.]$/u);
    assert.match(message, /[Tt]ry again|choose another|Ask|Send|Shorten|Begin/);
    assert.doesNotMatch(message, /html|secret|trace/);
    assert.deepEqual(presented.detail, { message: raw, httpStatus: 500, provider: "office", model: "qwen" });
  });

test("a failure that the gateway itself describes is shown as it is", () => {
  const error = { kind: "crashed" as const, message: "The agent process ended in the middle of the turn." };
  assert.deepEqual(presentEnd({ ...stop, reason: "error", error }, facts).end.error, error);
});

test("an answer of nothing becomes a sentence, and its cause goes to the log", () => {
  const cases: [Partial<TurnSummary>, RegExp, RegExp][] = [
    [{ text: "" }, /^The model gave an empty answer\./, /said nothing/],
    [{ text: " \n" }, /^The model gave an empty answer\./, /said nothing/],
    [{ text: "[[reply_to_current]]  " }, /^The model gave an empty answer\./, /said nothing/],
    [{ text: "", thinking: true }, /^The model thought about it and then gave no answer\./, /thought/],
    [{ text: "", stopReason: "length" }, /^The model reached its output limit/, /length/],
  ];
  for (const [more, sentence, cause] of cases) {
    const presented = presentEnd(stop, { ...facts, ...more });
    assert.equal(presented.end.reason, "error");
    assert.equal(presented.end.error?.kind, "bad_answer");
    assert.match(presented.end.error!.message, sentence);
    assert.match(presented.cause!, cause);
  }
});

test("deliberate silence, and tools after a text, stay as they are; tools without an answer get a notice", () => {
  assert.deepEqual(presentEnd(stop, { ...facts, text: " NO_REPLY\n" }), { end: stop });
  assert.deepEqual(presentEnd(stop, { ...facts, text: "I look.", tools: 2 }), { end: stop });
  const silent = presentEnd(stop, { ...facts, text: "", tools: 2 });
  assert.equal(silent.end.reason, "stop");
  assert.match(silent.notice!, /used tools 2 times and ended without an answer/);
});

test("an unusual end of an answer gets a notice", () => {
  for (const stopReason of ["length", "max_tokens", "content_filter", "refusal"])
    assert.match(presentEnd(stop, { ...facts, stopReason }).notice!, /^\(The answer ends here because/);
  for (const stopReason of ["stop", "toolUse", "end_turn"]) assert.equal(presentEnd(stop, { ...facts, stopReason }).notice, undefined);
  assert.equal(presentEnd({ ...stop, reason: "aborted" }, { ...facts, text: "" }).end.reason, "aborted");
});

test("thinking inside of a text becomes a block of its own", () => {
  assert.deepEqual(toPresentableBlocks([{ type: "text", text: "<think>hm</think>\n\nyes" }]), [
    { type: "thinking", thinking: "hm" },
    { type: "text", text: "yes" },
  ]);
  assert.deepEqual(toPresentableBlocks([{ type: "text", text: "<think>hm" }]), [{ type: "thinking", thinking: "hm" }]);
});

test("waits have a text, with their length where it is known", () => {
  assert.match(describeFailure({ kind: "rate_limit", message: "", retryAfterMs: 3_600_000 }, "p/m"), /Try again in 60 minutes/);
  assert.match(
    retryText({ type: "retry", attempt: 1, maxAttempts: 3, delayMs: 2_000, reason: "429 {raw}", kind: "rate_limit" }),
    /^The provider takes no more requests at the moment; trying again in 2 seconds \(1 of 3\)\.$/,
  );
  assert.match(waitingText({ type: "waiting", for: "model", forMs: 61_000 }), /has not said anything for 61 seconds/);
  assert.deepEqual([500, 61_000, 180_000, 7_200_000, 172_800_000].map(describeDuration), [
    "1 second",
    "61 seconds",
    "3 minutes",
    "2 hours",
    "2 days",
  ]);
});

test("a provider's name cannot bring markup into a sentence", () => {
  assert.doesNotMatch(describeFailure({ kind: "network", message: "" }, "[x](http://y)`\n/m"), /[[\]`\n]/);
});
