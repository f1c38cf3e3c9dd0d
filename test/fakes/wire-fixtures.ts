/** Rows and pages for the tests of the pure parts. */
import { applyChat, createRun } from "../../src/client/conversation/live-run.ts";
import type { RunView } from "../../src/client/conversation/live-run.ts";
import type { HistoryPayload, TranscriptRow } from "../../src/client/conversation/protocol-types.ts";

/** A stored message; `seq` is its place, and its id. */
export const row = (seq: number, role: string, text: string, extra: Partial<TranscriptRow> & { runId?: string } = {}): TranscriptRow => {
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
export const page = (messages: TranscriptRow[], extra: Partial<HistoryPayload> = {}): HistoryPayload => ({
  sessionKey: "s",
  sessionId: "one",
  messages,
  ...extra,
});

/** A stored message that says something and calls a tool, in the turn `k1`. */
export const call = (seq: number, text: string, extra: object = {}): TranscriptRow => ({
  ...row(seq, "assistant", "", { runId: "k1", stopReason: "toolUse", ...extra }),
  content: [
    { type: "text", text },
    { type: "toolCall", id: "c1", name: "exec", arguments: { command: "ls" } },
  ],
});

/** The turn `k1`, running, with this much said. */
export const live = (text: string, whole = true): RunView =>
  applyChat(createRun("k1", whole), {
    runId: "k1",
    sessionKey: "s",
    seq: 3,
    state: "delta",
    message: { content: [{ type: "text", text }] },
  });
