/** Rows and pages for the tests of the pure parts. */
import { applyChat, createRun } from "../src/run.ts";
import type { Run } from "../src/run.ts";
import type { HistoryPage, Row } from "../src/wire.ts";

/** A stored message; `seq` is its place, and its id. */
export const row = (seq: number, role: string, text: string, extra: Partial<Row> & { runId?: string } = {}): Row => {
  const { runId, ...rest } = extra;
  return {
    role,
    content: text,
    timestamp: seq * 1_000,
    ...rest,
    __openclaw: { id: `id${seq}`, seq, ...(runId === undefined ? {} : { runId }) },
  };
};

/** A page of the history of one session. */
export const page = (messages: Row[], extra: Partial<HistoryPage> = {}): HistoryPage => ({
  sessionKey: "s",
  sessionId: "one",
  messages,
  ...extra,
});

/** A stored message that says something and calls a tool, in the turn `k1`. */
export const call = (seq: number, text: string, extra: object = {}): Row => ({
  ...row(seq, "assistant", "", { runId: "k1", stopReason: "toolUse", ...extra }),
  content: [
    { type: "text", text },
    { type: "toolCall", id: "c1", name: "exec", arguments: { command: "ls" } },
  ],
});

/** The turn `k1`, running, with this much said. */
export const live = (text: string, whole = true): Run =>
  applyChat(createRun("k1", whole), {
    runId: "k1",
    sessionKey: "s",
    seq: 3,
    state: "delta",
    message: { content: [{ type: "text", text }] },
  });
