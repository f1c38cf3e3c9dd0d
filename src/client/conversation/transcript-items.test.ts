import assert from "node:assert/strict";
import { test } from "node:test";
import { call, live, row } from "../../../test/fakes/wire-fixtures.ts";
import { coveredLength, toItems } from "./transcript-items.ts";
import { applyAgent, applyChat, createRun, restoreInFlightRun } from "./live-run.ts";
import { hasUserRow } from "./transcript-rows.ts";
import type { TranscriptItem, OutgoingMessage } from "./transcript-items.ts";
import type { RunView } from "./live-run.ts";
import type { AgentEventPayload, TranscriptRow } from "./protocol-types.ts";

const sent = (key: string, text: string, state: OutgoingMessage["state"] = "accepted"): OutgoingMessage => ({
  idempotencyKey: key,
  text,
  state,
  error: null,
  images: 0,
  atMs: 0,
  afterSeq: 0,
});

const spoken = (items: readonly TranscriptItem[]): string[] =>
  items.map((item) =>
    item.kind === "note"
      ? `note ${item.text}`
      : `${item.kind}: ${item.blocks.map((block) => (block.type === "text" ? block.text : block.type)).join(" | ")}`,
  );

const keys = (items: readonly TranscriptItem[]): string[] =>
  items.flatMap((item) => (item.kind === "note" ? [] : item.blocks.map((block) => block.key)));

const toolState = (runs: RunView[]): string | undefined => {
  const item = toItems([call(1, "Look:")], runs, [])[0];
  const block = item?.kind === "assistant" ? item.blocks.find((one) => one.type === "tool") : undefined;
  return block?.type === "tool" ? block.tool.state : undefined;
};

test("a sent message is one bubble under one key, before and after the server has it", () => {
  const outgoing = sent("k1", "hello");
  const stored = row(1, "user", "hello", { idempotencyKey: "k1:user" });
  const before = toItems([], [], [outgoing]);
  const after = toItems([stored], [], [outgoing]);
  assert.equal(before.length, 1);
  assert.equal(after.length, 1);
  assert.equal(before[0]?.key, after[0]?.key);
  assert.equal(hasUserRow([stored], "k1"), true);
});

test("an answer keeps its key from the first token to the stored row, and is never shown twice", () => {
  const user = row(1, "user", "hi", { idempotencyKey: "k1:user" });
  const running = toItems([user], [live("Hel")], []);
  const both = toItems([user, row(2, "assistant", "Hello", { runId: "k1", stopReason: "stop" })], [live("Hello")], []);
  const ended = applyChat(live("Hello"), { runId: "k1", sessionKey: "s", seq: 4, state: "final" });
  const after = toItems([user, row(2, "assistant", "Hello", { runId: "k1", stopReason: "stop" })], [ended], []);
  assert.deepEqual(spoken(running), ["user: hi", "assistant: Hel"]);
  assert.deepEqual(spoken(both), ["user: hi", "assistant: Hello"]);
  assert.deepEqual(spoken(after), ["user: hi", "assistant: Hello"]);
  assert.deepEqual([running[1]?.key, both[1]?.key, after[1]?.key], ["run:k1", "run:k1", "run:k1"]);
});

test("block keys survive the change from live to stored", () => {
  let run = applyChat(createRun("k1", true), { runId: "k1", sessionKey: "s", seq: 1, state: "delta", message: { content: "Look:" } });
  run = applyAgent(run, { runId: "k1", seq: 2, stream: "tool", data: { phase: "start", toolCallId: "c1", name: "exec" } });
  run = applyChat(run, { runId: "k1", sessionKey: "s", seq: 3, state: "delta", message: { content: "Look:\n\nOne." } });
  const stored = [
    call(2, "Look:"),
    row(3, "toolResult", "a", { runId: "k1", toolCallId: "c1" }),
    row(4, "assistant", "One.", { runId: "k1", stopReason: "stop" }),
  ];
  const ended = applyChat(run, { runId: "k1", sessionKey: "s", seq: 4, state: "final" });
  assert.deepEqual(keys(toItems([], [run], [])), ["t0", "tool:c1", "t1"]);
  assert.deepEqual(keys(toItems(stored, [ended], [])), ["t0", "tool:c1", "t1"]);
});

test("after a reload in mid-turn the stored beginning and the live rest fit together", () => {
  const run = restoreInFlightRun(undefined, { runId: "k1", text: "Look:\n\nOne fi" });
  const items = toItems([row(1, "user", "hi"), call(2, "Look:"), row(3, "toolResult", "a", { runId: "k1", toolCallId: "c1" })], [run], []);
  assert.deepEqual(spoken(items), ["user: hi", "assistant: Look: | tool | One fi"]);
  for (const item of items) {
    const keys = item.kind === "note" ? [] : item.blocks.map((block) => block.key);
    assert.equal(new Set(keys).size, keys.length);
  }
});

test("a tool row knows its result and how long it took", () => {
  const items = toItems(
    [call(1, "Look:"), row(3, "toolResult", "out", { runId: "k1", toolCallId: "c1", isError: true, details: { durationMs: 12 } })],
    [],
    [],
  );
  const block = items[0]?.kind === "assistant" ? items[0].blocks[1] : undefined;
  assert.ok(block?.type === "tool");
  assert.deepEqual([block.tool.result, block.tool.state, block.tool.durationMs], ["out", "failed", 12]);
});

test("each queued message precedes its own answer", () => {
  const runs = [live("one"), { ...live("two"), runId: "k2" }];
  const items = toItems([], runs, [sent("k1", "first"), sent("k2", "second"), sent("k3", "third", "queued")]);
  assert.deepEqual(spoken(items), ["user: first", "assistant: one", "user: second", "assistant: two", "user: third"]);
});

test("a failed or stopped answer says so, from the live run and from the stored row", () => {
  const stored = toItems([row(1, "assistant", "part", { runId: "k1", stopReason: "error", errorMessage: "overloaded" })], [], [])[0];
  assert.ok(stored?.kind === "assistant");
  assert.deepEqual([stored.end, stored.error], ["error", "overloaded"]);
  const stopped = toItems([row(1, "assistant", "part", { runId: "k1", openclawAbort: { by: "rpc" } })], [], [])[0];
  assert.ok(stopped?.kind === "assistant");
  assert.equal(stopped.end, "aborted");
});

test("a message in the middle of a turn splits it into two items with different keys", () => {
  const items = toItems(
    [row(1, "assistant", "a", { runId: "k1" }), row(2, "user", "wait"), row(3, "assistant", "b", { runId: "k1", stopReason: "stop" })],
    [],
    [],
  );
  assert.deepEqual(spoken(items), ["assistant: a", "user: wait", "assistant: b"]);
  assert.equal(new Set(items.map((item) => item.key)).size, 3);
});

test("system rows are notes", () => {
  assert.deepEqual(spoken(toItems([row(1, "system", "Compaction")], [], [])), ["note Compaction"]);
});

test("the covered beginning is found whatever the spaces", () => {
  assert.equal(coveredLength("Look:\n\nOne", "Look: "), 5);
  assert.equal(coveredLength("Look", "Look:\nOne"), 4);
  assert.equal(coveredLength("Other", "Look"), 0);
  assert.equal(coveredLength("Any", ""), 0);
});

test("a turn that a message has split is not shown twice while it goes on", () => {
  let run = live("Look:");
  run = applyAgent(run, { runId: "k1", seq: 4, stream: "tool", data: { phase: "start", toolCallId: "c1", name: "exec" } });
  run = applyChat(run, { runId: "k1", sessionKey: "s", seq: 5, state: "delta", message: { content: "Look:\n\nSecond\n\nThi" } });
  const rows = [
    call(1, "Look:"),
    row(2, "toolResult", "a", { runId: "k1", toolCallId: "c1" }),
    row(3, "user", "wait"),
    row(4, "assistant", "Second", { runId: "k1", stopReason: "toolUse" }),
  ];
  assert.deepEqual(spoken(toItems(rows, [run], [])), ["assistant: Look: | tool", "user: wait", "assistant: Second | Thi"]);
});

test("a command that leaves no row keeps its place", () => {
  const answer = applyChat(live("status: fine"), { runId: "k1", sessionKey: "s", seq: 4, state: "final" });
  const rows = [
    row(1, "user", "before"),
    row(2, "assistant", "yes", { stopReason: "stop" }),
    row(3, "user", "after"),
    row(4, "assistant", "ok", { stopReason: "stop" }),
  ];
  const items = toItems(rows, [answer], [{ ...sent("k1", "/status"), afterSeq: 2 }]);
  assert.deepEqual(spoken(items), [
    "user: before",
    "assistant: yes",
    "user: /status",
    "assistant: status: fine",
    "user: after",
    "assistant: ok",
  ]);
});

test("what is over keeps its identity, so that it is not drawn again", () => {
  const rows = [row(1, "user", "a"), row(2, "assistant", "b", { runId: "k0", stopReason: "stop" })];
  const before = toItems(rows, [], []);
  const after = toItems([...rows, row(3, "user", "c")], [live("x")], []);
  assert.equal(before[0], after[0]);
  assert.equal(before[1], after[1]);
});

const again = (seq: number, text: string): TranscriptRow => ({ ...call(seq, text), __openclaw: { id: `id${seq}`, seq, runId: "k1" } });

const event = (seq: number, data: object): AgentEventPayload => ({
  runId: "k1",
  seq,
  stream: "tool",
  data: { toolCallId: "c1", name: "exec", ...data },
});

test("calls of one turn that share an id keep their own results", () => {
  const rows = [
    again(1, "First:"),
    row(2, "toolResult", "one", { runId: "k1", toolCallId: "c1" }),
    again(3, "Second:"),
    row(4, "toolResult", "two", { runId: "k1", toolCallId: "c1" }),
  ];
  const [item] = toItems(rows, [], []);
  assert.ok(item?.kind === "assistant");
  const tools = item.blocks.flatMap((block) => (block.type === "tool" ? [block] : []));
  assert.deepEqual(
    tools.map(({ key, tool }) => [key, tool.result, tool.state]),
    [
      ["tool:c1", "one", "done"],
      ["tool:c1:1", "two", "done"],
    ],
  );
  const live = [
    event(1, { phase: "start" }),
    event(2, { phase: "result", result: "one" }),
    event(3, { phase: "start" }),
    event(4, { phase: "result", result: "two" }),
  ].reduce(applyAgent, createRun("k1", true));
  assert.deepEqual(
    live.blocks.map((block) => (block.type === "tool" ? block.tool.result : "")),
    ["one", "two"],
  );
});

const usage = (totalTokens: number, total: number): Partial<TranscriptRow> => ({ usage: { totalTokens, cost: { total } } });

test("tokens and cost of a turn are those of all its calls of the model", () => {
  const rows = [
    call(1, "Look:", usage(500, 0.002)),
    row(2, "assistant", "done", { runId: "k1", stopReason: "stop", ...usage(288, 0.001) }),
  ];
  const [item] = toItems(rows, [], []);
  assert.deepEqual(item?.kind === "assistant" && item.usage, { tokens: 788, costUsd: 0.003 });
});

test("what a person wrote on a channel has a sender, without the name in front of the text", () => {
  const from = { senderId: "1", senderName: "Ada", senderIsOwner: false, transport: { channel: "irc" } };
  const base = row(1, "user", "Ada: hello");
  const [item] = toItems([{ ...base, __openclaw: { ...base.__openclaw, ...from } }], [], []);
  assert.ok(item?.kind === "user");
  assert.deepEqual(
    [item.sender, item.blocks[0]?.type === "text" && item.blocks[0].text],
    [{ name: "Ada", isOwner: false, channel: "irc" }, "hello"],
  );
});

test("a stored call without a result runs as long as its turn does, and was stopped after it", () => {
  assert.equal(toolState([restoreInFlightRun(undefined, { runId: "k1", text: "Look:" })]), "running");
  assert.equal(toolState([]), "stopped");
});
