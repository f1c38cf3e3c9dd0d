import { LIMITS } from "../core/limits.ts";
import type { InboxRow, RunOutcome } from "../store/inbox.ts";
import type { OutboxPart } from "../store/outbox.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { Turns } from "./engine.ts";
import { noteUndelivered } from "./outbound.ts";
import type { Payload } from "./submission.ts";

export type RecoverySummary = {
  /** Runs that are taken up (again). */
  resumed: number;
  /** Runs that were closed visibly, because a tool of theirs had already run. */
  closed: number;
  /** Messages that failed too often and wait for an operator. */
  deadLetters: number;
  /** Parts of replies of which nobody knows whether they arrived. */
  unknown: number;
};

type Row = InboxRow<Payload>;
type RecoveryAction = "resume" | "close" | "dead-letter";

/** What becomes of a message that an earlier process left open. Pure. */
export function recoveryActionFor(row: Pick<Row, "state" | "attempts" | "toolsStarted" | "payload">): RecoveryAction {
  if (row.payload === null) return "dead-letter";
  if (row.state === "running" && row.toolsStarted) return "close";
  return row.attempts >= LIMITS.turnAttempts ? "dead-letter" : "resume";
}

const INTERRUPTED_TEXT =
  "The gateway was restarted while this was being answered. A tool had already run, so nothing was repeated. Write again to go on.";
const DEAD_LETTER_TEXT = "This message could not be answered after several attempts. It was set aside for the operator.";

/** Brings the rows of an earlier process into order: called once at start-up, before anything is accepted. */
export function recover(
  turns: Turns,
  abilitiesOf: (target: ReplyTarget) => { idempotency: "key" | "lookup" | "none" } | null,
): RecoverySummary {
  const { store, inbox, outbox, clock } = turns.options;
  const recovery: RecoverySummary = { resumed: 0, closed: 0, deadLetters: 0, unknown: 0 };
  const open = inbox.listOpen<Payload>();
  // A message that was handed into another run is in that run's context only as far as a runtime kept it: it runs by itself.
  const resume = open.filter((row) => recoveryActionFor(row) === "resume");
  store.writeNow(() => {
    const now = clock.now();
    for (const row of open) recoverRunContained(turns, row, now, recovery);
    for (const part of outbox.byState("attempting", 100_000))
      recovery.unknown += recoverPart(turns, part, now, abilitiesOf(part.target as ReplyTarget));
    outbox.previews.removeEnded();
    store.run("UPDATE sessions SET status = 'done' WHERE status = 'running'");
  });
  recovery.resumed = resume.length;
  turns.resume(resume);
  return recovery;
}

/** One row that cannot be settled becomes a dead letter and keeps the gateway from nothing. */
function recoverRunContained(turns: Turns, row: Row, now: number, recovery: RecoverySummary): void {
  try {
    recoverRun(turns, row, now, recovery);
  } catch (err) {
    turns.options.log.error("a message of an earlier process could not be settled and was set aside", { runId: row.runId, error: err });
    const error = { kind: "parked", message: DEAD_LETTER_TEXT };
    turns.options.inbox.end(row.runId, "parked", { status: "error", text: "", stopReason: "error", endedAt: now, error });
  }
}

function recoverRun(turns: Turns, row: Row, now: number, recovery: RecoverySummary): void {
  const { inbox } = turns.options;
  const fate = recoveryActionFor(row);
  if (fate === "resume") {
    inbox.requeue(row.runId);
    return;
  }
  const message = fate === "close" ? INTERRUPTED_TEXT : DEAD_LETTER_TEXT;
  const outcome: RunOutcome = {
    status: "error",
    text: "",
    stopReason: "error",
    endedAt: now,
    error: { kind: fate === "close" ? "interrupted" : "parked", message },
  };
  inbox.end(row.runId, fate === "close" ? "failed" : "parked", outcome);
  recovery[fate === "close" ? "closed" : "deadLetters"]++;
  const session = turns.options.sessions.get(row.sessionKey);
  // The agent's own context ends before this message: it is made anew from the transcript, which has it.
  if (session && fate === "close") turns.options.sessions.patch(session.key, { checkpoint: null });
  if (session) turns.addReply({ runId: row.runId, session, text: message, now, origin: "notice" });
  if (!row.payload?.target) return;
  // An operator may run a parked message again: its answer then needs the run's own name, which a platform takes only once.
  const id = fate === "close" ? row.runId : `${row.runId}:parked:${now}`;
  turns.addIntent(id, row.sessionKey, row.payload.target, message, now, { runId: row.runId });
}

/** An interrupted send: repeated only where the platform recognises the repetition. */
function recoverPart(turns: Turns, part: OutboxPart, now: number, abilities: { idempotency: "key" | "lookup" | "none" } | null): number {
  // An edit says the same again, however often it is made.
  const repeatable = part.editOf !== null || (abilities !== null && abilities.idempotency !== "none");
  const state = !repeatable ? "unknown" : part.attempts >= LIMITS.sendAttempts ? "parked" : "queued";
  const stopped = "the gateway stopped while this was being sent";
  const cause = state === "parked" ? `gave up after ${part.attempts} attempts: ${stopped}` : stopped;
  turns.options.outbox.settle(part.partKey, state, now, { cause });
  // Nobody watches yet: the note is found where the reply is.
  if (state !== "queued") noteUndeliveredContained(turns, part, state, cause, now);
  return state === "unknown" ? 1 : 0;
}

function noteUndeliveredContained(turns: Turns, part: OutboxPart, state: "parked" | "unknown", cause: string, now: number): void {
  try {
    noteUndelivered(turns, part, state, cause, now);
  } catch (err) {
    turns.options.log.error("an undelivered reply could not be noted in its session", { part: part.partKey, error: err });
  }
}
