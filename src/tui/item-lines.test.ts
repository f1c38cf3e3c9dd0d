import assert from "node:assert/strict";
import { test } from "node:test";
import type { LiveTool } from "../client/conversation/live-run.ts";
import type { ItemBlock, TranscriptItem } from "../client/conversation/transcript-items.ts";
import { formatBytes, itemLines, type ItemContext } from "./item-lines.ts";
import { toPalette, type Palette } from "./palette.ts";
import { statusLines, type StatusFacts } from "./status-line.ts";
import { openChat } from "./chat-state.ts";

const palette = Object.fromEntries(Object.keys(toPalette(false, "dark")).map((name) => [name, (text: string) => text])) as Palette;
const context = (open: readonly string[] = []): ItemContext => ({
  palette,
  width: 40,
  isOpen: (fold) => open.includes(fold),
  markdown: (text) => text.split("\n"),
  picture: () => null,
});
const tool = (state: LiveTool["state"], result: string): ItemBlock => ({
  type: "tool",
  key: "tool:c",
  tool: {
    callId: "c",
    name: "exec",
    args: { command: "ls -la", timeout: 5 },
    result,
    state,
    startedAtMs: 0,
    durationMs: state === "done" ? 1_500 : null,
  },
});
const reply = (blocks: readonly ItemBlock[], end: "stop" | "aborted" | "error" = "stop"): TranscriptItem => ({
  kind: "assistant",
  key: "run:r",
  blocks,
  atMs: null,
  model: null,
  run: null,
  end,
  error: end === "error" ? "no credit" : null,
  errorDetail: null,
  traceId: null,
  errorKind: null,
  usage: null,
});
const texts = (item: TranscriptItem, open: readonly string[] = []): string[] => itemLines(context(open), item).map(({ text }) => text);

test("a tool call is one line, with the end of its output while it runs", () => {
  assert.deepEqual(texts(reply([tool("done", "a\nb")])), ["▸ ✓ exec ls -la · 1 s"]);
  assert.deepEqual(texts(reply([tool("running", "a\nb\nc\nd")])), ["▸ ● exec ls -la", "    b", "    c", "    d"]);
  assert.equal(itemLines(context(), reply([tool("done", "a")]))[0]!.fold, "run:r/tool:c");
});

test("an open tool call shows all arguments and its output", () => {
  assert.deepEqual(texts(reply([tool("done", "a\nb\n")]), ["run:r/tool:c"]).slice(1), [
    "    command: ls -la",
    "    timeout: 5",
    "    output:",
    "    a",
    "    b",
  ]);
  const long = Array.from({ length: 500 }, (_, at) => `line ${at}`).join("\n");
  assert.ok(texts(reply([tool("done", long)]), ["run:r/tool:c"]).some((line) => line.includes("(300 lines are left out)")));
});

test("thoughts are folded, and an end that is not a good one has a line", () => {
  assert.deepEqual(
    texts(
      reply(
        [
          { type: "thinking", key: "h0", text: "one\ntwo" },
          { type: "text", key: "t0", text: "answer" },
        ],
        "error",
      ),
    ),
    ["▸ thoughts (2 lines)", "", "answer", "", "✗ no credit"],
  );
  assert.deepEqual(texts(reply([], "aborted")), ["(stopped)"]);
});

test("a message says who wrote it, and whether it has been sent", () => {
  const base = {
    kind: "user",
    key: "sent:k",
    blocks: [{ type: "text", key: "t0", text: "hello\nyou" }],
    atMs: 1,
    sender: null,
    waits: false,
    traceId: null,
  } as const;
  const outgoing = { idempotencyKey: "k", text: "", error: null, images: 0, atMs: 1, afterSeq: 0 };
  assert.deepEqual(texts({ ...base, outgoing: null }), ["▌ hello", "▌ you"]);
  assert.deepEqual(texts({ ...base, outgoing: { ...outgoing, state: "queued" } }).at(-1), "▌ not sent yet");
  assert.deepEqual(texts({ ...base, outgoing: { ...outgoing, state: "failed", error: "too long" } }).at(-1), "▌ not sent: too long");
  assert.deepEqual(texts({ ...base, outgoing: null, sender: { name: "Ann", isOwner: false, channel: "irc" } })[0], "▌ Ann · irc");
});

test("a picture that is not drawn is a line with its type and size", () => {
  const picture = { type: "image", key: "i0", mimeType: "image/png", sizeBytes: 12_800, data: null, url: null, source: null } as const;
  assert.deepEqual(texts(reply([picture])), ["[image/png, 13 KB]"]);
  assert.deepEqual([formatBytes(12), formatBytes(3 * 1_048_576)], ["12 B", "3.0 MB"]);
});

test("the status is one line where it fits and two where it does not", () => {
  const session = {
    key: "agent:main:main",
    isMain: true,
    model: "echo",
    modelProvider: "test",
    totalTokens: 64_000,
    contextTokens: 128_000,
    estimatedCostUsd: 0.5,
    effectiveQueueMode: "steer",
    queuedInputs: 2,
  };
  const facts: StatusFacts = {
    link: { kind: "online" },
    chat: { ...openChat("agent:main:main"), session },
    requests: 1,
    since: null,
    now: 0,
  };
  const wide = statusLines(palette, facts, 200);
  assert.match(
    wide[0]!,
    /^● connected · 2 queued · 1 request \(F2\) {20,}main: Main · test\/echo · context 50 % of 128k · \$0\.50 · queue: steer$/,
  );
  assert.deepEqual(statusLines(palette, facts, 80), [
    "● connected · 2 queued · 1 request (F2)",
    "main: Main · test/echo · context 50 % of 128k · $0.50 · queue: steer",
  ]);
  const lost = statusLines(palette, { ...facts, link: { kind: "lost", why: "the connection was cut", retryAt: 2_500 } }, 200);
  assert.match(lost[0]!, /^○ the connection was cut; trying again in 3 s/);
});
