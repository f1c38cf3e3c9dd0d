import type { Approvals } from "../approvals/approvals.ts";
import type { CommandAllowlist } from "../approvals/allowlist.ts";
import { shortId } from "../approvals/approvals.ts";
import type { ApprovalRow } from "../store/approvals.ts";
import type { ApprovalDesk } from "../tools/commands/gate.ts";

/** Brings questions of the gate for commands to people, and their answers back. */
export const approvalDesk = (approvals: Approvals, allowlist: CommandAllowlist): ApprovalDesk => ({
  async ask({ caller, callId, command, cwd, host, resolvedPath, warnings, patterns, digest }, signal) {
    const { agentId, sessionKey, runId } = caller;
    const subject = { commandText: command, cwd, host, resolvedPath, warnings, patterns };
    const approval = await approvals.ask({ agentId, sessionKey, runId, callId, subject, digest }, signal);
    return approval.status === "allowed" ? { allowed: true, id: approval.id } : { allowed: false, note: refusalOf(approval) };
  },
  use: (id) => approvals.use(id),
  allowlist: (agentId) => allowlist.entries(agentId),
});

/** Who said no and when, in words for the model. It names no way around the answer. */
function refusalOf({ id, status, reason, resolver, resolvedAt }: ApprovalRow): string {
  const at = resolvedAt === null ? "" : ` at ${new Date(resolvedAt).toISOString()}`;
  const approval = `approval ${shortId(id)}`;
  switch (status) {
    case "denied":
      return `${resolver?.id ?? "a person"} denied it${at} (${approval}). Do not try it in another way; say what you wanted and ask what to do.`;
    case "expired":
      return `there was no answer (${approval}) in time. Ask whether to try again.`;
    default:
      return `${reason === "gateway-restart" ? "the gateway" : "the turn"} was stopped before there was an answer (${approval}).`;
  }
}
