import type { GrantRequest } from "../core/approval-words.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { SessionKey } from "../core/ids.ts";
import type { CommandGrantRow, GrantRows } from "../store/approval-grants.ts";
import type { ApprovalGrant, ApprovalRow } from "../store/approvals.ts";

export type GrantsDeps = {
  rows: GrantRows;
  /** Which conversation a session has now; null where there is none. */
  conversationOf: (sessionKey: SessionKey) => string | null;
  /** A group commit of the store. */
  write: <T>(change: () => T) => Promise<T>;
  now: () => number;
  newId: () => string;
  log: Log;
  metrics: Metrics;
};

export type RevokeOutcome = "revoked" | "already-revoked" | "not-found";

/** In place of who revoked it. */
const CONVERSATION_ENDED = "the end of its conversation";
const MINUTE_MS = 60_000;
/** Characters of an id that name a grant where they are unique. */
const SHORT_ID_CHARS = 4;

/** What people have allowed for some time: bound to one kind of command in one session, and never longer than its time. */
export class ApprovalGrants {
  readonly #deps: GrantsDeps;

  constructor(deps: GrantsDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_approval_grants", () => deps.rows.countHolding(deps.now()));
  }

  /** Throws when a grant cannot be given for a question, before anything is written. */
  check({ subject }: Pick<ApprovalRow, "subject">, request: GrantRequest): void {
    if (subject.binding === undefined)
      throw detailError("APPROVAL_DECISION_NOT_OFFERED", "this can be allowed once only, not for some time", {
        fix: "Answer allow-once or deny. Programs that run what their arguments or files say are asked about each time.",
      });
    const ms = "session" in request ? LIMITS.grantMs : request.minutes * MINUTE_MS;
    if (!(ms > 0 && ms <= LIMITS.grantMs))
      throw new GatewayError("INVALID_REQUEST", `a grant lasts from 1 to ${LIMITS.grantMs / MINUTE_MS} minutes`, {
        fix: "Give a shorter time, or answer allow-always.",
      });
    if (this.#deps.rows.countHolding(this.#deps.now()) >= LIMITS.grantsHeld)
      throw new GatewayError("UNAVAILABLE", `${LIMITS.grantsHeld} grants hold already`, {
        fix: "Revoke some: openclaw approvals grants",
      });
  }

  /** Stores what a person allows for some time with the answer to a question. Inside a `store.write`. */
  add({ id, agentId, sessionKey, subject }: ApprovalRow, request: GrantRequest): ApprovalGrant {
    const { rows, conversationOf, newId, now } = this.#deps;
    const { commandText, grantText = commandText, cwd, host, patterns, binding } = subject;
    const createdAt = now();
    const isSession = "session" in request;
    const expiresAt = createdAt + (isSession ? LIMITS.grantMs : request.minutes * MINUTE_MS);
    rows.add({
      id: newId(),
      approvalId: id,
      agentId,
      sessionKey,
      sessionId: isSession ? conversationOf(sessionKey) : null,
      binding: binding!,
      subject: { commandText: grantText, cwd, host, patterns },
      createdAt,
      expiresAt,
    });
    return { scope: isSession ? "session" : "time", until: expiresAt };
  }

  /** Whether something holds now for what is bound; counts the use. */
  async use(binding: string, sessionKey: SessionKey): Promise<boolean> {
    const { rows, write, now, log } = this.#deps;
    const found = rows.holding(binding, now()).find((grant) => this.#isHeld(grant) && grant.sessionKey === sessionKey);
    if (!found) return false;
    // Looked at again in the transaction: it may have been revoked meanwhile.
    if (!(await write(() => rows.use(found.id, now())))) return false;
    log.info("a command runs by a grant", { grant: found.id, agent: found.agentId, session: found.sessionKey });
    return true;
  }

  /** The latest first. Those of a conversation that is over are revoked, so that none of them looks as if it held. */
  async list(limit: number): Promise<readonly CommandGrantRow[]> {
    const { rows, write, now } = this.#deps;
    const found = rows.list(limit);
    const over = found.filter((grant) => grant.revokedAt === null && grant.expiresAt > now() && !this.#isInConversation(grant));
    if (over.length === 0) return found;
    await write(() => over.forEach(({ id }) => rows.revoke(id, CONVERSATION_ENDED, now())));
    return rows.list(limit);
  }

  #isHeld({ sessionKey, sessionId, createdAt, expiresAt, revokedAt }: CommandGrantRow): boolean {
    const now = this.#deps.now();
    if (revokedAt !== null || createdAt > now || expiresAt <= now) return false;
    return this.#isInConversation({ sessionKey, sessionId });
  }

  #isInConversation({ sessionKey, sessionId }: Pick<CommandGrantRow, "sessionKey" | "sessionId">): boolean {
    return sessionId === null || this.#deps.conversationOf(sessionKey) === sessionId;
  }

  /** By its id, or by the beginning of it where that is unique. */
  async revoke(idOrStart: string, by: string): Promise<{ outcome: RevokeOutcome; grant: CommandGrantRow | null }> {
    const { rows, write, now, log } = this.#deps;
    const found = this.#find(idOrStart.toLowerCase());
    if (!found) return { outcome: "not-found", grant: null };
    const isRevoked = await write(() => rows.revoke(found.id, by, now()));
    if (isRevoked) log.info("a grant was revoked", { grant: found.id, agent: found.agentId, by });
    return { outcome: isRevoked ? "revoked" : "already-revoked", grant: rows.get(found.id) ?? null };
  }

  #find(start: string): CommandGrantRow | undefined {
    const { rows, now } = this.#deps;
    const exact = rows.get(start);
    if (exact || start.length < SHORT_ID_CHARS) return exact;
    const [first, second] = rows.find(start, now());
    return first && second && this.#isHeld(first) === this.#isHeld(second) ? undefined : first;
  }
}
