import assert from "node:assert/strict";
import { test } from "node:test";
import { initialReasoning, separateReasoning, separateReasoningDelta } from "./reasoning.ts";

/** As it arrives: piece by piece, with what is taken back counted as thinking. */
function streamed(text: string, pieces: number): { text: string; thinking: string } {
  let state = initialReasoning;
  let said = "";
  let thinking = "";
  const feed = (delta: string, last = false): void => {
    const next = separateReasoningDelta(state, delta, last);
    if (next.retract) thinking += said;
    said = (next.retract ? "" : said) + next.text;
    thinking += next.thinking;
    state = next.state;
  };
  for (let at = 0; at < text.length; at += pieces) feed(text.slice(at, at + pieces));
  feed("", true);
  return { text: said, thinking };
}

const TABLE: readonly [string, string, text: string, thinking: string][] = [
  ["a block before the answer", "<think>\nhm\n</think>\n\nall of it", "all of it", "\nhm\n"],
  ["a nested block", "<think>a<think>b</think>c</think>x", "x", "abc"],
  ["other names, cases and spaces", "<THINKING >a</ thinking>b", "b", "a"],
  ["attributes", '<reasoning effort="high">a</reasoning>\nb', "b", "a"],
  ["square brackets", "[THINK]a[/THINK]b", "b", "a"],
  ["begin and end of thought", "<|begin_of_thought|>a<|end_of_thought|>b", "b", "a"],
  ["channels", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hi", "Hi", "hm"],
  ["a block that never closes", "<think>never closed", "", "never closed"],
  ["a closing tag alone", "hm\n</think>\n\nanswer", "answer", "hm\n"],
  ["a closing tag alone at the end of a line", "hm.</think>\nanswer", "answer", "hm."],
  ["a block inside of a line", "Sure! <think>hm</think>It is 4.", "Sure! It is 4.", "hm"],
  ["several blocks", "<think>a</think>x\n<think>b</think>y", "x\ny", "ab"],
  ["the tag as a word", "The <think> tag is used by models", "The <think> tag is used by models", ""],
  ["the closing tag as a word", "x </think> y", "x </think> y", ""],
  ["a tag in a code span", "Use `<think>` and ``</think>``.", "Use `<think>` and ``</think>``.", ""],
  ["a tag in a code block", "```xml\n<think>x</think>\n```\nok", "```xml\n<think>x</think>\n```\nok", ""],
  ["a stray backtick in an earlier paragraph", "a `b\n\n<think>hm</think>c", "a `b\n\nc", "hm"],
  ["other tags and comparisons", "a < b, <b>c</b>, [x], 1<2", "a < b, <b>c</b>, [x], 1<2", ""],
  ["the beginning of a tag at the end", "see <thi", "see <thi", ""],
  ["nothing", "", "", ""],
];

for (const [what, input, text, thinking] of TABLE)
  test(`reasoning is separated from the answer: ${what}`, () => {
    assert.deepEqual(separateReasoning(input), { text, thinking });
    for (const pieces of [1, 2, 3, 7]) assert.deepEqual(streamed(input, pieces), { text, thinking }, `in pieces of ${pieces}`);
  });

test("only what can become a tag is held back", () => {
  const { text, state } = separateReasoningDelta(initialReasoning, "a < b");
  assert.equal(text + state.held, "a < b");
  assert.equal(separateReasoningDelta(initialReasoning, "a <table").text, "a <table");
  assert.equal(separateReasoningDelta(initialReasoning, "a <thin").state.held, "<thin");
  assert.ok(separateReasoningDelta(initialReasoning, `<|channel|>analysis${" x".repeat(500)}`).state.held.length < 200);
});
