import type { RunId } from "../core/ids.ts";
import type { RunOutcome } from "../store/inbox.ts";
import { toRunRef } from "./events.ts";
import { conversationOf } from "./outbound.ts";
import { failureNotice } from "./presentation.ts";
import { errorOutcome, RunningTurn, type RunningTurnDeps } from "./running-turn.ts";
import { isQuiet, type Payload } from "./submission.ts";
import { auditLostRun } from "./turn-audit.ts";
import type { TurnContext } from "./turn-context.ts";

/** Runs turns. Knows no lanes: whatever it needs of one is in the turn's context. */
export class TurnRunner {
  readonly #deps: RunningTurnDeps;

  constructor(deps: RunningTurnDeps) {
    this.#deps = deps;
  }

  /**
   * Runs one turn to its end and stores its result. Never rejects for anything that an agent does. Resolves to the messages that were to
   * be handed in but were not taken.
   */
  async run(context: TurnContext): Promise<RunId[]> {
    const turn = new RunningTurn(this.#deps, context);
    this.#deps.stages.waited([context.row, ...context.collected]);
    const { payload } = context.row;
    if (payload === null) await turn.close(errorOutcome("this message was damaged on disk", 0));
    else if (payload.kind === "command") await turn.runCommand();
    else await turn.run().finally(() => turn.stopIndicators());
    return turn.returnedRuns;
  }

  /** A bug ended a turn: its runs end as failed, so that their senders do not wait for an answer that cannot come. Never rejects. */
  async endAsFailed(runIds: readonly RunId[], err: unknown): Promise<void> {
    const { clock, log, runs } = this.#deps;
    log.error("a turn failed in the gateway itself", { runId: runIds[0], error: err });
    for (const runId of runIds) {
      const seq = runs.finish(runId) + 1;
      try {
        await this.#endAsFailed(runId, seq);
      } catch (failure) {
        // The row stays as it is: the next start counts one more attempt, until the message becomes a dead letter.
        log.error("the end of a run could not be stored", { runId, error: failure });
        runs.waiters.settle(runId, failureOutcome(clock.now()));
      }
    }
  }

  /** With a notice in the conversation; without it when it cannot be stored. A run that has ended stays as it is. */
  async #endAsFailed(runId: RunId, seq: number): Promise<void> {
    const { audit, clock, deliver, inbox, log, outbound, runs, sessions, transcript, write } = this.#deps;
    const row = inbox.byRun<Payload>(runId);
    if (!row || (row.outcome && row.state !== "aborted")) return;
    const { sessionKey } = row;
    const now = clock.now();
    const outcome = failureOutcome(now);
    const text = failureNotice(outcome);
    const target = row.payload?.target;
    try {
      await write(() => {
        const session = sessions.get(sessionKey);
        inbox.end(runId, "failed", outcome);
        auditLostRun(audit, row, now);
        if (session) transcript.addReply({ runId, session, text, now, origin: "notice" });
        if (target && !isQuiet(row.payload)) outbound.add({ id: runId, sessionKey, target, text, at: now });
      });
    } catch (err) {
      log.error("a failed turn could not be reported in its conversation", { runId, error: err });
      await write(() => inbox.end(runId, "failed", outcome));
    }
    runs.emitEnded(toRunRef(row), seq, outcome);
    if (target) deliver(conversationOf(target));
  }
}

/** The outcome of a run that the gateway itself could not finish. */
const failureOutcome = (endedAt: number): RunOutcome =>
  errorOutcome("the gateway failed while this was being answered; its log says why", endedAt);
