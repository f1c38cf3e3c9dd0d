/** What is known of one session: its stored rows and its turns, changed by pages of the history and by events. Pure. */
import { applyAgent, applyChat, createRun, isActive, restoreInFlightRun, type RunView } from "./live-run.ts";
import type { AgentEventPayload, ChatEventPayload, HistoryPayload } from "./protocol-types.ts";
import { applyNewestPage, hasUserRow, type TranscriptRows } from "./transcript-rows.ts";

export type SessionTranscript = { rows: TranscriptRows; runs: readonly RunView[] };

/** Ended runs are remembered for a while, so that a late event does not bring one back to life. */
const MAX_RUNS = 20;

/** Changes one run, which is made when it is not known; `whole`: nothing of it has been missed. */
export function withRunChange<T extends SessionTranscript>(
  session: T,
  runId: string,
  whole: boolean,
  change: (run: RunView) => RunView,
): T {
  const at = session.runs.findIndex((run) => run.runId === runId);
  if (at === -1) return { ...session, runs: [...session.runs, change(createRun(runId, whole))].slice(-MAX_RUNS) };
  const before = session.runs[at] as RunView;
  const after = change(before);
  return after === before ? session : { ...session, runs: session.runs.with(at, after) };
}

export const withChatEvent = <T extends SessionTranscript>(session: T, event: ChatEventPayload): T =>
  withRunChange(session, event.runId, event.seq <= 1, (run) => applyChat(run, event));

export const withAgentEvent = <T extends SessionTranscript>(session: T, event: AgentEventPayload): T =>
  withRunChange(session, event.runId, event.seq <= 1, (run) => applyAgent(run, event));

/** Takes the newest page of the history, and what it says is running. `isSent`: the run answers a message that is on its way from here. */
export function withNewestPage<T extends SessionTranscript>(session: T, page: HistoryPayload, isSent: (run: RunView) => boolean): T {
  const rows = applyNewestPage(session.rows, page);
  const running = page.inFlightRun;
  const still = new Set([...(page.sessionInfo?.activeRunIds ?? []), ...(running === undefined ? [] : [running.runId])]);
  const isReset = session.rows.sessionId !== null && session.rows.sessionId !== rows.sessionId;
  const kept = session.runs.filter((run) => {
    if (still.has(run.runId)) return true;
    // After a reset the answers of the conversation before have no place any more.
    return isReset ? isActive(run) && isSent(run) : !isActive(run) || !hasUserRow(rows.rows, run.runId);
  });
  const known = kept.find((run) => run.runId === running?.runId);
  const runs =
    running === undefined || (known !== undefined && !isActive(known)) ? kept : withRun(kept, restoreInFlightRun(known, running));
  return { ...session, rows, runs };
}

function withRun(runs: readonly RunView[], run: RunView): readonly RunView[] {
  const at = runs.findIndex((one) => one.runId === run.runId);
  return at === -1 ? [...runs, run] : runs.with(at, run);
}
