import type { GrantRequest } from "../core/approval-words.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type {
  ApprovalDecision,
  ApprovalEnd,
  ApprovalKind,
  ApprovalResolver,
  ApprovalRow,
  ApprovalRows,
  HistoryCursor,
} from "../store/approvals.ts";
import type { CommandAllowlist } from "./allowlist.ts";
import type { ApprovalGrants } from "./grants.ts";

/** What the rest of the gateway may know of questions to people, as it happens. */
export type ApprovalEvents = {
  "approval.requested": { approval: ApprovalRow };
  /** Answered, expired or cancelled; on disk. */
  "approval.ended": { approval: ApprovalRow };
};

export type ApprovalsDeps = {
  rows: ApprovalRows;
  allowlist: CommandAllowlist;
  grants: ApprovalGrants;
  /** A group commit of the store. */
  write: <T>(change: () => T) => Promise<T>;
  bus: Bus<ApprovalEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  newId: () => string;
};

/** What is asked. */
export type ApprovalQuestion = Pick<ApprovalRow, "agentId" | "sessionKey" | "runId" | "callId" | "subject" | "digest"> & {
  /** How long it may wait; the default is LIMITS.approvalMs. */
  timeoutMs?: number;
  /** Chosen by the one who asks; absent: a new one. */
  id?: string;
};

/** The ids of questions of other programs begin with this. */
export const PLUGIN_PREFIX = "plugin:";

/** What a person decides; `grant`: for longer than this one command. */
export type ApprovalVerdict = { decision: ApprovalDecision; grant?: GrantRequest };

/** `applied`: this answer counted; otherwise an earlier one did. */
export type AnswerResult = { applied: boolean; approval: ApprovalRow };

/** A change of rows, and what follows once it is on disk. */
export type PreparedAnswer = { apply: () => AnswerResult; onCommit: () => void };

export const APPROVAL_DECISIONS = ["allow-once", "allow-always", "deny"] as const satisfies readonly ApprovalDecision[];

/** The decisions that may be taken: always only where something could be stored. Pure. */
export function allowedDecisions({ subject }: Pick<ApprovalRow, "subject">): readonly ApprovalDecision[] {
  const { offered = APPROVAL_DECISIONS, patterns, plugin } = subject;
  const hasAlways = plugin === undefined ? patterns.length > 0 : subject.offered?.includes("allow-always") === true;
  return APPROVAL_DECISIONS.filter((each) => each === "deny" || (offered.includes(each) && (each !== "allow-always" || hasAlways)));
}

/** Whether it may be allowed for some time. Pure. */
export const isGrantable = ({ subject }: Pick<ApprovalRow, "subject">): boolean => subject.binding !== undefined;

/** Characters of an id that name an approval where they are unique. */
export const SHORT_ID_CHARS = 4;
export const shortId = (id: string): string =>
  (id.startsWith(PLUGIN_PREFIX) ? id.slice(PLUGIN_PREFIX.length) : id).slice(0, SHORT_ID_CHARS);

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
    const { asked, ended } = this.begin(question, signal);
    await asked;
    return await ended;
  }

  /** The same in two steps: `asked` resolves when the question is on disk and people see it, and rejects where `ask` does. */
  begin(question: ApprovalQuestion, signal: AbortSignal): { asked: Promise<ApprovalRow>; ended: Promise<ApprovalRow> } {
    const { promise: ended, resolve } = Promise.withResolvers<ApprovalRow>();
    return { asked: this.#ask(question, signal, resolve), ended };
  }

  async #ask(question: ApprovalQuestion, signal: AbortSignal, resolve: (approval: ApprovalRow) => void): Promise<ApprovalRow> {
    const { bus, clock, log, metrics, rows, write } = this.#deps;
    if (this.#waiters.size >= LIMITS.approvalsPending)
      throw new GatewayError("UNAVAILABLE", `${LIMITS.approvalsPending} questions wait for an answer already`, {
        fix: "Answer some of them: openclaw approvals watch",
      });
    const { id: chosenId, timeoutMs = LIMITS.approvalMs, ...row } = question;
    const kind = row.subject.plugin === undefined ? "exec" : "plugin";
    const createdAt = clock.now();
    const id = chosenId ?? this.#newId(kind === "plugin" ? PLUGIN_PREFIX : "");
    if (this.#waiters.has(id) || rows.get(id) !== undefined)
      throw new GatewayError("INVALID_REQUEST", `there is an approval ${JSON.stringify(id)} already`, {
        fix: "Leave the id out, or choose a new one: an approval is used once.",
      });
    const waiter: Waiter = { resolve, cancelTimer: () => {} };
    this.#waiters.set(id, waiter);
    try {
      await write(() => rows.add({ ...row, id, kind, createdAt, expiresAt: createdAt + timeoutMs }));
    } catch (err) {
      this.#waiters.delete(id);
      throw err;
    }
    metrics.count("gateway_approvals_requested_total");
    log.info(kind === "exec" ? "a command waits for an approval" : "a program waits for an approval", logFields({ ...row, id }));
    const approval = rows.get(id)!;
    const onAbort = (): void => this.#close(id, "cancelled", this.#isStopping ? "gateway-restart" : "run-aborted");
    const cancelTimer = clock.after(timeoutMs, () => this.#close(id, "expired", "timeout"));
    waiter.cancelTimer = () => {
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    };
    bus.emit("approval.requested", { approval });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    return approval;
  }

  pending(): readonly ApprovalRow[] {
    return this.#deps.rows.pending();
  }

  history(before: HistoryCursor | null, limit: number, kind?: ApprovalKind): readonly ApprovalRow[] {
    return this.#deps.rows.history(before, limit, kind);
  }

  /** By its id, or by the beginning of it where that is unique. Throws NOT_FOUND. */
  find(idOrStart: string): ApprovalRow {
    const start = idOrStart.toLowerCase();
    // A client may have chosen an id with capitals.
    const exact = this.#deps.rows.get(idOrStart) ?? this.#deps.rows.get(start);
    if (exact) return exact;
    const [first, second] = this.#findByStart(start);
    if (!first)
      throw detailError("APPROVAL_NOT_FOUND", `there is no approval ${JSON.stringify(idOrStart.slice(0, 64))}`, {
        fix: "openclaw approvals pending lists those that wait.",
      });
    if (second && (first.status === "pending") === (second.status === "pending"))
      throw detailError("APPROVAL_NOT_FOUND", `several approvals begin with ${start}`, { fix: "Give more characters of the id." });
    return first;
  }

  /** At most two: those of commands, and those of other programs, whose ids have a prefix that people leave out. Pending ones come first. */
  #findByStart(start: string): readonly ApprovalRow[] {
    if (start.length < SHORT_ID_CHARS || start === PLUGIN_PREFIX.slice(0, start.length)) return [];
    const { rows } = this.#deps;
    const found = [...rows.find(start), ...(start.startsWith(PLUGIN_PREFIX) ? [] : rows.find(PLUGIN_PREFIX + start))];
    return found.toSorted((a, b) => Number(b.status === "pending") - Number(a.status === "pending")).slice(0, 2);
  }

  /** The answer of a person, for callers that commit it together with something else. Throws for a decision that is not offered. */
  prepareAnswer(idOrStart: string, { decision, grant }: ApprovalVerdict, resolver: ApprovalResolver): PreparedAnswer {
    const question = this.find(idOrStart);
    const { id, agentId, status: before, subject } = question;
    if (!allowedDecisions({ subject }).includes(decision))
      throw detailError("APPROVAL_DECISION_NOT_OFFERED", `${decision} is not offered for this question`, {
        fix: `Answer ${allowedDecisions({ subject }).join(" or ")}.`,
      });
    if (grant !== undefined && decision !== "allow-once")
      throw new GatewayError("INVALID_REQUEST", `${decision} has no time`, { fix: "Give a time with allow-once only." });
    if (grant !== undefined && before === "pending") this.#deps.grants.check(question, grant);
    let result: AnswerResult | null = null;
    return {
      apply: () => {
        const { allowlist, clock, grants, rows } = this.#deps;
        const status = decision === "deny" ? "denied" : "allowed";
        const isOpen = rows.get(id)?.status === "pending";
        const given = grant !== undefined && isOpen ? grants.add(question, grant) : undefined;
        const applied = rows.end(id, { status, decision, reason: "user", resolver, at: clock.now(), ...(given && { grant: given }) });
        if (applied && decision === "allow-always") allowlist.add(agentId, subject.patterns, subject.commandText);
        result = { applied, approval: rows.get(id)! };
        return result;
      },
      onCommit: () => {
        if (result?.applied) this.#ended(result.approval);
      },
    };
  }

  async answer(idOrStart: string, verdict: ApprovalVerdict, resolver: ApprovalResolver): Promise<AnswerResult> {
    const prepared = this.prepareAnswer(idOrStart, verdict, resolver);
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
  #newId(prefix: string): string {
    const taken = new Set([...this.#waiters.keys()].map(shortId));
    for (;;) {
      const id = this.#deps.newId();
      if (!taken.has(shortId(id))) return prefix + id;
    }
  }
}
