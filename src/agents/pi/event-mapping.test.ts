import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS } from "../../core/limits.ts";
import type { AgentEvent, ErrorKind } from "../runtime.ts";
import { createMappingState, mapRecord, toResultText, classifyProviderError, shouldTryFallback } from "./event-mapping.ts";
import type { PiRecord } from "./process.ts";

const events = (record: PiRecord): AgentEvent[] => mapRecord(record, createMappingState(), 0).events;
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
    { type: "tool_execution_update", toolCallId: "1", toolName: "exec", partialResult: content("half") },
    [{ type: "tool", phase: "update", id: "1", name: "exec", partial: "half" }],
  ],
  ["a tool's output before there is any", { type: "tool_execution_update", toolCallId: "1", toolName: "exec", partialResult: {} }, []],
  [
    "a retry",
    { type: "auto_retry_start", attempt: 1, maxAttempts: 3, delayMs: 2000, errorMessage: "503 busy" },
    [{ type: "retry", attempt: 1, maxAttempts: 3, delayMs: 2000, reason: "503 busy", kind: "network" }],
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
  const state = createMappingState();
  mapRecord({ type: "tool_execution_start", toolCallId: "1", toolName: "read", args: {} }, state, 1_000);
  const end: PiRecord = { type: "tool_execution_end", toolCallId: "1", toolName: "read", result: content("x"), isError: true };
  assert.deepEqual(mapRecord(end, state, 1_250).events, [
    { type: "tool", phase: "end", id: "1", name: "read", result: "x", isError: true, durationMs: 250 },
  ]);
  assert.equal(state.toolCalls.size, 0);
});

test("A long tool result is cut and marked, a picture is named", () => {
  const whole = toResultText(content("x".repeat(LIMITS.toolResultChars + 5)));
  assert.ok(whole.startsWith("x".repeat(LIMITS.toolResultChars)) && whole.endsWith("[cut: 64005 characters in all]"));
  assert.equal(toResultText({ content: [{ type: "image", data: "..." }] }), "[image]");
});

test("A failed message that said nothing is an outcome, one that said something is a message too", () => {
  const failed = { ...assistant, stopReason: "error", errorMessage: "401 no", content: [{ type: "thinking", thinking: "hm" }] };
  const silent = mapRecord({ type: "message_end", message: failed }, createMappingState(), 0);
  assert.deepEqual(silent.events, []);
  assert.deepEqual(silent.outcome?.error, { kind: "auth", message: "401 no", origin: "provider", httpStatus: 401 });
  const spoken = mapRecord({ type: "message_end", message: { ...failed, content: assistant.content } }, createMappingState(), 0);
  assert.equal(spoken.events.length, 1);
  assert.equal(spoken.outcome?.stopReason, "error");
});

const ERRORS: readonly [string, ErrorKind, number | undefined][] = [
  ["401 Incorrect API key provided", "auth", 401],
  ["403 Forbidden", "auth", 403],
  ["402 Payment Required", "billing", 402],
  ['429 {"error":{"code":"insufficient_quota"}}', "billing", 429],
  ["429 Too Many Requests", "rate_limit", 429],
  ["529 overloaded_error: Overloaded", "overloaded", 529],
  ['503 {"error":{"message":"Loading model"}}', "overloaded", 503],
  ["404 The model `gpt-9` does not exist", "model_not_found", 404],
  ["403 <!DOCTYPE html><html><title>Attention Required</title></html>", "network", 403],
  ["Stream ended without finish_reason", "cut", undefined],
  ["Unexpected token '<' is not valid JSON", "bad_answer", undefined],
  ["500 Internal Server Error", "network", 500],
  ["503 Service Unavailable", "network", 503],
  ["Error: status 502", "network", 502],
  ["fetch failed", "network", undefined],
  ["terminated", "cut", undefined],
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
    const error = classifyProviderError(message);
    assert.deepEqual([error.kind, error.httpStatus], [kind, status]);
  });
}

test("Another model is tried where it can help, and not where the request itself is at fault", () => {
  const better: ErrorKind[] = ["auth", "billing", "rate_limit", "overloaded", "model_not_found", "network", "timeout", "cut", "bad_answer"];
  const same: ErrorKind[] = ["context_length", "refusal", "too_long", "tool_loop", "crashed", "unknown"];
  assert.deepEqual([...better, ...same].filter(shouldTryFallback), better);
});

test("An empty error text is replaced and a long one is cut", () => {
  assert.match(classifyProviderError(" ").message, /gave no reason/);
  for (const [message, shown] of [
    ['401: {"message":"Wrong key","type":"auth","code":null}', "401: Wrong key"],
    ['429 {"error":{"message":"Slow down"}}', "429 Slow down"],
    ['500: {"trace":1}', '500: {"trace":1}'],
    ["500: {broken}", "500: {broken}"],
    ['{"error":null}', '{"error":null}'],
  ] as const)
    assert.equal(classifyProviderError(message).message, shown);
  assert.equal(classifyProviderError("x".repeat(5_000)).message.length, 1_000);
});

const waits = (text: string) => classifyProviderError(text).retryAfterMs;

test("The wait that a provider asks for is read from its words, and bounded", () => {
  assert.equal(waits("429 Rate limit reached, please try again in 20s"), 20_000);
  assert.equal(waits("429: too many requests; try again in 6m0.5s"), 360_500);
  assert.equal(waits("429 rate limit: retry after 30 seconds"), 30_000);
  assert.equal(waits("429 rate limit: please retry in 250ms"), 250);
  assert.equal(waits("Server requested 3600s retry delay (max: 60s). 429 rate limited"), 3_600_000);
  assert.equal(waits("429 rate limit: try again in 999999999d"), LIMITS.retryAfterMaxMs);
  assert.equal(waits("429 rate limit: try again soon"), undefined);
  assert.equal(waits("500 try again in 20s"), undefined);
});

test("A web page in an error is reduced to its title", () => {
  const page = `502 <!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>${"<p>x</p>".repeat(500)}</body></html>`;
  assert.equal(classifyProviderError(page).message, "502 a web page instead of an answer: 502 Bad Gateway");
});

const end = (message: object, state = createMappingState()) =>
  mapRecord({ type: "message_end", message: { ...assistant, ...message } }, state, 0);
const usageOf = (mapped: ReturnType<typeof end>) => (mapped.events[0] as Extract<AgentEvent, { type: "message" }>).usage;

test("An invalid count of tokens is dropped and reported", () => {
  for (const odd of [2 ** 53 + 2, 12.5, -1, 1e300, Number.NaN, Infinity, "12", {}, [], true]) {
    const mapped = end({ usage: { ...usage, input: odd, totalTokens: odd, cost: { total: typeof odd === "number" ? -1 : odd } } });
    assert.deepEqual(usageOf(mapped), { input: 0, output: 2, cacheRead: 1, cacheWrite: 0, totalTokens: 0, costUsd: 0 }, String(odd));
    assert.equal(mapped.problems?.length, 3, String(odd));
  }
  assert.equal(usageOf(end({ usage: { input: LIMITS.usageTokens } })).input, LIMITS.usageTokens);
});

test("Every field of a message has its type and its limit, whatever the record holds", () => {
  const odd = {
    provider: { a: 1 },
    model: "m".repeat(5_000),
    stopReason: ["stop"],
    usage: null,
    content: [{ type: "text", text: 7 }, null, 3],
  };
  const [event] = end(odd).events as Extract<AgentEvent, { type: "message" }>[];
  assert.deepEqual(event!.blocks, [{ type: "text", text: "" }]);
  assert.equal(event!.model.provider, "");
  assert.equal(event!.model.id.length, 256);
  assert.equal(event!.stopReason, "");
  const long = end({ content: [{ type: "text", text: "x".repeat(LIMITS.answerChars + 5) }] });
  assert.equal((long.events[0] as typeof event)!.blocks[0]!.type === "text" && long.problems?.length, 1);
});

test("Half characters and NUL do not leave the border, and a character split over two deltas stays whole", () => {
  const state = createMappingState();
  const delta = (text: unknown) =>
    mapRecord({ type: "message_update", assistantMessageEvent: { type: "text_delta", delta: text } }, state, 0).events;
  assert.deepEqual(delta("a\ud83d"), [{ type: "text", delta: "a" }]);
  assert.deepEqual(delta("\ude00b"), [{ type: "text", delta: "😀b" }]);
  assert.deepEqual(delta("c\ude00\0d"), [{ type: "text", delta: "c\ufffdd" }]);
  const [event] = end({ content: [{ type: "text", text: "a\ud800b\0c" }] }).events as Extract<AgentEvent, { type: "message" }>[];
  assert.deepEqual(event!.blocks, [{ type: "text", text: "a\ufffdbc" }]);
});

const args = (value: unknown) => end({ content: [{ type: "toolCall", id: "1", name: "exec", arguments: value }] });

test("Arguments of a tool call that could not be written down are dropped", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  for (const value of [deep, { command: "x".repeat(LIMITS.toolArgumentsChars + 1) }]) {
    const mapped = args(value);
    assert.deepEqual((mapped.events[0] as Extract<AgentEvent, { type: "message" }>).blocks, [
      { type: "toolCall", id: "1", name: "exec", arguments: {} },
    ]);
    assert.equal(mapped.problems?.length, 1);
  }
  assert.equal(args({ command: "ls", __proto__: 1 }).problems, undefined);
});

test("An answer that comes as lists of content parts arrives as text, also where Pi has joined it to [object Object]", () => {
  const state = createMappingState();
  mapRecord({ type: "message_start", message: { role: "assistant" } }, state, 0);
  const delta = (value: unknown) =>
    mapRecord({ type: "message_update", assistantMessageEvent: { type: "text_delta", delta: value } }, state, 0).events;
  assert.deepEqual(delta("All "), [{ type: "text", delta: "All " }]);
  assert.deepEqual(delta([{ type: "text", text: "of " }]), [{ type: "text", delta: "of " }]);
  assert.deepEqual(delta([{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }]), [{ type: "thinking", delta: "hm" }]);
  assert.deepEqual(delta({ type: "text", text: "it" }), [{ type: "text", delta: "it" }]);
  assert.deepEqual(delta({ a: 1 }), []);
  const mapped = end({ content: [{ type: "text", text: "All [object Object][object Object][object Object]" }] }, state);
  assert.deepEqual((mapped.events[0] as Extract<AgentEvent, { type: "message" }>).blocks, [
    { type: "thinking", thinking: "hm" },
    { type: "text", text: "All of it" },
  ]);
  assert.equal(mapped.contextDiffers, true);
});

test("A complete answer whose end has another word than usual is an answer, and the next context has it", () => {
  const content = [{ type: "text", text: "all of it" }];
  const mapped = end({ content, stopReason: "error", errorMessage: "Provider finish_reason: eos" });
  assert.deepEqual([mapped.outcome, mapped.contextDiffers], [{ stopReason: "stop" }, true]);
  for (const errorMessage of ["Provider finish_reason: content_filter", "Provider finish_reason: weird", "eos"])
    assert.equal(end({ content, stopReason: "error", errorMessage }).outcome?.stopReason, "error", errorMessage);
  assert.equal(end({ content: [], stopReason: "error", errorMessage: "Provider finish_reason: eos" }).outcome?.stopReason, "error");
});

test("A record whose type is a property of every object has no meaning", () => {
  for (const type of ["constructor", "__proto__", "toString"]) assert.deepEqual(events({ type }), []);
});

test("Half a character at the end of a message is not carried into the next one", () => {
  const state = createMappingState();
  const delta = (value: string) =>
    mapRecord({ type: "message_update", assistantMessageEvent: { type: "text_delta", contentIndex: 0, delta: value } }, state, 0).events;
  assert.deepEqual(delta("a\ud83d"), [{ type: "text", delta: "a" }]);
  mapRecord({ type: "message_start", message: { role: "assistant" } }, state, 0);
  assert.deepEqual(delta("b"), [{ type: "text", delta: "b" }]);
});
