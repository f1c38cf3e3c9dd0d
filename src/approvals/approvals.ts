import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ApprovalDecision, ApprovalEnd, ApprovalResolver, ApprovalRow, ApprovalRows, HistoryCursor } from "../store/approvals.ts";
import type { CommandAllowlist } from "./allowlist.ts";

/** What the rest of the gateway may know of questions to people, as it happens. */
export type ApprovalEvents = {
  "approval.requested": { approval: ApprovalRow };
  /** Answered, expired or cancelled; on disk. */
  "approval.ended": { approval: ApprovalRow };
};

export type ApprovalsDeps = {
  rows: ApprovalRows;
  allowlist: CommandAllowlist;
  /** A group commit of the store. */
  write: <T>(change: () => T) => Promise<T>;
  bus: Bus<ApprovalEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  newId: () => string;
};

/** What is asked. */
export type ApprovalQuestion = Pick<ApprovalRow, "agentId" | "sessionKey" | "runId" | "callId" | "subject" | "digest">;

/** `applied`: this answer counted; otherwise an earlier one did. */
export type AnswerResult = { applied: boolean; approval: ApprovalRow };

/** A change of rows, and what follows once it is on disk. */
export type PreparedAnswer = { apply: () => AnswerResult; onCommit: () => void };

export const APPROVAL_DECISIONS = ["allow-once", "allow-always", "deny"] as const satisfies readonly ApprovalDecision[];

/** The decisions that may be taken: always only where something could be stored. Pure. */
export const allowedDecisions = ({ subject }: Pick<ApprovalRow, "subject">): readonly ApprovalDecision[] =>
  APPROVAL_DECISIONS.filter((decision) => decision !== "allow-always" || subject.patterns.length > 0);

/** Characters of an id that name an approval where they are unique. */
export const SHORT_ID_CHARS = 4;
export const shortId = (id: string): string => id.slice(0, SHORT_ID_CHARS);

/** What the log says of a question; the command may contain secrets. */
const logFields = ({ id, agentId, sessionKey }: Pick<ApprovalRow, "id" | "agentId" | "sessionKey">) => ({
  approval: id,
  agent: agentId,
  session: sessionKey,
});

type Waiter = { resolve: (approval: ApprovalRow) => void; cancelTimer: () => void };

/** Questions to people: asked once, answered once by the first who answers, and closed at a restart. */
export class Approvals {
  readonly #deps: ApprovalsDeps;
  readonly #waiters = new Map<string, Waiter>();
  #isStopping = false;

  constructor(deps: ApprovalsDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_approvals_pending", () => this.#waiters.size);
  }

  /** Ends the questions of an earlier process: what asked them is gone. Clients may have asked already; those questions stay. */
  async recover(): Promise<void> {
    const { clock, log, rows, write } = this.#deps;
    const left = rows.pending().filter(({ id }) => !this.#waiters.has(id));
    if (left.length === 0) return;
    const end: ApprovalEnd = {
      status: "cancelled",
      decision: null,
      reason: "gateway-restart",
      resolver: { kind: "system" },
      at: clock.now(),
    };
    await write(() => left.forEach(({ id }) => rows.end(id, end)));
    log.info("approvals were cancelled by the restart", { approvals: left.length });
  }

  /** From now on the end of what asks is the end of the gateway: its questions say so. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Questions that wait for a person. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Asks; resolves with the ended question, also when it expired or `signal` aborted. Rejects UNAVAILABLE when too many wait. */
  async ask(question: ApprovalQuestion, signal: AbortSignal): Promise<ApprovalRow> {
    const { bus, clock, log, metrics, rows, write } = this.#deps;
    if (this.#waiters.size >= LIMITS.approvalsPending)
      throw new GatewayError("UNAVAILABLE", `${LIMITS.approvalsPending} questions wait for an answer already`, {
        fix: "Answer some of them: openclaw approvals watch",
      });
    const createdAt = clock.now();
    const id = this.#newId();
    const { promise, resolve } = Promise.withResolvers<ApprovalRow>();
    const waiter: Waiter = { resolve, cancelTimer: () => {} };
    this.#waiters.set(id, waiter);
    try {
      await write(() => rows.add({ ...question, id, createdAt, expiresAt: createdAt + LIMITS.approvalMs }));
    } catch (err) {
      this.#waiters.delete(id);
      throw err;
    }
    waiter.cancelTimer = clock.after(LIMITS.approvalMs, () => this.#close(id, "expired", "timeout"));
    metrics.count("gateway_approvals_requested_total");
    log.info("a command waits for an approval", logFields({ ...question, id }));
    bus.emit("approval.requested", { approval: rows.get(id)! });
    const onAbort = (): void => this.#close(id, "cancelled", this.#isStopping ? "gateway-restart" : "run-aborted");
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  pending(): readonly ApprovalRow[] {
    return this.#deps.rows.pending();
  }

  history(before: HistoryCursor | null, limit: number): readonly ApprovalRow[] {
    return this.#deps.rows.history(before, limit);
  }

  /** By its id, or by the beginning of it where that is unique. Throws NOT_FOUND. */
  find(idOrStart: string): ApprovalRow {
    const start = idOrStart.toLowerCase();
    const exact = this.#deps.rows.get(start);
    if (exact) return exact;
    const [first, second] = start.length < SHORT_ID_CHARS ? [] : this.#deps.rows.find(start);
    if (!first)
      throw detailError("APPROVAL_NOT_FOUND", `there is no approval ${JSON.stringify(idOrStart.slice(0, 64))}`, {
        fix: "openclaw approvals pending lists those that wait.",
      });
    if (second && (first.status === "pending") === (second.status === "pending"))
      throw detailError("APPROVAL_NOT_FOUND", `several approvals begin with ${start}`, { fix: "Give more characters of the id." });
    return first;
  }

  /** The answer of a person, for callers that commit it together with something else. Throws for a decision that is not offered. */
  prepareAnswer(idOrStart: string, decision: ApprovalDecision, resolver: ApprovalResolver): PreparedAnswer {
    const { id, agentId, subject } = this.find(idOrStart);
    if (!allowedDecisions({ subject }).includes(decision))
      throw detailError("APPROVAL_DECISION_NOT_OFFERED", `${decision} is not offered for this command`, {
        fix: `Answer ${allowedDecisions({ subject }).join(" or ")}.`,
      });
    let result: AnswerResult | null = null;
    return {
      apply: () => {
        const { allowlist, clock, rows } = this.#deps;
        const status = decision === "deny" ? "denied" : "allowed";
        const applied = rows.end(id, { status, decision, reason: "user", resolver, at: clock.now() });
        if (applied && decision === "allow-always") allowlist.add(agentId, subject.patterns, subject.commandText);
        result = { applied, approval: rows.get(id)! };
        return result;
      },
      onCommit: () => {
        if (result?.applied) this.#ended(result.approval);
      },
    };
  }

  async answer(idOrStart: string, decision: ApprovalDecision, resolver: ApprovalResolver): Promise<AnswerResult> {
    const prepared = this.prepareAnswer(idOrStart, decision, resolver);
    const result = await this.#deps.write(prepared.apply);
    prepared.onCommit();
    return result;
  }

  /** Resolves when a question has ended, with it; null when `signal` aborts or after `timeoutMs`. */
  async waitFor(id: string, timeoutMs: number, signal: AbortSignal): Promise<ApprovalRow | null> {
    const { bus, clock } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<ApprovalRow | null>();
    const stop = bus.on("approval.ended", ({ approval }) => {
      if (approval.id === id) resolve(approval);
    });
    const cancelTimer = clock.after(timeoutMs, () => resolve(null));
    const onAbort = (): void => resolve(null);
    signal.addEventListener("abort", onAbort, { once: true });
    const known = this.find(id);
    if (known.status !== "pending") resolve(known);
    else if (signal.aborted) resolve(null);
    try {
      return await promise;
    } finally {
      stop();
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Marks an answer as used by the command that starts now; false when it was used before. */
  use(id: string): Promise<boolean> {
    const { clock, rows, write } = this.#deps;
    return write(() => rows.use(id, clock.now()));
  }

  #close(id: string, status: "expired" | "cancelled", reason: ApprovalEnd["reason"]): void {
    const { clock, log, rows, write } = this.#deps;
    write(() => rows.end(id, { status, decision: null, reason, resolver: { kind: "system" }, at: clock.now() })).then(
      (ended) => {
        const approval = rows.get(id);
        if (!approval) return;
        if (ended) this.#ended(approval);
        else this.#settle(approval);
      },
      (err: unknown) => {
        log.error("the end of an approval could not be stored", { approval: id, cause: reasonOf(err) });
        const approval = rows.get(id);
        if (approval) this.#settle({ ...approval, status, reason });
      },
    );
  }

  #ended(approval: ApprovalRow): void {
    const { bus, log, metrics } = this.#deps;
    const { status, decision, reason } = approval;
    metrics.count("gateway_approvals_ended_total", { status });
    log.info("an approval has ended", { ...logFields(approval), status, ...(decision ? { decision } : { reason }) });
    bus.emit("approval.ended", { approval });
    this.#settle(approval);
  }

  #settle(approval: ApprovalRow): void {
    const waiter = this.#waiters.get(approval.id);
    this.#waiters.delete(approval.id);
    waiter?.cancelTimer();
    waiter?.resolve(approval);
  }

  /** An id whose first characters no other waiting question has. */
  #newId(): string {
    const taken = new Set([...this.#waiters.keys()].map(shortId));
    for (;;) {
      const id = this.#deps.newId();
      if (!taken.has(shortId(id))) return id;
    }
  }
}
