import assert from "node:assert/strict";
import { test } from "node:test";
import { applyAgent, applyChat, createRun, restoreInFlightRun, isActive, toolResultText } from "./live-run.ts";
import type { RunView } from "./live-run.ts";
import type { AgentEventPayload, ChatEventPayload } from "./protocol-types.ts";

const chat = (seq: number, state: ChatEventPayload["state"], extra: Partial<ChatEventPayload> = {}): ChatEventPayload => ({
  runId: "r",
  sessionKey: "s",
  seq,
  state,
  ...extra,
});
const said = (text: string): Partial<ChatEventPayload> => ({ message: { content: [{ type: "text", text }] } });
const agent = (seq: number, stream: string, data: Record<string, unknown>, ts = seq): AgentEventPayload => ({
  runId: "r",
  sessionKey: "s",
  seq,
  stream,
  data,
  ts,
});
const shape = (run: RunView): string[] =>
  run.blocks.map((block) =>
    block.type === "text"
      ? run.text.slice(block.from, block.to).trim()
      : block.type === "tool"
        ? `[${block.tool.name} ${block.tool.state}]`
        : `(${block.text})`,
  );

test("cumulative deltas make one text, however often they are repeated", () => {
  let run = createRun("r", true);
  for (const [seq, text] of [
    [2, "Hel"],
    [3, "Hello"],
    [3, "Hello"],
    [2, "Hel"],
    [4, "Hello you"],
  ] as const) {
    run = applyChat(run, chat(seq, "delta", said(text)));
  }
  assert.equal(run.text, "Hello you");
  assert.deepEqual(shape(run), ["Hello you"]);
});

test("deltas without the whole text are appended", () => {
  let run = applyChat(createRun("r", true), chat(1, "delta", { deltaText: "a" }));
  run = applyChat(run, chat(2, "delta", { deltaText: "b" }));
  assert.equal(run.text, "ab");
  run = applyChat(run, chat(3, "delta", { deltaText: "new", replace: true }));
  assert.deepEqual(shape(run), ["new"]);
});

test("text before and after a tool call keeps its place", () => {
  let run = applyChat(createRun("r", true), chat(1, "delta", said("Look:")));
  run = applyAgent(run, agent(2, "tool", { phase: "start", toolCallId: "c", name: "exec", args: { command: "ls" } }));
  run = applyAgent(
    run,
    agent(3, "tool", {
      phase: "result",
      toolCallId: "c",
      name: "exec",
      isError: false,
      result: { content: [{ type: "text", text: "a" }] },
    }),
  );
  run = applyChat(run, chat(4, "delta", said("Look:\n\nOne file.")));
  assert.deepEqual(shape(run), ["Look:", "[exec done]", "One file."]);
});

test("a delta that was held back over the start of a tool still belongs before it", () => {
  let run = applyAgent(createRun("r", true), agent(5, "tool", { phase: "start", toolCallId: "c", name: "exec" }));
  run = applyChat(run, chat(3, "delta", said("Look:")));
  assert.deepEqual(shape(run), ["Look:", "[exec running]"]);
});

test("a tool knows its arguments, its growing result, its end and its duration", () => {
  let run = applyAgent(
    createRun("r", true),
    agent(1, "tool", { phase: "start", toolCallId: "c", name: "exec", args: { command: "ls" } }, 1_000),
  );
  run = applyAgent(
    run,
    agent(2, "tool", { phase: "update", toolCallId: "c", partialResult: { content: [{ type: "text", text: "a" }] } }, 1_100),
  );
  const growing = run.blocks[0];
  assert.ok(growing?.type === "tool");
  assert.deepEqual([growing.tool.args, growing.tool.result, growing.tool.state], [{ command: "ls" }, "a", "running"]);
  run = applyAgent(run, agent(3, "tool", { phase: "result", toolCallId: "c", isError: true, result: "no" }, 1_450));
  const ended = run.blocks[0];
  assert.ok(ended?.type === "tool");
  assert.deepEqual([ended.tool.result, ended.tool.state, ended.tool.durationMs], ["no", "failed", 450]);
});

const toolUpdate = (seq: number, data: object) => agent(seq, "tool", { phase: "update", toolCallId: "c", ...data }, 1_000 + seq);
const wholeOutput = (text: string): object => ({ partialResult: { content: [{ type: "text", text }] } });

const resultAfter = (...updates: object[]): string => {
  let run = applyAgent(createRun("r", true), agent(1, "tool", { phase: "start", toolCallId: "c", name: "exec" }, 1_000));
  for (const [at, data] of updates.entries()) run = applyAgent(run, toolUpdate(at + 2, data));
  const [block] = run.blocks;
  assert.ok(block?.type === "tool");
  return block.tool.result;
};

test("an update of a tool has all of its output so far, or what it adds", () => {
  assert.equal(resultAfter(wholeOutput("a"), { delta: "b" }, { delta: "c" }), "abc");
  assert.equal(resultAfter({ delta: "a" }, wholeOutput("z"), { delta: "" }), "z");
  assert.equal(resultAfter({ delta: "x".repeat(7_000) }, { delta: "y".repeat(7_000) }).length, 8_000);
});

test("the same tool event by two ways counts once", () => {
  const start = agent(1, "tool", { phase: "start", toolCallId: "c", name: "exec" });
  const run = applyAgent(applyAgent(createRun("r", true), start), start);
  assert.equal(run.blocks.length, 1);
});

test("thinking grows in place and starts again after something else", () => {
  let run = applyAgent(createRun("r", true), agent(1, "thinking", { delta: "I " }));
  run = applyAgent(run, agent(2, "thinking", { delta: "wonder" }));
  assert.deepEqual(shape(run), ["(I wonder)"]);
  run = applyAgent(run, agent(3, "tool", { phase: "start", toolCallId: "c", name: "exec" }));
  run = applyAgent(run, agent(4, "thinking", { text: "So", delta: "So" }));
  assert.deepEqual(shape(run), ["(I wonder)", "[exec running]", "(So)"]);
});

test("an end is an end: late events do not bring a run back", () => {
  let run = applyAgent(createRun("r", true), agent(1, "tool", { phase: "start", toolCallId: "c", name: "exec" }));
  run = applyChat(run, chat(2, "aborted", said("part")));
  assert.equal(isActive(run), false);
  assert.deepEqual(shape(run), ["[exec stopped]", "part"]);
  assert.equal(applyChat(run, chat(3, "delta", said("part and more"))), run);
  assert.equal(applyAgent(run, agent(9, "tool", { phase: "result", toolCallId: "c" })), run);
});

test("an error keeps the earlier text and shows the reason", () => {
  const run = applyChat(createRun("r", true), chat(2, "error", { errorMessage: "overloaded" }));
  assert.deepEqual([run.state, run.error], ["error", "overloaded"]);
  assert.equal(applyChat(createRun("r", true), chat(2, "error")).error, "The agent couldn't reply.");
  const failed = applyChat(createRun("r", true), {
    ...chat(2, "error"),
    errorMessage: "The provider refused the key.",
    errorKind: "unknown",
    errorDetail: { providerErrorType: "auth", providerErrorMessagePreview: "401 no", httpStatus: 401 },
  });
  assert.deepEqual([failed.error, failed.errorKind, failed.errorDetail], ["The provider refused the key.", "auth", "401 no"]);
});

test("what the server says is running replaces nothing that is already further", () => {
  const ahead = applyChat(createRun("r", true), chat(3, "delta", said("Hello you")));
  assert.equal(restoreInFlightRun(ahead, { runId: "r", text: "Hello" }).text, "Hello you");
  const behind = restoreInFlightRun(undefined, {
    runId: "r",
    text: "Hello",
    events: [agent(2, "tool", { phase: "start", toolCallId: "c", name: "exec" })],
  });
  assert.equal(behind.text, "Hello");
  assert.equal(behind.isComplete, false);
  assert.equal(isActive(behind), true);
});

test("a result is text, whatever its shape", () => {
  assert.equal(toolResultText("a"), "a");
  assert.equal(toolResultText({ content: [{ type: "text", text: "b" }] }), "b");
  assert.equal(toolResultText({ ok: true }), '{\n  "ok": true\n}');
  assert.equal(toolResultText(undefined), "");
});

test("thinking that counts from the beginning of the turn is not repeated", () => {
  let run = applyAgent(createRun("r", true), agent(1, "thinking", { text: "First", delta: "First" }));
  run = applyAgent(run, agent(2, "tool", { phase: "start", toolCallId: "c", name: "exec" }));
  run = applyAgent(run, agent(3, "thinking", { text: "First\n\nThen", delta: "Then" }));
  run = applyAgent(run, agent(4, "thinking", { text: "First\n\nThen more", delta: " more" }));
  assert.deepEqual(shape(run), ["(First)", "[exec running]", "(Then more)"]);
});

test("a retry or a compaction says in words why nothing comes", () => {
  const message = "The provider is busy; trying again in 2 s";
  let run = applyAgent(createRun("r", true), agent(1, "run_status", { phase: "retrying", message }));
  assert.equal(run.phase, message);
  run = applyAgent(run, agent(2, "compaction", { phase: "start" }));
  assert.equal(run.phase, "compacting");
  run = applyAgent(run, agent(3, "compaction", { phase: "end", completed: true }));
  assert.equal(run.phase, null);
});

const note = (seq: number, phase: string, approvalId: string) => agent(seq, "lifecycle", { phase, approvalId, toolCallId: "c" });

test("a turn waits for a person until every one of its questions has ended", () => {
  let run = applyAgent(createRun("r", true), note(1, "waiting-approval", "a"));
  run = applyAgent(run, note(2, "waiting-approval", "b"));
  assert.deepEqual(run.waitsFor, ["a", "b"]);
  run = applyAgent(run, note(3, "approval-resolved", "a"));
  assert.deepEqual(run.waitsFor, ["b"]);
  assert.deepEqual(restoreInFlightRun(run, { runId: "r" }).waitsFor, [], "an answer may have come while the connection was away");
  assert.deepEqual(applyAgent(run, note(4, "approval-resolved", "b")).waitsFor, []);
});
