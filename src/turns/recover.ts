import { LIMITS } from "../core/limits.ts";
import type { InboxRow, Outcome } from "../store/inbox.ts";
import type { OutboxPart } from "../store/outbox.ts";
import type { Target } from "../channels/channel.ts";
import type { Turns } from "./engine.ts";
import { noteUndelivered } from "./outbound.ts";
import type { Payload } from "./submission.ts";

export type Recovery = {
  /** Runs that are taken up (again). */
  resumed: number;
  /** Runs that were closed visibly, because a tool of theirs had already run. */
  closed: number;
  /** Messages that failed too often and wait for an operator. */
  parked: number;
  /** Parts of replies of which nobody knows whether they arrived. */
  unknown: number;
};

type Row = InboxRow<Payload>;
type Fate = "resume" | "close" | "park";

/** What becomes of a message that an earlier process left open. Pure. */
export function fateOf(row: Pick<Row, "state" | "attempts" | "toolsStarted" | "payload">): Fate {
  if (row.payload === null) return "park";
  if (row.state === "running" && row.toolsStarted) return "close";
  return row.attempts >= LIMITS.turnAttempts ? "park" : "resume";
}

const INTERRUPTED =
  "The gateway was restarted while this was being answered. A tool had already run, so nothing was repeated. Write again to go on.";
const PARKED = "This message could not be answered after several attempts. It was set aside for the operator.";

/** Brings the rows of an earlier process into order: called once at start-up, before anything is accepted. */
export function recover(turns: Turns, abilitiesOf: (target: Target) => { idempotency: "key" | "lookup" | "none" } | null): Recovery {
  const { store, inbox, outbox, clock } = turns.options;
  const recovery: Recovery = { resumed: 0, closed: 0, parked: 0, unknown: 0 };
  const open = inbox.open<Payload>();
  // A message that was handed into another run is in that run's context only as far as a runtime kept it: it runs by itself.
  const resume = open.filter((row) => fateOf(row) === "resume");
  store.writeNow(() => {
    const now = clock.now();
    for (const row of open) settleContained(turns, row, now, recovery);
    for (const part of outbox.byState("attempting", 100_000))
      recovery.unknown += settlePart(turns, part, now, abilitiesOf(part.target as Target));
    outbox.previews.removeEnded();
    store.run("UPDATE sessions SET status = 'done' WHERE status = 'running'");
  });
  recovery.resumed = resume.length;
  turns.adopt(resume);
  return recovery;
}

/** One row that cannot be settled becomes a dead letter and keeps the gateway from nothing. */
function settleContained(turns: Turns, row: Row, now: number, recovery: Recovery): void {
  try {
    settle(turns, row, now, recovery);
  } catch (err) {
    turns.options.log.error("a message of an earlier process could not be settled and was set aside", { runId: row.runId, error: err });
    const error = { kind: "parked", message: PARKED };
    turns.options.inbox.end(row.runId, "parked", { status: "error", text: "", stopReason: "error", endedAt: now, error });
  }
}

function settle(turns: Turns, row: Row, now: number, recovery: Recovery): void {
  const { inbox } = turns.options;
  const fate = fateOf(row);
  if (fate === "resume") {
    inbox.requeue(row.runId);
    return;
  }
  const message = fate === "close" ? INTERRUPTED : PARKED;
  const outcome: Outcome = {
    status: "error",
    text: "",
    stopReason: "error",
    endedAt: now,
    error: { kind: fate === "close" ? "interrupted" : "parked", message },
  };
  inbox.end(row.runId, fate === "close" ? "failed" : "parked", outcome);
  recovery[fate === "close" ? "closed" : "parked"]++;
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
function settlePart(turns: Turns, part: OutboxPart, now: number, abilities: { idempotency: "key" | "lookup" | "none" } | null): number {
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
