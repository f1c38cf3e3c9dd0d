import type { AgentId, SessionKey } from "../core/ids.ts";
import type { Caller } from "../protocol/method.ts";
import type { Audit, NewAuditRow } from "../store/audit.ts";
import type { ToolCall, ToolResult } from "../tools/tool.ts";
import { auditedArguments, hashOf } from "../turns/turn-audit.ts";

type AuditDeps = { audit: Pick<Audit, "add">; write: <T>(change: () => T) => Promise<T>; now: () => number };
type Place = { agentId: AgentId; sessionKey: SessionKey };

/** The events of a call that an operator makes without a turn; the call's id stands for the run. */
export class InvocationAudit {
  readonly #deps: AuditDeps;
  readonly #row: Omit<NewAuditRow, "at" | "status">;
  readonly #args: unknown;

  constructor(deps: AuditDeps, call: ToolCall, place: Place, { client }: Caller) {
    const authority = { surface: "operator", channel: "webchat", isOwner: true, client: client.id } as const;
    this.#deps = deps;
    this.#args = call.args;
    this.#row = { ...place, kind: "tool", runId: `invoke:${call.id}`, callId: call.id, tool: call.name, authority };
  }

  refused(): Promise<void> {
    return this.#add({ status: "blocked", ...auditedArguments(this.#args) });
  }

  begun(): Promise<void> {
    return this.#add({ status: "started", ...auditedArguments(this.#args) });
  }

  ended({ content, isError }: ToolResult): Promise<void> {
    return this.#add({ status: isError ? "failed" : "succeeded", authority: null, hash: hashOf(content) });
  }

  #add(fields: Pick<NewAuditRow, "status" | "authority" | "subject" | "hash">): Promise<void> {
    const { audit, now, write } = this.#deps;
    return write(() => audit.add({ ...this.#row, ...fields, at: now() }));
  }
}
