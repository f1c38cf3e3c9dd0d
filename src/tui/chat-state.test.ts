import assert from "node:assert/strict";
import { test } from "node:test";
import type { TranscriptRow } from "../client/conversation/protocol-types.ts";
import { activeRun, applyEvent, isMissingRow, openChat, withHistory, type ChatState } from "./chat-state.ts";

const KEY = "agent:main:main";
const user = (seq: number, id: string, text: string): TranscriptRow => ({
  role: "user",
  content: text,
  idempotencyKey: `${id}:user`,
  __openclaw: { id: `row-${id}`, seq },
});
const answer = (seq: number, runId: string, text: string): TranscriptRow => ({
  role: "assistant",
  content: text,
  stopReason: "stop",
  __openclaw: { id: `row-${seq}`, seq, runId },
});
const loaded = (messages: readonly TranscriptRow[] = []): ChatState =>
  withHistory(openChat(KEY), { sessionKey: KEY, sessionId: "s1", messages });
const apply = (state: ChatState, event: string, payload: object): ReturnType<typeof applyEvent> =>
  applyEvent(state, { event, payload: { sessionKey: "main", ...payload } }, "main");

const OUTGOING = {
  sessionKey: KEY,
  text: "hi",
  attachments: [],
  images: 0,
  state: "accepted" as const,
  error: null,
  atMs: 1,
  afterSeq: 0,
  create: null,
};

test("an answer streams into its run, and its row settles it", () => {
  let state = loaded();
  state = apply(state, "chat", { runId: "r", seq: 1, state: "delta", deltaText: "Hel" }).state;
  state = apply(state, "chat", { runId: "r", seq: 2, state: "delta", deltaText: "lo" }).state;
  assert.equal(activeRun(state)?.text, "Hello");
  state = apply(state, "chat", { runId: "r", seq: 3, state: "final", message: { content: "Hello" } }).state;
  assert.equal(activeRun(state), undefined);
  assert.equal(isMissingRow(state, "r"), true);
  state = apply(state, "session.message", { sessionId: "s1", message: answer(1, "r", "Hello") }).state;
  assert.equal(isMissingRow(state, "r"), false);
});

test("events of other sessions change nothing", () => {
  const state = loaded();
  for (const event of ["chat", "agent", "session.message", "sessions.changed"])
    assert.deepEqual(
      applyEvent(state, { event, payload: { sessionKey: "agent:main:other", runId: "r", seq: 1, state: "delta" } }, "main"),
      { state, reload: false },
    );
  assert.equal(applyEvent(state, { event: "tick", payload: {} }, "main").state, state);
});

test("a message on its way is gone when its row is there, from an event or from the history", () => {
  const waiting = { ...loaded(), outbox: [{ ...OUTGOING, idempotencyKey: "k" }] };
  assert.deepEqual(apply(waiting, "session.message", { sessionId: "s1", message: user(1, "k", "hi") }).state.outbox, []);
  assert.deepEqual(withHistory(waiting, { sessionKey: KEY, sessionId: "s1", messages: [user(1, "k", "hi")] }).outbox, []);
});

test("after a reconnect the history and what is running are shown once each", () => {
  const before = { ...loaded([user(1, "k", "hi")]) };
  const running = apply(before, "chat", { runId: "k", seq: 1, state: "delta", deltaText: "Hel" }).state;
  const page = { sessionKey: KEY, sessionId: "s1", messages: [user(1, "k", "hi")], inFlightRun: { runId: "k", text: "Hello wor", seq: 5 } };
  const again = withHistory(running, page);
  assert.equal(again.rows.rows.length, 1);
  assert.deepEqual(
    again.runs.map(({ text }) => text),
    ["Hello wor"],
  );
  const over = withHistory(running, { sessionKey: KEY, sessionId: "s1", messages: [user(1, "k", "hi"), answer(2, "k", "Hello world")] });
  assert.deepEqual([over.rows.rows.length, over.runs.length], [2, 0]);
});

test("a reset, a rewritten message and rows of another conversation are read again", () => {
  const state = loaded([user(1, "k", "hi")]);
  assert.equal(apply(state, "sessions.changed", { reason: "reset" }).reload, true);
  assert.equal(apply(state, "sessions.changed", { reason: "message-changed" }).reload, true);
  const branch = apply(state, "sessions.changed", { reason: "branch" });
  assert.deepEqual([branch.reload, branch.state.rows.rows], [true, []]);
  assert.equal(apply(state, "session.message", { sessionId: "s2", message: user(1, "x", "new") }).reload, true);
  const changed = apply(state, "sessions.changed", { reason: "patch", model: "other", modelProvider: "test" });
  assert.deepEqual([changed.reload, changed.state.session?.model], [false, "other"]);
});
