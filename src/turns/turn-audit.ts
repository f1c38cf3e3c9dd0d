import { createHash } from "node:crypto";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { Audit, AuditAuthority, AuditStatus, NewAuditRow } from "../store/audit.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { MessageBody } from "../store/messages.ts";
import { isFromOperator } from "./agent-text.ts";
import type { Payload, RunRow } from "./submission.ts";

type ToolCall = { id: string; name: string; args: unknown };
type ToolResultBody = Extract<MessageBody, { role: "toolResult" }>;

/** The audit rows of one turn. Every function that adds one runs in the transaction of what the row is about. */
export class TurnAudit {
  readonly #audit: Audit;
  readonly #row: RunRow;
  /** Calls that were refused before they ran. */
  readonly #refused = new Set<string>();
  #hasCalls = false;
  /** The agent of another vendor that runs the turn. */
  #agent: string | null = null;

  constructor(audit: Audit, row: RunRow) {
    this.#audit = audit;
    this.#row = row;
  }

  /** The row at the end of this call says that it was refused. */
  markRefused(callId: string): void {
    this.#refused.add(callId);
  }

  /** The id of the row about an agent of another vendor, which runs for the whole turn. */
  get agentCallId(): string {
    return `agent-${this.#row.runId}`;
  }

  /** Its row ends with the turn. */
  beginAgent(name: string): void {
    this.#agent = name;
  }

  addCall({ id, name, args }: ToolCall, sessionId: string | null, at: number): void {
    this.#hasCalls = true;
    this.#audit.add({ ...this.#common(at), sessionId, ...this.#callFields(id, name), status: "started", ...auditedArguments(args) });
  }

  addResult({ toolCallId, toolName, content, isError }: ToolResultBody, sessionId: string, at: number): void {
    const isRefused = this.#refused.delete(toolCallId);
    const status: AuditStatus = isRefused ? "blocked" : isError ? "failed" : "succeeded";
    const hash = hashOf(content);
    this.#audit.add({ ...this.#common(at), sessionId, ...this.#callFields(toolCallId, toolName), authority: null, status, hash });
  }

  /** Calls without a result end as the run does. */
  addEnd(outcome: Pick<RunOutcome, "status" | "error">, sessionId: string | null, at: number): void {
    const status = statusOf(outcome);
    if (this.#agent !== null)
      this.#audit.add({ ...this.#common(at), sessionId, ...this.#callFields(this.agentCallId, this.#agent), authority: null, status });
    if (this.#hasCalls) this.#audit.endCalls(this.#row.runId, status === "succeeded" ? "unknown" : status, at);
    this.#audit.add({ ...this.#common(at), kind: "run", sessionId, status });
  }

  readonly #callFields = (callId: string, tool: string) => ({ kind: "tool", callId, tool }) as const;

  #common(at: number): Omit<NewAuditRow, "kind" | "status"> {
    const { runId, agentId, sessionKey, payload } = this.#row;
    return { at, runId, agentId, sessionKey, authority: payload && authorityOf(payload) };
  }
}

/** The rows of a run that nothing can end any more but the gateway: what became of its calls is not known. Inside a `store.write`. */
export function auditLostRun(audit: Audit, { runId, agentId, sessionKey, payload }: RunRow, at: number): void {
  audit.endCalls(runId, "unknown", at);
  audit.add({ at, kind: "run", status: "failed", runId, agentId, sessionKey, authority: payload && authorityOf(payload) });
}

function authorityOf(payload: Payload): AuditAuthority {
  const { channel, account, senderId, senderIsOwner, client } = payload.provenance;
  return {
    surface: isFromOperator(payload) ? "operator" : "channel",
    channel,
    ...(account !== undefined && { account }),
    ...(senderId !== undefined && { sender: senderId }),
    isOwner: senderIsOwner,
    ...(client && { client: client.id }),
  };
}

function statusOf({ status, error }: Pick<RunOutcome, "status" | "error">): AuditStatus {
  if (status === "ok") return "succeeded";
  if (status === "error") return error?.kind === "timeout" ? "timed_out" : "failed";
  return "cancelled";
}

/** The arguments of a call as an event keeps them. Pure. */
export const auditedArguments = (args: unknown): { subject: string; hash: string } => ({
  subject: clip(JSON.stringify(args ?? null), LIMITS.auditSubjectChars),
  hash: hashOf(args ?? null),
});

/** SHA-256 in hex of a value as JSON. Pure. */
export const hashOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
