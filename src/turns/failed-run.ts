import type { RunId, SessionKey } from "../core/ids.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { Turns } from "./engine.ts";
import type { RunRef } from "./events.ts";
import { conversationOf } from "./outbound.ts";
import { failureNotice } from "./turn.ts";

/** The outcome of a run that the gateway itself could not finish. */
export function failureOutcome(endedAt: number): RunOutcome {
  const message = "the gateway failed while this was being answered; its log says why";
  return { status: "error", text: "", stopReason: "error", endedAt, error: { kind: "unknown", message } };
}

type FailedRunDeps = {
  turns: Turns;
  write: (change: () => void) => Promise<unknown>;
  emitEnded: (ref: RunRef, outcome: RunOutcome) => void;
};

/**
 * Ends a run as failed, with a notice in its conversation; without the notice when that cannot be stored. A run that has its outcome
 * is left as it is. Rejects when not even the end can be stored.
 */
export async function endAsFailed({ turns, write, emitEnded }: FailedRunDeps, sessionKey: SessionKey, runId: RunId): Promise<void> {
  const { clock, inbox, log, sessions, deliver } = turns.options;
  const row = turns.findRun(runId);
  if (!row || (row.outcome && row.state !== "aborted")) return;
  const now = clock.now();
  const outcome = failureOutcome(now);
  const target = row.payload?.target;
  try {
    await write(() => {
      const session = sessions.get(sessionKey);
      inbox.end(runId, "failed", outcome);
      if (session) turns.addReply({ runId, session, text: failureNotice(outcome), now, origin: "notice" });
      if (target) turns.addIntent(runId, sessionKey, target, failureNotice(outcome), now);
    });
  } catch (err) {
    log.error("a failed turn could not be reported in its conversation", { runId, error: err });
    await write(() => inbox.end(runId, "failed", outcome));
  }
  emitEnded({ runId, sessionKey, agentId: row.agentId }, outcome);
  if (target) deliver(conversationOf(target));
}
