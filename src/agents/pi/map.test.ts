import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../core/limits.ts";
import type { AgentEvent, ErrorKind } from "../runtime.ts";
import { createMapState, toMapped, toResultText, toTurnError, worthAnotherModel } from "./map.ts";
import type { PiRecord } from "./process.ts";

const events = (record: PiRecord): AgentEvent[] => toMapped(record, createMapState(), 0).events;
const content = (text: string) => ({ content: [{ type: "text", text }] });

const usage = { input: 5, output: 2, cacheRead: 1, cacheWrite: 0, totalTokens: 8, cost: { total: 0.25 } };
const assistant = { role: "assistant", provider: "p", model: "m", usage, stopReason: "stop", content: [{ type: "text", text: "hi" }] };

const TABLE: readonly [string, PiRecord, AgentEvent[]][] = [
  [
    "a text delta",
    { type: "message_update", usage: {}, assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: "Hel" } },
    [{ type: "text", delta: "Hel" }],
  ],
  [
    "a thinking delta",
    { type: "message_update", assistantMessageEvent: { type: "thinking_delta", delta: "hm" } },
    [{ type: "thinking", delta: "hm" }],
  ],
  ["the beginning of a block", { type: "message_update", assistantMessageEvent: { type: "text_start", contentIndex: 0 } }, []],
  ["the arguments of a call as they come", { type: "message_update", assistantMessageEvent: { type: "toolcall_delta", delta: "{" } }, []],
  [
    "a message",
    { type: "message_end", message: assistant },
    [
      {
        type: "message",
        blocks: [{ type: "text", text: "hi" }],
        model: { provider: "p", id: "m" },
        usage: { input: 5, output: 2, cacheRead: 1, cacheWrite: 0, totalTokens: 8, costUsd: 0.25 },
        stopReason: "stop",
      },
    ],
  ],
  ["the end of a tool's message", { type: "message_end", message: { role: "toolResult", content: [] } }, []],
  [
    "a tool's output so far",
    { type: "tool_execution_update", toolCallId: "1", toolName: "bash", partialResult: content("half") },
    [{ type: "tool", phase: "update", id: "1", name: "bash", partial: "half" }],
  ],
  ["a tool's output before there is any", { type: "tool_execution_update", toolCallId: "1", toolName: "bash", partialResult: {} }, []],
  [
    "a retry",
    { type: "auto_retry_start", attempt: 1, maxAttempts: 3, delayMs: 2000, errorMessage: "503 busy" },
    [{ type: "retry", attempt: 1, maxAttempts: 3, delayMs: 2000, reason: "503 busy" }],
  ],
  ["a compaction", { type: "compaction_start", reason: "threshold" }, [{ type: "compaction", phase: "start", reason: "threshold" }]],
  ["the repetition at the end", { type: "agent_end", messages: [assistant] }, []],
  ["something unknown", { type: "from_the_future", message: assistant }, []],
];

for (const [what, record, expected] of TABLE) {
  test(`Pi's record of ${what} becomes ${expected.length === 0 ? "nothing" : expected.map((event) => event.type).join()}`, () => {
    assert.deepEqual(events(record), expected);
  });
}

test("A tool's duration is the time between its start and its end", () => {
  const state = createMapState();
  toMapped({ type: "tool_execution_start", toolCallId: "1", toolName: "read", args: {} }, state, 1_000);
  const end: PiRecord = { type: "tool_execution_end", toolCallId: "1", toolName: "read", result: content("x"), isError: true };
  assert.deepEqual(toMapped(end, state, 1_250).events, [
    { type: "tool", phase: "end", id: "1", name: "read", result: "x", isError: true, durationMs: 250 },
  ]);
  assert.equal(state.toolStartedAt.size, 0);
});

test("A long tool result is cut and marked, a picture is named", () => {
  const whole = toResultText(content("x".repeat(LIMITS.toolResultChars + 5)));
  assert.ok(whole.startsWith("x".repeat(LIMITS.toolResultChars)) && whole.endsWith("[cut: 64005 characters in all]"));
  assert.equal(toResultText({ content: [{ type: "image", data: "..." }] }), "[image]");
});

test("A failed message that said nothing is an outcome, one that said something is a message too", () => {
  const failed = { ...assistant, stopReason: "error", errorMessage: "401 no", content: [{ type: "thinking", thinking: "hm" }] };
  const silent = toMapped({ type: "message_end", message: failed }, createMapState(), 0);
  assert.deepEqual(silent.events, []);
  assert.deepEqual(silent.outcome?.error, { kind: "auth", message: "401 no", httpStatus: 401 });
  const spoken = toMapped({ type: "message_end", message: { ...failed, content: assistant.content } }, createMapState(), 0);
  assert.equal(spoken.events.length, 1);
  assert.equal(spoken.outcome?.stopReason, "error");
});

const ERRORS: readonly [string, ErrorKind, number | undefined][] = [
  ["401 Incorrect API key provided", "auth", 401],
  ["403 Forbidden", "auth", 403],
  ["402 Payment Required", "billing", 402],
  ['429 {"error":{"code":"insufficient_quota"}}', "billing", 429],
  ["429 Too Many Requests", "rate_limit", 429],
  ["529 overloaded_error: Overloaded", "rate_limit", 529],
  ["500 Internal Server Error", "network", 500],
  ["503 Service Unavailable", "network", 503],
  ["Error: status 502", "network", 502],
  ["fetch failed", "network", undefined],
  ["terminated", "network", undefined],
  ["connect ECONNREFUSED 127.0.0.1:9", "network", undefined],
  ["Request timed out.", "timeout", undefined],
  ["400 This model's maximum context length is 8192 tokens.", "context_length", 400],
  ["prompt is too long: 213462 tokens > 200000 maximum", "context_length", undefined],
  ["No API key found for anthropic.", "auth", undefined],
  ["Provider finish_reason: content_filter", "refusal", undefined],
  ["something else entirely, 500 of them", "unknown", undefined],
];

for (const [message, kind, status] of ERRORS) {
  test(`"${message}" is of kind ${kind}`, () => {
    const error = toTurnError(message);
    assert.deepEqual([error.kind, error.httpStatus], [kind, status]);
  });
}

test("Another model is tried where it can help, and not where the request itself is at fault", () => {
  const kinds: ErrorKind[] = ["auth", "billing", "rate_limit", "network", "timeout", "context_length", "refusal", "crashed", "unknown"];
  assert.deepEqual(kinds.filter(worthAnotherModel), ["auth", "billing", "rate_limit", "network", "timeout"]);
});

test("An empty error text is replaced and a long one is cut", () => {
  assert.match(toTurnError(" ").message, /gave no reason/);
  for (const [message, shown] of [
    ['401: {"message":"Wrong key","type":"auth","code":null}', "401: Wrong key"],
    ['429 {"error":{"message":"Slow down"}}', "429 Slow down"],
    ['500: {"trace":1}', '500: {"trace":1}'],
    ["500: {broken}", "500: {broken}"],
    ['{"error":null}', '{"error":null}'],
  ] as const)
    assert.equal(toTurnError(message).message, shown);
  assert.equal(toTurnError("x".repeat(5_000)).message.length, 1_000);
});
