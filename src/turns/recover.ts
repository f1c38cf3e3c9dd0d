import { LIMITS } from "../core/limits.ts";
import type { Clock } from "../core/clock.ts";
import { parseRemoteAgent } from "../core/peer-address.ts";
import type { Log } from "../core/log.ts";
import type { Audit } from "../store/audit.ts";
import type { Inbox, InboxRow, RunOutcome } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { Outbox, OutboxPart } from "../store/outbox.ts";
import type { Sessions } from "../store/sessions.ts";
import type { ReplyTarget } from "../channels/channel.ts";
import type { SessionLanes } from "./lanes.ts";
import type { Outbound } from "./outbound.ts";
import type { Stages } from "./stages.ts";
import type { Payload } from "./submission.ts";
import type { Transcript } from "./transcript.ts";
import { auditLostRun } from "./turn-audit.ts";
import { noteUndelivered, type UndeliveredPart } from "./undelivered.ts";

export type RecoveryDeps = {
  store: Store;
  inbox: Inbox;
  audit: Audit;
  outbox: Outbox;
  sessions: Sessions;
  transcript: Transcript;
  outbound: Outbound;
  lanes: Pick<SessionLanes, "resume">;
  stages: Pick<Stages, "processed" | "parts">;
  clock: Clock;
  log: Log;
  abilitiesOf: (target: ReplyTarget) => { idempotency: "key" | "lookup" | "none" } | null;
};

export type RecoverySummary = {
  /** Runs that run again. */
  resumed: number;
  /** Runs that were closed visibly, because a tool call of theirs had begun. */
  closed: number;
  /** Messages that failed too often and wait for an operator. */
  deadLetters: number;
  /** Parts of replies whose outcome is unknown. */
  unknown: number;
};

type Row = InboxRow<Payload>;
type RecoveryAction = "resume" | "close" | "dead-letter";

/** What happens to a message that an earlier process left open. Pure. */
export function recoveryActionFor(row: Pick<Row, "state" | "attempts" | "toolsStarted" | "payload" | "agentId">): RecoveryAction {
  if (row.payload === null) return "dead-letter";
  // What another gateway answers is asked once, however often this one starts; it ends at its own time.
  if (parseRemoteAgent(row.agentId)) return "resume";
  if (row.state === "running" && row.toolsStarted) return "close";
  return row.attempts >= LIMITS.turnAttempts ? "dead-letter" : "resume";
}

const INTERRUPTED_TEXT =
  "The gateway was restarted while this was being answered. A tool call had begun, so nothing was repeated. Send a new message to continue.";
const DEAD_LETTER_TEXT = "This message could not be answered after several attempts. It is now a dead letter for the operator.";

/** Settles the rows of an earlier process: called once at startup, before anything is accepted. */
export function recover(deps: RecoveryDeps): RecoverySummary {
  const { store, inbox, outbox, lanes, clock } = deps;
  const recovery: RecoverySummary = { resumed: 0, closed: 0, deadLetters: 0, unknown: 0 };
  const open = inbox.listOpen<Payload>();
  // A message that was handed into another run is in that run's context only as far as a runtime kept it: it runs by itself.
  const resume = open.filter((row) => recoveryActionFor(row) === "resume");
  store.writeNow(() => {
    const now = clock.now();
    for (const row of open) recoverRunContained(deps, row, now, recovery);
    for (const part of outbox.byState("attempting", 100_000)) recovery.unknown += recoverPart(deps, part, now);
    outbox.previews.removeEnded();
    store.run("UPDATE sessions SET status = 'done' WHERE status = 'running'");
  });
  for (const { runId } of open) tellEnded(deps, inbox.byRun<Payload>(runId));
  recovery.resumed = resume.length;
  lanes.resume(resume);
  return recovery;
}

function tellEnded({ stages }: RecoveryDeps, row: Row | undefined): void {
  if (row?.outcome) stages.processed(row, row.outcome, null);
}

/** A row that cannot be settled becomes a dead letter; the others are not affected. */
function recoverRunContained(deps: RecoveryDeps, row: Row, now: number, recovery: RecoverySummary): void {
  try {
    recoverRun(deps, row, now, recovery);
  } catch (err) {
    deps.log.error("a message of an earlier process could not be settled and became a dead letter", { runId: row.runId, error: err });
    const error = { kind: "parked", message: DEAD_LETTER_TEXT };
    deps.inbox.end(row.runId, "parked", { status: "error", text: "", stopReason: "error", endedAt: now, error });
  }
}

function recoverRun(deps: RecoveryDeps, row: Row, now: number, recovery: RecoverySummary): void {
  const { audit, inbox, outbound, sessions, transcript } = deps;
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
  auditLostRun(audit, row, now);
  recovery[fate === "close" ? "closed" : "deadLetters"]++;
  const session = sessions.get(row.sessionKey);
  // The agent's own context ends before this message: it is rebuilt from the transcript, which has the message.
  if (session && fate === "close") sessions.patch(session.key, { checkpoint: null });
  if (session) transcript.addReply({ runId: row.runId, session, text: message, now, origin: "notice" });
  if (!row.payload?.target) return;
  // An operator may run a dead letter again: its answer then needs the run's own id, which a platform accepts only once.
  const id = fate === "close" ? row.runId : `${row.runId}:dead-letter:${now}`;
  outbound.add({ id, sessionKey: row.sessionKey, target: row.payload.target, text: message, at: now, runId: row.runId });
}

/** An interrupted send: repeated only where the platform deduplicates. */
function recoverPart(deps: RecoveryDeps, part: OutboxPart, now: number): number {
  const abilities = deps.abilitiesOf(part.target as ReplyTarget);
  // An edit may be repeated: the result is the same.
  const repeatable = part.editOf !== null || (abilities !== null && abilities.idempotency !== "none");
  const state = !repeatable ? "unknown" : part.attempts >= LIMITS.sendAttempts ? "parked" : "queued";
  const stopped = "the gateway stopped while this was being sent";
  const cause = state === "parked" ? `gave up after ${part.attempts} attempts: ${stopped}` : stopped;
  deps.outbox.settle(part.partKey, state, now, { cause });
  deps.stages.parts.settled(part, state);
  // No client is connected yet: the note is stored with the reply.
  if (state !== "queued") noteUndeliveredContained(deps, { part, state, cause, now });
  return state === "unknown" ? 1 : 0;
}

function noteUndeliveredContained(deps: RecoveryDeps, undelivered: UndeliveredPart): void {
  try {
    noteUndelivered(deps, undelivered);
  } catch (err) {
    deps.log.error("an undelivered reply could not be noted in its session", { part: undelivered.part.partKey, error: err });
  }
}
